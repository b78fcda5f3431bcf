"""Fields with small objects, enlarged to the size that a model knows; `predict` enlarges less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import Image
from sparcell.measurement.counts import median_diameter
from sparcell.prediction.found_size import LARGEST_FACTOR, SMALL
from sparcell.prediction.size import ENOUGH
from sparcell.prediction.tiling.rescale import resized

if TYPE_CHECKING:
    from sparcell.training.data.fields import TrainingField


def enlarge(field: TrainingField, diameter: float) -> TrainingField:
    """Enlarge a field whose objects are small, so that their median diameter is `diameter`.

    Fields are chosen as by `sparcell.prediction.found_size`, by true sizes: the median diameter
    is below 0.7 of `diameter`, and not below a quarter of it; there are five objects or more.

    Parameters
    ----------
    field : TrainingField
        With labels alone, no points, mask or stain.
    diameter : float
        px; 0: nothing is enlarged.
    """
    areas = np.bincount(field.labels.ravel())[1:]
    areas = areas[areas > 0]
    if not diameter or len(areas) < ENOUGH:
        return field
    found = median_diameter(areas)
    if found >= SMALL * diameter or diameter > LARGEST_FACTOR * found:
        return field
    before = field.labels.shape
    after = (round(before[0] * diameter / found), round(before[1] * diameter / found))
    factors = np.divide(after, before)
    # The pixel of the field in which the middle of each new pixel lies.
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(after, before, strict=True)
    )

    def nearest(plane: NDArray[Any] | None) -> Any:
        return None if plane is None else plane[..., rows[:, None], columns]

    return field._replace(
        image=resized(Image(field.image, "CYX"), after).read().astype(np.float32, copy=False),
        labels=nearest(field.labels),
        valid=nearest(field.valid),
        centres=(field.centres + 0.5) * factors - 0.5,
        earlier_labels=nearest(field.earlier_labels),
        earlier_valid=nearest(field.earlier_valid),
    )
