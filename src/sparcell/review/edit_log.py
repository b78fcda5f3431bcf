"""Edits as events: one line for each in a log, with the pixels that it changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from sparcell.review.line_log import Line
from sparcell.review.stored import parse_sent

EditKind = Literal[
    "accept",
    "delete",
    "merge",
    "split",
    "redraw",
    "brush",
    "erase",
    "grow",
    "shrink",
    "add",
    "take",
    "dismiss",
    "scan",
    "undo",
    "redo",
]
MOST_PLACES = 5000
Coordinate = Annotated[float, Field(allow_inf_nan=False)]
Place = tuple[Coordinate, Coordinate]


def precise_now() -> str:
    """UTC, ISO 8601, to the microsecond: undo goes to the image that was edited last."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


class EditRequest(Line, frozen=True, extra="forbid"):
    """A request to edit the labels of an image.

    Attributes
    ----------
    kind : str
        ``accept`` (objects are right), ``delete``, ``merge``, ``split``, ``redraw`` (a polygon;
        without an object a new one), ``brush`` and ``erase`` (along a stroke), ``grow`` and
        ``shrink`` (by a pixel), ``add`` (an object is proposed at a place), ``take`` and
        ``dismiss`` (a candidate), ``scan`` (a quarter was searched for missed cells), ``undo`` and
        ``redo`` (the last edit).
    objects : tuple of int
        Ids that it is about; of ``take`` and ``dismiss``, of a candidate.
    places : tuple of (float, float)
        y and x in px from the centre of the first pixel.
    radius : float
        Of the brush, px.
    quarter : int
        Of ``scan``: 0 to 3, row by row.
    revision : int
        How many events the image had when this was asked for.
    seconds : float, optional
        Since the object was shown.
    """

    time: str = Field(default_factory=precise_now, max_length=40)
    kind: EditKind
    objects: tuple[int, ...] = ()
    places: tuple[Place, ...] = Field((), max_length=MOST_PLACES)
    radius: float = Field(0.0, ge=0, le=200)
    quarter: int = Field(0, ge=0, le=3)
    revision: int = Field(ge=0)
    seconds: float | None = Field(None, ge=0)


class Edit(EditRequest, frozen=True, extra="forbid"):
    """An edit as it was done.

    Attributes
    ----------
    patch : tuple of (int, int, int, int)
        Changed pixels, see `sparcell.review.patches`.
    left : tuple of int
        Objects that it leaves as a person wants them.
    notes : tuple of str
        What it did beside what was asked for.
    of : str
        Of ``undo`` and ``redo``: the edit that is taken back or done again.
    """

    patch: tuple[tuple[int, int, int, int], ...] = ()
    left: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    of: str = ""


def parse_edit(content: Any) -> EditRequest:
    """Read an edit that somebody asks for.

    Raises
    ------
    InputError
        If it is none.
    """
    return parse_sent(EditRequest, content, "an edit")
