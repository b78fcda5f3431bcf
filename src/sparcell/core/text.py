"""Text of messages: one line, of bounded length, safe to print."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 400
"""Characters of each part of an error message."""
BREAKS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
# Escape sequences can recolour or rewrite a terminal; directional marks reorder what is read.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def one_line(text: object, limit: int = LONGEST) -> str:
    """Join the lines of a text, and cut out the middle of one that is longer than `limit`."""
    joined = BREAKS.sub(" ", str(text).strip("\n\r"))
    if len(joined) <= limit:
        return joined
    half = (limit - 5) // 2
    return f"{joined[:half]} ... {joined[-half:]}"


def printable(text: str) -> str:
    r"""Write control characters, and bytes of names that are no UTF-8, as escapes (``\x1b``).

    Line breaks and tabs stay.
    """
    visible = UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)
    return visible.encode("utf8", "backslashreplace").decode("utf8")


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 image`` or ``3 images``; `plural` where it is not the noun and an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return ``a, b, c``, and ``, ...`` after the first `most`."""
    return ", ".join(names[:most]) + ", ..." * (len(names) > most)


def time_left(seconds: float) -> str:
    """Return ``5 min left``, or ``under 1 min left``."""
    return "under 1 min left" if seconds < 60 else f"{seconds / 60:.0f} min left"


def about(source: object, reason: object) -> str:
    """Put the name of a file before a reason that does not contain it."""
    return str(reason) if str(source) in str(reason) else f"{source}: {reason}"
