"""Positions of crops: random, drawn once for all epochs, or tile by tile.

A crop starts at a whole pixel, so nothing is interpolated without augmentation. It stays inside a
larger field; a smaller field lies in its centre.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.training.data.fields import Fields, TrainingField
from sparcell.training.recipe import Recipe
from sparcell.training.recipe_parts import Fit

Pixels = NDArray[np.int64]
TRIES = 100
"""Attempts to draw a fixed crop with an object before one is centred on an object."""


class CropPlace(NamedTuple):
    """Index of a field, and row and column (2,) of the first pixel of a crop in it."""

    field: int
    corner: Pixels


class CropPlaces:
    """Positions of all crops, by epoch and number."""

    def __init__(self, fields: Fields, recipe: Recipe) -> None:
        self.fields, self.recipe = fields, recipe
        fit = recipe.fit
        self._tiles: list[CropPlace] = []
        if fit.tiles:
            self._tiles = [
                CropPlace(index, corner)
                for index, shape in enumerate(fields.shapes)
                for corner in tile_corners(shape, fit.shape, fit.tiles)
            ]

    @property
    def different(self) -> int:
        """Number of different positions; 0 if each crop is drawn anew."""
        return len(self._tiles) or len(self.fields) * self.recipe.fit.fixed_crops

    def find(self, epoch: int, number: int, rng: np.random.Generator) -> CropPlace:
        """Return the position of a crop; `rng` is used only if it is drawn anew."""
        fit, seed = self.recipe.fit, self.recipe.seed
        if not self.different:
            index = self.fields.draw(rng, self.recipe.data.auto_weight)
            return CropPlace(index, draw_corner(self.fields[index], fit, rng))
        # Numbers beyond the last position start again, in another order.
        rounds, rest = divmod(number, self.different)
        chosen = int(np.random.default_rng([seed, epoch, rounds]).permutation(self.different)[rest])
        if self._tiles:
            return self._tiles[chosen]
        index = chosen // fit.fixed_crops
        # A seed of four numbers differs from every seed of crops drawn anew, which have three.
        fixed = np.random.default_rng([seed, 0, 0, chosen])
        return CropPlace(index, draw_fixed(self.fields[index], fit.shape, fixed))


def tile_corners(field: tuple[int, int], crop: tuple[int, int], step: float) -> list[Pixels]:
    """Spread tiles over a field, at most `step` of their edge apart.

    Parameters
    ----------
    field, crop : (int, int)
        Rows and columns.
    step : float
        0..1; 1 = side by side, with no more overlap than whole tiles need.

    Returns
    -------
    list of (2,) int64
        First row and column of each tile, row by row.
    """
    starts = []
    for edge, tile in zip(field, crop, strict=True):
        free = edge - tile
        count = 1 + max(0, -(-free // max(1, int(step * tile))))
        starts.append(np.rint(np.linspace(0, free, count)) if free > 0 else [free // 2])
    return [np.array([y, x], np.int64) for y in starts[0] for x in starts[1]]


def draw_corner(field: TrainingField, fit: Fit, rng: np.random.Generator) -> Pixels:
    """Draw a crop: around an object with probability `fit.foreground_fraction`, else anywhere.

    The centre may be any pixel; a crop that reaches beyond the field is moved back inside. So
    pixels at the border are drawn about half as often as others. If crops were drawn among those
    inside the field, border pixels would be in one of a hundred crops.
    """
    middle = rng.random(2) * field.labels.shape
    if len(field.centres) and rng.random() < fit.foreground_fraction:
        middle = field.centres[rng.integers(len(field.centres))]
    corner = np.rint(middle - (np.array(fit.shape) - 1) / 2).astype(np.int64)
    return keep_inside(centre_small(corner, field, fit.shape), field, fit.shape)


def draw_fixed(field: TrainingField, crop: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Draw a crop with an object in it, if the field has any (Bonte et al. 2023, 2.2)."""
    free = np.maximum(np.array(field.labels.shape) - crop, 0)
    corner = np.zeros(2, np.int64)
    for _ in range(TRIES):
        corner = centre_small(rng.integers(0, free + 1), field, crop)
        if shows_object(field, corner, crop):
            return corner
    if len(field.centres):
        middle = field.centres[rng.integers(len(field.centres))]
        near = np.rint(middle - (np.array(crop) - 1) / 2).astype(np.int64)
        corner = keep_inside(centre_small(near, field, crop), field, crop)
    return corner


def shows_object(field: TrainingField, corner: Pixels, crop: tuple[int, int]) -> bool:
    """Whether a crop contains a part of an object: labels, a point, or bright stain."""
    low, high = np.maximum(corner, 0), np.maximum(corner + crop, 0)
    window = (slice(low[0], high[0]), slice(low[1], high[1]))
    if field.labels[window].any():
        return True
    if field.points is not None and len(field.points):
        return bool(((field.points >= low) & (field.points < high)).all(1).any())
    if field.stain is not None and not field.labels.any():
        # Without labels: more than 1 in 1000 pixels of stain above a quarter of its range.
        return bool((field.stain[:, *window] > 0.25).any(0).mean() > 1e-3)
    return False


def centre_small(corner: Pixels, field: TrainingField, crop: tuple[int, int]) -> Pixels:
    """Centre a field that is smaller than the crop."""
    free = np.array(field.labels.shape) - crop
    return np.where(free > 0, corner, free // 2)


def keep_inside(corner: Pixels, field: TrainingField, crop: tuple[int, int]) -> Pixels:
    """Move a crop inside the field along axes where the field is larger."""
    free = np.array(field.labels.shape) - crop
    return np.where(free > 0, np.clip(corner, 0, np.maximum(free, 0)), corner)
