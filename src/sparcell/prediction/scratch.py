"""Arrays in files that prove themselves: what is there and whole need not be computed again."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file

DIGEST_BYTES = 32


def keep(path: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays, compressed, behind a SHA-256 of what is written.

    Raises
    ------
    InputError
        If the place cannot be written or the disk is full.
    """
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    packed = imagecodecs.zstd_encode(stream.getvalue(), level=1)
    with whole_file(path) as partial:
        partial.write_bytes(hashlib.sha256(packed).digest() + packed)


def held(path: Path) -> dict[str, NDArray[Any]] | None:
    """Read what `keep` wrote; None where it is missing or not what was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    packed = content[DIGEST_BYTES:]
    if hashlib.sha256(packed).digest() != content[:DIGEST_BYTES]:
        return None
    with np.load(io.BytesIO(imagecodecs.zstd_decode(packed)), allow_pickle=False) as arrays:
        return dict(arrays)


def need(path: Path) -> dict[str, NDArray[Any]]:
    """Read what a finished step must have left.

    Raises
    ------
    InputError
        If it is not there any more.
    """
    arrays = held(path)
    if arrays is None:
        raise InputError(
            f"{path}, an intermediate result, missing or damaged",
            "the files of an earlier step as it left them",
            "run again with --resume, which makes it anew",
        )
    return arrays
