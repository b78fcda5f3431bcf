"""The parts of a metric, and the registry of all metrics by name.

A metric is one file: the class of its result, a function that computes it, and a `Metric` that
names its columns. `sparcell.evaluation.metrics` registers it. Reports, JSON files, studies and
their pages read this table, so none of them names a metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self, TypeVar

from sparcell.core.errors import InputError
from sparcell.core.registry import Registry

if TYPE_CHECKING:
    from rich.table import Table

    from sparcell.evaluation._overlaps import Overlaps
    from sparcell.evaluation.confusion import Confusion
    from sparcell.evaluation.errors import ErrorClasses
    from sparcell.evaluation.report import Report

WITHOUT_SMALL = "_no_small"
"""Ending of columns that are scored a second time, without small objects."""


class MetricResult(Protocol):
    """Scores of one image by one metric; `+` pools two images."""

    def __add__(self, other: Self, /) -> Self:
        """Pool two images: counts are summed, ratios are taken afterwards."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, without NaN."""


R = TypeVar("R", bound=MetricResult)


@dataclass(frozen=True)
class Column:
    """One number of a metric, as tables and figures show it.

    Attributes
    ----------
    name : str
        In CSV files and of `Study.metric`.
    title : str
        In sentences and on axes.
    description : str
        What it measures, in a sentence.
    better : {"higher", "lower", ""}
        Which direction is better; empty for a number that is no score. Scores of which higher is
        better lie between 0 and 1.
    key : str
        In the metric's JSON; the name by default.
    averaged : bool
        It is a ratio whose mean over images is reported, too.
    without_small : bool
        Studies report it a second time without small objects.
    header : str
        Above its column in the terminal; empty where that has no such column.
    on_page : bool
        The page of a study shows it among the other scores.
    """

    name: str
    title: str
    description: str
    better: Literal["higher", "lower", ""] = "higher"
    key: str = ""
    averaged: bool = False
    without_small: bool = False
    header: str = ""
    on_page: bool = False


@dataclass(frozen=True)
class Comparison:
    """Two label images compared: what metrics of objects are computed from.

    Attributes
    ----------
    overlaps : Overlaps
        Areas of objects and of their overlaps.
    errors : ErrorClasses
        The error class of every object.
    components : Confusion
        Objects that are touched by the other image, as `objects` of `evaluate` defines them.
    """

    overlaps: Overlaps
    errors: ErrorClasses
    components: Confusion


@dataclass(frozen=True)
class Metric(Generic[R]):
    """How a score is computed and shown.

    Attributes
    ----------
    name : str
        In the registry, in JSON files and of `evaluate`.
    on : {"objects", "labels", "images", "tracks"}
        What it is computed from: ``objects``, a `Comparison` of two label images of any size;
        ``labels``, two label images (Y, X) of which a plane fits into memory; ``images``, true and
        predicted images of stains; ``tracks``, two `TrackedMovie`. Metrics of objects are part of
        every evaluation and study.
    description : str
        What it measures, in a sentence.
    columns : tuple of Column
    compute : callable
        ``compute(comparison)``, ``compute(truth, pred, min_size, **settings)``,
        ``compute(real, predicted, ignore, name, **settings)`` or, of tracks,
        ``compute(truth, pred, **settings)``; gives the `MetricResult` of a
        plane, of stains and tracks that of an image.
    values : callable
        Gives the values of the columns of a `MetricResult`, by name.
    flat : bool
        The keys of its JSON stand beside those of other metrics instead of under its name.
    table : callable, optional
        Makes a table for the terminal of a report of this metric alone.
    summary : callable, optional
        Makes the JSON of all images of a report; by default that of the pooled result.
    """

    name: str
    on: Literal["objects", "labels", "images", "tracks"]
    description: str
    columns: tuple[Column, ...]
    compute: Callable[..., R]
    values: Callable[[R], Mapping[str, float | None]]
    flat: bool = False
    table: Callable[[Report[R]], Table] | None = None
    summary: Callable[[Report[R]], dict[str, Any]] | None = None

    def to_json(self, result: R) -> dict[str, Any]:
        """Return the part of a JSON report that says this result."""
        return result.to_dict() if self.flat else {self.name: result.to_dict()}

    def json_keys(self, column: Column) -> tuple[str, ...]:
        """Return the keys under which a JSON report has a column."""
        key = column.key or column.name
        return (key,) if self.flat else (self.name, key)

    def settings(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return all settings of `compute`, by default or as given.

        Raises
        ------
        InputError
            If one is unknown, or one without default is missing.
        """
        known = {
            name: parameter.default
            for name, parameter in signature(self.compute).parameters.items()
            if parameter.kind is Parameter.KEYWORD_ONLY
        }
        for name in given.keys() - known.keys():
            raise InputError(
                f"setting {name} of the metric {self.name}",
                "one of " + ", ".join(known) if known else "no setting",
                "leave it out",
            )
        chosen = known | given
        for name, value in chosen.items():
            if value is Parameter.empty:
                raise InputError(f"no {name} for the metric {self.name}", "a value", "give one")
        return chosen


METRICS: Registry[Metric[Any]] = Registry("metric")


def metrics_of_objects() -> list[Metric[Any]]:
    """Return the metrics that are part of every evaluation, in the order of registration."""
    return [metric for metric in METRICS.entries() if metric.on == "objects"]


def columns_of(metrics: Iterable[Metric[Any]]) -> list[Column]:
    """Return the columns of some metrics."""
    return [column for metric in metrics for column in metric.columns]


def score_title(column: str) -> str:
    """Return the title of a score by the name of its column, which stands for an unknown one."""
    return score_titles().get(column, column)


def score_titles() -> dict[str, str]:
    """Return the titles of all scores by the names of their columns, for sentences and axes.

    With those without small objects and those of means over images.
    """
    columns = [column for column in columns_of(METRICS.entries()) if column.better]
    titles = {column.name: column.title for column in columns}
    for column in columns:
        if column.without_small and column.better == "higher":
            titles[column.name + WITHOUT_SMALL] = f"{column.title} without small objects"
    means = {
        f"mean_{column.name}": f"{column.title}, mean over images"
        for column in columns
        if column.averaged
    }
    return titles | means
