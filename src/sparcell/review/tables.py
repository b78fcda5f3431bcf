"""The report of a review as text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sparcell.core.text import counted, printable
from sparcell.evaluation.agreement import Interval
from sparcell.review.expert_scores import ExpertRow
from sparcell.review.matrices import CountMatrix
from sparcell.review.object_agreement import ObjectAgreement
from sparcell.review.report import ReviewReport

APPROXIMATE = "TP* = objects - FP, a lower bound: an object over several cells counts once"
CHANCE = "kappa: 0 is chance, 1 is full agreement; 95 % intervals by bootstrap over images"
WITHIN = "the same cell: places within half a median diameter; positive: shared of all findings"
PAIRED = "95 % interval: images are drawn for both models together"


def report_tables(report: ReviewReport) -> Iterator[Group | Text]:
    """Give tables and lines of a report, in the order of the thesis."""
    for expert in dict.fromkeys(row.expert for row in report.rows):
        yield _score_table(expert, [row for row in report.rows if row.expert == expert])
    for matrix in report.matrices:
        yield _matrix_table(matrix)
    if report.objects:
        yield _object_table("Agreement on each object", report.objects)
        yield _missed_table("Agreement on each missed cell", report.objects)
    repeated = [one for one in report.consistency.values() if sum(one.shared)]
    if repeated:
        yield _object_table("Each expert on the objects shown twice", repeated)
        yield _missed_table("Each expert on cells missed twice", repeated)
    if report.differences:
        yield _difference_table(report)
    number = len(report.disagreements)
    yield Text(f"{counted(number, 'finding')} that not all experts share")
    for problem in report.problems:
        yield Text(f"does not fit: {problem}", style="bold red")


def _score_table(expert: str, rows: Sequence[ExpertRow]) -> Group:
    notes = [APPROXIMATE, *dict.fromkeys(row.note for row in rows if row.note)]
    table = _Part(
        f"Expert {expert}", "; ".join(notes),
        ("model", "group", "cases", "TP*", "FP", "FN", "precision", "recall", "Dice", "IoU",
         "95 % of Dice"),
    )  # fmt: skip
    for row in rows:
        scores = row.scores
        ratios = (scores.precision, scores.recall, scores.dice, scores.iou)
        texts = ["-"] * 4 if row.note else [f"{ratio:.3f}" for ratio in ratios]
        counts = (row.cases, scores.tp, scores.fp, scores.fn)
        name = [printable(row.model), printable(row.group)]
        table.add_row(*name, *map(str, counts), *texts, _limits(row.dice))
    return table.whole()


def _matrix_table(matrix: CountMatrix) -> Group:
    first, second = map(printable, matrix.experts)
    words = {"extra": "FP", "missed": "FN"}
    title = f"{printable(matrix.model)}: {words[matrix.kind]} in each case"
    facts = "; ".join(
        f"{name} {_with_limits(matrix.agreement[key])}"
        for key, name in (
            ("equal", "equal"), ("within_one", "within one"), ("kappa", "kappa"),
            ("kappa_linear", "linear kappa"), ("ac1", "AC1"), ("ac2_linear", "AC2"),
        )
    )  # fmt: skip
    table = _Part(title, facts, (f"{first} / {second}", *map(str, range(len(matrix.table)))))
    for number, row in enumerate(matrix.table):
        table.add_row(str(number), *map(str, row))
    return table.whole()


def _object_table(title: str, rows: Sequence[ObjectAgreement]) -> Group:
    headers = ("both right", "both FP", "first", "second", "kappa", "AC1", "positive")
    table = _Part(title, CHANCE, ("model", "experts", *headers))
    for one in rows:
        counts, known = map(str, one.shared[:4]), one.agreement
        kappa, positive = _with_limits(known["kappa"]), _with_limits(known["positive"])
        table.add_row(*_names(one), *counts, kappa, _value(known["ac1"]), positive)
    return table.whole()


def _missed_table(title: str, rows: Sequence[ObjectAgreement]) -> Group:
    table = _Part(title, WITHIN, ("model", "experts", "both", "first", "second", "positive"))
    for one in rows:
        counts = map(str, one.shared[4:])
        table.add_row(*_names(one), *counts, _with_limits(one.agreement["missed"]))
    return table.whole()


def _names(one: ObjectAgreement) -> tuple[str, str]:
    return printable(one.model), printable(" / ".join(dict.fromkeys(one.experts)))


def _difference_table(report: ReviewReport) -> Group:
    table = _Part("Difference of models", PAIRED, ("expert", "models", "Dice"))
    for one in report.differences:
        names = f"{one.models[0]} less {one.models[1]}"
        table.add_row(printable(one.expert), printable(names), _with_limits(one.dice, 4))
    return table.whole()


class _Part:
    """A table between its title and a note, which do not break at the width of the table."""

    def __init__(self, title: str, note: str, headers: Sequence[str]) -> None:
        self.title, self.note = title, note
        self.table = Table(box=None, padding=(0, 1, 0, 0))
        for number, header in enumerate(headers):
            self.table.add_column(header, justify="right" if number else "left", no_wrap=True)

    def add_row(self, *texts: str) -> None:
        """Add a line."""
        self.table.add_row(*map(Text, texts))

    def whole(self) -> Group:
        """Return everything, to be printed."""
        return Group(Text(self.title, style="bold"), self.table, Text(self.note, style="dim"))


def _with_limits(interval: Interval, digits: int = 2) -> str:
    return f"{_value(interval, digits)} {_limits(interval, digits)}".strip()


def _value(interval: Interval, digits: int = 2) -> str:
    return "-" if math.isnan(interval.value) else f"{interval.value:.{digits}f}"


def _limits(interval: Interval, digits: int = 3) -> str:
    if math.isnan(interval.low) or math.isnan(interval.value):
        return ""
    return f"[{interval.low:.{digits}f}, {interval.high:.{digits}f}]"
