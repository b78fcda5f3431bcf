"""Views of an image: how well they agree on objects, and what only some of them find."""

from __future__ import annotations

import numpy as np
import pytest

from sparcell.core.image import Image
from sparcell.models import load_model
from sparcell.prediction.views import MIRRORED, RESIZED, find_candidates, mean_ious, predict_views
from sparcell.simulation import SimulationSettings, simulate_field


def boxes(*corners: tuple[int, int, int, int]) -> np.ndarray:
    labels = np.zeros((20, 30), np.int32)
    for number, (top, left, height, width) in enumerate(corners, 1):
        labels[top : top + height, left : left + width] = number
    return labels


def test_the_mean_is_over_all_views_and_a_missing_object_counts_as_zero() -> None:
    labels = boxes((0, 0, 4, 5), (10, 10, 4, 4))
    half, other = boxes((0, 0, 2, 5)), boxes((10, 10, 4, 4), (0, 0, 4, 5))
    np.testing.assert_allclose(mean_ious(labels, [half, other]), [0, 0.75, 0.5])


def test_candidates_are_what_views_have_and_the_labels_lack() -> None:
    labels = boxes((0, 0, 5, 5))
    views = [
        boxes((0, 0, 5, 5), (10, 10, 5, 5)),
        boxes((0, 1, 5, 5), (10, 10, 5, 4)),
        boxes((0, 0, 5, 5), (10, 22, 6, 6)),
    ]
    first, second = find_candidates(labels, views)
    # The object that two views have comes first, in the larger of its two outlines.
    assert (first.views, len(first.pixels), tuple(first.pixels[0])) == (2, 25, (10, 10))
    assert (second.views, len(second.pixels), tuple(second.pixels[0])) == (1, 36, (10, 22))


def test_candidates_have_no_pixel_of_an_object() -> None:
    labels = boxes((0, 0, 5, 5))
    (candidate,) = find_candidates(labels, [boxes((0, 3, 5, 9))])
    assert not labels[tuple(candidate.pixels.T)].any()
    assert len(candidate.pixels) == 5 * 7


@pytest.mark.slow
def test_views_show_the_same_cells_in_the_same_place() -> None:
    drawn = simulate_field(SimulationSettings(size=(256, 200)), 0)
    model = load_model("nuclei")
    views = predict_views(model, model.open(), Image(drawn.stain, "YX"))
    assert len(views) == len(MIRRORED) + len(RESIZED)
    for view in views:
        assert view.shape == drawn.stain.shape
        # Any two views share most of their foreground, so none is mirrored or shifted.
        both = np.count_nonzero((view > 0) & (views[0] > 0))
        assert both > 0.85 * np.count_nonzero((view > 0) | (views[0] > 0))
