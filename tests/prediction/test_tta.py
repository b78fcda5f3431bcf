from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bases.scenes import ellipses
from hypothesis import given, settings
from hypothesis import strategies as st
from models import bright_model, random_model
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image
from sparcell.io import open_image, write_image
from sparcell.methods.base import to_uint8
from sparcell.models import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tiling.tiles import cut_axis, map_rows
from sparcell.prediction.tiling.tta import GROUPS, Symmetry, TTARuntime, box_iou, pool_detections
from sparcell.preprocessing.normalise import Scaling

EVERY_TURN = GROUPS["all"]


@pytest.fixture(scope="module")
def model() -> Model:
    return random_model()


@pytest.fixture(scope="module")
def engine(model: Model) -> Runtime:
    return model.open("onnxruntime", 1)


def window(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((1, height, width)).astype(np.float32)


def test_the_groups_are_groups_of_symmetries() -> None:
    plane = np.arange(6).reshape(2, 3)
    for name, turns in GROUPS.items():
        assert turns[0] == Symmetry(False, False, False)
        views = {turn(plane).tobytes() + bytes(turn(plane).shape) for turn in turns}
        assert len(views) == len(turns) == {"none": 1, "flips": 4, "turns": 4, "all": 8}[name]
        # Closed: a view of a view is a view.
        for first in turns:
            for second in turns:
                twice = second(first(plane))
                assert twice.tobytes() + bytes(twice.shape) in views
    quarters = {np.rot90(plane, k).tobytes() for k in range(4)}
    assert {turn(plane).tobytes() for turn in GROUPS["turns"]} == quarters


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(EVERY_TURN), st.integers(1, 7), st.integers(1, 7), st.data())
def test_turning_back_is_the_way_there_reversed(
    turn: Symmetry, height: int, width: int, data: st.DataObject
) -> None:
    array = np.random.default_rng(0).random((2, height, width))
    assert np.array_equal(turn.undo(turn(array)), array)
    # A box is turned back with the pixels in it.
    y0 = data.draw(st.integers(0, height - 1))
    x0 = data.draw(st.integers(0, width - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, height)), data.draw(st.integers(x0 + 1, width))
    inside = np.zeros((height, width), bool)
    inside[y0:y1, x0:x1] = True
    turned = turn(inside)
    rows, columns = np.nonzero(turned.any(axis=1))[0], np.nonzero(turned.any(axis=0))[0]
    there = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
    back = turn.undo_boxes(np.array([there], np.float32), turned.shape)
    assert back.tolist() == [[y0, x0, y1, x1]]


def test_none_is_the_network_itself(engine: Runtime) -> None:
    image = window(32, 48)
    assert np.array_equal(TTARuntime(engine, "none")(image)[0], engine(image)[0])
    assert TTARuntime(engine, "none").name == engine.name


@pytest.mark.parametrize("group", ["flips", "turns", "all"])
def test_the_prediction_of_a_turned_window_is_the_turned_prediction(
    engine: Runtime, group: str
) -> None:
    image = window(32, 64)
    turned = TTARuntime(engine, group)
    [maps] = turned(image)
    assert maps.shape == (1, 32, 64)
    # A network with random weights is not symmetric by itself.
    assert np.abs(maps - engine(image)[0]).max() > 0.01
    for turn in GROUPS[group]:
        np.testing.assert_allclose(turned(turn(image))[0], turn(maps), atol=1e-5)


def test_flips_are_the_mean_of_four_predictions(engine: Runtime) -> None:
    image = window(16, 48)
    views = [
        engine(image)[0],
        engine(image[:, ::-1].copy())[0][:, ::-1],
        engine(image[:, :, ::-1].copy())[0][:, :, ::-1],
        engine(image[:, ::-1, ::-1].copy())[0][:, ::-1, ::-1],
    ]
    np.testing.assert_allclose(
        TTARuntime(engine, "flips")(image)[0], np.mean(views, axis=0), atol=1e-6
    )


@pytest.mark.parametrize("group", ["none", "flips"])
def test_levels_are_rounded_after_the_views_are_put_together(engine: Runtime, group: str) -> None:
    image = np.random.default_rng(1).standard_normal((1, 32, 48)).astype(np.float32)
    turned = TTARuntime(engine, group)
    off = turned.run_uint8(image).astype(int) - to_uint8(turned(image)[0])
    assert np.abs(off).max() <= 1 and (off != 0).mean() < 0.01


def test_the_maps_of_a_turned_image_are_the_turned_maps(model: Model, engine: Runtime) -> None:
    # Edges on the network's grid: elsewhere the padding lies at the lower right alone.
    pixels = window(64, 96)[0]
    turned = TTARuntime(engine, "all")

    def maps(plane: NDArray[np.float32]) -> NDArray[np.int16]:
        image = Image(plane, "YX")
        scaling = Scaling.measure(image, model.spec.normalise)
        cuts = (cut_axis(plane.shape[0], 16), cut_axis(plane.shape[1], 16))
        rows = [part for _, part in map_rows(image, FIRST_PLANE, scaling, turned, cuts)]
        return np.concatenate(rows, axis=1).astype(np.int16)

    whole = maps(pixels)
    for turn in EVERY_TURN[1:]:
        # The order of a sum may round a value to the other side.
        assert np.abs(maps(np.ascontiguousarray(turn(pixels))) - turn(whole)).max() <= 1


def test_predictions_are_made_as_the_model_says_unless_told(tmp_path: Path) -> None:
    truth = ellipses(0)
    write_image(tmp_path / "scene.tif", (100 + 3000 * (truth > 0)).astype(np.uint16), "YX")
    model = bright_model(tta="flips")
    for name, asked, used in (("a", None, "flips"), ("b", "all", "all"), ("c", "none", "none")):
        how = PredictSettings(tta=asked)
        predict(model, tmp_path / "scene.tif", tmp_path / name, settings=how, runtime="onnxruntime")
        record = json.loads((tmp_path / name / "record.json").read_text())
        assert record["settings"]["tta"] == used
        assert record["runtime"] == "onnxruntime f32" + f", tta {used}" * (used != "none")
        # A network of one pixel sees the same from all sides.
        found = open_image(tmp_path / name / "labels" / "scene.tif").read_labels()
        assert np.array_equal(found, truth)
    other = PredictSettings(tta="turns")
    with pytest.raises(InputError, match="another setting tta"):
        predict(model, tmp_path / "scene.tif", tmp_path / "a", settings=other, resume=True)


def test_an_unknown_group_is_one_line(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", np.eye(8, dtype=np.uint8), "YX")
    how = PredictSettings(tta="rotations")
    with pytest.raises(InputError, match="'rotations'; expected one of none, flips, turns, all"):
        predict(bright_model(), tmp_path / "a.tif", tmp_path / "out", settings=how)
    assert not (tmp_path / "out").exists()


def test_the_overlap_of_boxes() -> None:
    boxes = np.array([[0, 0, 4, 4], [0, 2, 4, 6], [9, 9, 9, 9]], np.float32)
    # 8 px in common, 24 in all.
    expected = [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]]
    np.testing.assert_allclose(box_iou(boxes, boxes), expected, rtol=1e-6)


def detections(*found: tuple[float, float, float]) -> list[NDArray[np.float32]]:
    """Boxes of 10 px with their score, from (y, x, score)."""
    boxes = [[y, x, y + 10, x + 10] for y, x, _ in found]
    return [
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([score for *_, score in found], np.float32),
        np.zeros((len(found), 28, 28), np.float32),
    ]


def test_agreement_of_views_counts() -> None:
    views = [
        # Both see the first object; the second view alone doubles it with a worse box, and sees
        # another one.
        detections((0, 0, 0.8)),
        detections((1, 0, 0.6), (0, 2, 0.2), (50, 50, 0.9)),
    ]
    boxes, scores, masks = pool_detections(views)
    assert boxes.shape == (4, 4) and masks.shape == (4, 28, 28)
    # The first object: best scores 0.8 and 0.6, agreement (0.8 + 0.6) / 2 / 0.8 = 0.875.
    np.testing.assert_allclose(scores, [0.7, 0.525, 0.175, 0.45], rtol=1e-6)


class Corner:
    """A detector that finds one object, at the window's brightest pixel, surest at its top."""

    name = "corner"

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        _, y, x = np.unravel_index(image.argmax(), image.shape)
        mask = np.zeros((1, 28, 28), np.float32)
        mask[0, :14] = 1 - y / image.shape[1]
        box = np.array([[y, x, y + 1, x + 1]], np.float32)
        return [box, np.array([1 - y / image.shape[1]], np.float32), mask]


@pytest.mark.parametrize("turn", EVERY_TURN)
def test_detections_are_turned_back_with_their_masks(turn: Symmetry) -> None:
    image = np.zeros((1, 32, 64), np.float32)
    image[0, 8, 48] = 1
    boxes, scores, masks = TTARuntime(Corner(), "all")(turn(image))
    place = np.argwhere(turn(image)[0])[0]
    assert (boxes == [*place, *place + 1]).all()
    # The rows above the object in the eight views: 8 or 23 of 32, and 48 or 15 of 64, each twice.
    views = 1 - np.array([8 / 32, 23 / 32, 48 / 64, 15 / 64])
    assert scores.max() == pytest.approx(views.mean())
    # The surest view is the one whose top is nearest: where the right side was up.
    surest = np.isclose(scores, scores.max())
    for mask in masks[surest]:
        upright = turn.undo(mask)
        assert upright[:, 14:].all() and not upright[:, :14].any()


def test_a_single_view_keeps_its_scores_and_no_view_needs_a_detection() -> None:
    view = detections((0, 0, 0.8), (0, 1, 0.6), (30, 0, 0.3))
    for pooled, own in zip(pool_detections([view]), view, strict=True):
        np.testing.assert_allclose(pooled, own, rtol=1e-6)
    assert [len(part) for part in pool_detections([detections(), detections()])] == [0, 0, 0]
    np.testing.assert_allclose(pool_detections([detections(), view])[1], view[1] / 2, rtol=1e-6)
