from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image import Image, Plane
from sparcell.io.points import check_against_mask, check_places, read_points, write_points

WIDE = Image(np.zeros((40, 100), np.uint8), "YX")


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a.csv"
    path.write_text(text)
    return path


def test_points_come_back_as_they_were_written(tmp_path: Path) -> None:
    points = np.array([[0, 0], [39, 99], [3.125, 70.5]])
    write_points(tmp_path / "p" / "a.csv", points, {"class": ["x", "y", "z"]})
    assert (tmp_path / "p" / "a.csv").read_text().startswith("y,x,class\n")
    assert read_points(tmp_path / "p" / "a.csv", WIDE).tolist() == points.tolist()


def test_a_table_without_rows_is_a_field_without_objects(tmp_path: Path) -> None:
    write_points(tmp_path / "a.csv", np.zeros((0, 2)))
    found = read_points(tmp_path / "a.csv", WIDE)
    assert found.shape == (0, 2) and found.dtype == np.float32


def test_clicks_on_the_edge_are_in_the_image(tmp_path: Path) -> None:
    found = read_points(table(tmp_path, "x,y\n100,40\n-0.5,-1\n"), WIDE)
    assert found.tolist() == [[39, 99], [0, 0]]


def test_points_of_a_plane(tmp_path: Path) -> None:
    movie = Image(np.zeros((3, 2, 40, 100), np.uint8), "TZYX")
    path = table(tmp_path, "y,x,t,z\n1,2,0,1\n3,4,2,0\n5,6,2,0\n")
    assert read_points(path, movie, Plane(2, 0)).tolist() == [[3, 4], [5, 6]]
    assert len(read_points(path, movie, Plane(1, 1))) == 0
    with pytest.raises(InputError, match="without a column t for an image of 3 planes along t"):
        read_points(table(tmp_path, "y,x\n1,2\n"), movie)
    with pytest.raises(InputError, match="t 3 in"):
        read_points(table(tmp_path, "y,x,t,z\n1,2,3,0\n"), movie)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", r"without a column y \(a, b\)"),
        ("y,x\n1,2\nnan,4\n", "y 'nan' in line 3"),
        ("y,x\n1,2\n3,inf\n", "x 'inf' in line 3"),
        ("y,x\n1,2\n3,200\n", "1 of 2 points .* outside the image, such as y 3, x 200"),
        ("y,x\n90,3\n50,20\n30,30\n", r"swapped \(2 of 3 outside .*, 0 if they are swapped\)"),
    ],
)
def test_what_is_wrong_with_points_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_points(table(tmp_path, text), WIDE)


def test_capitals_will_do_where_there_are_no_micrometres(tmp_path: Path) -> None:
    path = table(tmp_path, "T; X ;Y\n1;4,5;3\n0;9;8\n")
    movie = Image(np.zeros((2, 40, 100), np.uint8), "TYX")
    assert read_points(path, movie, Plane(1)).tolist() == [[3, 4.5]]
    calibrated = Image(np.zeros((40, 100), np.uint8), "YX", pixel_size=0.5)
    with pytest.raises(InputError, match="columns X and Y in"):
        read_points(path, calibrated)
    assert read_points(table(tmp_path, "y,X,x\n1,50,2\n"), calibrated).tolist() == [[1, 2]]
    with pytest.raises(InputError, match="x 'b' in line 4"):
        read_points(table(tmp_path, "y,x\n\n1,2\n3,b\n"), WIDE)


def test_a_double_click_counts_once(tmp_path: Path) -> None:
    path = table(tmp_path, "y,x\n3,4\n8,9\n3.2,4.1\n3,5\n")
    with pytest.warns(SparcellWarning, match="1 point of .* in the pixel of another"):
        found = read_points(path, WIDE)
    assert found.tolist() == [[3, 4], [8, 9], [3, 5]]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(4, 30))
def test_swapped_points_are_told_from_points_outside(seed: int, count: int) -> None:
    points = np.random.default_rng(seed).uniform((0, 60), (39, 99), (count, 2))
    check_places(points, Path("a.csv"), WIDE.shape)
    with pytest.raises(InputError, match="seem to have y and x swapped"):
        check_places(points[:, ::-1], Path("a.csv"), WIDE.shape)
    with pytest.raises(InputError, match="outside the image"):
        check_places(points * 3, Path("a.csv"), WIDE.shape)


def test_points_must_lie_on_their_mask() -> None:
    mask = np.zeros((50, 50), bool)
    mask[5:10, 30:40] = True
    points = np.array([[6, 31], [7, 35], [8, 38], [20, 20]], np.float32)
    files = Path("points/a.csv"), Path("masks/a.tif")
    check_against_mask(points, mask, *files)
    check_against_mask(points[:0], mask, *files)
    with pytest.raises(InputError, match=r"swapped \(0% of them on the mask, 75% if"):
        check_against_mask(points[:, ::-1], mask, *files)
    # Most of the image is no cell, so most points lie there, exchanged or not.
    inverted = np.ones((50, 50), bool)
    inverted[tuple(points.astype(int).T)] = inverted[31, 6] = False
    with pytest.raises(InputError, match="of which 0% lie on"):
        check_against_mask(points, inverted, *files)
    with pytest.raises(InputError, match=r"of which 25% lie on masks/a\.tif"):
        check_against_mask(points + np.float32([0, 8]), mask, *files)
