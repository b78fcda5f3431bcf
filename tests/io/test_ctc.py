"""Folders of the Cell Tracking Challenge."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.core.tracks import Track
from sparcell.io.ctc import read_ctc, read_tracks, write_ctc

TRACKS = (Track(1, 0, 1, 0), Track(2, 2, 3, 1), Track(3, 2, 2, 1))


def labels() -> np.ndarray:
    frames = np.zeros((4, 5, 8), np.int32)
    frames[:2, 1:3, 1:3] = 1
    frames[2:, 1:3, 0:2] = 2
    frames[2, 1:3, 4:6] = 3
    return frames


@pytest.mark.parametrize("kind", ["result", "truth"])
def test_written_and_read(tmp_path, kind):
    write_ctc(tmp_path / "01", labels(), TRACKS, kind)
    place = tmp_path / "01" / ("TRA" if kind == "truth" else "")
    name = "man_track" if kind == "truth" else "mask"
    # The layout as the challenge describes it, read by another library.
    assert tifffile.imread(place / f"{name}002.tif").dtype == np.uint16
    np.testing.assert_array_equal(tifffile.imread(place / f"{name}002.tif"), labels()[2])
    table = place / ("man_track.txt" if kind == "truth" else "res_track.txt")
    assert table.read_text() == "1 0 1 0\n2 2 3 1\n3 2 2 1\n"
    movie = read_ctc(tmp_path / "01")
    assert movie.tracks == TRACKS
    assert movie.objects.tzyx == (4, 1, 5, 8)
    for t, frame in enumerate(labels()):
        np.testing.assert_array_equal(movie.objects.read_labels(plane=Plane(t)), frame)


def test_a_gap_becomes_a_track_whose_mother_is_the_former(tmp_path):
    frames = np.zeros((4, 2, 2), np.int32)
    frames[[0, 1, 3], 0, 0] = 7
    frames[2:, 1, 1] = 8
    write_ctc(tmp_path, frames, [Track(7, 0, 3, 0), Track(8, 2, 3, 0)])
    movie = read_ctc(tmp_path)
    assert movie.tracks == (Track(7, 0, 1, 0), Track(8, 2, 3, 0), Track(9, 3, 3, 7))
    assert movie.objects.read_labels(plane=Plane(3)).tolist() == [[9, 0], [0, 8]]


def test_daughters_of_a_track_with_a_gap_have_its_last_part_as_mother(tmp_path):
    frames = np.zeros((4, 1, 2), np.int32)
    frames[[0, 2], 0, 0] = 1
    frames[3] = [[2, 3]]
    tracks = [Track(1, 0, 2, 0), Track(2, 3, 3, 1), Track(3, 3, 3, 1)]
    write_ctc(tmp_path, frames, tracks)
    assert read_ctc(tmp_path).tracks == (
        Track(1, 0, 0, 0), Track(2, 3, 3, 4), Track(3, 3, 3, 4), Track(4, 2, 2, 1)
    )  # fmt: skip


def test_ids_beyond_16_bits_are_refused(tmp_path):
    frames = np.full((1, 2, 2), 70_000, np.int32)
    with pytest.raises(InputError, match="track id 70000; expected at most 65535"):
        write_ctc(tmp_path, frames, [Track(70_000, 0, 0, 0)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 3\n", "line 1 of .*four whole numbers"),
        ("1 0 x 0\n", "'1 0 x 0' in line 1"),
        ("1 0 3 0\n1 0 2 0\n", "track 1 twice"),
        ("1 4 3 0\n", "frames 4 to 3"),
        ("2 4 5 1\n", "unknown parent 1"),
        ("1 0 4 0\n2 4 5 1\n", "begins before its parent 1 ends"),
    ],
)
def test_a_damaged_table_is_one_line(tmp_path, text, message):
    path = tmp_path / "res_track.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_tracks(path)


def test_missing_frames_and_other_sizes_are_one_line(tmp_path):
    write_ctc(tmp_path, labels(), TRACKS)
    (tmp_path / "mask003.tif").rename(tmp_path / "mask004.tif")
    with pytest.raises(InputError, match=r"no frame 3 \(mask003.tif\)"):
        read_ctc(tmp_path)
    (tmp_path / "mask004.tif").unlink()
    with pytest.raises(InputError, match="ends in frame 3"):
        read_ctc(tmp_path)
    tifffile.imwrite(tmp_path / "mask003.tif", np.zeros((2, 2), np.uint16))
    with pytest.raises(InputError, match=r"mask003\.tif of T, Z, C, Y, X"):
        read_ctc(tmp_path).objects.read_labels(plane=Plane(3))
    with pytest.raises(InputError, match=r"no man_track\.txt or res_track\.txt"):
        read_ctc(tmp_path / "nothing")
