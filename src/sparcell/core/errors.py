"""Errors a user can act on.

A mistake in the input is one line: what was found, what was expected, what to do. The command line
prints that line and exits with 2; anything else is a fault of ours.
"""

from __future__ import annotations

from sparcell.core.text import LONGEST, one_line


class SparcellError(Exception):
    """Base of every error that Sparcell raises on purpose."""


class InputError(SparcellError, ValueError):
    """The user's input is wrong; the message says how to correct it.

    It is a ValueError, as Python users expect. Code that catches ValueErrors of a library must let
    it pass.

    Parameters
    ----------
    found : str
        What was found, naming the file or setting.
    expected : str
        What would have been right.
    fix : str
        What to do or to type.
    sentence : str
        What is printed instead of the three parts, where a sentence reads better.

    Notes
    -----
    Each part becomes one line of at most `sparcell.core.text.LONGEST` characters: it may quote a
    file.
    """

    def __init__(self, found: str, expected: str, fix: str, sentence: str = "") -> None:
        self.found, self.expected, self.fix = one_line(found), one_line(expected), one_line(fix)
        self.sentence = one_line(sentence, 3 * LONGEST)
        parts = f"found {self.found}; expected {self.expected}; {self.fix}"
        super().__init__(self.sentence or parts)

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str, str]]:
        """Survive the way through a worker process."""
        return type(self), (self.found, self.expected, self.fix, self.sentence)


class SparcellWarning(UserWarning):
    """Something was worked around; the line says what and how to avoid it."""


def first_line(error: BaseException, limit: int = 160) -> str:
    """Shorten the message of another library's error to one line of `limit` letters at most."""
    return one_line((str(error) or type(error).__name__).splitlines()[0], limit)
