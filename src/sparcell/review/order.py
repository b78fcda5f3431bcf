"""The order in which an expert sees the cases: mixed, stable, and another one for each expert."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sparcell.review.cases import Case

APART = 10
"""Cases between two of the same field, where there are enough."""


def rank(*parts: object) -> str:
    """Hash of some words, by which things are put into a random but stable order."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def order_cases(cases: Sequence[Case], seed: int, expert: str) -> list[Case]:
    """Order the cases for one expert.

    There are rounds, in each of which a field is shown once at most. Which case of a field is in
    which round, and the order in a round, follow the SHA-256 of seed, expert, field, model,
    repeat and plane. A case waits until `APART` others came after the last one of its field, where
    there are enough fields.

    Parameters
    ----------
    cases : sequence of Case
    seed : int
        Of the session.
    expert : str
    """
    lots = sorted(cases, key=lambda c: rank(seed, expert, *c.lot))
    by_field: dict[str, list[Case]] = {}
    for case in lots:
        by_field.setdefault(case.field, []).append(case)
    count = max(map(len, by_field.values()), default=0)
    # Fields that are shown less often come in the later rounds: a short last round could not wait.
    number = {
        case.id: count - len(shown) + n
        for shown in by_field.values()
        for n, case in enumerate(shown)
    }
    rounds = [[case for case in lots if number[case.id] == n] for n in range(count)]
    last: dict[str, int] = {}
    order: list[Case] = []
    for waiting in rounds:
        while waiting:
            ages = [len(order) - last.get(case.field, -APART - 1) for case in waiting]
            chosen = next((n for n, age in enumerate(ages) if age > APART), ages.index(max(ages)))
            case = waiting.pop(chosen)
            last[case.field] = len(order)
            order.append(case)
    return order
