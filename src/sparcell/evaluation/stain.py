"""How well a predicted stain agrees with the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.progress import track
from sparcell.evaluation.pairs import Source, pair_images
from sparcell.evaluation.stain_windows import CorrelationWindows

if TYPE_CHECKING:
    from rich.table import Table

ROWS_PIXELS = 1 << 22
WHOLE = (slice(None), slice(None))


class Correlation:
    """Pearson correlation of two images that arrive in parts (isl paper, equation 3).

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
        """-1 to 1; 0 where one of the images is constant: it tells nothing of the other."""
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
class StainEvaluation:
    """Correlations of predicted with real stains.

    Attributes
    ----------
    images : dict
        Image to stain to correlation; of several planes, all their pixels together. Where
        windows were compared, the mean of their correlations.
    windows : dict
        Image to number of windows; empty where whole images were compared.
    """

    images: dict[str, dict[str, float]]
    windows: dict[str, int] = field(default_factory=dict)

    @property
    def stains(self) -> list[str]:
        """Names of the stains."""
        return list(dict.fromkeys(name for held in self.images.values() for name in held))

    def of(self, stain: str) -> NDArray[np.float64]:
        """Correlations of one stain, by image."""
        return np.array([held[stain] for held in self.images.values()])

    def describe(self, stain: str) -> str:
        """Say mean and SD over images in words; one image has no SD."""
        values = self.of(stain)
        spread = f", SD {values.std():.3f}" if len(values) > 1 else ""
        return f"{values.mean():.3f}{spread}"

    def to_json(self) -> dict[str, Any]:
        """Return mean and SD over images (of the population, 0 for one), and each image."""
        total = {
            name: {"pcc": float(self.of(name).mean()), "pcc_sd": float(self.of(name).std())}
            for name in self.stains
        }
        content = {"stains": total, "images": self.images}
        return content | {"windows": self.windows} if self.windows else content

    def table(self) -> Table:
        """Return mean, SD and images as a table for the terminal."""
        from rich.table import Table

        table = Table("image", *(f"{name}: correlation" for name in self.stains))
        if self.windows:
            table.caption = f"each the mean of up to {max(self.windows.values())} windows"
        means = map(self.describe, self.stains)
        table.add_row(f"mean of {len(self.images)}", *means, style="bold")
        for image, held in self.images.items():
            table.add_row(image, *(f"{held[name]:.3f}" for name in self.stains))
        return table


def evaluate_stains(
    truth: Source | Sequence[Source],
    pred: Source,
    *,
    ignore: Source | None = None,
    fields: Sequence[str] = (),
    windows: CorrelationWindows | None = None,
) -> StainEvaluation:
    """Correlate predicted stains with real ones, in grey values as they are in the files.

    Parameters
    ----------
    truth : Path, str, mapping from name to Path, or sequence of them
        Folder of real stains, or one image; several where a prediction has several stains that
        come from several folders. A folder with ``stain/`` in it stands for that. A stack of depths
        is projected to its maximum where the prediction has one depth.
    pred : Path, str or mapping from name to Path
        Predicted stains likewise; channel after channel they are those of `truth`.
    ignore : Path, str or mapping from name to Path, optional
        Images that are non-zero where pixels shall be left out.
    fields : sequence of str
        As for `evaluate`.
    windows : Windows, optional
        Compare windows with few nuclei instead of whole images (isl paper, 2.1).

    Raises
    ------
    InputError
        If names do not pair, sizes or numbers of stains differ, or an image has no such window.
    """
    folders: list[Source] = [truth] if isinstance(truth, str | Path | Mapping) else list(truth)
    pairs = [pair_images(folder, pred, ignore, "stain", fields) for folder in folders]
    images: dict[str, dict[str, float]] = {}
    drawn: dict[str, int] = {}
    for alike in track(zip(*pairs, strict=True), "evaluating", len(pairs[0]), "images"):
        opened = [pair.open(projected=True) for pair in alike]
        predicted, left_out = opened[0][1:]
        real = [one[0] for one in opened]
        count = sum(stain.size("C") for stain in real)
        if count != predicted.size("C"):
            raise InputError(
                f"{count} real and {predicted.size('C')} predicted stains of {alike[0].name}",
                "as many of both",
                "name every folder of real stains, in the order of the prediction",
            )
        name = alike[0].name
        places = windows.draw(name, predicted.shape) if windows else [WHOLE]
        scores = np.mean([_correlate(real, predicted, left_out, where) for where in places], axis=0)
        images[name] = dict(zip(_names(predicted, count), scores.tolist(), strict=True))
        if windows:
            drawn[name] = len(places)
    return StainEvaluation(images, drawn)


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
