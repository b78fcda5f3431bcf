"""Views of a window in other light."""

from __future__ import annotations

import colorsys
import json
from pathlib import Path

import numpy as np
import pytest
from models import bright_model, random_model
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.io import write_image
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tiling.photometric import COLOURS, LIGHTS, Colour, Light
from sparcell.prediction.tiling.tta import TTARuntime
from sparcell.preprocessing.processing import Steps


def window(channels: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1.2, 1.2, (channels, 16, 32)).astype(np.float32)


def test_changes_of_light_by_hand() -> None:
    # -1, 0 and 1 stand for 0, 0.5 and 1: times 1.4, and plus or minus 0.2.
    image = np.array([[[-1, 0, 1]]], np.float32)
    as_it_is, darker, brighter, contrast = (light(image)[0, 0] for light in LIGHTS)
    np.testing.assert_array_equal(as_it_is, [-1, 0, 1])
    np.testing.assert_allclose(darker, [2 * -0.2 - 1, 2 * 0.3 - 1, 2 * 0.8 - 1], atol=1e-6)
    np.testing.assert_allclose(brighter, [2 * 0.2 - 1, 2 * 0.7 - 1, 2 * 1.2 - 1], atol=1e-6)
    np.testing.assert_allclose(contrast, [-1, 2 * 0.7 - 1, 2 * 1.4 - 1], atol=1e-6)
    assert image.tolist() == [[[-1, 0, 1]]]


def test_changes_of_colour_are_those_of_the_standard_library() -> None:
    image = window(3)
    changed = Colour(hue=-20 / 360, saturation=50 / 255, value=30 / 255)(image)
    assert changed.dtype == np.float32 and changed.shape == image.shape
    for place in ((0, 0), (3, 5), (9, 31), (15, 17), (7, 7)):
        rgb = [max((float(image[channel][place]) + 1) / 2, 0.0) for channel in range(3)]
        hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
        turned = (hue - 20 / 360) % 1, min(saturation + 50 / 255, 1), value + 30 / 255
        expected = [2 * one - 1 for one in colorsys.hsv_to_rgb(*turned)]
        np.testing.assert_allclose(changed[:, place[0], place[1]], expected, atol=1e-5)


def test_frames_change_colour_one_by_one() -> None:
    movie = window(6)
    singly = np.concatenate([COLOURS[0](movie[:3]), COLOURS[0](movie[3:])])
    np.testing.assert_array_equal(COLOURS[0](movie), singly)


def test_one_channel_is_the_mean_of_four_predictions() -> None:
    model = random_model()
    network = model.open("onnxruntime", 1)
    image = window(1)
    shown = [image, image - 0.4, image + 0.4, (image + 1) * 1.4 - 1]
    expected = np.mean([network(one.astype(np.float32))[0] for one in shown], axis=0)
    photometric = TTARuntime.of(network, model, "photometric")
    np.testing.assert_allclose(photometric(image)[0], expected, atol=1e-5)
    # A network with random weights does see the light.
    assert np.abs(expected - network(image)[0]).max() > 0.01
    assert photometric.name == "onnxruntime f32, tta photometric"
    assert len(photometric.transforms) == 4 and photometric.transforms[0] == Light()
    off = photometric.run_uint8(image).astype(int) - np.rint(expected * 255)
    assert np.abs(off).max() <= 1


def test_three_channels_have_a_view_of_another_hue() -> None:
    model = random_model(3)
    network = model.open("onnxruntime", 1)
    image = window(3)
    shown = [image, image - 0.4, image + 0.4, (image + 1) * 1.4 - 1, COLOURS[0](image)]
    expected = np.mean([network(one.astype(np.float32))[0] for one in shown], axis=0)
    result = TTARuntime.of(network, model, "photometric")(image)[0]
    np.testing.assert_allclose(result, expected, atol=1e-5)
    # Two channels have no hue, nor have three frames of one.
    assert len(TTARuntime.of(network, random_model(2), "photometric").transforms) == 4
    assert len(TTARuntime.of(network, random_model(3, frames=3), "photometric").transforms) == 4


def test_detections_stay_where_they_are() -> None:
    class Bright:
        name = "bright"

        def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            boxes = np.array([[2, 3, 8, 9]], np.float32)
            score = np.float32(np.clip(image.mean(), 0, 1))
            return [boxes, score[None], np.ones((1, 28, 28), np.float32)]

    boxes, scores, masks = TTARuntime(Bright(), "photometric")(
        np.full((1, 16, 16), 0.2, np.float32)
    )
    assert (boxes == [2, 3, 8, 9]).all() and masks.shape == (4, 28, 28)
    # Scores of the views: 0.2, 0 (-0.2), 0.6, and 1.2 * 1.4 - 1 = 0.68.
    assert scores.max() == pytest.approx((0.2 + 0 + 0.6 + 0.68) / 4)


def test_predictions_are_made_as_the_model_says(tmp_path: Path) -> None:
    pixels = np.zeros((40, 48), np.uint8)
    pixels[8:20, 8:20], pixels[8:20, 28:40] = 255, 120
    write_image(tmp_path / "scene.tif", pixels, "YX")
    model = bright_model(tta="photometric")
    predict(model, tmp_path / "scene.tif", tmp_path / "out", runtime="onnxruntime")
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["settings"]["tta"] == "photometric"
    # The network calls foreground what is above the middle of the range. 120 is below it, and above
    # it in the brighter view and in that of more contrast; the mean of the views is above it, too.
    plain = PredictSettings(tta="none")
    found = predict(model, tmp_path / "scene.tif", tmp_path / "b", settings=plain)
    assert found.counts["count"].tolist() == [1]
    assert len((tmp_path / "out" / "objects" / "scene.csv").read_text().splitlines()) == 1 + 2


def test_a_package_of_another_tool_is_one_line() -> None:
    model = bright_model()
    model.spec = model.spec.model_copy(update={"normalise": Steps()})
    with pytest.raises(InputError, match="'photometric' for tiny, a package of another tool") as e:
        TTARuntime.of(model.open("onnxruntime", 1), model, "photometric")
    assert "\n" not in str(e.value)
    assert len(TTARuntime.of(model.open("onnxruntime", 1), model, "flips").transforms) == 4
