"""`sparcell track`: from files to tables and label images."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

import sparcell
from sparcell.core.errors import InputError
from sparcell.evaluation import evaluate
from sparcell.io import write_image
from sparcell.io.ctc import write_ctc
from sparcell.simulation import SimulationSettings, WellSettings, simulate_well
from sparcell.tracking.movies import find_movies_to_track
from sparcell.tracking.run import parse_interval


@pytest.fixture(scope="module")
def nuclei() -> tuple[np.ndarray, tuple]:
    settings = SimulationSettings(size=(120, 140), cells=14, nucleus_diameter=12)
    well = simulate_well(settings, 5, 2, WellSettings(tiles=(1, 1)), images=False)
    (tile,) = well.tiles
    seen = set(np.unique(tile.nuclei).tolist())
    return tile.nuclei, tuple(track for track in well.tracks if track.id in seen)


def write_frames(folder, labels, pattern="B3_1_00d{:02d}h00m"):
    for t, frame in enumerate(labels):
        write_image(folder / f"{pattern.format(t)}.tif", frame, axes="YX", pixel_size=0.5)


def test_a_movie_and_frames_of_their_own_give_the_same(tmp_path, nuclei):
    labels, tracks = nuclei
    write_image(tmp_path / "movie" / "a.tif", labels, axes="TYX", pixel_size=0.5)
    write_frames(tmp_path / "frames" / "labels", labels)
    whole = sparcell.track(tmp_path / "movie", tmp_path / "of_movie", interval="30min")
    single = sparcell.track(tmp_path / "frames", tmp_path / "of_frames")
    assert whole.tracks["movie"].unique() == ["a"]
    assert single.tracks["movie"].unique() == ["B03_1"]
    same = ["track", "parent", "first", "last", "fate"]
    pd.testing.assert_frame_equal(whole.tracks[same], single.tracks[same])
    # Half an hour a frame, and an hour as the names say.
    lives = whole.tracks["last"] - whole.tracks["first"] + 1
    np.testing.assert_allclose(whole.tracks["hours"], 0.5 * lives)
    np.testing.assert_allclose(single.tracks["hours"], lives)
    first = single.objects.iloc[0]
    assert first[["image", "well", "tile"]].tolist() == ["B3_1_00d00h00m", "B03", "1"]
    write_ctc(tmp_path / "01_GT", labels, tracks, "truth")
    scores = evaluate(tmp_path / "01_GT", tmp_path / "of_movie", metric="tracks").total
    assert scores.lnk > 0.98
    assert scores.det == 1


def test_files_agree_with_each_other(tmp_path, nuclei):
    labels, _ = nuclei
    write_image(tmp_path / "a.tif", labels, axes="TYX", pixel_size=0.5)
    found = sparcell.track(tmp_path / "a.tif", tmp_path / "out")
    tracked = tifffile.imread(tmp_path / "out" / "labels" / "a.tif")
    assert tracked.dtype == np.uint16
    np.testing.assert_array_equal(tracked > 0, labels > 0)
    objects = pd.read_csv(tmp_path / "out" / "objects.csv")
    for row in objects.itertuples():
        member = labels[row.t] == row.id
        assert (tracked[row.t][member] == row.track).all()
    # Every object has a track, and is in its frames.
    spans = found.tracks.set_index("track")
    assert (objects["t"] >= objects["track"].map(spans["first"])).all()
    assert (objects["t"] <= objects["track"].map(spans["last"])).all()
    assert objects.groupby("track").size().equals(spans["n_found"].astype("int64"))
    links = pd.read_csv(tmp_path / "out" / "links.csv")
    assert links["confidence"].is_monotonic_increasing
    assert len(links) == len(objects) - (found.tracks["parent"] == 0).sum()
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["finished"]
    # The same again gives the same files.
    before = (tmp_path / "out" / "tracks.csv").read_bytes()
    sparcell.track(tmp_path / "a.tif", tmp_path / "out")
    assert (tmp_path / "out" / "tracks.csv").read_bytes() == before


def test_tiles_of_a_well_are_movies_of_their_own(tmp_path, nuclei):
    labels, _ = nuclei
    write_frames(tmp_path, labels)
    write_frames(tmp_path, labels[:, ::-1], "B3_2_00d{:02d}h00m")
    names = [movie.name for movie in find_movies_to_track(tmp_path)]
    assert names == ["B03_1", "B03_2"]


def test_numbers_at_the_end_of_names_are_frames(tmp_path, nuclei, caplog):
    labels, _ = nuclei
    write_frames(tmp_path, labels[:3], "cells_{:03d}")
    (movie,) = find_movies_to_track(tmp_path)
    assert (movie.name, movie.frames) == ("cells", 3)
    assert "the number at their end is the frame" in caplog.text
    (tmp_path / "cells_002.tif").rename(tmp_path / "cells_007.tif")
    find_movies_to_track(tmp_path)
    assert "cells: frames are missing" in caplog.text


def test_a_shift_is_found_from_images_and_reported(tmp_path):
    rng = np.random.default_rng(0)
    texture = rng.normal(100, 10, (200, 200)).astype(np.float32)
    path = [(0, 0), (0, 0), (12, -9), (0, 0)]
    labels = np.zeros((4, 100, 100), np.int32)
    images = np.stack([texture[50 - y : 150 - y, 50 - x : 150 - x] for y, x in path])
    for t, (y, x) in enumerate(path):
        for one, (row, column) in enumerate([(30, 30), (60, 70), (75, 20), (20, 75), (50, 45)], 1):
            labels[t, row + y : row + y + 8, column + x : column + x + 8] = one
    write_image(tmp_path / "labels" / "a.tif", labels, axes="TYX")
    write_image(tmp_path / "images" / "a.tif", images, axes="TYX")
    found = sparcell.track(tmp_path / "labels", images=tmp_path / "images")
    np.testing.assert_allclose(found.shifts[["y", "x"]], path, atol=0.6)
    assert (found.tracks["n_found"] == 4).all()
    # The cells stand still in the well.
    still = found.objects.groupby("track")[["y_well", "x_well"]].agg(np.ptp)
    assert still.to_numpy().max() < 1
    assert found.objects.groupby("track")["y"].agg(np.ptp).min() > 11
    assert found.tracks["path_px"].max() < 2
    unshifted = sparcell.track(tmp_path / "labels", shifts=False)
    assert not unshifted.shifts[["y", "x"]].to_numpy().any()


def test_points_of_a_table_are_tracked(tmp_path):
    rows = [
        {"frame": t, "y": 10 * k + t, "x": 20 * (k % 3) + 2 * t} for t in range(4) for k in range(6)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "points.csv", index=False)
    found = sparcell.track(tmp_path / "points.csv", tmp_path / "out")
    assert len(found.tracks) == 6
    assert (found.tracks["n_found"] == 4).all()
    assert not (tmp_path / "out" / "labels").exists()
    scores = evaluate(tmp_path / "out", tmp_path / "out", metric="tracks").total
    assert (scores.objects, scores.lnk) == (24, 1)


def test_bad_input_is_one_line(tmp_path, nuclei):
    labels, _ = nuclei
    write_image(tmp_path / "one" / "B3_1_00d00h00m.tif", labels[0], axes="YX")
    with pytest.raises(InputError, match="one frame only: B03_1"):
        sparcell.track(tmp_path / "one")
    write_frames(tmp_path / "names", labels[:2], "{}_first")
    write_image(tmp_path / "names" / "a.tif", labels[0], axes="YX")
    with pytest.raises(InputError, match="names that tell no time"):
        sparcell.track(tmp_path / "names")
    write_frames(tmp_path / "twice", labels[:2], "s{}_t1_x")
    with pytest.raises(InputError, match=r"s0_t1_x and s1_t1_x, which are of one time"):
        sparcell.track(tmp_path / "twice", wells=r"s\d_t(?P<time>\d)_(?P<well>x)")
    write_frames(tmp_path / "sizes", labels[:2])
    write_image(tmp_path / "sizes" / "B3_1_00d05h00m.tif", labels[0, :50], axes="YX")
    with pytest.raises(InputError, match=r"B3_1_00d05h00m\.tif of T, Z, C, Y, X"):
        sparcell.track(tmp_path / "sizes")
    write_image(tmp_path / "stack" / "a.tif", labels, axes="ZYX")
    with pytest.raises(InputError, match=r"a\.tif with 5 depths"):
        sparcell.track(tmp_path / "stack")
    write_image(tmp_path / "movie" / "a.tif", labels, axes="TYX")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "tracks.csv").write_text("mine")
    with pytest.raises(InputError, match="did not write"):
        sparcell.track(tmp_path / "movie", tmp_path / "full")
    with pytest.raises(InputError, match="no image a in"):
        sparcell.track(tmp_path / "movie", images=tmp_path / "sizes")
    (tmp_path / "p.csv").write_text("t,y\n0,1\n")
    with pytest.raises(InputError, match="without a column x"):
        sparcell.track(tmp_path / "p.csv")
    (tmp_path / "p.csv").write_text("t,y,x\n0,1,1\n1,1,a\n")
    with pytest.raises(InputError, match="no number in line 3"):
        sparcell.track(tmp_path / "p.csv")


@pytest.mark.parametrize(("text", "hours"), [("15min", 0.25), ("2 h", 2), ("90s", 0.025), (3, 3)])
def test_intervals(text, hours):
    assert parse_interval(text) == pytest.approx(hours)


@pytest.mark.parametrize("text", ["15", "0h", "-3 h", "15 minutes", 0])
def test_intervals_without_sense(text):
    with pytest.raises(InputError, match="a time with its unit"):
        parse_interval(text)


def test_frames_without_objects(tmp_path, nuclei, caplog):
    labels, _ = nuclei
    empty = labels.copy()
    empty[2] = 0
    write_image(tmp_path / "a.tif", empty, axes="TYX")
    found = sparcell.track(tmp_path / "a.tif", tmp_path / "out")
    assert "1 of 5 frames have no object" in caplog.text
    assert "the shift of the stage is uncertain" in caplog.text
    # Cells are linked over the empty frame.
    assert (found.tracks["n_missed"] == 1).sum() > 5


def test_ids_beyond_the_size_of_the_picture(tmp_path):
    y, x = np.mgrid[:40, :80]
    for t in range(3):
        labels = np.zeros((40, 80), np.uint32)
        labels[np.hypot(y - 20, x - 20 - 2 * t) < 6] = 2_000_000_000
        labels[np.hypot(y - 20, x - 55 + 2 * t) < 6] = 7
        for tile, part in enumerate((labels[:, :44], labels[:, 36:]), 1):
            path = tmp_path / "tiles" / f"B03_{tile}_00d0{t}h00m.tif"
            write_image(path, part, axes="YX")
        write_image(tmp_path / "labels" / f"a_{t}.tif", labels, axes="YX")
    found = sparcell.track(tmp_path / "labels", tmp_path / "out", interval="1h")
    assert sorted(set(found.objects["id"])) == [7, 2_000_000_000]
    tracked = tifffile.imread(tmp_path / "out" / "labels" / "a.tif")
    assert [np.unique(frame).tolist() for frame in tracked] == [[0, 1, 2]] * 3
    well = sparcell.track(tmp_path / "tiles", grid="1x2", overlap=8)
    assert set(well.objects["tile_id"]) == {7, 2_000_000_000}
    assert well.tiles.groupby("tile")["x_well"].mean().diff().iloc[1] == pytest.approx(36, abs=2)
    with pytest.raises(InputError, match="an overlap of 30 px of tiles of 40 x 44 px"):
        sparcell.track(tmp_path / "tiles", grid="1x2", overlap=30)
    with pytest.raises(InputError, match="an overlap without a grid"):
        sparcell.track(tmp_path / "tiles", overlap=8)


def test_a_movie_without_objects_and_tables_without_frames(tmp_path, caplog):
    write_image(tmp_path / "labels" / "a.tif", np.zeros((3, 20, 20), np.uint8), axes="TYX")
    found = sparcell.track(tmp_path / "labels", tmp_path / "out")
    assert "3 of 3 frames have no object" in caplog.text
    assert len(found.tracks) == 0
    assert found.rates.set_index("quantity").loc["growth_counting", "note"] == (
        "a frame without cells"
    )
    points = tmp_path / "p.csv"
    points.write_text("t,y,x\n")
    with pytest.raises(InputError, match="without a row"):
        sparcell.track(points)
    points.write_text("t,y,x\n0,1,1\n0,5,5\n")
    with pytest.raises(InputError, match="one frame only: p"):
        sparcell.track(points)


def test_missing_frames_are_named_even_if_most_are_missing(tmp_path, caplog):
    for number in (6, 0, 2, 3):
        write_image(tmp_path / f"a_{number}.tif", np.eye(20, dtype=np.uint8), axes="YX")
    sparcell.track(tmp_path)
    assert "frames are missing at 2 places, first after frame 0" in caplog.text
