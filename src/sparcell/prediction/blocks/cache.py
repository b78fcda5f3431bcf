"""Arrays in files that prove themselves: what is there and whole need not be computed again."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.lib.format import dtype_to_descr
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file

DIGEST_BYTES = 32


def save(path: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays, compressed, behind a SHA-256 of what is written.

    Raises
    ------
    InputError
        If the place cannot be written or the disk is full.
    """
    layout = [[name, dtype_to_descr(a.dtype), a.shape] for name, a in arrays.items()]
    header = json.dumps(layout).encode()
    parts = [len(header).to_bytes(4, "little"), header, *(a.tobytes() for a in arrays.values())]
    packed = imagecodecs.zstd_encode(b"".join(parts), level=1)
    with whole_file(path, durable=False) as partial:
        partial.write_bytes(hashlib.sha256(packed).digest() + packed)


def load(path: Path) -> dict[str, NDArray[Any]] | None:
    """Read what `save` wrote, not to be changed; None where it is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    packed = content[DIGEST_BYTES:]
    if hashlib.sha256(packed).digest() != content[:DIGEST_BYTES]:
        return None
    unpacked = imagecodecs.zstd_decode(packed)
    start = 4 + int.from_bytes(unpacked[:4], "little")
    arrays = {}
    for name, descr, shape in json.loads(unpacked[4:start]):
        dtype, count = _dtype(descr), math.prod(shape)
        arrays[name] = np.frombuffer(unpacked, dtype, count, start).reshape(shape)
        start += count * dtype.itemsize
    return arrays


def _dtype(descr: Any) -> np.dtype[Any]:
    """Read what `dtype_to_descr` gave and JSON made lists of."""
    if isinstance(descr, str):
        return np.dtype(descr)
    return np.dtype([(field[0], _dtype(field[1]), *map(tuple, field[2:])) for field in descr])


def require(path: Path) -> dict[str, NDArray[Any]]:
    """Read what a finished step must have left.

    Raises
    ------
    InputError
        If it is not there any more.
    """
    arrays = load(path)
    if arrays is None:
        raise InputError(
            f"{path}, an intermediate result, missing or damaged",
            "the files of an earlier step as it left them",
            "run again with `resume=True`, which makes it anew",
        )
    return arrays
