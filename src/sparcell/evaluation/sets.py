"""Scores of a set of images: pooled, as means over images, and by groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.evaluation.errors import Rules
from sparcell.evaluation.groups import Groups
from sparcell.evaluation.scores import RATIOS, Scores

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

MAX_TABLE_ROWS = 40
POOLED, MEAN = "pooled", "mean over images"
NO_SPREAD = "a group of one image has no spread"
UNDEFINED = "where truth or prediction is empty, a ratio counts as 1 if both are, else as 0"


@dataclass(frozen=True)
class ImageMeans:
    """Ratios averaged over images, each image with the same weight (autolabel thesis, 5.4.1).

    A ratio without a denominator counts as each image shows it: 1 where there was nothing to find
    and nothing was found, else 0. So every mean is over all images.

    Attributes
    ----------
    n_images : int
    n_undefined : int
        Images in which some ratio has no denominator: truth or prediction has no object.
    ratios : dict
        Mean by the names in `RATIOS`, 0 to 1.
    """

    n_images: int
    n_undefined: int
    ratios: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the means as they stand in the JSON report, with the keys of the pooled ones."""
        nested: dict[str, Any] = {"n_images": self.n_images, "n_undefined": self.n_undefined}
        for level, key in (("pixel_", "pixel"), ("object_", "overlap")):
            of_level = {n: value for n, value in self.ratios.items() if n.startswith(level)}
            nested[key] = {n.removeprefix(level): value for n, value in of_level.items()}
        return nested | {name: self.ratios[name] for name in ("f1", "map")}


def mean_of_images(images: Iterable[Scores]) -> ImageMeans:
    """Average the ratios of images.

    Parameters
    ----------
    images : iterable of Scores
        At least one.
    """
    scores = list(images)
    rows = [one.ratios for one in scores]
    means = {name: float(np.mean([row[name] for row in rows])) for name in RATIOS}
    return ImageMeans(len(scores), sum(one.has_undefined for one in scores), means)


@dataclass(frozen=True)
class Evaluation:
    """Scores of a set of images.

    Attributes
    ----------
    images : dict
        Scores by image name.
    objects : DataFrame
        One row per object: image, t, z, side, id, area_px, best_iou, class, event.
    rules : {"thesis", "toolbox"}
        By which errors were named.
    """

    images: dict[str, Scores]
    objects: pd.DataFrame
    rules: Rules = "thesis"

    @property
    def total(self) -> Scores:
        """Pooled scores of the whole set: counts are summed first, ratios are taken then."""
        return reduce(add, self.images.values())

    @property
    def mean_of_images(self) -> ImageMeans:
        """Means over images: ratios are taken first, then averaged."""
        return mean_of_images(self.images.values())

    def by(self, groups: Groups) -> dict[str, Evaluation]:
        """Split the set into groups; each is a set with scores of its own."""
        return {
            group: Evaluation(
                {name: self.images[name] for name in names},
                self.objects[self.objects["image"].isin(names)],
                self.rules,
            )
            for group, names in groups.split(self.images).items()
        }

    def to_json(self, groups: Groups | None = None) -> dict[str, Any]:
        """Return plain JSON types.

        The pooled scores, ``mean_of_images`` beside them, ``groups`` where asked for with both of
        each group, and under ``images`` the scores of each image.
        """
        content = self._summary()
        if groups:
            values = {
                group: {"n_images": len(of_group.images), **of_group._summary()}
                for group, of_group in self.by(groups).items()
            }
            content["groups"] = {"column": groups.column, "values": values}
        content["rules"] = self.rules
        content["images"] = {name: scores.to_dict() for name, scores in self.images.items()}
        return content

    def _summary(self) -> dict[str, Any]:
        return {**self.total.to_dict(), "mean_of_images": self.mean_of_images.to_dict()}

    def table(self, groups: Groups | None = None) -> Table:
        """Return a table for the terminal: the whole set, groups, then up to 40 images."""
        from rich.table import Table

        left = len(self.images) - MAX_TABLE_ROWS
        notes = ["px, obj: Dice of pixels and of components; F1 at IoU 0.5; one to one: mAP"]
        notes += [f"{left} more images are in the JSON report"] * (left > 0)
        table = Table(caption=self._caption(groups, notes), box=None, padding=(0, 1, 0, 0))
        table.add_column("image", max_width=18, overflow="ellipsis", no_wrap=True)
        for column in (
            "px", "obj", "F1", "mAP", "true", "found", "miss", "spur.", "split", "merge", "cat.",
        ):  # fmt: skip
            table.add_column(column, justify="right", no_wrap=True)
        shown = ("pixel_dice", "object_dice", "f1", "map")
        for name, ratios, s, style in self._lines(groups):
            counts = _counts(s) if s else []
            table.add_row(name, *self._ratios(ratios, shown), *counts, style=style)
        for name, s in list(self.images.items())[:MAX_TABLE_ROWS]:
            table.add_row(name, *self._ratios(s.ratios, shown), *_counts(s))
        return table

    def ratio_table(self, groups: Groups | None = None, images: bool = False) -> Table:
        """Return precision, recall and the rest of pixels and of components (thesis 6.1, 6.2).

        Parameters
        ----------
        groups : Groups, optional
        images : bool
            A row for each image, too (thesis table 6.7).
        """
        from rich.table import Table

        caption = "pixels and components (obj): precision, recall, accuracy, Dice, IoU"
        table = Table(caption=self._caption(groups, [caption]), box=None, padding=(0, 1, 0, 0))
        table.add_column("image", max_width=18, overflow="ellipsis", no_wrap=True)
        shown = RATIOS[:9]
        for column in ("px pr", "rec", "acc", "Dice", "IoU", "obj pr", "rec", "Dice", "IoU"):
            table.add_column(column, justify="right", no_wrap=True)
        for name, ratios, _, style in self._lines(groups):
            table.add_row(name, *self._ratios(ratios, shown), style=style)
        for name, s in self.images.items() if images else ():
            table.add_row(name, *self._ratios(s.ratios, shown))
        return table

    def _ratios(self, ratios: dict[str, float], shown: Sequence[str]) -> list[str]:
        """Ratios as text; dashes where the whole truth holds no object that could be found."""
        empty = not self.total.count.truth
        return ["-" if empty else f"{ratios[name]:.3f}" for name in shown]

    def _lines(
        self, groups: Groups | None
    ) -> Iterator[tuple[str, dict[str, float], Scores | None, str]]:
        """Name, ratios, counts and style of the lines above the images.

        The pooled line has counts, that of the means has none; of a single image they are one.
        """
        of_groups = self.by(groups) if groups else {}
        for name, held in [("total", self), *of_groups.items()]:
            style = "bold" if held is self else ""
            alone = len(held.images) == 1
            # What it is of comes first where a long name would push it out of sight.
            of = "1 image" if alone else POOLED
            line = f"{name}, {of}" if held is self else f"{of}, {name}"
            yield line, held.total.ratios, held.total, style
            if not alone:
                yield f" {MEAN}", held.mean_of_images.ratios, None, style

    def _caption(self, groups: Groups | None, notes: list[str]) -> str:
        """Add what must be known of means and groups to the notes of a table."""
        if self.mean_of_images.n_undefined:
            notes = [*notes, UNDEFINED]
        if not self.total.count.truth:
            notes = ["no object in the truth: there is no score", *notes]
        of_groups = groups.split(self.images) if groups else {}
        if groups:
            sizes = ", ".join(f"{group} {len(names)}" for group, names in of_groups.items())
            notes = [*notes, f"images by {groups.column}: {sizes}"]
        if any(len(names) == 1 for names in of_groups.values()):
            notes = [*notes, NO_SPREAD]
        return "; ".join(notes)


def _counts(s: Scores) -> list[str]:
    """Numbers of objects, then of errors, as text."""
    _, *errors = s.errors.to_dict().values()
    return [str(number) for number in (s.count.truth, s.count.pred, *errors)]
