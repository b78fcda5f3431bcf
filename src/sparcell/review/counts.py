"""What experts counted in each case: the numbers behind all tables of a review."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from sparcell.core.image import FIRST_PLANE, Plane
from sparcell.evaluation.confusion import Confusion
from sparcell.review.cases import Case
from sparcell.review.session import Session
from sparcell.review.verdicts import CaseVerdict


@dataclass(frozen=True)
class CaseCount:
    """Number of findings of one expert in one case.

    Attributes
    ----------
    case, field, model, group : str
    plane : Plane
        Time point and depth.
    objects : int
        Predicted objects.
    extra, missed, unsure : int
        Marks of each kind.
    """

    case: str
    field: str
    model: str
    group: str
    objects: int
    extra: int
    missed: int
    unsure: int = 0
    plane: Plane = FIRST_PLANE


def count_cases(
    session: Session, cases: Iterable[Case], verdicts: Mapping[str, CaseVerdict]
) -> list[CaseCount]:
    """Count the findings in the cases that an expert has finished."""
    counts = []
    for case in cases:
        verdict = verdicts.get(case.id)
        if verdict is None or not verdict.done:
            continue
        group = session.field_by_name[case.field].group
        marks = (verdict.count("extra"), verdict.count("missed"), verdict.count("unsure"))
        facts = (case.id, case.field, case.model, group, case.objects)
        counts.append(CaseCount(*facts, *marks, plane=case.plane))
    return counts


def pool(counts: Iterable[CaseCount]) -> Confusion:
    """Sum up cases: FP are extra, FN missed, and TP = objects - FP (Salomon-Sörensen 2023, 6.2.3).

    TP is a lower bound: an object that covers several cells counts once. Places inside such an
    object can be extra, so TP may be below 0 where they are many.
    """
    counts = list(counts)
    extra = sum(one.extra for one in counts)
    missed = sum(one.missed for one in counts)
    return Confusion(sum(one.objects for one in counts) - extra, extra, missed)


class SharedFindings(NamedTuple):
    """Findings of two experts in one case, object by object and place by place.

    Attributes
    ----------
    right, both, first, second : int
        Objects that both took for right, both for extra, or one of them for extra. Objects of
        which one was unsure are left out.
    missed_both, missed_first, missed_second : int
        Missed cells that both marked, or one of them.
    """

    right: int
    both: int
    first: int
    second: int
    missed_both: int
    missed_first: int
    missed_second: int


def share_findings(case: Case, first: CaseVerdict, second: CaseVerdict) -> SharedFindings:
    """Compare the verdicts of two experts, or of one expert at two times, on the same objects."""
    unsure = first.objects("unsure") | second.objects("unsure")
    a, b = first.objects("extra") - unsure, second.objects("extra") - unsure
    judged = case.objects - len(unsure)
    pairs = match_places(first.places("missed"), second.places("missed"), case.diameter / 2)
    return SharedFindings(
        judged - len(a | b),
        len(a & b),
        len(a - b),
        len(b - a),
        len(pairs),
        first.count("missed") - len(pairs),
        second.count("missed") - len(pairs),
    )


def match_places(
    first: NDArray[np.float64], second: NDArray[np.float64], within: float
) -> list[tuple[int, int]]:
    """Match places one to one: as many pairs as possible, then the least distance (Hungarian).

    Parameters
    ----------
    first, second : (N, 2), (M, 2)
        y and x in px.
    within : float
        Largest distance of a pair, px.

    Returns
    -------
    list of (int, int)
        Positions in `first` and in `second`.
    """
    distance = np.linalg.norm(first[:, None] - second[None], axis=-1)
    near = distance <= within
    # A pair too far apart costs more than all near pairs together, so that it never replaces one.
    rows, columns = linear_sum_assignment(np.where(near, distance, within * (near.size + 1) + 1))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if near[i, j]]


def sum_by_field(fields: Sequence[str], values: Any) -> NDArray[np.float64]:
    """Sum (N, M) rows of the same field, (fields, M): a field is what the bootstrap draws."""
    rows = np.asarray(values, float)
    names, position = np.unique(np.asarray(fields, str), return_inverse=True)
    summed = np.zeros((len(names), rows.shape[1]))
    np.add.at(summed, position, rows)
    return summed
