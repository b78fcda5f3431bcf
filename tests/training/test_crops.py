from __future__ import annotations

import pickle

import numpy as np
import pytest
from bases.scenes import ellipses
from dataset_folder import field_of, fields_of, write_fields
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from sparcell.methods import DISTANCE, PIXELWISE, WATERSHED
from sparcell.morphology.boundaries import BEYOND
from sparcell.training.data.crop_placement import draw_corner
from sparcell.training.data.crops import (
    EpochSampler,
    RandomCrops,
    WholeFields,
    change_intensity,
    crops_per_epoch,
    cut,
    draw_affine,
)
from sparcell.training.data.fields import Fields, TrainingField
from sparcell.training.recipe import Recipe
from sparcell.training.recipe_parts import Augment, Fit

STILL = Augment(rotation=0, shift=0, shear=0, flip=False)
WILD = Augment(rotation=180, shift=0.3, shear=20, scale=0.3, flip=True)


def anywhere(field: TrainingField, edge: int, rng: np.random.Generator) -> np.ndarray:
    """A place that need not be inside the field."""
    return rng.random(2) * field.labels.shape


def recipe(**fit: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "test",
            "method": {"name": "distance"},
            "augment": {"gain": 0.2, "offset": 0.1, "noise": 0.1, "blur": 1.0, "scale": 0.1},
            "fit": {"crop": 32, "foreground_fraction": 0.5} | fit,
        }
    )


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Fields:
    return fields_of(write_fields(tmp_path_factory.mktemp("set"), 3))


def test_seed_epoch_and_number_alone_decide_a_crop(fields: Fields) -> None:
    def content(seed: int, epoch: int, number: int) -> bytes:
        held = recipe().model_copy(update={"seed": seed})
        return b"".join(part.tobytes() for part in RandomCrops(fields, held)[epoch, number])

    assert content(0, 3, 5) == content(0, 3, 5)
    assert len({content(*which) for which in ((0, 3, 5), (1, 3, 5), (0, 4, 5), (0, 3, 6))}) == 4


def test_a_crop_is_what_a_training_step_takes(fields: Fields) -> None:
    crop = RandomCrops(fields, recipe())[0, 0]
    assert crop.image.shape == (1, 32, 32) and crop.target.shape == (2, 32, 32)
    assert crop.valid.shape == (1, 32, 32)
    assert all(part.dtype == np.float32 for part in crop)
    assert crop.target.min() >= 0 and crop.target.max() <= 1


def test_an_epoch_has_as_many_crops_as_asked_or_as_tile_the_images(fields: Fields) -> None:
    assert crops_per_epoch(fields, recipe(crops_per_epoch=7)) == 7
    assert crops_per_epoch(fields, recipe()) == round(3 * 96 * 128 / 32**2)
    assert crops_per_epoch(fields, recipe(crop=512, batch=4)) == 4


# The same examples each time: in a smaller crop a corner of another object may lie between its
# pixels (seeds 190 and 613 of the first 1500).
@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(0, 10_000))
def test_image_labels_and_doubt_are_cut_at_the_same_places(seed: int) -> None:
    rng = np.random.default_rng(seed)
    field = field_of(ellipses(seed % 5))
    matrix, shift = draw_affine(WILD, (48, 48), rng)
    centre = field.centres[0] if rng.random() < 0.5 else anywhere(field, 48, rng)
    image, labels, valid = cut(field, centre + shift, matrix, (48, 48), border="reflected")
    assert image.shape == (1, 48, 48) and labels.shape == valid.shape == (48, 48)
    # The image is its labels: interpolated it lies between those around, so where it is whole
    # within an object it is the id, and everywhere the ids are among those nearby.
    inner = np.zeros((48, 48), bool)
    inner[1:-1, 1:-1] = True
    for step in ((0, 1), (1, 0), (1, 1), (1, -1), (0, -1), (-1, 0), (-1, -1), (-1, 1)):
        inner &= np.roll(labels, step, (0, 1)) == labels
        inner &= np.roll(labels, (2 * step[0], 2 * step[1]), (0, 1)) == labels
    assert np.abs(image[0] - labels)[inner].max(initial=0) < 1e-4
    assert np.array_equal(valid, (labels == 0) | (labels % 2 == 1))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_affine_cuts_agree_with_reflected_coordinates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    field = field_of(ellipses(1))
    noise = rng.random((1, 96, 128)).astype(np.float32)
    field = field._replace(image=noise)
    matrix, shift = draw_affine(WILD, (32, 32), rng)
    centre = rng.random(2) * (96, 128) + shift
    image, _, _ = cut(field, centre, matrix, (32, 32))
    steps = np.indices((32, 32)).reshape(2, -1) - 15.5
    places = (matrix @ steps + centre[:, None]).reshape(2, 32, 32)
    # Independent: the image reflected once around itself, read where it is.
    around = np.pad(noise[0], ((95, 95), (127, 127)), mode="reflect")
    expected = map_coordinates(around, places + np.array([95, 127])[:, None, None], order=1)
    np.testing.assert_allclose(image[0], expected, atol=2e-5)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_points_go_where_the_image_goes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = ellipses(seed % 5)[: rng.integers(20, 96), : rng.integers(20, 128)]
    # The image holds the coordinates of its pixels, so a crop tells where a point came from.
    shape = labels.shape
    points = np.argwhere(rng.random(shape) < 0.01).astype(np.float32)
    places = np.indices(shape).astype(np.float32)
    field = field_of(labels)._replace(
        image=places, points=points, mask=labels > 0, annotation=frozenset({"points", "mask"})
    )
    matrix, shift = draw_affine(WILD, (48, 48), rng)
    centre = anywhere(field, 48, rng) + shift
    image, known, _ = cut(field, centre, matrix, (48, 48), "any", "reflected")
    assert known.labels is None and known.kinds == {"points", "mask"}
    outlined = field._replace(annotation=frozenset({"outlines"}))
    labels_too = cut(outlined, centre, matrix, (48, 48), "any", "reflected")[1]
    assert np.array_equal(labels_too.labels > 0, known.mask) and known.mask.dtype == bool
    assert (known.points >= -24.5).all() and (known.points < 71.5).all()
    inner = known.points[((known.points > 1) & (known.points < 46)).all(1)]
    found = np.stack([map_coordinates(channel, inner.T, order=1) for channel in image], 1)
    # Between mirrored pixels the coordinates are not linear.
    plain = ((found > 3) & (found < np.array(shape) - 4)).all(1)
    known_places = {tuple(place) for place in points.tolist()}
    near = np.rint(found[plain])
    np.testing.assert_allclose(found[plain], near, atol=0.02)
    assert all(tuple(place) in known_places for place in near.tolist())


def test_no_point_in_a_crop_is_forgotten_or_doubled() -> None:
    points = np.array([[0, 0], [0, 5], [3, 4], [7, 9], [7.4, 2]], np.float32)
    field = field_of(np.zeros((8, 10), np.int32))._replace(
        points=points, mask=np.zeros((8, 10), bool), annotation=frozenset({"points"})
    )
    square = (32, 32)
    whole = cut(field, np.array([15.5, 15.5]), np.eye(2), square, "any", "reflected")[1].points
    marks = np.zeros((8, 10), int)
    marks[tuple(np.rint(points).astype(int).T)] = 1
    # The crop has 32 px, and points are kept up to 16 px beside it.
    expected = np.pad(marks, ((16, 40), (16, 38)), mode="reflect")
    got = np.zeros_like(expected)
    np.add.at(got, tuple(np.rint(whole).astype(int).T + 16), 1)
    assert np.array_equal(got, expected)


def test_beyond_the_image_lies_its_reflection() -> None:
    labels = ellipses(2)
    corner = (np.array([-0.5, -0.5]), np.eye(2), (32, 32))
    image, cut_labels, _ = cut(field_of(labels), *corner, border="reflected")
    expected = np.pad(labels, ((16, 0), (16, 0)), mode="reflect")[:32, :32]
    assert np.array_equal(cut_labels, expected) and np.array_equal(image[0], expected)


@pytest.mark.parametrize(("border", "outside"), [("ignored", None), ("zero", -1.0)])
def test_nothing_is_learned_beyond_the_image(border: str, outside: float | None) -> None:
    labels = ellipses(2) * 2 + 1
    points = np.array([[3, 4]], np.float32)
    field = field_of(labels)._replace(
        points=points, mask=labels > 1, valid=np.ones(labels.shape, bool)
    )
    corner = (np.array([-0.5, -0.5]), np.eye(2), (32, 32))
    image, cut_labels, valid = cut(field, *corner, border=border)  # type: ignore[arg-type]
    inside = np.zeros((32, 32), bool)
    inside[16:, 16:] = True
    assert np.array_equal(valid, inside)
    assert np.array_equal(cut_labels[inside].reshape(16, 16), labels[:16, :16])
    assert (cut_labels[~inside] == BEYOND).all()
    mirrored = np.pad(labels, ((16, 0), (16, 0)), mode="reflect")[:32, :32]
    expected = mirrored if outside is None else np.where(inside, mirrored, outside)
    assert np.array_equal(image[0], expected)
    known = cut(field._replace(annotation=frozenset({"points"})), *corner, "any", border)[1]  # type: ignore[arg-type]
    # The point is at (19, 20) of the crop; its reflections are none.
    assert known.points.tolist() == [[19, 20]] and not known.mask[~inside].any()


def test_a_cell_that_the_border_cuts_is_no_larger_than_in_its_field() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[10:20, :6] = 1
    _, found, _ = cut(field_of(labels), np.array([15.5, 5.5]), np.eye(2), (32, 32))
    assert (found == 1).sum() == 60
    # The border is no outline: distances are those of the whole field.
    for method in (DISTANCE, WATERSHED, PIXELWISE):
        whole = method.targets(labels, method.config())
        part = method.targets(found, method.config())
        assert np.array_equal(part[:, :, 10:], whole[:, :32, :22])
        # Nor is there any object beyond it.
        assert not part[0, :, :10].any() or method is PIXELWISE


def test_fields_smaller_than_a_crop() -> None:
    labels = ellipses(2)[:9, :12]
    place = (np.array([15.5, 15.5]), np.eye(2), (32, 32))
    _, found, _ = cut(field_of(labels), *place, border="reflected")
    assert np.array_equal(found, np.pad(labels, ((0, 23), (0, 20)), mode="reflect"))


def test_changes_stay_within_their_limits() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        matrix, shift = draw_affine(
            Augment(rotation=30, shift=0.2, shear=0, flip=False), (100, 50), rng
        )
        turn = np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0]))
        assert abs(turn) <= 30 + 1e-9 and np.linalg.det(matrix) == pytest.approx(1)
        assert (np.abs(shift) <= (20, 10)).all()
        sheared, _ = draw_affine(Augment(rotation=0, shift=0, shear=10, flip=False), (9, 9), rng)
        assert abs(sheared[0, 1]) <= np.tan(np.deg2rad(10)) and sheared[1, 0] == 0
        sized, _ = draw_affine(STILL.model_copy(update={"scale": 0.2}), (9, 9), rng)
        assert 0.8 <= 1 / sized[0, 0] <= 1.2 and sized[0, 0] == sized[1, 1]


def test_each_flip_comes_in_half_the_crops() -> None:
    rng = np.random.default_rng(0)
    flips = [
        tuple(np.diag(draw_affine(STILL.model_copy(update={"flip": True}), (9, 9), rng)[0]))
        for _ in range(400)
    ]
    counts = [flips.count(pair) for pair in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    # Four standard deviations of 400 draws of one in four.
    assert sum(counts) == 400 and all(abs(count - 100) < 35 for count in counts)


def test_without_changes_a_crop_is_a_piece_of_the_image() -> None:
    rng = np.random.default_rng(0)
    matrix, shift = draw_affine(STILL, (32, 32), rng)
    labels = ellipses(3)
    image, _, _ = cut(field_of(labels), np.array([39.5, 49.5]) + shift, matrix, (32, 32))
    assert np.array_equal(image[0], labels[24:56, 34:66])
    assert np.array_equal(change_intensity(image, STILL, rng), image)


def test_crops_near_objects() -> None:
    rng = np.random.default_rng(0)
    field = field_of(ellipses(0))._replace(centres=np.array([[50.0, 60.0]]))

    def draw(near: float, field: TrainingField = field) -> np.ndarray:
        return draw_corner(field, Fit(crop=32, foreground_fraction=near), rng)

    drawn = [tuple(draw(0.5)) for _ in range(400)]
    near = sum(corner == (34, 44) for corner in drawn)
    assert abs(near - 200) < 4 * 10
    corners = np.array([draw(0.0) for _ in range(400)])
    # Inside, up to both borders.
    assert corners.min(0).tolist() == [0, 0] and corners.max(0).tolist() == [96 - 32, 128 - 32]
    assert corners.dtype.kind == "i"
    # Crops at the border are those whose middle would be beyond it: 16 of 96 rows.
    assert (corners[:, 0] == 0).mean() == pytest.approx(16.5 / 96, abs=4 * (0.14 / 400) ** 0.5)
    assert draw(1.0, field._replace(centres=np.zeros((0, 2)))).shape == (2,)


def test_intensities_change_as_much_as_asked() -> None:
    image = np.random.default_rng(0).standard_normal((2, 64, 64)).astype(np.float32)
    rng = np.random.default_rng(1)
    for _ in range(20):
        changed = change_intensity(image, Augment(gain=0.3, offset=0.2), rng)
        gain, offset = np.polyfit(image.ravel(), changed.ravel(), 1)
        assert 0.7 <= gain <= 1.3 and abs(offset) <= 0.2 + 1e-6
        noisy = change_intensity(image, Augment(noise=0.1), rng) - image
        assert noisy.std() <= 0.11 and abs(noisy.mean()) < 0.01
        blurred = change_intensity(image, Augment(blur=2.0), rng)
        assert blurred.std() <= image.std() + 1e-6 and blurred.dtype == np.float32


def test_contrast_changes_around_the_background() -> None:
    rng = np.random.default_rng(0)
    image = np.array([-1.0, 1.0], np.float32).reshape(1, 1, 2)
    crops = np.array([change_intensity(image, Augment(contrast=4), rng)[0, 0] for _ in range(400)])
    np.testing.assert_allclose(crops[:, 0], -1)
    height = (crops[:, 1] + 1) / 2
    # Half of them stay; of the others the contrast is a quarter up to twice.
    assert 0.25 <= height.min() < 0.3 and 1.8 < height.max() <= 2
    assert np.mean(np.isclose(height, 1)) == pytest.approx(0.5, abs=0.08)


def test_out_of_focus_light_is_smooth_light_on_half_the_crops() -> None:
    dark = np.full((2, 96, 64), -1, np.float32)
    rng = np.random.default_rng(1)
    changes = [change_intensity(dark, Augment(out_of_focus=0.8), rng) - dark for _ in range(200)]
    lit = [added for added in changes if added.any()]
    assert 70 < len(lit) < 130
    for added in lit:
        assert added.min() >= 0 and added.max() <= 0.8
        assert np.array_equal(added[0], added[1])  # of all channels alike
        assert max(np.abs(np.diff(added[0], axis=axis)).max() for axis in (0, 1)) < 0.25


def test_an_epoch_names_its_crops_also_after_a_resume() -> None:
    sampler = EpochSampler(3)
    assert list(sampler) == [(0, 0), (0, 1), (0, 2)] and len(sampler) == 3
    sampler.set_epoch(7)
    assert list(sampler) == [(7, 0), (7, 1), (7, 2)]


def test_whole_fields_are_padded_and_the_padding_is_in_doubt(fields: Fields) -> None:
    whole = WholeFields(fields, recipe(), 50)
    crop, field = whole[1], fields[1]
    assert len(whole) == 3
    assert crop.image.shape == (1, 100, 150) and crop.target.shape == (2, 100, 150)
    assert np.array_equal(crop.image[:, :96, :128], field.image)
    assert np.array_equal(crop.valid[0, :96, :128], field.valid)
    assert not crop.valid[:, 96:].any() and not crop.valid[:, :, 128:].any()
    assert np.array_equal(crop.target[0, :96, :128], field.labels > 0)


def test_crops_travel_to_worker_processes(fields: Fields) -> None:
    crops = RandomCrops(fields, recipe())
    again = pickle.loads(pickle.dumps(crops))
    assert all(np.array_equal(a, b) for a, b in zip(crops[2, 4], again[2, 4], strict=True))
