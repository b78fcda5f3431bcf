"""The log of an expert: one line for each thing that he did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from sparcell.review.line_log import Line, LineLog
from sparcell.review.stored import parse_sent

Kind = Literal[
    "extra", "missed", "unsure", "comment", "done", "reopen", "stain", "judge", "undo", "seal"
]
LONGEST_TEXT = 2000
Number = float | None


class Event(Line, frozen=True, extra="forbid"):
    """One thing that an expert did.

    Attributes
    ----------
    id : str
        The same event sent twice has the same id, and counts once.
    kind : str
        ``extra`` (false positive), ``missed`` (false negative), ``unsure``, ``comment``, ``done``
        and ``reopen`` (the case), ``stain`` (was shown), ``judge`` (a disagreement), ``undo``,
        ``seal`` (the review).
    case : str
        The case; empty for ``undo`` and ``seal``.
    object : int
        Id of a predicted object; 0 for a place.
    y, x : float, optional
        A place, px from the centre of the first pixel.
    text : str
        A comment; the id of the undone event; the disagreement that is judged, and the SHA-256 of
        the sealed log.
    stands : bool, optional
        Of ``judge``: whether the finding is right.
    seconds : float, optional
        Since the case was opened.
    time : str
        UTC, ISO 8601.
    """

    kind: Kind
    case: str = Field("", max_length=64)
    object: int = Field(0, ge=0)
    y: Number = None
    x: Number = None
    text: str = Field("", max_length=LONGEST_TEXT)
    stands: bool | None = None
    seconds: Number = Field(None, ge=0)


class EventLog(LineLog[Event]):
    """The events of one expert; see `LineLog`."""

    def __init__(self, path: Path, repair: bool = False) -> None:
        super().__init__(path, Event, repair)

    def effective(self) -> Iterator[Event]:
        """Give the events that are not undone, without those that undo."""
        undone: set[str] = set()
        # Backwards, an undone undo is known as such before what it would undo.
        for event in reversed(self.events):
            if event.kind == "undo" and event.id not in undone:
                undone.add(event.text)
        for event in self.events:
            if event.kind != "undo" and event.id not in undone:
                yield event


def parse_event(content: Any) -> Event:
    """Read an event that somebody sent.

    Raises
    ------
    InputError
        If it is none.
    """
    return parse_sent(Event, content, "an event")
