"""Summaries of the images of a prediction: objects, sizes, doubts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparcell.core.columns import Columns
from sparcell.drawing.picture import round_length
from sparcell.io import open_image, read_numbers
from sparcell.prediction.items import Item

BINS = 24
"""Least number of bars of a histogram."""
TOP_PERCENTILE = 99.5


@dataclass(frozen=True)
class ImageSummary:
    """The result of one image, as the page's table has it.

    Attributes
    ----------
    item : Item
    objects : int
        In all planes.
    planes : int
    diameters : (N,) float32
        Of circles of the same area, px.
    pixel_size : float or None
        Of the image, um.
    covered : float
        Share of the pixels in objects, 0..1.
    score : float
        Median over objects, 0..1; NaN without objects.
    doubts : sequence of str
        Reasons to inspect the image.
    """

    item: Item
    objects: int
    planes: int
    diameters: NDArray[np.float32]
    pixel_size: float | None
    covered: float
    score: float
    doubts: Sequence[str] = ()

    @property
    def median_diameter(self) -> float:
        """Median of `diameters`, px; NaN without objects."""
        return float(np.median(self.diameters)) if len(self.diameters) else float("nan")


def summarise(item: Item, counts: Columns) -> ImageSummary:
    """Summarise the results of one image from its object table."""
    here = counts.where(counts["image"] == item.name)
    found = read_numbers(item.objects, ["equivalent_diameter_px", "score"])
    score = found["score"].astype(np.float32)
    labels = open_image(item.written_labels)
    pixels = float(np.prod(labels.tzyx, dtype=np.float64))
    objects = int(here["count"].sum())
    known = score[np.isfinite(score)]
    return ImageSummary(
        item,
        objects,
        len(here),
        found["equivalent_diameter_px"].astype(np.float32),
        labels.pixel_size,
        float(here["area_px"].sum()) / pixels,
        float(np.median(known)) if len(known) else float("nan"),
        _doubts(here),
    )


def _doubts(counts: Columns) -> list[str]:
    """Reasons to inspect an image: the notes of its planes that need a look."""
    if not counts["count"].any():
        return ["no object found"]
    notes: list[str] = counts["note"][counts["needs_a_look"]].tolist()
    if len(counts) == 1 or len(set(notes)) < 2:
        return notes[:1]
    return [f"{len(notes)} of {len(counts)} planes, such as: {notes[0]}"]


@dataclass(frozen=True)
class Histogram:
    """Sizes of all objects.

    Attributes
    ----------
    bars : list of (float, float, int)
        Lower and upper edge, in `unit`, and number of objects.
    unit : str
        "µm" where all pixel sizes are known, else "px".
    quartiles : (float, float, float)
        In `unit`.
    """

    bars: list[tuple[float, float, int]]
    unit: str
    quartiles: tuple[float, float, float]


def size_histogram(summaries: Sequence[ImageSummary]) -> Histogram | None:
    """Count the objects of all images by diameter; None where there are none.

    Bars are of round width, at least `BINS`. The largest 0.5 % are in the last bar, so that one
    giant does not squeeze the others.
    """
    known = all(one.pixel_size is not None for one in summaries)
    parts = [one.diameters * (one.pixel_size or 1 if known else 1) for one in summaries]
    diameters = np.concatenate([np.zeros(0, np.float32), *parts])
    if not len(diameters):
        return None
    top = float(np.percentile(diameters, TOP_PERCENTILE))
    width = round_length(top / BINS)
    number = int(top / width) + 1
    # A diameter on an edge belongs to the bar above it.
    counts = np.bincount(np.minimum(diameters / width, number - 1).astype(int), minlength=number)
    bars = [(at * width, (at + 1) * width, int(n)) for at, n in enumerate(counts)]
    low, middle, high = np.percentile(diameters, [25, 50, 75]).tolist()
    return Histogram(bars, "µm" if known else "px", (low, middle, high))
