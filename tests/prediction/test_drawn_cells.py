"""Bundled models on drawn images: each object is found once, and nothing in empty fields."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import f1
from scipy import ndimage

from sparcell.core.errors import InputError
from sparcell.prediction.array import predict_array

SHAPE = (256, 320)
CENTRES = [(y, x) for y in (40, 105, 170, 222) for x in (40, 100, 160, 220, 280)]
GROUND, PURPLE = np.array([205, 190, 215]), np.array([95, 50, 150])

Pixels = NDArray[np.floating]


def ellipses(centres: list[tuple[int, int]], radius: float, seed: int = 0) -> NDArray[np.int32]:
    """Label image of ellipses of any orientation, of half axes 0.8 and 1.25 times `radius`."""
    rng, labels = np.random.default_rng(seed), np.zeros(SHAPE, np.int32)
    y, x = np.indices(SHAPE)
    for number, (top, left) in enumerate(centres, 1):
        turn = rng.uniform(0, np.pi)
        along = (y - top) * np.cos(turn) + (x - left) * np.sin(turn)
        across = (x - left) * np.cos(turn) - (y - top) * np.sin(turn)
        labels[np.hypot(along / 1.25, across / 0.8) <= radius] = number
    return labels


def stained_tissue(labels: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Purple nuclei with texture on a light ground, (Y, X, 3)."""
    rng = np.random.default_rng(1)
    smooth = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 2)
    dye = ndimage.gaussian_filter((labels > 0).astype(float), 1) * (1 + smooth)
    image = GROUND + dye[..., None] * (PURPLE - GROUND) + rng.normal(0, 3, (*SHAPE, 1))
    return np.clip(image, 0, 255).astype(np.uint8)


def phase_contrast(labels: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Cells with bright halos on a dark ground."""
    rng = np.random.default_rng(2)
    away = ndimage.distance_transform_edt(labels == 0)
    inside = ndimage.distance_transform_edt(labels > 0)
    halo = np.exp(-((away / 2.5) ** 2)) * np.exp(-((inside / 1.5) ** 2))
    grains = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1.5) * 150 * (inside > 3)
    return (250 + 450 * halo - 60 * (inside > 2) + grains + rng.normal(0, 8, SHAPE)).astype(
        np.uint16
    )


def empty(seed: int) -> Pixels:
    return np.random.default_rng(seed).normal(0, 5, SHAPE)


@pytest.mark.parametrize("radius", [8, 11, 14])
def test_nuclei_in_stained_tissue(radius: float) -> None:
    labels = ellipses(CENTRES, radius)
    found = predict_array("stained", stained_tissue(labels), "YXC").labels
    assert f1(labels, found) >= 0.9


@pytest.mark.parametrize("radius", [7, 12, 18])
def test_yeast_in_phase_contrast(radius: float) -> None:
    labels = ellipses(CENTRES, radius)
    found = predict_array("yeast-phase", phase_contrast(labels)).labels
    assert f1(labels, found) >= 0.9


@pytest.mark.parametrize("seed", range(3))
def test_empty_fields_have_no_objects(seed: int) -> None:
    noise = np.stack([empty(seed + 10 * channel) for channel in range(3)], axis=-1)
    tissue = np.clip(GROUND + noise, 0, 255).astype(np.uint8)
    assert predict_array("stained", tissue, "YXC").labels.max() == 0
    assert predict_array("yeast-phase", (300 + empty(seed)).astype(np.uint16)).labels.max() == 0


def test_models_take_their_own_number_of_channels() -> None:
    tissue = stained_tissue(ellipses(CENTRES, 12))
    with pytest.raises(InputError, match=r"1 channel"):
        predict_array("stained", tissue[..., 0])
    with pytest.raises(InputError, match=r"3 channel"):
        predict_array("yeast-phase", tissue, "YXC")
