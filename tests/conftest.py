from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# As `sparcell.training` sets it, but before any test imports PyTorch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Compiled networks of the user's cache would hide what a test does to a runtime.
os.environ["SPARCELL_COMPILED"] = "off"
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    # Tests that run side by side share the cores.
    each = max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    os.environ.setdefault("OMP_NUM_THREADS", str(each))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real images."""
    if "SPARCELL_DATA" not in os.environ:
        pytest.skip("needs the real images: SPARCELL_DATA is not set")
    return Path(os.environ["SPARCELL_DATA"])


@pytest.fixture(autouse=True)
def close_networks() -> Iterator[None]:
    """Close the networks that a test has opened: the next may replace a runtime."""
    yield
    if "sparcell.models.open_networks" in sys.modules:
        sys.modules["sparcell.models.open_networks"].OPEN_NETWORKS.close()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let PyTorch compute in one thread: small networks lose much by more on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
