"""Random augmented crops: the input of the network in training.

A crop depends only on (seed, epoch, number), so a resumed run gets the same crops as an
uninterrupted one, with any number of worker processes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch.utils.data import Dataset, Sampler

from sparcell.core.annotation import Annotation
from sparcell.methods import METHODS
from sparcell.morphology.boundaries import BEYOND
from sparcell.preprocessing.padding import pad_to
from sparcell.training.data.crop_placement import CropPlaces, keep_inside
from sparcell.training.data.empty_fields import draw_smooth_light, empty_field
from sparcell.training.data.fields import Fields, TrainingField
from sparcell.training.data.specimen_light import (
    add_glow,
    change_brightness,
    change_texture,
    draw_cytoplasm,
)
from sparcell.training.recipe import Recipe
from sparcell.training.recipe_parts import Augment, Border


class Crop(NamedTuple):
    """One crop, or a batch of crops, for a training step.

    Attributes
    ----------
    image : (C, Y, X) float32
    target : (K, Y, X) float32
        With `network.every_frame`: (frames * K, Y, X), oldest first.
    valid : (1, Y, X) float32
        1 where the target is known. With `network.every_frame`: (frames, Y, X).
    """

    image: NDArray[np.float32]
    target: NDArray[np.float32]
    valid: NDArray[np.float32]


class RandomCrops(Dataset[Crop]):
    """The crops of all epochs, by (epoch, number)."""

    def __init__(self, fields: Fields, recipe: Recipe) -> None:
        self.fields, self.recipe = fields, recipe
        self.method = METHODS[recipe.method.name]
        self.places = CropPlaces(fields, recipe)

    def __len__(self) -> int:
        return crops_per_epoch(self.fields, self.recipe)

    def __getitem__(self, place: tuple[int, int]) -> Crop:
        rng = np.random.default_rng([self.recipe.seed, *place])
        augment, shape = self.recipe.augment, self.recipe.fit.shape
        index, corner = self.places.find(*place, rng)
        field = self.fields[index]
        if augment.empty and rng.random() < augment.empty:
            field = empty_field(field, shape, self.recipe.normalise, rng)
            image, learns_from = field.image, self.method.learns_from
            frames = [(one.truth(learns_from), one.valid) for one in (*field.earlier, field)]
        else:
            image, frames = self._cut(field, corner, rng)
            labels = frames[-1][0] if self.method.learns_from == "labels" else None
            image = change_specimen(image, labels, augment, rng)
        image = change_intensity(image, augment, rng)
        targets = [self.method.targets(truth, self.recipe.method) for truth, _ in frames]
        masks = np.stack([valid for _, valid in frames]).astype(np.float32)
        return Crop(image, np.concatenate(targets), masks)

    def _cut(
        self, field: TrainingField, corner: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], list[tuple[Any, NDArray[np.bool_]]]]:
        """Cut a crop through a random map: its image, and truth and valid mask of each frame."""
        augment, shape = self.recipe.augment, self.recipe.fit.shape
        matrix, shift = draw_affine(augment, shape, rng)
        corner = keep_inside(corner + np.trunc(shift).astype(np.int64), field, shape)
        centre = corner + (np.array(shape) - 1) / 2
        where = (centre, matrix, shape, self.method.learns_from, augment.border)
        image, truth, valid = cut(field, *where)
        # Earlier frames need only targets; `image` has the pixels of all frames.
        before = [cut(one._replace(image=one.image[:1]), *where)[1:] for one in field.earlier]
        return image, [*before, (truth, valid)]


class EpochSampler(Sampler[tuple[int, int]]):
    """Gives the (epoch, number) of the crops of an epoch; Lightning sets the epoch."""

    def __init__(self, count: int) -> None:
        self.count, self.epoch = count, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the next epoch; Lightning calls this, also after a resume."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, number) for number in range(self.count))

    def __len__(self) -> int:
        return self.count


class Batches(Sampler[list[tuple[int, int]]]):
    """Groups the crops of an epoch into batches.

    Crops that are drawn anew form full batches only. If each epoch has every crop once, the last
    batch may be smaller. A single remaining crop is added to the batch before, since batch
    normalisation needs more than one value.
    """

    def __init__(self, sampler: EpochSampler, batch: int, every_crop: bool) -> None:
        self.sampler, self.batch, self.every_crop = sampler, batch, every_crop

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        crops = iter(self.sampler)
        return (list(itertools.islice(crops, size)) for size in self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def sizes(self) -> list[int]:
        """Number of crops in each batch of an epoch."""
        full, rest = divmod(len(self.sampler), self.batch)
        sizes = [self.batch] * full
        if not self.every_crop or not rest:
            return sizes
        if rest == 1 and sizes and self.batch > 1:
            return [*sizes[:-1], self.batch + 1]
        return [*sizes, rest]


class WholeFields(Dataset[Crop]):
    """Whole validation fields, padded to `multiple` px; padding is not valid."""

    def __init__(self, fields: Fields, recipe: Recipe, multiple: int) -> None:
        self.fields, self.recipe, self.multiple = fields, recipe, multiple
        self.method = METHODS[recipe.method.name]

    def __len__(self) -> int:
        return len(self.fields)

    def __getitem__(self, index: int) -> Crop:
        field = self.fields[index]
        target = self.method.targets(field.truth(self.method.learns_from), self.recipe.method)
        height, width = (-(-edge // self.multiple) * self.multiple for edge in field.labels.shape)
        grow = ((0, 0), (0, height - target.shape[1]), (0, width - target.shape[2]))
        return Crop(
            pad_to(field.image, (height, width)),
            np.pad(target, grow),
            np.pad(field.valid[None].astype(np.float32), grow),
        )


def crops_per_epoch(fields: Fields, recipe: Recipe) -> int:
    """Number from the recipe, or of all positions, or of crops that tile the training images."""
    if recipe.fit.crops_per_epoch:
        return recipe.fit.crops_per_epoch
    if places := CropPlaces(fields, recipe).different:
        return places
    height, width = recipe.fit.shape
    return max(recipe.fit.batch, round(fields.area / (height * width)))


def draw_affine(
    augment: Augment, crop: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw a matrix of rotation, shear, scale and flips, and a shift in px.

    Salomon-Sörensen 2023, eq. 3.11 and 3.12. The matrix (2, 2) maps offsets (y, x) in the crop to
    offsets in the field.
    """
    turn, shear = np.deg2rad(
        [
            rng.uniform(-augment.rotation, augment.rotation),
            rng.uniform(-augment.shear, augment.shear),
        ]
    )
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    size = 1 + rng.uniform(-augment.scale, augment.scale)
    flips = rng.choice([-1.0, 1.0], 2) if augment.flip else np.ones(2)
    matrix = rotation @ np.array([[1, np.tan(shear)], [0, 1]]) @ np.diag(flips) / size
    return matrix, rng.uniform(-augment.shift, augment.shift, 2) * crop


def cut(
    field: TrainingField,
    centre: NDArray[np.float64],
    matrix: NDArray[np.float64],
    crop: tuple[int, int],
    learns_from: str = "labels",
    border: Border = "ignored",
) -> tuple[NDArray[np.float32], Any, NDArray[np.bool_]]:
    """Cut a rectangle around `centre` through an affine map.

    Image and stain are interpolated linearly, labels and masks by the nearest pixel, all at the
    same positions. Beyond the image lies its reflection, or with ``border="zero"`` -1, the darkest
    value. Pixels there are not valid, unless `border` is ``"reflected"``.

    Returns
    -------
    image : (C, Y, X) float32
    truth : (Y, X) int32, (K, Y, X) float32 or Annotation
        Labels, stains or annotation, by `learns_from`. Labels are `BEYOND` outside the image.
        Points up to half an edge outside the crop are included: they show which parts of a mask
        belong to objects outside.
    valid : (Y, X) bool
    """
    # Position in the field of the first pixel of the crop: field = matrix @ crop + offset.
    offset = centre - matrix @ ((np.array(crop) - 1) / 2)
    reflected = border == "reflected"

    def sample(plane: NDArray[Any], order: int, beyond: float | None = None) -> NDArray[Any]:
        mode = "mirror" if beyond is None or reflected else "grid-constant"
        out: NDArray[Any] = ndimage.affine_transform(
            plane, matrix, offset, crop, order=order, mode=mode, cval=beyond or 0, prefilter=False
        )
        return out

    dark = -1.0 if border == "zero" else None
    image = np.stack([sample(channel, 1, dark) for channel in field.image]).astype(np.float32)
    truth = field.truth(learns_from)
    if isinstance(truth, Annotation):
        labels, points, mask = truth.labels, truth.points, truth.mask
        truth = truth._replace(
            labels=None if labels is None else sample(labels, 0, 0),
            points=None
            if points is None
            else move_points(points, field.labels.shape, matrix, offset, crop, reflected),
            mask=None if mask is None else sample(mask.astype(np.uint8), 0, 0).astype(bool),
        )
    elif truth.ndim == 3:
        truth = np.stack([sample(intensities, 1) for intensities in truth])
    else:
        truth = sample(truth, 0, BEYOND)
    valid = sample(field.valid.astype(np.uint8), 0, 0).astype(bool)
    return image, truth, valid


def move_points(
    points: NDArray[np.float32],
    shape: tuple[int, ...],
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    crop: tuple[int, int],
    reflected: bool,
) -> NDArray[np.float32]:
    """Positions in a crop of the points in it or up to half an edge outside, with reflections."""
    edges = np.array(crop)
    low, high = -edges / 2 - 0.5, edges * 1.5 - 0.5
    moved = points.astype(np.float64)
    if reflected:
        corners = np.array([[y, x] for y in (low[0], high[0]) for x in (low[1], high[1])])
        reached = corners @ matrix.T + offset
        for axis, length in enumerate(shape):
            moved = _reflect(moved, axis, length, reached[:, axis].min(), reached[:, axis].max())
    moved = (moved - offset) @ np.linalg.inv(matrix).T
    inside = ((moved >= low) & (moved < high)).all(1)
    return moved[inside].astype(np.float32)


def _reflect(
    points: NDArray[np.float64], axis: int, length: int, low: float, high: float
) -> NDArray[np.float64]:
    """Add the reflections of points at the first and the last pixel, from `low` to `high`."""
    period = 2 * (length - 1)
    if (low >= 0 and high <= length - 1) or not period:
        return points
    # A point on the first or last pixel is its own reflection.
    free = (points[:, axis] > 0) & (points[:, axis] < length - 1)
    copies = []
    for turn in range(int(low // period), int(high // period) + 2):
        for sign, chosen in ((1, points), (-1, points[free])):
            copy = chosen.copy()
            copy[:, axis] = sign * chosen[:, axis] + turn * period
            copies.append(copy)
    every = np.concatenate(copies)
    return every[(every[:, axis] >= low) & (every[:, axis] <= high)]


def change_specimen(
    image: NDArray[np.float32],
    labels: NDArray[np.int32] | None,
    augment: Augment,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Change texture, brightness and glow of objects, and add cytoplasm around them, if any."""
    if augment.texture and rng.random() < 0.5:
        image = change_texture(image, labels, augment.texture, rng)
    if augment.dimming > 1 and labels is not None and rng.random() < 0.25:
        image = change_brightness(image, labels, augment.dimming, rng)
    if augment.glow and labels is not None and rng.random() < 0.5:
        image = add_glow(image, labels, augment.glow, rng)
    if augment.cytoplasm and labels is not None and rng.random() < 0.5:
        brightness = np.float32(rng.uniform(0, augment.cytoplasm))
        image = image + brightness * draw_cytoplasm(labels, rng)
    return image


def change_intensity(
    image: NDArray[np.float32], augment: Augment, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Change contrast, out-of-focus light, brightness, blur and noise of a normalised image."""
    image = image * np.float32(1 + rng.uniform(-augment.gain, augment.gain))
    if augment.contrast > 1 and rng.random() < 0.5:
        # The background is -1 and stays so.
        largest = np.log(augment.contrast)
        image = (image + 1) * np.float32(np.exp(rng.uniform(-largest, largest / 2))) - 1
    if augment.out_of_focus and rng.random() < 0.5:
        image += draw_smooth_light(image.shape[1:], rng) * np.float32(
            rng.uniform(0, augment.out_of_focus)
        )
    image += np.float32(rng.uniform(-augment.offset, augment.offset))
    if augment.blur and rng.random() < 0.5:
        sigma = rng.uniform(0, augment.blur)
        image = ndimage.gaussian_filter(image, (0, sigma, sigma))
    if augment.noise:
        amount = np.float32(rng.uniform(0, augment.noise))
        image += amount * rng.standard_normal(image.shape, np.float32)
    return image.astype(np.float32, copy=False)
