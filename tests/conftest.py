from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real images."""
    if "SPARCELL_DATA" not in os.environ:
        pytest.skip("needs the real images: SPARCELL_DATA is not set")
    return Path(os.environ["SPARCELL_DATA"])
