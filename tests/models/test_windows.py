"""A network that sees where in its window a pixel lies is shown windows of its training's size."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from models import exported
from torch import nn

from sparcell.core.image import FIRST_PLANE, Image
from sparcell.methods import LACSS, METHODS
from sparcell.methods.base import to_uint8
from sparcell.models import Model, load_model
from sparcell.models.description import describe
from sparcell.models.export import export_model
from sparcell.models.windows import Windowed, place_windows
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig
from sparcell.prediction.array import predict_array
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tiling.tiles import cut_axis, map_rows
from sparcell.preprocessing.normalise import Normalise, Scaling

pytestmark = pytest.mark.usefixtures("one_thread")
EDGE = 32
SEEN = NetworkConfig(decoder="salomon2023-unet", weights="none", filters=2, location=True)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A network with a location layer, whose normalisations have seen images."""
    torch.manual_seed(0)
    built, _ = build_network(SEEN, 1, 1)
    with torch.no_grad():
        for _ in range(10):
            built(torch.randn(4, 1, EDGE, EDGE))
    return built.eval()


@pytest.fixture(scope="module")
def model(network: nn.Module) -> Model:
    """That network as a model; its golden input is one window."""
    made = exported(network, 1, Normalise(), multiple=EDGE, window=EDGE)
    golden = made.golden_input[:, :EDGE, :EDGE]
    with torch.no_grad():
        maps = network(torch.from_numpy(golden[None]))[0].sigmoid().numpy()
    return replace(made, golden_input=golden, golden_output=maps)


def picture(*shape: int) -> np.ndarray:
    pixels: np.ndarray = np.random.default_rng(1).standard_normal(shape)
    return pixels.astype(np.float32)


def test_windows_begin_at_every_half_and_answer_for_their_middle() -> None:
    assert place_windows(128, 128) == [(0, slice(0, 128))]
    # 0 to 96, 96 to 160 and 160 to 256.
    assert place_windows(256, 128) == [
        (0, slice(0, 96)), (64, slice(32, 96)), (128, slice(32, 128))
    ]  # fmt: skip


def test_every_pixel_is_what_the_network_says_of_a_crop_of_its_training(
    network: nn.Module, model: Model
) -> None:
    image = picture(1, 2 * EDGE, 3 * EDGE)

    def say(top: int, left: int) -> np.ndarray:
        crop = torch.from_numpy(image[None, :, top : top + EDGE, left : left + EDGE].copy())
        with torch.no_grad():
            maps: np.ndarray = network(crop)[0, 0].sigmoid().numpy()
        return maps

    (given,) = model.open("onnxruntime", 1)(image)
    assert given.shape == (1, 2 * EDGE, 3 * EDGE)
    # One crop is the network's own answer.
    (alone,) = model.open("onnxruntime", 1)(np.ascontiguousarray(image[:, :EDGE, :EDGE]))
    np.testing.assert_allclose(alone[0], say(0, 0), atol=1e-5)
    # Row 20 lies in the first window's part, 0 to 24, and column 50 in that of the window from 32,
    # 40 to 56.
    np.testing.assert_allclose(given[0, 20, 50], say(0, 32)[20, 18], atol=1e-5)
    np.testing.assert_allclose(given[0, 30, 95], say(16, 64)[14, 31], atol=1e-5)
    # Shown whole, it says something else, for its ramps are less steep then.
    with torch.no_grad():
        whole = network(torch.from_numpy(image[None]))[0].sigmoid().numpy()
    assert np.abs(given - whole).max() > 0.01


@pytest.mark.parametrize("shape", [(150, 210), (20, 33), (64, 96), (97, 65)])
def test_tiles_do_not_show_in_a_single_pixel(model: Model, shape: tuple[int, int]) -> None:
    image = Image(picture(*shape), "YX")
    scaling = Scaling.measure(image, Normalise())
    network = model.open("onnxruntime", 1)
    found = []
    for tile in (40, 64, 1024):
        cuts = tuple(cut_axis(edge, *model.grid(tile, 64)) for edge in image.shape)
        rows = map_rows(image, FIRST_PLANE, scaling, network, (cuts[0], cuts[1]))
        found.append(np.concatenate([maps for _, maps in rows], axis=1))
    assert found[0].shape == (1, *shape) and found[0].std() > 5
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_levels_are_the_rounded_maps_also_seen_from_all_sides(model: Model) -> None:
    runtime = model.open("openvino", 1)
    image = picture(1, 2 * EDGE, 2 * EDGE)
    levels = runtime.run_uint8(image)  # type: ignore[attr-defined]
    assert np.abs(levels.astype(int) - to_uint8(runtime(image)[0])).max() <= 1
    settings = [PredictSettings(tta=views) for views in ("none", "all")]
    one, all_sides = (predict_array(model, image[0], settings=one, threads=1) for one in settings)
    assert one.labels.shape == all_sides.labels.shape == (2 * EDGE, 2 * EDGE)


class Spot:
    """Finds in every window a box at its place 10, 20 and one round its middle."""

    name = "spot"

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        assert image.shape == (1, EDGE, EDGE)
        boxes = np.array([[6, 16, 14, 24], [12, 12, 20, 20]], np.float32)
        return [boxes, np.array([0.9, 0.8], np.float32), np.full((2, 4, 4), 0.7, np.float32)]


def test_detections_are_those_of_the_window_that_answers_for_their_middle() -> None:
    boxes, scores, masks = Windowed(Spot(), EDGE, METHODS["retinamask"].output)(
        np.zeros((1, EDGE, 2 * EDGE), np.float32)
    )
    # Windows at 0, 16 and 32 answer for columns 0 to 24, 24 to 40 and 40 to 64.
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert middles.tolist() == [[10, 20], [16, 16], [10, 36], [16, 32], [10, 52], [16, 48]]
    assert scores.tolist() == pytest.approx([0.9, 0.8] * 3)
    assert masks.shape == (6, 4, 4) and np.all(masks == np.float32(0.7))


def test_locations_are_assembled_window_by_window() -> None:
    calls = []

    def assemble(outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        calls.append(len(outputs))
        return list(outputs[:3])

    output = LACSS.output._replace(assemble=assemble)
    boxes, _, _ = Windowed(Spot(), EDGE, output)(np.zeros((1, EDGE, EDGE), np.float32))
    assert calls == [3] and len(boxes) == 2


def test_an_image_that_no_windows_fill_is_a_fault_of_the_program(model: Model) -> None:
    with pytest.raises(ValueError, match=r"image of \(32, 40\) px in windows of 32 px"):
        model.open("onnxruntime", 1)(np.zeros((1, 32, 40), np.float32))


def test_the_model_file_and_its_description_say_the_size(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model.zip")
    loaded = load_model(tmp_path / "model.zip")
    assert loaded.spec.window == EDGE and loaded.digest == model.digest
    assert [axis["size"] for axis in describe(loaded)["inputs"][0]["axes"][2:]] == [EDGE, EDGE]
    export_model(loaded, tmp_path / "bare", "onnx")
    assert '"window_px": 32' in (tmp_path / "bare" / "model.json").read_text("utf8")
    text = (tmp_path / "bare" / "README.md").read_text("utf8")
    assert "Height and width are 32 px" in text and "windows every 16 px" in text
    assert "tiles whose edges are 32 px" in text


def test_models_without_a_location_are_the_same_as_before() -> None:
    plain = exported(nn.Conv2d(1, 1, 1), 1, Normalise())
    assert plain.spec.window is None
    assert not isinstance(plain.open("onnxruntime", 1), Windowed)
    # What an earlier version wrote has none of these settings; its digest stays.
    newer = dict.fromkeys(("name", "scores", "record", "selection", "window", "domain"), True)
    held = plain.spec.model_dump_json(exclude=newer | {"normalise": {"method"}})  # type: ignore[arg-type]
    assert plain.digest == hashlib.sha256(plain.onnx + held.encode()).hexdigest()
