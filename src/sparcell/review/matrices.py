"""How often two experts counted which numbers of errors in the same case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparcell.evaluation.agreement import (
    Interval,
    Values,
    bootstrap_interval,
    cohen_kappa,
    count_table,
    gwet_ac,
    observed_agreement,
)
from sparcell.evaluation.confusion import Confusion
from sparcell.review.counts import CaseCount, sum_by_field
from sparcell.review.expert_scores import ALL, ExpertRow

Counted = Literal["extra", "missed"]
KINDS: tuple[Counted, ...] = ("extra", "missed")


@dataclass(frozen=True)
class CountMatrix:
    """How often two experts counted each pair of numbers in a case (tables 6.5 and 6.6).

    Attributes
    ----------
    model, kind : str
        ``extra`` or ``missed``.
    experts : (str, str)
        Of the rows, of the columns.
    table : (K, K) int64
        Element [i, j]: cases in which the experts counted i and j.
    agreement : dict of str to Interval
        Shares of cases with equal counts and with counts that differ by one at most; Cohen's kappa,
        unweighted and weighted; Gwet's AC1 and AC2. Bootstrap over fields.
    """

    model: str
    kind: Counted
    experts: tuple[str, str]
    table: NDArray[np.int64]
    agreement: dict[str, Interval]

    @property
    def totals(self) -> tuple[int, int]:
        """Findings of both experts, summed over cases."""
        numbers = np.arange(len(self.table))
        return int(self.table.sum(1) @ numbers), int(self.table.sum(0) @ numbers)


def count_matrix(
    model: str,
    kind: Counted,
    experts: tuple[str, str],
    counts: Mapping[str, Sequence[CaseCount]],
) -> CountMatrix:
    """Count pairs of numbers in the cases of a model that both experts have finished.

    Parameters
    ----------
    model : str
    kind : {"extra", "missed"}
    experts : (str, str)
    counts : mapping from expert to sequence of CaseCount
    """
    first, second = ({one.case: one for one in counts[name]} for name in experts)
    both = [case for case, one in first.items() if case in second and one.model == model]
    pair = [np.array([getattr(of[c], kind) for c in both], int) for of in (first, second)]
    table = count_table(*pair)
    size = len(table)
    # (cases, K * K): 1 where the pair of numbers of a case is.
    single = np.zeros((len(both), size * size))
    single[np.arange(len(both)), pair[0] * size + pair[1]] = 1
    fields = [first[case].field for case in both]
    items = sum_by_field(fields, single)

    def of_table(function: Callable[[Values], Values]) -> Interval:
        return bootstrap_interval(items, lambda s: function(s.reshape(*s.shape[:-1], size, size)))

    near = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) <= 1
    agreement = {
        "equal": of_table(observed_agreement),
        "within_one": of_table(lambda t: (t * near).sum((-2, -1)) / t.sum((-2, -1))),
        "kappa": of_table(cohen_kappa),
        "kappa_linear": of_table(lambda t: cohen_kappa(t, "linear")),
        "kappa_quadratic": of_table(lambda t: cohen_kappa(t, "quadratic")),
        "ac1": of_table(gwet_ac),
        "ac2_linear": of_table(lambda t: gwet_ac(t, "linear")),
    }
    return CountMatrix(model, kind, experts, table, agreement)


def check_matrix(matrix: CountMatrix, rows: Iterable[ExpertRow]) -> list[str]:
    """Check a matrix against the lines of both experts: number of cases, and sums of findings.

    Returns
    -------
    list of str
        What does not fit.
    """
    problems = []
    of_model = [row for row in rows if row.model == matrix.model]
    # Without groups, the only rows are those of all fields.
    rows = [row for row in of_model if row.group != ALL] or of_model
    for expert, total in zip(matrix.experts, matrix.totals, strict=True):
        own = [row for row in rows if row.expert == expert]
        cases = sum(row.cases for row in own)
        scores = sum((row.scores for row in own), Confusion())
        written = scores.fp if matrix.kind == "extra" else scores.fn
        where = f"{matrix.model}, {matrix.kind}, {expert}"
        if cases != matrix.table.sum():
            problems.append(f"{where}: {matrix.table.sum()} cases in the matrix, {cases} reviewed")
        if written != total:
            problems.append(f"{where}: {total} findings in the matrix, {written} in the scores")
    return problems
