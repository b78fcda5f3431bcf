"""Tiles of a well: their places, what both show, cells that seams cut, and the whole movie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sparcell
from sparcell.core.errors import InputError
from sparcell.io import write_image
from sparcell.tracking.cut import centres_of_parts, hidden_distance
from sparcell.tracking.facing import Box, cut_pairs, gap_between
from sparcell.tracking.layout import read_layout
from sparcell.tracking.mosaic import Mosaic
from sparcell.tracking.placing import Placing
from sparcell.tracking.seams import FOUND, measure_seam
from sparcell.tracking.stage import stand_still

NAMES = [str(number) for number in range(1, 7)]


@pytest.mark.parametrize(
    ("order", "places"),
    [
        ("row", [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]),
        ("snake", [(0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0)]),
        ("column", [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]),
        ("column-snake", [(0, 0), (1, 0), (1, 1), (0, 1), (0, 2), (1, 2)]),
    ],
)
def test_orders_of_a_grid(order, places):
    layout = read_layout(None, "2x3", order, NAMES)
    assert [tuple(place) for place in layout.of(NAMES, "B03")] == places
    # 01 is 1, and numbers may begin at 0.
    assert layout.of(["01"], "B03").tolist() == [[0, 0]]
    from_zero = read_layout(None, "2x3", order, ["0", "5"])
    assert tuple(from_zero.of(["5"], "B03")[0]) == places[5]


def test_a_table_of_tiles(tmp_path):
    table = tmp_path / "tiles.csv"
    table.write_text("Tile,x,y\n1,10,20\n02,30.5,40\n")
    layout = read_layout(table, None)
    assert layout.unit == "px"
    np.testing.assert_array_equal(layout.of(["2", "01"], "B03"), [[40, 30.5], [20, 10]])
    table.write_text("tile,row,column\na,0,1\n")
    assert read_layout(table, None).unit == "grid"
    assert read_layout(None, None) is None


def test_places_that_cannot_be_are_one_line(tmp_path):
    for grid, order, message in (
        ("3by3", "row", "a grid '3by3'"),
        ("0x2", "row", "a grid '0x2'"),
        ("2x2", "spiral", "an order 'spiral'"),
        ("2x2", "row", "tile 5 for a grid of 4 tiles"),
        (None, "snake", "the order snake without a grid"),
    ):
        with pytest.raises(InputError, match=message):
            read_layout(None, grid, order, NAMES)
    table = tmp_path / "tiles.csv"
    with pytest.raises(InputError, match="a grid and a table"):
        read_layout(table, "2x2")
    for text, message in (
        ("tile,row\n1,2\n", "with the columns tile, row"),
        ("tile,y,x\n1,2,a\n", "no number in line 2"),
        ("tile,y,x\n1,2,3\n01,4,5\n", "tile 1 twice"),
    ):
        table.write_text(text)
        with pytest.raises(InputError, match=message):
            read_layout(table, None)
    table.write_text("tile,y,x\n1,2,3\n")
    with pytest.raises(InputError, match="tile 2 of B03, which has no place"):
        read_layout(table, None).of(["1", "2"], "B03")


def scattered(rng: np.random.Generator, shape: tuple[int, int], count: int) -> np.ndarray:
    """Label image of discs of 8 px radius that do not touch."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels, centres = np.zeros(shape, np.int32), []
    while len(centres) < count:
        at = rng.uniform(0, shape)
        if all(np.hypot(*(at - other)) > 19 for other in centres):
            centres.append(at)
            labels[np.hypot(y - at[0], x - at[1]) <= 8] = len(centres)
    return labels


@pytest.mark.parametrize("step", [(0, 85), (86, -4)])
def test_a_seam_is_found_from_what_both_tiles_show(step):
    rng = np.random.default_rng(0)
    frames = []
    for miss in rng.integers(-4, 5, (8, 2)):
        well = scattered(rng, (200, 200), 60) > 0
        y, x = np.add((10 + step[0], 10 + step[1]), miss)
        frames.append((well[10:110, 10:110], well[y : y + 100, x : x + 100], miss))
    expected = np.where(np.abs(step) > np.array([50, 50]), 100, 0)
    seam = measure_seam(frames, expected, np.array([30, 30]), 16)
    assert seam.evidence > FOUND
    np.testing.assert_allclose(seam.displacement, step, atol=1)
    # Tiles of different places share nothing.
    others = [(a, b[::-1, ::-1], miss) for a, b, miss in frames]
    assert measure_seam(others, expected, np.array([30, 30]), 16).evidence < FOUND


def test_places_of_tiles_that_miss_their_own():
    rng = np.random.default_rng(1)
    well = [scattered(rng, (340, 340), 160) for _ in range(6)]
    grid = np.array([(0, 0), (0, 1), (1, 0), (1, 1)], np.float64)
    # An overlap of 24 px that nobody tells, and errors of each tile and frame.
    true = 20 + 136 * grid[:, None] + rng.normal(0, 6, (4, 6, 2)).round()
    tiles = [[well[t][y : y + 160, x : x + 160] for t, (y, x) in enumerate(own.astype(int))]
             for own in true]  # fmt: skip
    paths = [stand_still(6) for _ in range(4)]
    for path, own in zip(paths, true, strict=True):
        path.positions[:] = own[0] - own
    placing = Placing(paths, grid, True, (160, 160), 16, np.ones((4, 6), bool))
    placed = placing.place(lambda k, t: tiles[k][t] > 0)
    error = placed.origins - true
    assert np.abs(error - error.mean(axis=(0, 1))).max() < 1.5
    assert placed.found == len(placed.seams) == 4


def test_parts_of_a_cut_cell_by_hand():
    a, b = np.zeros((30, 20), np.int32), np.zeros((30, 20), np.int32)
    a[5:12, 14:20], a[20:25, 18:20] = 3, 7
    b[6:12, 0:5], b[13:18, 0:4] = 2, 4
    boxes = Box(0, 0, 30, 20), Box(0, 20, 30, 40)
    assert cut_pairs(a, b, *boxes, 10).tolist() == [[3, 2]]
    assert cut_pairs(b, a, *boxes[::-1], 10).tolist() == [[2, 3]]
    turned = [Box(0, 0, 20, 30), Box(20, 0, 40, 30)]
    assert cut_pairs(a.T, b.T, *turned, 10).tolist() == [[3, 2]]
    # The second tile 8 px lower: its other object lies beside the first one's.
    assert cut_pairs(a, b, boxes[0], Box(8, 20, 38, 40), 10).tolist() == [[7, 4]]
    # What is too large for one cell stays in two, and so does what is too far.
    assert len(cut_pairs(a, b, *boxes, 4)) == 0
    assert len(cut_pairs(a, b, boxes[0], Box(0, 31, 30, 51), 10)) == 0
    assert gap_between(boxes[0], Box(2, 23, 32, 43)) == Box(2, 20, 30, 23)
    assert gap_between(boxes[0], Box(30, 20, 60, 40)) is None
    assert gap_between(boxes[0], Box(0, 18, 30, 38)) is None


def mosaic(
    tiles: list[np.ndarray],
    corners: list[tuple[int, int]],
    shape: tuple[int, int],
    diameter: float = 8.0,
):
    places = np.array(corners)[:, None]
    return Mosaic(lambda k, _: tiles[k], places, tiles[0].shape, (1, *shape), diameter).frame(0)


def test_twins_become_one_and_others_do_not():
    a, b = np.zeros((20, 20), np.int32), np.zeros((20, 20), np.int32)
    a[2:10, 12:20] = 5  # Cut on the right, whole in the other tile.
    b[2:10, 2:11] = 9
    a[14:18, 1:5], b[14:18, 14:18] = 1, 1
    found = mosaic([a, b], [(0, 0), (0, 10)], (20, 30))
    assert found.labels.max() == len(found.ids) == 3
    twin = found.labels[4, 13]
    assert (found.labels[2:10, 12:21] == twin).all()
    # It is named after its larger part.
    assert (found.tiles[twin - 1], found.ids[twin - 1]) == (1, 9)
    assert found.covered == 600
    assert not found.is_cut[twin - 1]
    # The border of the well cuts an object, a seam does not.
    a[0:2, 5:8] = 6
    found = mosaic([a, b], [(0, 0), (0, 10)], (20, 30))
    top = found.labels[0, 6]
    assert found.at_border[top - 1]
    assert found.at_border.sum() == found.is_cut.sum() == 1


def test_a_cell_across_a_gap_is_joined():
    a, b = np.zeros((20, 20), np.int32), np.zeros((20, 20), np.int32)
    a[6:12, 16:20], b[6:12, 0:3] = 2, 1
    b[15:18, 0:3] = 4
    found = mosaic([a, b], [(0, 0), (0, 22)], (20, 42))
    joined, alone = found.labels[8, 17], found.labels[16, 23]
    # The gap of two columns is painted, too.
    assert (found.labels[6:12, 16:25] == joined).all()
    assert (found.labels == joined).sum() == 6 * 9
    assert joined != alone != 0
    assert found.covered == 800
    # A gap cuts cells, but is no border of the well.
    assert found.is_cut[alone - 1]
    assert not found.at_border.any()


def write_tiles(folder, frames, corners, size):
    rng = np.random.default_rng(0)
    for number, corner in enumerate(corners, 1):
        for t, well in enumerate(frames):
            y, x = corner + np.where(t, rng.integers(-5, 6, 2), 0)
            tile = well[y : y + size, x : x + size]
            ids = np.unique(tile[tile > 0])
            numbers = np.zeros(well.max() + 1, np.int32)
            numbers[ids] = rng.permutation(len(ids)) + 1
            write_image(folder / f"B3_{number}_00d{t:02d}h00m.tif", numbers[tile], axes="YX")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Four tiles of a well whose cells walk to and fro, and the well without seams."""
    folder = tmp_path_factory.mktemp("well")
    rng = np.random.default_rng(3)
    base = scattered(rng, (300, 300), 90)
    speeds = rng.uniform(-1, 1, (base.max() + 1, 2))
    frames = []
    for t in range(6):
        y, x = np.nonzero(base)
        y, x = (np.array([y, x]) + np.rint(t * speeds[base[y, x]]).astype(int).T).clip(0, 299)
        frames.append(np.zeros_like(base))
        frames[-1][y, x] = base[base > 0]
    corners = np.array([(20, 20), (20, 140), (140, 20), (140, 140)])
    write_tiles(folder, frames, corners, 130)
    return folder, frames


def test_cells_are_followed_from_tile_to_tile(tmp_path, tiles, caplog):
    folder, frames = tiles
    found = sparcell.track(folder, tmp_path / "out", grid="2x2")
    # The picture of the well begins where the first tile does, about.
    first = found.tiles[found.tiles["t"] == 0].set_index("tile")[["y_well", "x_well"]]
    np.testing.assert_allclose(first.to_numpy() - first.to_numpy()[0],
                               [(0, 0), (0, 120), (120, 0), (120, 120)], atol=2.5)  # fmt: skip
    places = found.objects[["y_well", "x_well"]] - first.loc["1"] + 20
    at = places.round().astype(int).clip(0, 299)
    true = [frames[t][y, x] for t, y, x in zip(found.objects["t"], at["y_well"], at["x_well"],
                                               strict=True)]  # fmt: skip
    rows = found.objects.assign(true=true)
    rows = rows[rows["true"] > 0]
    assert len(rows) > 0.98 * len(found.objects)
    # Every true cell has one track, and the other way round.
    assert (rows.groupby("true")["track"].nunique() == 1).mean() > 0.97
    assert rows.groupby("track")["true"].nunique().max() == 1
    moved = rows.groupby("track")["tile"].nunique()
    assert (moved > 1).sum() > 5
    # No object is there twice.
    assert not rows.duplicated(["t", "true"]).any()
    assert (found.frames["n_tiles"] == 4).all()
    assert found.frames["covered_px"].between(240**2, 260**2).all()
    assert found.frames["count"].tolist() == found.objects.groupby("t").size().tolist()
    # A row leads back to the label image of a tile.
    row = found.objects.iloc[len(found.objects) // 2]
    labels = sparcell.io.open_image(folder / f"{row['image']}.tif").read_labels()
    own = np.argwhere(labels == row["tile_id"])
    assert np.abs(own.mean(axis=0) - [row["y_tile"], row["x_tile"]]).max() < 8


def test_tiles_without_places_are_told(tmp_path, tiles, caplog):
    folder, _ = tiles
    found = sparcell.track(folder)
    assert "4 tiles of B03 without places: each is tracked alone" in caplog.text
    assert found.tracks["movie"].unique().tolist() == ["B03_1", "B03_2", "B03_3", "B03_4"]
    with pytest.raises(InputError, match="tile 3 for a grid of 2 tiles"):
        sparcell.track(folder, grid="1x2")
    write_image(tmp_path / "cells.tif", np.ones((2, 20, 20), np.uint8), axes="TYX")
    with pytest.raises(InputError, match="cells, whose name tells no well and tile"):
        sparcell.track(tmp_path, grid="1x2")


def test_a_tile_that_was_not_imaged_at_some_time(tmp_path, tiles):
    folder, _ = tiles
    for path in folder.iterdir():
        if path.name != "B3_4_00d03h00m.tif":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    table = pd.DataFrame({"tile": [1, 2, 3, 4], "row": [0, 0, 1, 1], "column": [0, 1, 0, 1]})
    table.to_csv(tmp_path / "tiles.csv", index=False)
    found = sparcell.track(tmp_path, tiles=tmp_path / "tiles.csv")
    assert found.frames["n_tiles"].tolist() == [4, 4, 4, 3, 4, 4]
    # Its cells are linked over the frame without it.
    assert (found.tracks["n_missed"] == 1).sum() > 8


def test_the_centre_of_a_half_seen_cell():
    # A half disc has its centroid 4 r / (3 pi) from the centre (Pappus); a whole one none.
    areas = np.array([0.5, 1.0, 2.0]) * np.pi / 4 * 20**2
    np.testing.assert_allclose(hidden_distance(areas, 20), [40 / (3 * np.pi), 0, 0], atol=0.01)
    y, x = np.mgrid[:30, :30]
    disc = np.hypot(y - 14, x - 15) <= 10
    labels = np.where(disc & (x < 13), 1, 0).astype(np.int32)
    beside = x == 12
    (centre,) = centres_of_parts(labels, beside, np.array([True]), 20.0)
    np.testing.assert_allclose(centre, [14, 15], atol=0.7)
    (seen,) = centres_of_parts(labels, beside, np.array([False]), 20.0)
    np.testing.assert_allclose(seen, np.argwhere(labels).mean(axis=0))


def test_parts_around_a_corner_of_gaps_are_one_cell():
    y, x = np.mgrid[:60, :60]
    disc = (np.hypot(y - 30, x - 30) <= 8).astype(np.int32)
    # Four tiles around a cross of gaps that is 4 px wide.
    tiles = [disc[a : a + 28, b : b + 28] for a in (0, 32) for b in (0, 32)]
    found = mosaic(tiles, [(0, 0), (0, 32), (32, 0), (32, 32)], (60, 60), 16.0)
    assert found.labels.max() == 1
    np.testing.assert_allclose(found.centres[0], [30, 30], atol=1)
