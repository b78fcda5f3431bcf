"""Axis letters: T time, C channel, Z depth, Y row, X column.

An array is never passed without its letters. They come from metadata or from the user, are
printed, and are stored with the results.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError

LETTERS = "TCZYX"


def check_axes(axes: str, ndim: int, source: str = "the array") -> str:
    """Return `axes` in capitals if they can name the axes of an array.

    Parameters
    ----------
    axes : str
        One letter of ``TCZYX`` per dimension, in array order, for example ``"CYX"``.
    ndim : int
        Number of dimensions of the array.
    source : str
        What the array is, for the message.

    Raises
    ------
    InputError
        If a letter is unknown or repeated, Y or X is missing, or the number does not fit.
    """
    letters = axes.upper()
    wrong = sorted(set(letters) - set(LETTERS))
    if wrong or len(set(letters)) != len(letters) or not {"Y", "X"} <= set(letters):
        raise InputError(
            f"axes '{axes}' for {source}",
            f"different letters of {LETTERS} with Y and X among them",
            'give for example `axes="TCYX"`',
        )
    if len(letters) != ndim:
        raise InputError(
            f"axes '{axes}' for {source}, which has {ndim} dimensions",
            f"{ndim} letters",
            f"give `axes` with {ndim} of the letters {LETTERS}",
        )
    return letters


def reorder(array: NDArray[Any], axes: str, target: str) -> NDArray[Any]:
    """Transpose `array` from `axes` to `target`; missing axes get length 1.

    Parameters
    ----------
    array : ndarray
        Any dtype, one dimension per letter of `axes`.
    axes, target : str
        Letters of ``TCZYX``. An axis that `target` lacks must have length 1.

    Raises
    ------
    InputError
        If an axis longer than 1 would be lost.
    """
    axes = check_axes(axes, array.ndim)
    for letter in axes:
        size = array.shape[axes.index(letter)]
        if letter not in target and size != 1:
            raise InputError(
                f"axis {letter} of length {size}",
                f"only the axes {target}",
                "select one plane first",
            )
    # Axes that `target` lacks have length 1 and are dropped; those that `axes` lacks come first,
    # with length 1. Then all are put into the order of `target`.
    present = [letter for letter in axes if letter in target]
    array = array.reshape([array.shape[axes.index(letter)] for letter in present])
    missing = [letter for letter in target if letter not in present]
    array = array.reshape([1] * len(missing) + list(array.shape))
    letters = missing + present
    return np.transpose(array, [letters.index(letter) for letter in target])
