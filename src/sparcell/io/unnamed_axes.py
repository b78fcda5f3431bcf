"""The error for a file that does not name its axes."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from sparcell.core.axes import LETTERS
from sparcell.core.errors import InputError
from sparcell.core.text import counted

MEANINGS = {"T": "Time points", "C": "Channels", "Z": "Depths"}
"""Axes that layers may be, for the user."""


def ask_for_axes(shape: tuple[int, ...], letters: str, path: Path) -> InputError:
    """Make the error that lists what the axes may be.

    Parameters
    ----------
    shape : tuple of int
    letters : str
        One per dimension; any that is not of ``TCZYX`` is unknown.
    path : Path
    """
    unknown = [letter for letter in letters if letter not in LETTERS]
    free = [letter for letter in "TCZ" if letter not in letters]
    choices = []
    for guess in combinations(free, len(unknown)):
        names = iter(guess)
        choices.append("".join(a if a in LETTERS else next(names) for a in letters))
    possible = sorted(choices) or ["TCZYX"[-len(shape) :]]
    *others, last = (f'`axes="{letters}"`' for letters in possible)
    sentence = ""
    if len(unknown) == 1 and choices:
        at = letters.index(unknown[0])
        meanings = " ".join(f'{MEANINGS[one[at]]}: `axes="{one}"`.' for one in choices)
        sentence = (
            f"{path} has {counted(shape[at], 'layer')} and does not say what they are. {meanings}"
        )
    return InputError(
        f"{path} of shape {shape} without names for its axes",
        "metadata that name them, or your choice",
        "give " + (", ".join(others) + " or " + last if others else last),
        sentence,
    )
