"""Propose the outline of a cell that was missed, at a place where somebody clicked on it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.image import Image
from sparcell.core.labels import Labels, number_pieces
from sparcell.models import load_model
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.maps import predict_window_maps
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.review.level_sets import best_region, disc
from sparcell.review.patches import Box
from sparcell.review.shapes import Mask

USUAL = 24.0
"""Diameter that is expected where no object tells one, px."""
REACH = 4.0
"""Half of the window in diameters of the median object."""
LOWERED = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.08)
"""Factors of the thresholds of a model at which a missed cell is looked for."""
LOWERABLE = ("threshold", "centre", "h")
"""Settings of methods that decide what is an object."""
AREAS = (0.15, 4.0)
"""Area of a proposal in areas of the median object."""
MOST_WINDOWS = 8


class Proposer:
    """Proposes outlines in one image.

    Parameters
    ----------
    image : Image
        Of one plane.
    model : str
        File or name of the model; empty for none.
    settings : PredictSettings
        Those of the prediction that is corrected.
    diameter : float
        Median diameter of the objects, px; 0 if nobody knows.
    """

    def __init__(
        self,
        image: Image,
        model: str = "",
        settings: PredictSettings = DEFAULTS,
        diameter: float = 0.0,
    ) -> None:
        self.image, self.diameter = image, diameter or USUAL
        self._model, self._settings = model, settings
        self._prepared: PreparedImage | None = None
        self._maps: OrderedDict[tuple[int, ...], NDArray[np.uint8] | None] = OrderedDict()

    def __call__(self, labels: Labels, y: float, x: float) -> tuple[Box, Mask, tuple[str, ...]]:
        """Propose an object at a place of the background.

        The maps of the model are decoded with ever lower thresholds until there is an object at
        the place. Without one, the outline is a level of the grey values that follows an edge.

        Parameters
        ----------
        labels : (Y, X) int32
            Objects that there are; the proposal has none of their pixels.
        y, x : float
            px.

        Returns
        -------
        box, mask
            Window of the image, and the pixels of the object in it.
        notes : tuple of str
            Where the outline comes from.
        """
        row, column = round(y), round(x)
        half = int(max(REACH * self.diameter, 32))
        box = (
            slice(max(0, row - half), min(labels.shape[0], row + half + 1)),
            slice(max(0, column - half), min(labels.shape[1], column + half + 1)),
        )
        free = labels[box] == 0
        place = (row - box[0].start, column - box[1].start)
        found = self._from_model(box, free, place)
        if found is not None:
            return box, found, ("outline from the maps of the model",)
        pixels = np.asarray(self.image.read(*box), np.float32)
        region = best_region(pixels, free, place, self.diameter)
        if region is not None:
            return box, region, ("outline from the edges in the image",)
        note = "no edge was found: a circle of the usual size; redraw it"
        return box, disc(free, place, self.diameter / 2), (note,)

    def _from_model(self, box: Box, free: Mask, place: tuple[int, int]) -> Mask | None:
        """Find the object at a place in the maps of the model."""
        if not self._model:
            return None
        maps = self._window_maps(box)
        if maps is None:
            return None
        assert self._prepared is not None
        model = self._prepared.model
        best, best_fit = None, 0.0
        for settings in _lowered(model.decode_settings):
            labels = _resize_labels(model.method.decode(maps, settings).labels, free.shape)
            mask = _connected_at(np.where(free, labels, 0), place)
            if mask is None:
                continue
            fit = self._fit(mask)
            if fit > best_fit:
                best, best_fit = mask, fit
            elif best is not None:
                break
        return best

    def _fit(self, mask: Mask) -> float:
        """How near the area of an object is to the usual one, 0 to 1."""
        ratio = np.count_nonzero(mask) / (np.pi / 4 * self.diameter**2)
        if not AREAS[0] <= ratio <= AREAS[1]:
            return 0.0
        return float(np.exp(-abs(np.log(ratio))))

    def _window_maps(self, box: Box) -> NDArray[np.uint8] | None:
        """Predict the maps of a window, which stay in memory for the next clicks there."""
        key = (box[0].start, box[0].stop, box[1].start, box[1].stop)
        if key not in self._maps:
            self._maps[key] = self._predict(box)
            while len(self._maps) > MOST_WINDOWS:
                self._maps.popitem(last=False)
        return self._maps[key]

    def _predict(self, box: Box) -> NDArray[np.uint8] | None:
        if self._prepared is None:
            loaded = LoadedModel(load_model(self._model), tta="none")
            self._prepared = PreparedImage.of(self.image, loaded, self._settings)
        prepared = self._prepared
        if prepared.image.frames > 1 or prepared.blank:
            return None
        factor = prepared.network_image.shape[0] / prepared.image.shape[0]
        rows, columns = (
            slice(int(part.start * factor), max(int(part.stop * factor), 1)) for part in box
        )
        return predict_window_maps(prepared, rows, columns)


def _lowered(settings: Any) -> Iterator[Any]:
    for factor in LOWERED:
        lower = {
            name: value * factor
            for name in LOWERABLE
            if isinstance(value := getattr(settings, name, None), float)
        }
        yield settings.model_copy(update={**lower, "min_size": 0})


def _resize_labels(labels: Labels, shape: tuple[int, ...]) -> Labels:
    """Give labels the size of a window by nearest neighbours."""
    if labels.shape == shape:
        return labels
    rows, columns = (
        np.minimum((np.arange(size) + 0.5) * have / size, have - 1).astype(int)
        for size, have in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def _connected_at(labels: Labels, place: tuple[int, int]) -> Mask | None:
    """Pixels of the object at a place, in one piece and without holes."""
    if not labels[place]:
        return None
    pieces = number_pieces(labels == labels[place])
    filled = ndimage.binary_fill_holes(pieces == pieces[place])
    return np.asarray(filled & ((labels == 0) | (labels == labels[place])))
