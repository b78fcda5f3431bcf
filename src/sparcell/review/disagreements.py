"""Findings of several experts in a case, and those that they do not share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from sparcell.review.cases import Case
from sparcell.review.counts import match_places
from sparcell.review.verdicts import CaseVerdict


class Disagreement(NamedTuple):
    """A finding that some experts have and others do not.

    Attributes
    ----------
    id : str
        ``extra:3`` for object 3 of the case, ``missed:12.5,40.0`` for a place (y, x in px).
    case : str
    kind : str
        ``extra`` or ``missed``.
    object : int
        0 for a place.
    y, x : float
        The place; 0 for an object.
    experts : tuple of str
        Those who have it.
    """

    id: str
    case: str
    kind: str
    object: int
    y: float
    x: float
    experts: tuple[str, ...]


class Findings(NamedTuple):
    """All findings in a case, each with the experts who have it."""

    extra: dict[int, tuple[str, ...]]
    missed: list[tuple[float, float, tuple[str, ...]]]
    unsure: frozenset[int]


def collect_findings(case: Case, verdicts: Mapping[str, CaseVerdict]) -> Findings:
    """Collect what experts found in a case; places within half a diameter are one finding."""
    unsure = frozenset().union(*(verdict.objects("unsure") for verdict in verdicts.values()))
    extra: dict[int, tuple[str, ...]] = {}
    missed: list[tuple[float, float, tuple[str, ...]]] = []
    for name, verdict in verdicts.items():
        for one in sorted(verdict.objects("extra")):
            extra[one] = (*extra.get(one, ()), name)
        known = np.array([(y, x) for y, x, _ in missed]).reshape(-1, 2)
        places = verdict.places("missed")
        pairs = {j: i for i, j in match_places(known, places, case.diameter / 2)}
        for number, (y, x) in enumerate(places.tolist()):
            if number in pairs:
                y0, x0, names = missed[pairs[number]]
                missed[pairs[number]] = (y0, x0, (*names, name))
            else:
                missed.append((y, x, (name,)))
    return Findings(extra, missed, unsure)


def list_disagreements(
    cases: Iterable[Case], verdicts: Mapping[str, Mapping[str, CaseVerdict]]
) -> list[Disagreement]:
    """List the findings that not all experts share, for a consensus.

    Parameters
    ----------
    cases : iterable of Case
    verdicts : mapping from expert to verdicts by case
    """
    listed = []
    for case in cases:
        of_case = {name: known[case.id] for name, known in verdicts.items() if case.id in known}
        found = collect_findings(case, of_case)
        for number, names in sorted(found.extra.items()):
            if len(names) < len(of_case):
                key = f"extra:{number}"
                listed.append(Disagreement(key, case.id, "extra", number, 0.0, 0.0, names))
        for y, x, names in found.missed:
            if len(names) < len(of_case):
                listed.append(Disagreement(place_id(y, x), case.id, "missed", 0, y, x, names))
    return listed


def place_id(y: float, x: float) -> str:
    """Id of a missed cell among the disagreements of a case."""
    return f"missed:{y:.1f},{x:.1f}"
