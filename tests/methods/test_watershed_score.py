"""Scores of the watershed method: features by hand, calibrated probabilities, refused objects."""

from __future__ import annotations

import numpy as np
import pytest

from sparcell.methods import WATERSHED
from sparcell.methods.watershed import WatershedDecode
from sparcell.methods.watershed.score import score_features

PLAIN = {"threshold": 0.1, "centre": 0.2}


def two_objects() -> np.ndarray:
    """Maps of a clear object of 64 px, and of one of 36 px with a low mean for its peak."""
    maps = np.zeros((2, 24, 32), np.uint8)
    maps[:, 2:10, 2:10] = 200
    maps[:, 12:18, 20:26] = 40
    maps[:, 14, 22] = 120
    return maps


def logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def test_features_by_hand() -> None:
    maps = two_objects()
    maps[1, 2:6, 2:10] = 100
    found = WATERSHED.decode(maps, WatershedDecode(**PLAIN))
    assert found.labels.max() == 2
    clear, unclear = score_features(found.labels, maps)
    expected = [200 / 255, 200 / 255, 150 / 255, 200 / 255]
    np.testing.assert_allclose(clear, [*map(logit, expected), np.log(64), 1], rtol=1e-6)
    mean = (35 * 40 + 120) / 36 / 255
    expected = [120 / 255, mean, mean, 120 / 255]
    np.testing.assert_allclose(unclear, [*map(logit, expected), np.log(36), 1], rtol=1e-6)


def test_certain_maps_have_finite_features() -> None:
    maps = np.full((2, 8, 8), 255, np.uint8)
    features = score_features(np.ones((8, 8), np.int32), maps)
    np.testing.assert_allclose(features[0, :4], logit(0.99))
    assert score_features(np.zeros((8, 8), np.int32), maps).shape == (0, 6)


def test_a_calibrated_score_is_the_logistic_of_the_features() -> None:
    maps = two_objects()
    # By the mean inner distance alone.
    settings = WatershedDecode(**PLAIN, calibration=(0, 2, 0, 0, 0, 0.5))
    scores = WATERSHED.decode(maps, settings).scores
    means = np.array([200, (35 * 40 + 120) / 36]) / 255
    odds = np.exp(2 * np.log(means / (1 - means)) + 0.5)
    np.testing.assert_allclose(scores, odds / (1 + odds), rtol=1e-5)


@pytest.mark.parametrize("calibration", [None, (0, 2, 0, 0, 0, 0.5)])
def test_unlikely_objects_are_dropped_and_the_others_keep_their_order(
    calibration: tuple[float, ...] | None,
) -> None:
    maps = two_objects()[:, ::-1].copy()  # the clear object is the second one
    settings = WatershedDecode(**PLAIN, calibration=calibration)
    every = WATERSHED.decode(maps, settings)
    assert every.scores[0] < 0.5 < every.scores[1]
    kept = WATERSHED.decode(maps, settings.model_copy(update={"least_score": 0.5}))
    np.testing.assert_array_equal(kept.labels, every.labels == 2)
    np.testing.assert_array_equal(kept.scores, every.scores[1:])
    none = WATERSHED.decode(maps, settings.model_copy(update={"least_score": 0.99}))
    assert not none.labels.any() and not len(none.scores)
