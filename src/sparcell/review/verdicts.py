"""Verdicts of an expert: the state that a log of events leads to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparcell.review.events import Event

Finding = Literal["extra", "missed", "unsure"]


@dataclass(frozen=True)
class Mark:
    """A finding of an expert at one place of a case.

    Attributes
    ----------
    id : str
        Of the event that made it; undone by that.
    kind : {"extra", "missed", "unsure"}
        A false positive, a false negative, or an object that cannot be judged.
    object : int
        The object that is wrong as a whole, or cannot be judged; 0 where a place is marked.
    y, x : float
        The place, px. Extra at a place: one of several cells that an object seems to cover.
    """

    id: str
    kind: Finding
    object: int = 0
    y: float = 0.0
    x: float = 0.0


@dataclass
class CaseVerdict:
    """The verdict of an expert on one case.

    Attributes
    ----------
    done : bool
        Finished. A finished case without marks has no errors; an unfinished one says nothing.
    marks : list of Mark
    comments : list of str
    judged : dict of str to bool
        Disagreements of experts, and whether the finding stands.
    seconds : float
        How long it took, as far as known.
    stain_shown : bool
        Whether the expert has seen the stain.
    """

    done: bool = False
    marks: list[Mark] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    judged: dict[str, bool] = field(default_factory=dict)
    seconds: float = 0.0
    stain_shown: bool = False

    def count(self, kind: Finding) -> int:
        """Number of marks of a kind."""
        return sum(mark.kind == kind for mark in self.marks)

    def objects(self, kind: Finding) -> frozenset[int]:
        """Ids of the objects that are marked as a whole."""
        return frozenset(m.object for m in self.marks if m.kind == kind and m.object)

    def places(self, kind: Finding) -> NDArray[np.float64]:
        """Places that are marked, (N, 2) y and x in px."""
        places = [(m.y, m.x) for m in self.marks if m.kind == kind and not m.object]
        return np.array(places, float).reshape(-1, 2)


def replay(events: Iterable[Event]) -> dict[str, CaseVerdict]:
    """Go through the events of a log that are not undone; verdicts by the ids of cases."""
    verdicts: dict[str, CaseVerdict] = {}
    for event in events:
        if not event.case:
            continue
        verdict = verdicts.setdefault(event.case, CaseVerdict())
        if event.kind in ("extra", "missed", "unsure"):
            # An object that is marked in two windows is marked once.
            if not event.object or event.object not in verdict.objects(event.kind):
                mark = Mark(event.id, event.kind, event.object, event.y or 0.0, event.x or 0.0)
                verdict.marks.append(mark)
        elif event.kind == "comment":
            verdict.comments.append(event.text)
        elif event.kind == "judge":
            verdict.judged[event.text] = bool(event.stands)
        elif event.kind == "stain":
            verdict.stain_shown = True
        elif event.kind in ("done", "reopen"):
            verdict.done = event.kind == "done"
        verdict.seconds = max(verdict.seconds, event.seconds or 0.0)
    return verdicts
