"""Reports as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from sparcell.core.text import printable
from sparcell.evaluation.groups import Groups
from sparcell.evaluation.metric import METRICS, Column

if TYPE_CHECKING:
    from sparcell.evaluation.report import Report

MAX_ROWS = 40
POOLED, MEAN = "pooled", "mean of images"
OBJECT_NOTE = (
    "area: Dice of pixels; seen: Dice of components; F1: fitting outlines (IoU 0.5); mAP: mean AP "
    "over IoU 0.5 to 0.95; miss to mixed: numbers of errors"
)
NO_SPREAD = "a group of one image has no spread"
UNDEFINED = "where truth or prediction is empty, a ratio counts as 1 if both are, else as 0"
RATIO_HEADERS = ("px pr", "rec", "acc", "Dice", "IoU", "obj pr", "rec", "Dice", "IoU")
"""Above the columns of `ratio_table`: those of pixels, then those of components."""
Values = Mapping[str, float | None]


def score_table(
    report: Report[Any],
    columns: Sequence[Column],
    groups: Groups | None,
    note: str = OBJECT_NOTE,
) -> Table:
    """Make a table of the columns that have a header; images beyond `MAX_ROWS` are left out."""
    columns = [column for column in columns if column.header]
    left = len(report.images) - MAX_ROWS
    notes = [note]
    notes += [f"{left} more images are in the JSON report"] * (left > 0)
    table = _new_table(report, groups, notes, [column.header for column in columns])
    for name, values, counts, style in _lines(report, groups):
        known = [one for one in columns if one.averaged or counts]
        table.add_row(_plain(name), *_texts(report, values, known), style=style)
    for name in list(report.images)[:MAX_ROWS]:
        table.add_row(_plain(name), *_texts(report, _values(report, report.images[name]), columns))
    return table


def ratio_table(report: Report[Any], groups: Groups | None, images: bool) -> Table:
    """Make a table of all ratios of pixels and of components, as `Report.ratio_table` says."""
    columns = [*METRICS["pixel"].columns, *METRICS["overlap"].columns]
    note = "pixels and components (obj): precision, recall, accuracy, Dice, IoU"
    table = _new_table(report, groups, [note], RATIO_HEADERS)
    for name, values, _, style in _lines(report, groups):
        table.add_row(_plain(name), *_texts(report, values, columns), style=style)
    for name, result in report.images.items() if images else ():
        table.add_row(_plain(name), *_texts(report, _values(report, result), columns))
    return table


def _new_table(
    report: Report[Any], groups: Groups | None, notes: list[str], headers: Sequence[str]
) -> Table:
    table = Table(caption=_caption(report, groups, notes), box=None, padding=(0, 1, 0, 0))
    table.add_column("image", max_width=15, overflow="ellipsis", no_wrap=True)
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    return table


def _values(report: Report[Any], result: Any) -> Values:
    return report.metric.values(result) if report.metric else dict(result.values())


def _texts(report: Report[Any], values: Values, columns: Sequence[Column]) -> list[str]:
    """Values as text; dashes for ratios where the whole truth holds no object to be found."""
    no_truth = _has_no_truth(report)
    texts = []
    for column in columns:
        value = values[column.name]
        if value is None or (column.averaged and no_truth):
            texts.append("-")
        else:
            texts.append(str(value) if isinstance(value, int) else f"{value:.3f}")
    return texts


def _has_no_truth(report: Report[Any]) -> bool:
    """Whether it is known that there is no true object in any image."""
    count = getattr(report.total, "count", None)
    return count is not None and not count.truth


def _plain(name: str) -> Text:
    """Return a name without markup: brackets and escape sequences are part of it."""
    return Text(printable(name))


def _lines(report: Report[Any], groups: Groups | None) -> Iterator[tuple[str, Values, bool, str]]:
    """Name, values, whether there are counts among them, and style of the lines above the images.

    The pooled line has counts, that of the means has none; of a single image they are one.
    """
    of_groups = report.by(groups) if groups else {}
    for name, part in [("total", report), *of_groups.items()]:
        whole = part is report
        single = len(part.images) == 1
        # What it is of comes first, since a long name may be cut off.
        kind = "1 image" if single else POOLED
        line = f"{name}, {kind}" if whole else f"{kind}, {name}"
        yield line, part.values(), True, "bold" if whole else ""
        means = part.mean_of_images
        if means and not single:
            yield f" {MEAN}", means.ratios, False, "bold" if whole else ""


def _caption(report: Report[Any], groups: Groups | None, notes: list[str]) -> str:
    """Add what must be known of means and groups to the notes of a table."""
    means = report.mean_of_images
    if means and means.n_undefined:
        notes = [*notes, UNDEFINED]
    if _has_no_truth(report):
        notes = ["no object in the truth: there is no score", *notes]
    of_groups = groups.split(report.images) if groups else {}
    if groups:
        sizes = ", ".join(f"{group} {len(names)}" for group, names in of_groups.items())
        notes = [*notes, f"images by {groups.column}: {sizes}"]
    if any(len(names) == 1 for names in of_groups.values()):
        notes = [*notes, NO_SPREAD]
    return "; ".join(notes)
