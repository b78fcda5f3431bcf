"""The scores of a set of images: of all, as means over images, of groups, and of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from sparcell.evaluation.groups import Groups
from sparcell.evaluation.metric import Metric, columns_of, metrics_of_objects
from sparcell.evaluation.scores import Scores

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

T = TypeVar("T")


@dataclass(frozen=True)
class ImageMeans:
    """Ratios averaged over images, each image with the same weight.

    Salomon-Sörensen 2023, 5.4.1.

    A ratio without a denominator counts as each image shows it: 1 where there was nothing to find
    and nothing was found, else 0. So every mean is over all images.

    Attributes
    ----------
    n_images : int
    n_undefined : int
        Images in which some ratio has no denominator: truth or prediction has no object.
    ratios : dict
        Mean by the names of the columns, 0 to 1.
    """

    n_images: int
    n_undefined: int
    ratios: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the means as they stand in the JSON report, with the keys of the pooled ones."""
        content: dict[str, Any] = {"n_images": self.n_images, "n_undefined": self.n_undefined}
        for metric in metrics_of_objects():
            for column in metric.columns:
                if column.averaged:
                    *parents, key = metric.json_keys(column)
                    inner = content
                    for parent in parents:
                        inner = inner.setdefault(parent, {})
                    inner[key] = self.ratios[column.name]
        return content


def mean_of_images(images: Iterable[Scores]) -> ImageMeans:
    """Average the ratios of images.

    Parameters
    ----------
    images : iterable of Scores
        At least one.
    """
    scores = list(images)
    rows = [one.ratios for one in scores]
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return ImageMeans(len(scores), sum(one.has_undefined for one in scores), means)


@dataclass(frozen=True)
class Report(Generic[T]):
    """The result of a metric, or of all metrics of objects, for a set of images.

    Attributes
    ----------
    metric : Metric or None
        None for all metrics of objects, whose results are `Scores`.
    images : dict
        Result by image name.
    provenance : dict
        How it was made: date, settings, versions, files with their SHA-256.
    settings : dict
        All settings, defaults included.
    objects : DataFrame, optional
        One row per object: image, t, z, side, id, area_px, best_iou, class, event.
    failures : dict
        Image to the reason why it has no result.
    """

    metric: Metric[Any] | None
    images: dict[str, T]
    provenance: dict[str, Any]
    settings: dict[str, Any]
    objects: pd.DataFrame | None = None
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> T:
        """Pooled result of the whole set: counts are summed first, ratios are taken then."""
        total: T = reduce(add, self.images.values())
        return total

    @property
    def mean_of_images(self) -> ImageMeans | None:
        """Means over images: ratios are taken first, then averaged; None of a single metric."""
        scores = [one for one in self.images.values() if isinstance(one, Scores)]
        return mean_of_images(scores) if scores else None

    def values(self) -> dict[str, float | None]:
        """Return the values of all columns of the whole set, by name."""
        total: Any = self.total
        return dict(self.metric.values(total) if self.metric else total.values())

    def by(self, groups: Groups) -> dict[str, Report[T]]:
        """Split the set into groups; each is a set with a report of its own."""
        reports = {}
        for group, names in groups.split(self.images).items():
            objects = self.objects
            if objects is not None:
                objects = objects[objects["image"].isin(names)]
            images = {name: self.images[name] for name in names}
            reports[group] = replace(self, images=images, objects=objects)
        return reports

    def to_json(self, groups: Groups | None = None) -> dict[str, Any]:
        """Return plain JSON types, without NaN.

        The result of the whole set, ``mean_of_images`` beside it if there are such, ``groups``
        where asked for with both of each group, under ``images`` the result of each image, under
        ``failures`` the images without, if any, and under ``provenance`` how it was made.
        """
        content = self._summary()
        if groups:
            values = {
                group: {"n_images": len(report.images), **report._summary()}
                for group, report in self.by(groups).items()
            }
            content["groups"] = {"column": groups.column, "values": values}
        if "rules" in self.settings:
            content["rules"] = self.settings["rules"]
        results: dict[str, Any] = self.images
        content["images"] = {name: result.to_dict() for name, result in results.items()}
        if self.failures:
            content["failures"] = self.failures
        content["provenance"] = self.provenance
        return content

    def _summary(self) -> dict[str, Any]:
        total: Any = self.total
        if self.metric and self.metric.summary:
            return dict(self.metric.summary(self))
        content: dict[str, Any] = total.to_dict()
        means = self.mean_of_images
        return {**content, "mean_of_images": means.to_dict()} if means else content

    def table(self, groups: Groups | None = None) -> Table:
        """Return a table for the terminal: the whole set, groups, then up to 40 images."""
        from sparcell.evaluation.report_tables import score_table

        if self.metric and self.metric.table:
            return self.metric.table(self)
        columns = columns_of([self.metric] if self.metric else metrics_of_objects())
        return score_table(self, columns, groups)

    def ratio_table(self, groups: Groups | None = None, images: bool = False) -> Table:
        """Return precision, recall and the rest of pixels and of components.

        Salomon-Sörensen 2023, tables 6.1 and 6.2.

        Parameters
        ----------
        groups : Groups, optional
        images : bool
            A row for each image, too (Salomon-Sörensen 2023, table 6.7).
        """
        from sparcell.evaluation.report_tables import ratio_table

        return ratio_table(self, groups, images)
