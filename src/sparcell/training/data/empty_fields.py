"""Fields without objects, drawn at random: noise, uneven light and specks, with empty labels.

A network that has only seen fields with objects takes the noise of an empty one for some.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.image import Image
from sparcell.preprocessing.normalise import ConstantImage, Normalise, Scaling
from sparcell.training.data.fields import TrainingField

Pixels = NDArray[np.float32]
HALF = 0.5
"""Probability of uneven light, and of rounding to grey steps."""
SOMETIMES = 0.25
"""Probability of each other effect."""


def empty_field(
    field: TrainingField, shape: tuple[int, int], normalise: Normalise, rng: np.random.Generator
) -> TrainingField:
    """Draw a field without objects, in place of a field of a dataset.

    Parameters
    ----------
    field : TrainingField
        Has the number of channels and frames.
    shape : (int, int)
        Rows and columns of the field that is drawn, px.
    normalise : Normalise
        How it is normalised, by its own pixels as in prediction.
    rng : numpy.random.Generator

    Returns
    -------
    TrainingField
        All its pixels are known to be background.
    """
    labels, earlier = np.zeros(shape, np.int32), field.earlier_labels
    frames = None if earlier is None else np.zeros((len(earlier), *shape), np.int32)
    return TrainingField(
        name="empty",
        image=_draw_normalised(len(field.image), shape, normalise, rng),
        labels=labels,
        valid=np.ones(shape, bool),
        centres=np.zeros((0, 2)),
        points=np.zeros((0, 2), np.float32),
        mask=np.zeros(shape, bool),
        annotation=frozenset({"outlines"}),
        earlier_labels=frames,
        earlier_valid=None if frames is None else np.ones(frames.shape, bool),
    )


def _draw_normalised(
    channels: int, shape: tuple[int, int], normalise: Normalise, rng: np.random.Generator
) -> Pixels:
    """Normalised image of an empty field, (C, Y, X) float32."""
    pixels = np.stack([draw_intensities(shape, rng) for _ in range(channels)])
    try:
        return Scaling.measure(Image(pixels, "CYX"), normalise)(pixels)
    except ConstantImage:
        # Photons so few that none arrived.
        return np.full_like(pixels, -1)


def draw_intensities(shape: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Draw what a camera records of a field without objects, (Y, X) float32.

    The unit is the standard deviation of its noise, or a photon.
    """
    light = np.zeros(shape, np.float32)
    if rng.random() < HALF:
        light += _log_uniform(1, 100, rng) * draw_smooth_light(shape, rng)
    if rng.random() < SOMETIMES:
        pixels = rng.poisson(_log_uniform(0.05, 50, rng) * (1 + light / 50)).astype(np.float32)
    else:
        pixels = light + _draw_noise(shape, rng)
    if rng.random() < SOMETIMES:
        # Rows of a camera differ in their offset.
        pixels += rng.uniform(0, 2) * rng.standard_normal((shape[0], 1), np.float32)
    if rng.random() < SOMETIMES:
        hot = rng.random(shape) < _log_uniform(1e-4, 5e-3, rng)
        pixels[hot] += _log_uniform(10, 1000, rng)
    if rng.random() < SOMETIMES:
        pixels += _draw_specks(shape, rng)
    if rng.random() < HALF:
        pixels = np.rint(pixels * _log_uniform(0.3, 10, rng))
    return pixels.astype(np.float32, copy=False)


def draw_smooth_light(shape: tuple[int, ...], rng: np.random.Generator) -> Pixels:
    """Draw out-of-focus light: (Y, X) float32 in 0..1, smooth over 1/2 to 1/6 of the crop.

    Thick specimens have such light, but few outlined fields. A network trained without it detects
    it as objects.
    """
    import torch
    from torch.nn import functional

    grid = torch.from_numpy(rng.random((1, 1, *rng.integers(3, 8, 2)), np.float32))
    smooth = functional.interpolate(grid, shape, mode="bicubic", align_corners=True)
    light: Pixels = smooth[0, 0].clamp(0, 1).numpy()
    return light


def _draw_noise(shape: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """White noise, in half of the fields mixed with noise as coarse as up to large nuclei."""
    noise = rng.standard_normal(shape, np.float32)
    if rng.random() < HALF:
        smooth = ndimage.gaussian_filter(
            rng.standard_normal(shape, np.float32),
            _log_uniform(0.5, 16, rng),
            mode="wrap",
            truncate=2.5,
        )
        smooth /= smooth.std()
        share = rng.random()
        noise = np.float32(np.sqrt(share)) * smooth + np.float32(np.sqrt(1 - share)) * noise
    if rng.random() < SOMETIMES:
        # An offset of the camera that is too low cuts the noise.
        noise = np.maximum(noise, np.float32(rng.uniform(-1, 1)))
    return noise


def _draw_specks(shape: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Points of light, smaller than nuclei."""
    specks = np.zeros(shape, np.float32)
    count = rng.integers(1, 20)
    where = tuple(rng.integers(0, edge, count) for edge in shape)
    specks[where] = _log_uniform(50, 5000, rng) * rng.random(count)
    smooth: Pixels = ndimage.gaussian_filter(specks, rng.uniform(0.5, 1.2))
    return smooth


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
