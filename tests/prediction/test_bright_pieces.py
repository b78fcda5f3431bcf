"""Bright pieces tell the size of objects before anything is predicted."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.filters
import skimage.measure

from sparcell.core.image import Image
from sparcell.models import load_model
from sparcell.prediction.bright_pieces import (
    EDGE,
    bright_piece_sizes,
    diameter_of_pixels,
    measure_pieces,
)
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.prepared_image import PreparedImage


def squares(edges: list[int], brightness: float = 0.5) -> np.ndarray:
    """Squares in a row, 4 px apart, on a ground of -1."""
    pixels = np.full((max(edges) + 8, sum(edges) + 4 * len(edges) + 4), -1, np.float32)
    left = 4
    for edge in edges:
        pixels[4 : 4 + edge, left : left + edge] = brightness
        left += edge + 4
    return pixels


def test_sizes_of_squares() -> None:
    sizes = measure_pieces(squares([5, 6, 7, 8, 20]))
    assert sizes.number == 5
    # Circles of 7 * 7 and of 20 * 20 px: the largest has 400 of all 574 pixels.
    assert sizes.median == pytest.approx(np.sqrt(49 * 4 / np.pi))
    assert sizes.of_pixels == pytest.approx(np.sqrt(400 * 4 / np.pi))
    assert diameter_of_pixels(np.array([30, 10, 20])) == pytest.approx(np.sqrt(20 * 4 / np.pi))


def test_pieces_at_the_edge_and_specks_do_not_count() -> None:
    pixels = squares([6, 6, 4])
    pixels[:6, 4:10] = 0.5  # the first one reaches the edge
    sizes = measure_pieces(pixels)
    assert sizes.number == 1 and sizes.median == pytest.approx(np.sqrt(36 * 4 / np.pi))
    nothing = measure_pieces(np.full((32, 32), -1, np.float32))
    assert nothing.number == 0 and np.isnan(nothing.median)


@pytest.mark.parametrize("brightness", [-0.3, 0.1, 0.8])
def test_the_threshold_divides_as_scikit_image_does(brightness: float) -> None:
    rng = np.random.default_rng(1)
    clean = squares([9, 12, 10, 14, 11], brightness)
    pixels = (clean + rng.normal(0, 0.1, clean.shape)).astype(np.float32)
    threshold = skimage.filters.threshold_isodata(pixels)
    labels = skimage.measure.label(pixels > threshold)
    areas = [one.area for one in skimage.measure.regionprops(labels) if one.area >= 21]
    sizes = measure_pieces(pixels)
    assert sizes.number == len(areas) == 5
    median = np.sqrt(np.median(areas) * 4 / np.pi)
    assert sizes.median == pytest.approx(median, rel=0.03)


def test_only_the_middle_of_a_large_image_is_read() -> None:
    ground = np.full((EDGE + 400, EDGE + 200), 100, np.uint16)
    ground[:150:20, ::20] = 3000  # far from the middle
    y, x = (edge // 2 for edge in ground.shape)
    for number in range(6):
        ground[y - 60 + 20 * number : y - 48 + 20 * number, x : x + 12] = 900
    model = load_model("nuclei")
    loaded = LoadedModel(model, "onnxruntime", 1)
    sizes = bright_piece_sizes(PreparedImage.of(Image(ground, "YX"), loaded))
    assert sizes.number == 6 and sizes.median == pytest.approx(np.sqrt(144 * 4 / np.pi))
