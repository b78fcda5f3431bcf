"""The bundled model of nuclei finds none in noise, and nuclei of any brightness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.models import Model, load_model
from sparcell.models.runtime import Runtime
from sparcell.prediction.array import predict_array

EDGE = 256
NOISE = 5.0
CENTRES = [(y, x) for y in (45, 125, 205) for x in (35, 95, 155, 215)]

Pixels = NDArray[np.floating]


@pytest.fixture(scope="module")
def nuclei() -> tuple[Model, Runtime]:
    model = load_model("nuclei")
    # Cores of a test machine differ; one runtime gives the same everywhere.
    return model, model.open("onnxruntime", 1)


def count(nuclei: tuple[Model, Runtime], image: NDArray[np.generic]) -> int:
    model, runtime = nuclei
    return int(predict_array(model, image, runtime=runtime, threads=1).labels.max())


def noise(seed: int = 0, edge: int = EDGE) -> Pixels:
    return np.random.default_rng(seed).normal(100, NOISE, (edge, edge))


def drawn(brightness: float, centres: list[tuple[int, int]] = CENTRES, edge: int = EDGE) -> Pixels:
    """Nuclei of 20 px with blurred outlines, on 0."""
    y, x = np.mgrid[:edge, :edge]
    edges = [1 / (1 + np.exp(np.hypot(y - at[0], x - at[1]) - 10)) for at in centres]
    return brightness * np.sum(edges, axis=0)


def coarse(sigma: float, seed: int = 0) -> Pixels:
    smooth = ndimage.gaussian_filter(noise(seed), sigma)
    return 1000 + 100 * (smooth - smooth.mean()) / smooth.std()


SLOPE = np.linspace(0, 1, EDGE)
RNG = np.random.default_rng(5)
EMPTY = {
    "8 bits": noise().astype(np.uint8),
    "16 bits": (noise(1) * 40).astype(np.uint16),
    "float": (noise(2) / 1e4).astype(np.float32),
    "dim": RNG.poisson(2, (EDGE, EDGE)).astype(np.uint8),
    "single photons": RNG.poisson(0.05, (EDGE, EDGE)).astype(np.uint16),
    "smoothed": coarse(1.5).astype(np.uint16),
    "coarse": coarse(3).astype(np.uint16),
    "as coarse as nuclei": coarse(6).astype(np.float32),
    "few grey values": np.rint(coarse(3) / 70).astype(np.uint8),
    "slope": (noise() + 200 * SLOPE).astype(np.uint16),
    "vignette": (noise() + 400 * (1 - np.add.outer(SLOPE**2, SLOPE**2) / 2)).astype(np.float32),
    "rows": (noise() + RNG.normal(0, NOISE, (EDGE, 1))).astype(np.uint16),
    "hot pixels": np.where(RNG.random((EDGE, EDGE)) < 0.003, 4000, noise()).astype(np.uint16),
    "cut at 0": np.clip(noise() - 105, 0, 255).astype(np.uint8),
    "tiny": noise(edge=40).astype(np.uint8),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_noise_has_no_nuclei(nuclei: tuple[Model, Runtime], kind: str) -> None:
    assert count(nuclei, EMPTY[kind]) == 0


@pytest.mark.parametrize("brightness", [6 * NOISE, 30 * NOISE, 300 * NOISE])
def test_a_single_nucleus_is_found(nuclei: tuple[Model, Runtime], brightness: float) -> None:
    image = noise(edge=512) + drawn(brightness, [(300, 200)], edge=512)
    assert count(nuclei, image.astype(np.float32)) == 1


def with_debris(image: Pixels) -> Pixels:
    image = image.copy()
    image[2:22, 2:22] += 20 * 500
    return image


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "as they are": lambda image: image,
    "a bright speck": with_debris,
    "hot pixels": lambda image: np.where(RNG.random(image.shape) < 0.003, 60_000, image),
    "uneven light": lambda image: image + 300 * SLOPE,
    "vignette": lambda image: image * (1 - 0.3 * np.add.outer(SLOPE**2, SLOPE**2)),
    "8 bits": lambda image: np.rint(image / 4),
    "an offset and gain": lambda image: 3 * image + 20_000,
    "saturated": lambda image: np.minimum(image, 400),
}


@pytest.mark.parametrize("change", CHANGES)
def test_light_and_camera_hide_no_nuclei(nuclei: tuple[Model, Runtime], change: str) -> None:
    image = CHANGES[change](noise() + drawn(500)).astype(np.float32)
    # The speck may be an object, too.
    expected = (12, 13) if change == "a bright speck" else (12,)
    assert count(nuclei, image) in expected


def test_nuclei_of_different_brightness_are_found_together(
    nuclei: tuple[Model, Runtime],
) -> None:
    dim, bright = drawn(100, CENTRES[:10]), drawn(2000, CENTRES[10:])
    assert count(nuclei, (noise() + dim + bright).astype(np.uint16)) == 12
