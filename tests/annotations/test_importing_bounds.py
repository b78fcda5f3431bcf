"""Small files of annotations stay small."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np
import pytest
from bases.annotated import box, qupath, sizes
from skimage.draw import polygon2mask

from sparcell.annotations.importing import import_annotations, shapes
from sparcell.annotations.importing.shapes import Outline, Shapes, fill, fill_ring
from sparcell.annotations.run_lengths import decode
from sparcell.core.errors import InputError
from sparcell.io import write_image

SHAPE = (40, 60)
EDGE = 8


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_image(tmp_path / "images" / "A1.tif", np.zeros(SHAPE, np.uint8), "YX")
    return tmp_path / "images"


def test_outlines_that_reach_far_beyond_the_image(images: Path, tmp_path: Path) -> None:
    far = (box(-9000, -9000, 18000, 18000), "annotation", "")
    cell = (box(4, 4, EDGE, EDGE), "annotation", "")
    with pytest.raises(InputError, match=r"an outline of 18002 x 18002 px"):
        import_annotations([qupath(tmp_path / "A1.geojson", [far])], tmp_path / "far", images)
    near = (box(10, -300, 600, 600), "annotation", "")
    file = qupath(tmp_path / "A1.geojson", [near, cell])
    import_annotations([file], tmp_path / "set", images)
    # The cell, on rows 4 to 11, is the smaller object; below row 10 the rest is the other's.
    assert sizes(tmp_path / "set") == [EDGE**2, 30 * SHAPE[1] - 2 * EDGE]


@pytest.mark.parametrize("grid", [1, 2, 8, 0], ids=["pixels", "corners", "eighths", "any"])
def test_outlines_are_filled_as_scikit_image_fills_them(grid: int) -> None:
    """Also those through centres of pixels, with crossing edges, and one pixel wide."""
    random = np.random.default_rng(grid)
    for _ in range(300):
        shape = (int(random.integers(1, 30)), int(random.integers(1, 30)))
        ring = random.uniform(0, 1, (random.integers(3, 12), 2)) * (np.array(shape) - 1)
        if grid:
            ring = np.floor(ring * grid) / grid
        assert np.array_equal(fill_ring(ring, shape), polygon2mask(shape, ring))


def test_a_large_outline_is_filled_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    rings = [
        np.array([[0, 5], [40, 0], [33, 20], [60, 39], [10, 37.5]]),
        np.array([[9, 9], [30, 9], [20, 30]]),
    ]
    monkeypatch.setattr(shapes, "AT_ONCE", 30)
    found = fill([rings], Path("a"))
    expected = polygon2mask((61, 40), rings[0]) ^ polygon2mask((61, 40), rings[1])
    assert found and np.array_equal(found.mask, expected)


def test_an_outline_of_8000_px_radius_is_filled_by_its_rows() -> None:
    turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    start = time.process_time()
    found = fill([[8000 * np.stack([np.sin(turn), np.cos(turn)], 1)]], Path("a"))
    # Each pixel against each corner, it takes more than a minute.
    assert time.process_time() - start < 20
    # Area of a regular polygon of 96 corners.
    assert found and found.mask.sum() == pytest.approx(48 * 8000**2 * np.sin(np.pi / 48), 1e-4)


def test_an_outline_that_goes_up_and_down_for_ever_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shapes, "CROSSINGS", 500)
    zigzag = np.stack([np.arange(60) % 2 * 9.0, np.arange(60)], 1)
    with pytest.raises(InputError, match=r"goes up and down 5e\+02 rows in a"):
        fill([[zigzag]], Path("a"))


def test_many_large_outlines_are_refused_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MOST", 1000)
    found = Shapes(Path("a"))
    found.outlines.append(Outline(np.ones((20, 40), bool), 0, 0))
    with pytest.raises(InputError, match=r"more than 1e\+03 px in one file"):
        found.outlines.append(Outline(np.ones((20, 40), bool), 0, 0))


def test_a_small_file_that_unpacks_to_much_is_refused(images: Path, tmp_path: Path) -> None:
    path = tmp_path / "A1.geojson.gz"
    path.write_bytes(gzip.compress(b"[" + b"[]," * (1 << 23) + b"0]", 1))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match="unpacks to more than 20 times its size"):
        import_annotations([path], tmp_path / "set", images)


def test_run_lengths_of_many_digits_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="run lengths of many digits"):
        decode("o" * 1_000_000, (10, 10))


def test_a_polygon_of_no_corner_is_left_out() -> None:
    assert fill([[np.zeros((0, 2))]], Path("a")) is None
