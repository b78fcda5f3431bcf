"""The record of a run: its settings, versions, and input files with hashes."""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.files import sha256

PACKAGES = (
    "sparcell", "numpy", "scipy", "scikit-image", "zarr", "tifffile", "onnxruntime", "openvino",
    "torch", "lightning", "timm", "segmentation-models-pytorch",
)  # fmt: skip


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def peak_memory() -> float | None:
    """Return the peak memory of this process, MiB; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():
        # `getrusage` would count what the parent used before this program was started.
        peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        return int(peak[1]) / 1024 if peak else None
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 2**10


def start_record(settings: dict[str, Any], inputs: Iterable[Path] = ()) -> dict[str, Any]:
    """Begin a record as plain JSON types.

    Parameters
    ----------
    settings : dict
        Every resolved setting, defaults included.
    inputs : iterable of Path
        Files or folders whose SHA-256 is recorded.
    """
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = _version(package)
        except PackageNotFoundError:
            continue
    return {
        "command": sys.argv,
        "started": now(),
        "settings": settings,
        "versions": versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "inputs": {str(path): sha256(path) for path in inputs},
    }


def _version(package: str) -> str:
    """Read the version of a package without parsing all that its metadata say."""
    installed = distribution(package)
    found = re.search(r"(?mi)^version:\s*(\S+)", installed.read_text("METADATA") or "")
    return found[1] if found else installed.version


def read_record(folder: Path) -> dict[str, Any]:
    """Read ``record.json`` of a folder; empty where there is none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    path = folder / "record.json"
    if not path.exists():
        return {}
    try:
        record = json.loads(path.read_text("utf8"))
        if not isinstance(record, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"a damaged {path}", "the record as it was written", "choose another `out`"
        ) from error
    return record


def is_finished(folder: Path) -> bool:
    """Whether the work that wrote a folder was finished, by its record."""
    return bool(read_record(folder).get("finished"))
