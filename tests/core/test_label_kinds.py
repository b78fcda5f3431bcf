"""Masks, colours and classes do not pass for objects."""

from __future__ import annotations

import numpy as np
import pytest

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.label_kinds import check_background, separate_objects


def squares(values: list[int], shape: tuple[int, int] = (40, 40)) -> np.ndarray:
    """Squares of 4 px with these values, 8 px apart."""
    labels = np.zeros(shape, np.int32)
    for i, value in enumerate(values):
        y, x = 8 * (i // 5), 8 * (i % 5)
        labels[y : y + 4, x : x + 4] = value
    return labels


@pytest.mark.parametrize(
    ("values", "word"),
    [([255, 255, 255], "a mask: all its pixels are 0 or 255"), ([1, 1], "a mask"),
     ([1, 2, 3, 4] * 3, "12 pieces of 4 numbers"), ([5, 9] * 4, "8 pieces of 2 numbers")],
)  # fmt: skip
def test_pieces_of_few_numbers_are_objects(
    values: list[int], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    image = separate_objects(Image(squares(values), "YX", source="m.tif"))
    ids = image.read_labels()
    assert np.unique(ids).tolist() == list(range(len(values) + 1))
    np.testing.assert_array_equal(image.read_labels(slice(3, 9), slice(2, 11)), ids[3:9, 2:11])
    said = caplog.text
    assert "m.tif" in said and word in said and "counted as an object" in said


@pytest.mark.parametrize(
    "values", [[], [255], [1, 2, 3], [*range(1, 10), 9, 9], list(range(1, 21))]
)
def test_objects_with_ids_of_their_own_stay(
    values: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    image = Image(squares(values), "YX")
    assert separate_objects(image) is image and not caplog.text


def test_few_torn_objects_stay_and_are_said(caplog: pytest.LogCaptureFixture) -> None:
    image = Image(squares([1, 1, 2, 3]), "YX", source="torn.tif")
    assert separate_objects(image) is image
    assert "torn.tif has 4 pieces of 3 numbers" in caplog.text


def test_touching_colours_stay_apart_in_every_plane() -> None:
    # Two touching objects of different colours, one object alone, and an empty plane.
    planes = np.zeros((3, 12, 40), np.uint8)
    for left in (0, 10, 20):
        planes[0, 2:6, left : left + 4], planes[0, 2:6, left + 4 : left + 8] = 1, 2
    planes[1, 2:6, 0:4] = 2
    image = separate_objects(Image(planes, "TYX"))
    assert [int(image.read_labels(plane=Plane(t)).max()) for t in range(3)] == [6, 1, 0]
    assert int(image.read_labels(plane=Plane(0)).max()) == 6


@pytest.mark.parametrize("background", [1, 2])
def test_classes_of_pixels_are_refused(background: int) -> None:
    nuclei = squares([1] * 5) > 0
    classes = Image(np.where(nuclei, 3 - background, background), "YX", source="seg.tif")
    for call in (separate_objects, check_background):
        with pytest.raises(InputError, match=r"seg\.tif without background: its values are 1, 2"):
            call(classes)


def test_a_full_image_of_objects_is_doubted(caplog: pytest.LogCaptureFixture) -> None:
    quarters = np.kron(np.array([[1, 2], [3, 4]]), np.ones((8, 8), int))
    image = Image(quarters, "YX", source="full.tif")
    assert separate_objects(image) is image
    assert "full.tif has no background" in caplog.text


def test_background_in_a_later_row_or_plane_is_found() -> None:
    planes = np.ones((2, 1100, 1000), np.uint8)
    planes[1, -1, -1] = 0
    check_background(Image(planes, "TYX"))
