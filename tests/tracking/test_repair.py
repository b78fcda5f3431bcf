"""Masks that are corrected by what is before and after."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

import sparcell
from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.io import open_image, write_image
from sparcell.simulation import SimulationSettings, WellSettings, simulate_well
from sparcell.tracking.hypotheses import find_regions
from sparcell.tracking.programme import maximise
from sparcell.tracking.separation import touch, unite
from sparcell.tracking.shape_variants import shared_outlines, vary_shapes


def cells(frames: int = 6) -> np.ndarray:
    """Two cells that touch and a third one, all drifting by a pixel a frame."""
    y, x = np.mgrid[:60, :90]
    labels = np.zeros((frames, 60, 90), np.int32)
    for t in range(frames):
        for one, (row, column) in enumerate(((20, 20), (20, 37), (42, 65)), 1):
            labels[t][(np.hypot(y - row - t, x - column) < 9) & (labels[t] == 0)] = one
    return labels


def split(labels: np.ndarray, one: int) -> None:
    """Cut an object of a frame in two, in place."""
    pixels = np.argwhere(labels == one)
    right = pixels[pixels[:, 1] > pixels[:, 1].mean()]
    labels[tuple(right.T)] = labels.max() + 1


def repaired(tmp_path, labels: np.ndarray, others=(), **options) -> tuple[np.ndarray, pd.DataFrame]:
    write_image(tmp_path / "in" / "labels" / "a.tif", labels, axes="TYX")
    for number, other in enumerate(others, 1):
        write_image(tmp_path / "in" / "hypotheses" / str(number) / "a.tif", other, axes="TYX")
    found = sparcell.track(tmp_path / "in", tmp_path / "out", **options)
    result = open_image(tmp_path / "out" / "labels" / "a.tif")
    masks = [result.read_labels(plane=Plane(t)) for t in range(len(labels))]
    return np.stack(masks), found.repairs


def is_same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two label images have the same objects, whatever their ids."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return all(len(np.unique(side)) == len(side) for side in pairs)


def test_pieces_of_a_cell_are_joined_and_listed(tmp_path):
    truth = cells()
    labels = truth.copy()
    split(labels[2], 3)
    masks, changes = repaired(tmp_path, labels, repair=True)
    assert all(is_same(a, b) for a, b in zip(masks, truth, strict=True))
    (change,) = changes.to_dict("records")
    assert (change["t"], change["change"], change["found_ids"]) == (2, "joined", "3 4")
    assert change["area_px"] == (truth[2] == 3).sum()


def test_touching_cells_that_are_one_mask_are_cut(tmp_path):
    truth = cells()
    labels = truth.copy()
    labels[3][labels[3] == 2] = 1
    masks, changes = repaired(tmp_path, labels, repair=True)
    assert [len(np.unique(frame)) - 1 for frame in masks] == [3] * 6
    assert changes["change"].tolist() == ["split", "split"]
    middle = [np.argwhere(masks[3] == one).mean(axis=0) for one in np.unique(masks[3])[1:]]
    wanted = [np.argwhere(truth[3] == one).mean(axis=0) for one in (1, 2, 3)]
    assert np.abs(np.sort(middle, axis=0) - np.sort(wanted, axis=0)).max() < 2


def test_hypotheses_are_used_where_there_are_any_unless_masks_are_kept(tmp_path):
    truth = cells()
    labels, other = truth.copy(), truth.copy()
    split(labels[2], 3)
    # A cell that only the other label image has.
    labels[4][labels[4] == 1] = 0
    masks, changes = repaired(tmp_path, labels, [other])
    assert all(is_same(a, b) for a, b in zip(masks, truth, strict=True))
    assert changes["change"].tolist() == ["joined", "added"]
    origins = pd.read_csv(tmp_path / "out" / "objects.csv")["origin"].value_counts()
    assert origins.to_dict() == {"found": 16, "joined": 1, "added": 1}
    kept, none = repaired(tmp_path / "kept", labels, [other], repair=False)
    assert all(is_same(a, b) for a, b in zip(kept, labels, strict=True))
    assert not len(none)


def test_right_masks_stay(tmp_path):
    settings = SimulationSettings(size=(150, 150), cells=25, nucleus_diameter=12)
    well = simulate_well(settings, 8, 1, WellSettings(tiles=(1, 1)), images=False)
    labels = well.tiles[0].nuclei
    masks, changes = repaired(tmp_path, labels, repair=True)
    count = sum(len(np.unique(frame)) - 1 for frame in labels)
    assert len(changes) <= 0.01 * count
    assert np.mean([is_same(a, b) for a, b in zip(masks, labels, strict=True)]) >= 0.85


def test_repair_refuses_other_links_and_missing_hypotheses(tmp_path):
    labels = cells()
    with pytest.raises(InputError, match="`repair` with `links`"):
        repaired(tmp_path, labels, repair=True, links=tmp_path / "links.csv")
    (tmp_path / "in" / "hypotheses" / "1").mkdir(parents=True)
    with pytest.raises(InputError, match="hypotheses of every label image"):
        repaired(tmp_path, labels)


def dividing(distances: list[float]) -> np.ndarray:
    """A cell that is round for three frames, and then two discs at these distances."""
    y, x = np.mgrid[:60, :120]
    labels = np.zeros((3 + len(distances), 60, 120), np.int32)
    for t, frame in enumerate(labels):
        frame[np.hypot(y - 30, x - 100) <= 8] = 3
        if t < 3:
            frame[np.hypot(y - 30, x - 40) <= 9] = 1
            continue
        for one, side in ((1, -1), (2, 1)):
            frame[np.hypot(y - 30, x - 40 - side * distances[t - 3] / 2) <= 6] = one
    return labels


@pytest.mark.parametrize(
    "distances, divides",
    [
        # Discs of radius 6 touch where their centres are 12 pixels apart.
        ([16, 12, 12, 18, 20, 22], 6),
        ([16, 18, 20, 22, 24, 26], 3),
        ([12, 16, 18, 20, 22, 24], 3),
        ([12, 12, 12, 12, 12, 12], 3),
    ],
    ids=["anaphase", "apart", "touch once", "stay close"],
)
def test_a_cell_has_divided_once_its_daughters_are_apart(tmp_path, distances, divides):
    labels = dividing(distances)
    masks, changes = repaired(tmp_path, labels, repair=True)
    assert [len(np.unique(frame)) - 1 for frame in masks] == [2] * divides + [3] * (9 - divides)
    assert changes["t"].tolist() == list(range(3, divides))
    assert set(changes["change"]) <= {"joined"}
    assert set(changes["found_ids"]) <= {"1 2"}


def test_objects_touch_at_a_corner_and_are_united_with_what_lies_between():
    labels = np.array([[1, 0, 0, 0], [0, 2, 0, 3], [0, 0, 0, 0], [4, 0, 0, 0]], np.int32)
    assert touch(labels, 1, 2) and not touch(labels, 2, 3) and not touch(labels, 1, 4)
    united = unite(labels, 2, 3)
    assert united[1].tolist() == [0, 2, 2, 2]
    assert (united == 2).sum() == 3 and united[0, 0] == 1 and united[3, 0] == 4


def test_regions_of_two_label_images():
    first, second = np.zeros((2, 8, 12), np.int32)
    first[2:6, 1:5], first[2:6, 5:9] = 4, 7
    second[2:6, 1:9] = 1
    regions = find_regions([first, second])
    assert regions.found.tolist() == [4, 7, 0]
    assert regions.areas.tolist() == [16, 16, 32]
    np.testing.assert_allclose(regions.places, [[3.5, 2.5], [3.5, 6.5], [3.5, 4.5]])
    assert sorted(one.tolist() for one in regions.exclusions()) == [[0, 2], [1, 2]]
    np.testing.assert_array_equal(regions.shared(np.array([2]), np.array([0, 1])), [[16, 16]])


def test_a_region_that_two_label_images_have_counts_once():
    labels = cells(1)[0]
    other = labels.copy()
    other[labels == 3] = 9
    assert find_regions([labels, other]).found.tolist() == [1, 2, 3]


def test_shared_outlines_of_squares():
    labels = np.zeros((8, 12), np.int32)
    labels[2:6, 1:5], labels[2:6, 5:11] = 1, 2
    first, second, share = shared_outlines(labels)
    assert (first.tolist(), second.tolist()) == ([1], [2])
    # 4 of the 16 sides of the smaller one.
    np.testing.assert_allclose(share, 0.25)


def test_shapes_of_an_image_without_objects():
    assert vary_shapes(np.zeros((5, 5), np.int32)) == []


def test_largest_gain_as_by_trying_all():
    rng = np.random.default_rng(0)
    for _ in range(20):
        matrix = (rng.random((6, 8)) < 0.35).astype(float)
        matrix[0, :3] = -1, 1, 1
        limits = np.ones(6)
        limits[0] = 0
        gains = rng.normal(0.3, 1, 8)
        options = [np.array(one) for one in product((0, 1), repeat=8)]
        best = max(one @ gains for one in options if (matrix @ one <= limits).all())
        chosen = maximise(csr_matrix(matrix), limits, gains)
        assert (matrix @ chosen <= limits).all()
        assert chosen @ gains == pytest.approx(best)
