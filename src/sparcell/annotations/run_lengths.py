"""Run lengths of masks as COCO has them, in both directions.

A mask is read column by column from the left, each column from top to bottom. The numbers are the
lengths of its runs of equal pixels, background first. Two short functions do without
``pycocotools``, which needs a compiler on some systems; the tests compare with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LONGEST = 60
"""Bits of a number of compressed run lengths; an image has fewer pixels than that."""


def encode(
    rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]
) -> list[int]:
    """Encode the pixels of an object in an image of `shape`.

    Parameters
    ----------
    rows, columns : (N,) int64
        The pixels, ordered by column, then by row; at least one.
    shape : (int, int)
        Height and width of the image, px.

    Returns
    -------
    list of int
        Uncompressed run lengths; their sum is the number of pixels of the image.
    """
    height, width = shape
    # Positions in the order of the code, and where they are not consecutive.
    at = columns * height + rows
    breaks = np.flatnonzero(np.diff(at) != 1)
    starts, ends = at[np.append(0, breaks + 1)], at[np.append(breaks, len(at) - 1)] + 1
    # Start, end, start, end ...: runs of background and object take turns.
    edges = np.stack([starts, ends], 1).ravel()
    return [*np.diff(edges, prepend=0).tolist(), int(height * width - edges[-1])]


def decode(counts: str | Sequence[int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Decode run lengths, plain or compressed, to a mask (Y, X) of `shape`.

    Raises
    ------
    ValueError
        If they are negative, or their sum is not the number of pixels.
    """
    height, width = shape
    runs = np.array(unpack(counts) if isinstance(counts, str) else counts, np.int64)
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"run lengths of {runs.sum()} px")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def unpack(text: str) -> list[int]:
    """Unpack compressed run lengths (COCO API, maskApi) to plain ones.

    Each number takes one character or more, from code 48 upwards. A character has five bits, the
    lowest first, and a sixth bit that says that another one follows. The highest of the five bits
    of the last character is the sign. From the fourth number on, it is the difference to the
    number two before.
    """
    runs: list[int] = []
    at = 0
    while at < len(text):
        value = shift = 0
        more = True
        while more:
            bits = ord(text[at]) - 48
            value |= (bits & 0x1F) << shift
            at, shift, more = at + 1, shift + 5, bool(bits & 0x20)
            if shift > LONGEST:
                raise ValueError("run lengths of many digits")
            if not more and bits & 0x10:
                value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs
