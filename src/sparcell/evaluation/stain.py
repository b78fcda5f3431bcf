"""Correlation of a predicted stain with the real one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.evaluation.metric import Column, Metric
from sparcell.evaluation.stain_windows import CorrelationWindows

if TYPE_CHECKING:
    from rich.table import Table

    from sparcell.evaluation.report import Report

ROWS_PIXELS = 1 << 22
WHOLE = (slice(None), slice(None))


class Correlation:
    """Pearson correlation of two images that arrive in parts (Bonte et al. 2023, eq. 3).

    Sums are taken about the first values, so large offsets cost no precision.
    """

    def __init__(self) -> None:
        self._shift: tuple[float, float] | None = None
        self._sums = np.zeros(6)

    def add(self, first: NDArray[Any], second: NDArray[Any]) -> None:
        """Take the next pixels of both; of any shape, the same for both."""
        if not first.size:
            return
        if self._shift is None:
            self._shift = float(first.flat[0]), float(second.flat[0])
        x, y = (
            part.ravel().astype(np.float64) - shift
            for part, shift in zip((first, second), self._shift, strict=True)
        )
        self._sums += [len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y]

    @property
    def value(self) -> float:
        """-1 to 1; 0 where one of the images is constant."""
        count, x, y, xx, yy, xy = self._sums
        if not count:
            return 0.0
        spread = max(xx - x * x / count, 0.0) * max(yy - y * y / count, 0.0)
        tiny = 1e-12 * max(xx, 1e-300) * max(yy, 1e-300)
        if spread <= tiny:
            return 0.0
        return float(np.clip((xy - x * y / count) / np.sqrt(spread), -1, 1))


def pearson(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Correlate two images of one shape; see `Correlation`."""
    both = Correlation()
    both.add(first, second)
    return both.value


@dataclass(frozen=True)
class StainScores:
    """Correlations of predicted with real stains; `+` pools two images.

    Attributes
    ----------
    correlations : dict
        Stain to the correlations of images, each -1 to 1. Of several planes all their pixels count
        together. Where windows were compared, it is the mean of their correlations.
    windows : int
        Most windows that were compared in an image; 0 where whole images were.
    """

    correlations: dict[str, tuple[float, ...]]
    windows: int = 0

    def __add__(self, other: StainScores) -> StainScores:
        names = dict.fromkeys((*self.correlations, *other.correlations))
        return StainScores(
            {
                name: self.correlations.get(name, ()) + other.correlations.get(name, ())
                for name in names
            },
            max(self.windows, other.windows),
        )

    def __getitem__(self, stain: str) -> float:
        return float(np.mean(self.correlations[stain]))

    def describe(self, stain: str) -> str:
        """Say mean and SD over images in words; one image has no SD."""
        values = self.correlations[stain]
        spread = f", SD {np.std(values):.3f}" if len(values) > 1 else ""
        return f"{self[stain]:.3f}{spread}"

    def to_dict(self) -> dict[str, float]:
        """Return the mean correlation of every stain."""
        return {stain: self[stain] for stain in self.correlations}


def correlate_stains(
    real: Sequence[Image],
    predicted: Image,
    ignore: Image | None = None,
    name: str = "",
    *,
    windows: CorrelationWindows | None = None,
) -> StainScores:
    """Correlate the predicted stains of an image with real ones, in grey values as they are.

    Parameters
    ----------
    real : sequence of Image
        Real stains; their channels one after the other are those of `predicted`.
    predicted : Image
    ignore : Image, optional
        Non-zero where pixels shall be left out.
    name : str
        Of the image, for the windows and for messages.
    windows : CorrelationWindows, optional
        Compare windows with few nuclei instead of the whole image (Bonte et al. 2023, 2.1).

    Raises
    ------
    InputError
        If the numbers of stains differ, or the image has no such window.
    """
    count = sum(stain.size("C") for stain in real)
    if count != predicted.size("C"):
        raise InputError(
            f"{count} real and {predicted.size('C')} predicted stains of {name}",
            "the same number of both",
            "name every folder of real stains, in the order of the prediction",
        )
    regions = windows.draw(name, predicted.shape) if windows else [WHOLE]
    values = np.mean([_correlate(real, predicted, ignore, region) for region in regions], axis=0)
    stains = zip(_names(predicted, count), values.tolist(), strict=True)
    return StainScores({stain: (value,) for stain, value in stains}, len(regions) if windows else 0)


def _names(predicted: Image, count: int) -> list[str]:
    return ["stain"] if count == 1 else list(predicted.channels)


def _correlate(
    real: Sequence[Image], predicted: Image, ignore: Image | None, where: tuple[slice, slice]
) -> list[float]:
    found = [Correlation() for _ in range(predicted.size("C"))]
    height, width = predicted.shape
    (top, bottom, _), x = where[0].indices(height), where[1]
    step = max(1, ROWS_PIXELS // width)
    for plane in predicted.planes():
        for first in range(top, bottom, step):
            rows = slice(first, min(first + step, bottom))
            keep: NDArray[np.bool_] | slice = slice(None)
            if ignore is not None:
                keep = ignore.read_labels(rows, x, plane) == 0
            true = np.concatenate([stain.read(rows, x, plane) for stain in real])
            for one, a, b in zip(found, true, predicted.read(rows, x, plane), strict=True):
                one.add(a[keep], b[keep])
    return [one.value for one in found]


def _summary(report: Report[StainScores]) -> dict[str, Any]:
    """Mean and SD over images (of the population, 0 for one) of every stain."""
    stains = {
        stain: {"pcc": float(np.mean(values)), "pcc_sd": float(np.std(values))}
        for stain, values in report.total.correlations.items()
    }
    windows = {name: scores.windows for name, scores in report.images.items() if scores.windows}
    return {"stains": stains, "windows": windows} if windows else {"stains": stains}


def _table(report: Report[StainScores]) -> Table:
    """Mean and SD over images, then the images."""
    from rich.table import Table

    total = report.total
    table = Table("image", *(f"{stain}: correlation" for stain in total.correlations))
    if total.windows:
        table.caption = f"each the mean of up to {total.windows} windows"
    means = map(total.describe, total.correlations)
    table.add_row(f"mean of {len(report.images)}", *means, style="bold")
    for image, scores in report.images.items():
        table.add_row(image, *(f"{scores[stain]:.3f}" for stain in total.correlations))
    return table


def _values(scores: StainScores) -> dict[str, float]:
    return {"stain_pcc": float(np.mean(list(scores.to_dict().values())))}


STAIN = Metric(
    "stain",
    "images",
    "How well predicted stains agree with real ones.",
    (
        Column(
            "stain_pcc",
            "correlation with the stain",
            "Pearson correlation of the grey values, mean over stains",
            key="pcc",
        ),
    ),
    correlate_stains,
    _values,
    flat=True,
    table=_table,
    summary=_summary,
)
