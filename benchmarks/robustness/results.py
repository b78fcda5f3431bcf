"""Compare folders of results: what counts of each file, without times and random identifiers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pandas
import tifffile

from sparcell.models import load_model

VOLATILE = ("record.json", "plan.json", "*.html", "*.png", "*.ckpt", "*.log",
            "evaluation.json", "*.lock", "runs/*.json", "runs/*/*.json")  # fmt: skip
"""Files with times, paths or the machine's load in them."""
COSTS = ("seconds", "train_cpu_s", "train_s", "predict_s_per_mpx", "peak_mib", "gpu_mib")
"""Columns with times and memory."""


def compare(expected: Path, found: Path) -> str:
    """Say how the results in two folders differ; "" if they do not."""
    one, other = contents(expected), contents(found)
    if one.keys() != other.keys():
        return f"{min(one.keys() ^ other.keys())} only in one of the results"
    return next((f"{name} differs" for name in one if one[name] != other[name]), "")


def contents(folder: Path) -> dict[str, str]:
    """Hash what counts of each file of results."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(name.match(pattern) for pattern in VOLATILE):
            read = READERS.get(path.suffix, Path.read_bytes)
            found[str(name)] = hashlib.sha256(read(path)).hexdigest()
    return found


def leftovers(folder: Path) -> str:
    """Say which half-written file a folder holds; "" if none."""
    left = [path.name for path in folder.rglob("*") if ".partial" in path.name]
    return f"half-written {left[0]}" if left else ""


def _pixels(path: Path) -> bytes:
    pixels = tifffile.imread(path)
    return repr((pixels.shape, pixels.dtype)).encode() + pixels.tobytes()


def _table(path: Path) -> bytes:
    table = pandas.read_csv(path, dtype=str)
    return table.drop(columns=[name for name in COSTS if name in table]).to_csv().encode()


def _weights(path: Path) -> bytes:
    return load_model(path).digest.encode()


READERS: dict[str, Callable[[Path], bytes]] = {".tif": _pixels, ".csv": _table, ".zip": _weights}
"""What is compared of files that have times or identifiers in them, by suffix."""
