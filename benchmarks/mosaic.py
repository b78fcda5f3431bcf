"""A square image of any size, laid out with pieces of a dataset's images, and its true objects.

The dataset's fields are a few hundred pixels wide. Pieces of 256 px, each with its contrast
stretched, are put side by side in a fixed random order, again and again, so that objects per
megapixel are the same at every size. Objects are cut where pieces meet, for every tool alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.dataset import Dataset
from sparcell.core.labels import Labels, connected_labels
from sparcell.io import create_image, open_image

EDGE = 256
BAND = 1024
"""Rows that are written together: those of a chunk of OME-Zarr."""
PERCENTILES, BRIGHTEST = (1, 99.8), 200


class Mosaic:
    """Pieces of the images of one split.

    Parameters
    ----------
    dataset : Path
        Dataset folder; only images of one channel, with labels, at least 256 px wide and high.
    split : str
    """

    def __init__(self, dataset: Path, split: str = "test") -> None:
        images, labels = [], []
        for sample in Dataset.open(dataset).split(split).having("labels").samples:
            pixels = stretched(open_image(sample.image).read()[0])
            truth = open_image(sample.files["labels"]).read_labels()
            for y in range(0, pixels.shape[0] - EDGE + 1, EDGE):
                for x in range(0, pixels.shape[1] - EDGE + 1, EDGE):
                    place = np.s_[y : y + EDGE, x : x + EDGE]
                    images.append(pixels[place])
                    labels.append(connected_labels(truth[place]))
        order = np.random.default_rng(0).permutation(len(images))
        self.images = np.stack(images)[order]
        self.labels = np.stack(labels)[order]
        self.counts = self.labels.max(axis=(1, 2))

    def square(self, size: int) -> tuple[NDArray[np.uint8], Labels]:
        """Give a square and its true objects.

        Parameters
        ----------
        size : int
            Its edge, px, a multiple of 256.

        Returns
        -------
        image : (size, size) uint8
        labels : (size, size) int32
            0 = background, ids 1..n.
        """
        chosen = self._chosen(size, slice(0, size))
        before = np.cumsum(self.counts[chosen]).reshape(chosen.shape) - self.counts[chosen]
        labels = self.labels[chosen]
        labels += np.where(labels > 0, before[:, :, None, None], 0).astype(np.int32)
        return _joined(self.images[chosen]), _joined(labels)

    def count(self, size: int) -> int:
        """Give the number of true objects of a square."""
        return int(self.counts[self._chosen(size, slice(0, size))].sum())

    def write(self, path: Path, size: int) -> None:
        """Write the image of a square, a band at a time, so that it may be larger than memory."""
        with create_image(path, "YX", (size, size), np.uint8) as target:
            for top in range(0, size, BAND):
                rows = slice(top, min(top + BAND, size))
                target[rows, :] = _joined(self.images[self._chosen(size, rows)])

    def _chosen(self, size: int, rows: slice) -> NDArray[np.int64]:
        """Which piece lies where, for some rows of pixels."""
        if size % EDGE:
            raise SystemExit(f"a mosaic of {size} px: give a multiple of {EDGE}")
        across = size // EDGE
        places = np.arange(rows.start // EDGE * across, rows.stop // EDGE * across)
        return (places % len(self.images)).reshape(-1, across)


def stretched(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Map the percentiles 1 and 99.8 to 0 and 200, since the images come from many microscopes."""
    low, high = np.percentile(pixels, PERCENTILES)
    shown = (pixels - low) / max(high - low, 1e-6) * BRIGHTEST
    return np.clip(shown, 0, 255).astype(np.uint8)


def _joined(pieces: NDArray[Any]) -> NDArray[Any]:
    """Lay (rows, columns, EDGE, EDGE) pieces side by side."""
    rows, columns = pieces.shape[:2]
    return pieces.swapaxes(1, 2).reshape(rows * EDGE, columns * EDGE)
