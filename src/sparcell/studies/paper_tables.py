"""The tables of papers, in their layout, from a study of the recipes behind them.

A family of recipes says in its YAML how its paper prints it::

    tables:
      "Table 6 of ...":
        blocks: {method: {pixelwise: Pixelwise model}}
        rows: {backbone: {}, start: {transfer: w/ transfer learning, scratch: w/o}}
        columns: {score: {f1_60: F1 score}}

Each part names axes, and of each axis its values as they are printed, in that order; ``{}`` means
all values by their own names. An axis is one of the family's, or ``score``, whose values are
columns of ``results.csv``, or else a column of ``split.csv``, whose values are the groups of
``groups.csv``, a cell line for example.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, ValidationError, field_validator

from sparcell.core.errors import InputError
from sparcell.studies.families import Family, families_of
from sparcell.studies.result_tables import ordered_budgets
from sparcell.studies.rows import mean_columns, score_columns
from sparcell.training.recipe_parts import Part

SCORE = "score"
NOT_RUN, FAILED, NOT_SCORED = "no run", "failed", "not scored"
Axes = dict[str, dict[str, str]]
CellKey = dict[str, str]


class TableLayout(Part):
    """How a table is printed: axes, and of each axis its values and their printed names."""

    blocks: Axes = Field(default_factory=dict, description="parts of the table below each other")
    rows: Axes = Field(min_length=1)
    columns: Axes = Field(default_factory=dict)

    @field_validator("blocks", "rows", "columns", mode="before")
    @classmethod
    def _as_text(cls, axes: Any) -> Any:
        """Take numbers and nothing, which YAML reads as such, for the text they are."""
        if not isinstance(axes, dict):
            return axes
        return {
            str(axis): {str(value): str(name or "") for value, name in (values or {}).items()}
            for axis, values in axes.items()
        }

    @property
    def axes(self) -> Axes:
        """All axes, wherever they are printed."""
        return {**self.blocks, **self.rows, **self.columns}


@dataclass(frozen=True)
class TableCell:
    """One cell of a table.

    Attributes
    ----------
    mean, sd : float
        Over runs, each of another seed or fold; SD with n - 1. NaN without a run, and the SD of a
        single one.
    runs : int
    lacks : str
        Why there is no mean: ``no run``, ``failed`` or ``not scored``; else empty.
    """

    mean: float
    sd: float
    runs: int
    lacks: str = ""


@dataclass(frozen=True)
class TableLine:
    """A row of a table: its name along each axis, and its cells."""

    names: tuple[str, ...]
    cells: tuple[TableCell, ...]


@dataclass(frozen=True)
class PaperTable:
    """A table in the layout of a paper.

    Attributes
    ----------
    title : str
    columns : tuple of str
        Heads of the cells. A single column is printed as two, mean and SD.
    blocks : tuple of (str, tuple of Line)
        Heading and rows of each part.
    notes : tuple of str
        What must be known to compare it with the paper's.
    """

    title: str
    columns: tuple[str, ...]
    blocks: tuple[tuple[str, tuple[TableLine, ...]], ...]
    notes: tuple[str, ...]

    @property
    def cells(self) -> list[TableCell]:
        """All cells, row by row."""
        return [cell for _, lines in self.blocks for line in lines for cell in line.cells]


def paper_tables(
    study: Mapping[str, Any], runs: pd.DataFrame, groups: pd.DataFrame | None = None
) -> list[PaperTable]:
    """Make the tables of all families of which a study runs recipes.

    Parameters
    ----------
    study : mapping
        ``study.yaml``.
    runs : DataFrame
        Tidy ``results.csv``.
    groups : DataFrame, optional
        Tidy ``groups.csv``: a row per run and value of a column of ``split.csv``, with `group_by`,
        `group` and the scores.

    Returns
    -------
    list of PaperTable
        Those of which any recipe ran. Of several budgets the largest counts.

    Raises
    ------
    InputError
        If the layout of a table does not fit the axes of its family.
    """
    if not len(runs):
        return []
    budget = ordered_budgets(runs)[-1]
    runs = runs[runs["budget"] == budget]
    if groups is not None:
        groups = groups[groups["budget"] == budget]
    tables = []
    for family in families_of(study):
        for title, given in family.file.tables.items():
            layout = read_layout(family, title, given)
            table = _fill(family, title, layout, _Scores(runs, groups))
            if any(cell.lacks != NOT_RUN for cell in table.cells):
                tables.append(table)
    return tables


def read_layout(family: Family, title: str, given: Any) -> TableLayout:
    """Read the layout of a table and check it against the axes of the family.

    Raises
    ------
    InputError
        If a setting is unknown, an axis of the family is left open, or a value does not exist.
    """
    what = f"table '{title}' of {family.file.name}"
    try:
        layout = TableLayout.model_validate(given)
    except ValidationError as error:
        setting = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InputError(
            f"{setting} in the {what}",
            "blocks, rows and columns: {axis: {value: name}}",
            "correct it",
        ) from error
    missing = [axis for axis in (*family.axes, SCORE) if axis not in layout.axes]
    if missing:
        raise InputError(f"no {missing[0]} in the {what}", "every axis of the family", "add it")
    for axis, values in family.axes.items():
        if unknown := [value for value in layout.axes[axis] if value not in values]:
            raise InputError(
                f"{axis} {unknown[0]} in the {what}", "one of " + ", ".join(values), "correct it"
            )
    scores = {*score_columns(), *mean_columns()}
    if unknown := [score for score in layout.axes[SCORE] if score not in scores]:
        raise InputError(
            f"score {unknown[0]} in the {what}",
            "a column of results.csv, one of " + ", ".join(sorted(scores)),
            "correct it",
        )
    return layout


class _Scores:
    """Finds the scores of one cell."""

    def __init__(self, runs: pd.DataFrame, groups: pd.DataFrame | None) -> None:
        self._runs = runs
        self._groups = groups

    def values(self, axis: str) -> list[str]:
        """Groups of a column of ``split.csv``; without any, one line that says so."""
        found: list[str] = []
        if self._groups is not None:
            own = self._groups[self._groups["group_by"].astype(str) == axis]
            found = list(dict.fromkeys(own["group"].astype(str)))
        return found or [f"no scores by {axis}"]

    def cell(self, label: str | None, score: str, group: tuple[str, str] | None) -> TableCell:
        """Mean and SD over the runs of a recipe, of all test fields or of a group of them."""
        if label is None:
            return _empty(NOT_RUN)
        own = self._runs[self._runs["recipe"] == label]
        if not len(own):
            return _empty(NOT_RUN)
        good = own[own["error"] == ""]
        if not len(good):
            return _empty(FAILED)
        if group:
            if self._groups is None:
                return _empty(NOT_SCORED)
            column, value = group
            by_group = self._groups
            mine = (by_group["recipe"] == label) & (by_group["group_by"].astype(str) == column)
            good = by_group[mine & (by_group["group"].astype(str) == value)]
        if score not in good:
            return _empty(NOT_SCORED)
        values = pd.to_numeric(good[score], errors="coerce").dropna().to_numpy(float)
        if not len(values):
            return _empty(NOT_SCORED)
        sd = float(values.std(ddof=1)) if len(values) > 1 else np.nan
        return TableCell(float(values.mean()), sd, len(values))


def _empty(reason: str) -> TableCell:
    return TableCell(np.nan, np.nan, 0, reason)


def _fill(family: Family, title: str, layout: TableLayout, scores: _Scores) -> PaperTable:
    columns = list(_combinations(layout.columns, family, scores))
    blocks = []
    for heading, block in _combinations(layout.blocks, family, scores):
        lines = []
        for names, row in _combinations(layout.rows, family, scores):
            cells = [_find_cell(family, block | row | column, scores) for _, column in columns]
            # A network that learned one cell line alone has no line for another.
            if any(cell is not None for cell in cells):
                lines.append(TableLine(names, tuple(cell or _empty(NOT_RUN) for cell in cells)))
        blocks.append((", ".join(name for name in heading if name), tuple(lines)))
    heads = tuple(", ".join(name for name in names if name) for names, _ in columns)
    table = PaperTable(title, heads, tuple(blocks), ())
    return replace(table, notes=_notes(family, table.cells))


def _combinations(
    axes: Axes, family: Family, scores: _Scores
) -> Iterator[tuple[tuple[str, ...], CellKey]]:
    """Printed names and key of every combination of values along some axes."""
    listed = {}
    for axis, values in axes.items():
        known = family.axes[axis] if axis in family.axes else scores.values(axis)
        listed[axis] = values or {value: value for value in known}
    for choice in product(*(values.items() for values in listed.values())):
        key = {axis: value for axis, (value, _) in zip(listed, choice, strict=True)}
        yield tuple(name for _, name in choice), key


def _find_cell(family: Family, key: CellKey, scores: _Scores) -> TableCell | None:
    """Return the cell of a key; None where its recipe does not learn from the group at all."""
    own = {axis: key[axis] for axis in family.axes}
    name = next((name for name, found in family.file.axis_values.items() if found == own), None)
    groups = [(axis, value) for axis, value in key.items() if axis not in (*own, SCORE)]
    if name is None or any(not family.trained_on(name, *group) for group in groups):
        return None
    return scores.cell(family.labels.get(name), key[SCORE], groups[0] if groups else None)


def _notes(family: Family, cells: list[TableCell]) -> tuple[str, ...]:
    most = max((cell.runs for cell in cells), default=0)
    notes = [f"Mean and SD over {most} runs." if most > 1 else "One run of each recipe at most."]
    if len({cell.runs for cell in cells if cell.runs}) > 1:
        notes.append("Some cells have fewer runs than others; paper_tables.csv has their number.")
    if family.changes:
        changed = ", ".join(f"{name}: {value}" for name, value in family.changes.items())
        notes.append(f"Not as published: this study sets {changed}.")
    return tuple(notes)


def as_rows(tables: list[PaperTable]) -> pd.DataFrame:
    """Return a row for each cell: table, block, row, column, mean, sd, runs, lacks."""
    columns = ["table", "block", "row", "column", "mean", "sd", "runs", "lacks"]
    return pd.DataFrame(
        [
            [table.title, block, ", ".join(line.names), head, c.mean, c.sd, c.runs, c.lacks]
            for table in tables
            for block, lines in table.blocks
            for line in lines
            for head, c in zip(table.columns, line.cells, strict=True)
        ],
        columns=columns,
    )
