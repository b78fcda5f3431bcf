"""Windows with few nuclei, in which stains are compared.

The correlations of Bonte et al. 2023 (2.1) are those of crops of 512 px with about one nucleus
each: between nuclei of one window the dye hardly differs. In a whole field of many nuclei it does,
and what an image without stain does not show lowers the correlation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_files import stem
from sparcell.core.labels import Labels
from sparcell.evaluation.pairs import Source
from sparcell.io import list_images, open_image

TRIES = 2000


@dataclass(frozen=True)
class CorrelationWindows:
    """Which windows of an image are compared.

    Attributes
    ----------
    nuclei : Path, str or mapping from name to Path
        Label images of nuclei, by the names of the stains.
    edge : int
        Of the square windows, px.
    count : int
        Windows of an image (Bonte et al. 2023, 2.1: 5).
    most : int
        Nuclei in a window: 1 to so many.
    """

    nuclei: Source
    edge: int
    count: int = 5
    most: int = 3

    def draw(self, name: str, shape: tuple[int, int]) -> list[tuple[slice, slice]]:
        """Draw windows of an image (Y, X) that hold 1 to `most` nuclei; the same ones each time.

        Raises
        ------
        InputError
            If there is no label image of this name and size, or no such window.
        """
        labels = self._labels(name).read_labels()
        if labels.shape != shape or min(shape) < self.edge:
            raise InputError(
                f"nuclei of {labels.shape[0]} x {labels.shape[1]} px for windows of {self.edge} px "
                f"in {name}, {shape[0]} x {shape[1]} px",
                "labels of the image's size, and smaller windows",
                "check the folder of nuclei and the size of the windows",
            )
        rng = np.random.default_rng([self.edge, *name.encode()])
        found: list[tuple[slice, slice]] = []
        for _ in range(TRIES):
            y, x = (int(rng.integers(length - self.edge + 1)) for length in shape)
            window = (slice(y, y + self.edge), slice(x, x + self.edge))
            if 1 <= _count(labels[window]) <= self.most:
                found.append(window)
            if len(found) == self.count:
                return found
        if found:
            return found
        raise InputError(
            f"no window of {self.edge} px with 1 to {self.most} nuclei in {name}",
            "windows about as large as few nuclei",
            "choose another size of windows",
        )

    def _labels(self, name: str) -> Image:
        if isinstance(self.nuclei, Mapping):
            by_name = dict(self.nuclei)
        else:
            folder = Path(self.nuclei)
            by_name = (
                {stem(path): path for path in list_images([folder])} if folder.is_dir() else {}
            )
        if name not in by_name:
            raise InputError(
                f"no nuclei of {name} in {self.nuclei}",
                "a label image of the same name",
                "name the folder that holds it",
            )
        label_image = by_name[name]
        return label_image if isinstance(label_image, Image) else open_image(label_image)


def _count(labels: Labels) -> int:
    return int(np.count_nonzero(np.unique(labels)))
