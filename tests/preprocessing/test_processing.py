from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.preprocessing.processing import MAKERS, Step, Steps, read_steps

RNG = np.random.default_rng(0)
PIXELS = RNG.gamma(2, 50, (2, 24, 36)).astype(np.float32)


def processed(name: str, pixels: np.ndarray = PIXELS, **kwargs: Any) -> np.ndarray:
    return Steps(steps=(Step(name=name, kwargs=kwargs),)).fit(pixels)(pixels)


@pytest.mark.parametrize(("axes", "own"), [("xy", True), (["y", "x"], True), ("cxy", False)])
def test_percentiles_of_each_channel_or_of_all(axes: Any, own: bool) -> None:
    found = processed("scale_range", axes=axes, min_percentile=5, max_percentile=90)
    where = (1, 2) if own else (0, 1, 2)
    low, high = np.percentile(PIXELS, [5, 90], axis=where, keepdims=True)
    np.testing.assert_allclose(found, (PIXELS - low) / (high - low), rtol=1e-4, atol=1e-5)


def test_without_axes_all_channels_are_measured_together() -> None:
    found = processed("scale_range")
    assert found.min() == 0 and found.max() == pytest.approx(1, abs=1e-5)
    assert found[0].max() != found[1].max()


def test_zero_mean_and_unit_variance_as_scipy_has_it() -> None:
    found = processed("zero_mean_unit_variance", axes="xy", mode="per_sample")
    np.testing.assert_allclose(found, stats.zscore(PIXELS, axis=(1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("zero_mean_unit_variance", {"mode": "fixed", "mean": [10, 20], "std": [2, 4]}),
        ("fixed_zero_mean_unit_variance", {"mean": [10, 20], "std": [2, 4], "axis": "channel"}),
    ],
)
def test_fixed_mean_and_variance_by_channel(name: str, kwargs: dict[str, Any]) -> None:
    found = processed(name, **kwargs)
    expected = np.stack([(PIXELS[0] - 10) / 2, (PIXELS[1] - 20) / 4])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_numbers_by_hand() -> None:
    line = np.array([[[-2.0, 0.0, 1.0, 3.0]]], np.float32)
    assert processed("scale_linear", line, gain=2, offset=-1).tolist() == [[[-5, -1, 1, 5]]]
    assert processed("clip", line, min=-1, max=1).tolist() == [[[-1, 0, 1, 1]]]
    assert processed("clip", line, min=0).tolist() == [[[0, 0, 1, 3]]]
    assert processed("clip", line, max_percentile=75).tolist() == [[[-2, 0, 1, 1]]]
    assert processed("binarize", line, threshold=0).tolist() == [[[0, 0, 1, 1]]]
    assert processed("ensure_dtype", line, dtype="float32").tolist() == line.tolist()


def test_gain_and_threshold_by_channel() -> None:
    found = processed("scale_linear", gain=[1.0, 2.0], offset=[0.0, 1.0], axis="channel")
    np.testing.assert_allclose(found, [PIXELS[0], 2 * PIXELS[1] + 1], rtol=1e-6)
    cut = processed("binarize", threshold=[50.0, 100.0], axis="channel")
    assert (cut[0] == (PIXELS[0] > 50)).all() and (cut[1] == (PIXELS[1] > 100)).all()


def test_squashing_as_scipy_has_it() -> None:
    wide = PIXELS - 100
    np.testing.assert_allclose(processed("sigmoid", wide), special.expit(wide), atol=1e-6)
    found = processed("softmax", wide, axis="channel")
    np.testing.assert_allclose(found, special.softmax(wide, axis=0), atol=1e-6)
    assert processed("sigmoid", np.full((1, 1, 2), -1e4, np.float32)).tolist() == [[[0, 0]]]


def test_each_step_measures_what_the_one_before_has_left() -> None:
    steps = read_steps(
        [
            {"id": "clip", "kwargs": {"max": 60.0}},
            {"id": "scale_range", "kwargs": {"axes": ["channel", "y", "x"]}},
        ]
    )
    assert steps.measuring == ["scale_range"]
    found = steps.fit(PIXELS)(PIXELS)
    low = PIXELS.min()
    np.testing.assert_allclose(found, (np.minimum(PIXELS, 60) - low) / (60 - low), atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 23), st.integers(1, 35), st.sampled_from(sorted(MAKERS)))
def test_parts_of_an_image_are_processed_like_the_whole(y: int, x: int, name: str) -> None:
    kwargs: dict[str, Any] = {
        "binarize": {"threshold": 80.0},
        "clip": {"min_percentile": 10, "max": 200.0},
        "fixed_zero_mean_unit_variance": {"mean": 3.0, "std": 2.0},
    }.get(name, {})
    process = Steps(steps=(Step(name=name, kwargs=kwargs),)).measure(Image(PIXELS, "CYX"))
    whole = process(PIXELS)
    parts = [process(PIXELS[:, :y, :x]), process(PIXELS[:, y:, x:])]
    assert np.array_equal(parts[0], whole[:, :y, :x])
    assert np.array_equal(parts[1], whole[:, y:, x:]) and whole.dtype == np.float32


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"name": "stardist_postprocessing"}, "processing 'stardist_postprocessing'"),
        ({"id": "custom", "kwargs": {"id": "mine"}}, "processing 'custom'"),
        ({"name": "binarize"}, "'binarize' with nothing"),
        ({"name": "scale_linear", "kwargs": {"gain": "much"}}, "'scale_linear' with"),
        ({"name": "scale_linear", "kwargs": {"gain": [1, 2], "axis": "y"}}, "along axis y"),
        ({"name": "scale_linear", "kwargs": {"gain": [1, 2], "axes": "xy"}}, "along several axes"),
        ({"name": "scale_range", "kwargs": {"min_percentile": 101}}, "'scale_range' with"),
    ],
)
def test_a_step_that_cannot_be_made_is_named(step: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_steps([step]).fit(PIXELS)


@pytest.mark.parametrize("described", [["clip"], [{"kwargs": {}}], 3, [{"name": 3}]])
def test_steps_that_are_described_otherwise(described: Any) -> None:
    with pytest.raises(InputError, match="processing that cannot be read"):
        read_steps(described)
