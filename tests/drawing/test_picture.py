from __future__ import annotations

import io
import itertools
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from sparcell.core.image import Image, Plane
from sparcell.drawing import palette, picture
from sparcell.drawing.picture import (
    Region,
    draw_outlines,
    draw_scale_bar,
    encode_mask,
    outlines,
    read_ids,
    read_pixels,
    round_length,
    save_outlined,
    save_png,
)
from sparcell.drawing.png import encode_png


def luminance(colour: palette.RGB) -> float:
    """Relative luminance of WCAG 2.1: linear light, weighted as the eye does."""
    channel = np.array(colour) / 255
    linear = np.where(channel <= 0.04045, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_colours_differ_in_grey_print() -> None:
    greys = sorted(luminance(c) for c in (palette.MATCHED, palette.EXTRA, palette.MISSED))
    # The contrast of two colours is the ratio of their luminances, each with 0.05 added.
    ratios = [(high + 0.05) / (low + 0.05) for low, high in itertools.pairwise(greys)]
    assert min(ratios) > 1.5
    assert palette.MATCHED.css == "#56b4e9"


def test_a_shrunk_picture_holds_the_means_of_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    # Read in regions of 4 px, so that their seams are tested; the last squares are cut.
    monkeypatch.setattr(picture, "READ_EDGE", 4)
    data = np.arange(35, dtype=np.float32).reshape(5, 7)
    region = Region.whole((5, 7), 4)
    assert region.step == 2
    small = picture._shrunk(region, lambda y, x: Image(data, "YX").read(y, x))
    expected = [[data[y : y + 2, x : x + 2].mean() for x in range(0, 7, 2)] for y in range(0, 5, 2)]
    np.testing.assert_allclose(small[0], expected)
    ids = read_ids(Image(data.astype(np.uint16), "YX"), region=region)
    assert ids.tolist() == data[::2, ::2].tolist()


def test_labels_are_shrunk_band_by_band(monkeypatch: pytest.MonkeyPatch) -> None:
    """No band of a large label image stays in memory once its rows are taken."""
    monkeypatch.setattr(picture, "READ_EDGE", 8)
    labels = np.arange(48 * 16, dtype=np.int32).reshape(1, 48, 16)
    bands: list[weakref.ref] = []

    class Labels(Image):
        def read_labels(self, y: slice, x: slice, plane: Plane) -> np.ndarray:
            assert all(band() is None for band in bands[:-1])
            band = super().read_labels(y, x, plane).copy()
            bands.append(weakref.ref(band))
            return band

    ids = picture.read_ids(Labels(labels, "CYX"), region=Region(slice(0, 48), slice(0, 16), 4))
    np.testing.assert_array_equal(ids, labels[0, ::4, ::4])
    assert len(bands) == 6


def test_colours_of_an_image_are_stretched_alike() -> None:
    data = np.zeros((3, 40, 40), np.uint16)
    data[0, :20], data[1, 20:] = 1000, 500
    pixels = read_pixels(Image(data, "CYX"))
    assert pixels.shape == (40, 40, 3)
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[39, 0].tolist() == [0, 127, 0]


def test_of_several_channels_the_last_is_drawn() -> None:
    data = np.zeros((2, 10, 10), np.uint8)
    data[1, :5] = 9
    pixels = read_pixels(Image(data, "CYX"))
    assert pixels.shape == (10, 10) and pixels[0, 0] == 255 and pixels[9, 0] == 0


def test_outlines_lie_on_the_outermost_pixels() -> None:
    ids = np.zeros((7, 8), np.int32)
    ids[1:5, 1:4], ids[1:5, 4:7] = 1, 2
    drawn = draw_outlines(np.full(ids.shape, 7, np.uint8), ids)
    outlined = (drawn == palette.MATCHED).all(axis=2)
    inner = np.zeros(ids.shape, bool)
    inner[2:4, 2], inner[2:4, 5] = True, True
    assert np.array_equal(outlined, (ids > 0) & ~inner)
    assert (drawn[ids == 0] == 7).all() and (drawn[inner] == 7).all()


def test_a_mask_is_opaque_where_it_is_set() -> None:
    mask = outlines(np.eye(5, dtype=np.int32))
    decoded = np.asarray(
        Pillow.open(io.BytesIO(encode_mask(mask, palette.MATCHED))).convert("RGBA")
    )
    assert np.array_equal(decoded[..., 3] == 255, np.eye(5, dtype=bool))
    assert (decoded[mask][:, :3] == palette.MATCHED).all()


@pytest.mark.parametrize(
    ("most", "length"), [(1, 1), (1.9, 1), (2, 2), (4.99, 2), (30, 20), (0.07, 0.05), (1000, 1000)]
)
def test_round_lengths(most: float, length: float) -> None:
    assert round_length(most) == pytest.approx(length)


def test_a_scale_bar_is_as_long_as_it_says() -> None:
    # A quarter of 400 px of 0.5 um are 50 um, which are 100 px.
    drawn = draw_scale_bar(np.full((200, 400, 3), 90, np.uint8), 0.5)
    white = (drawn == 255).all(axis=2)
    bar = white[200 - picture.MARGIN - 3]
    # Without the black rim of one pixel on each side.
    assert bar.sum() == 100
    assert np.flatnonzero(bar)[-1] == 400 - picture.MARGIN - 1


def test_a_small_picture_has_no_scale_bar() -> None:
    small = np.zeros((40, 40, 3), np.uint8)
    assert draw_scale_bar(small, 1.0) is small


@pytest.mark.parametrize("colours", [0, 1, 2])
def test_a_saved_picture_has_the_colours_of_its_pixels(tmp_path: Path, colours: int) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    for number in range(colours):
        picture[4 * number + 4, 2:9] = (palette.MATCHED, palette.MISSED)[number]
    save_png(picture, tmp_path / "a.png")
    saved = np.asarray(Pillow.open(tmp_path / "a.png").convert("RGB"))
    # A palette holds 256 colours, so with an outline grey level 1 is drawn as 0.
    expected = np.where(picture == 1, 0, picture) if colours == 1 else picture
    np.testing.assert_array_equal(saved, expected)


@pytest.mark.parametrize("shape", [(3, 5), (16, 1), (7, 9, 3)])
def test_a_png_holds_its_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(np.asarray(Pillow.open(io.BytesIO(encode_png(pixels)))), pixels)


def test_outlined_pixels_have_the_colour_and_others_stay(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    outlined = np.zeros((16, 16), bool)
    outlined[3, 2:9] = True
    for pixels in (grey, np.repeat(grey[:, :, None], 3, axis=2)):
        save_outlined(pixels, outlined, tmp_path / "a.png", palette.MISSED)
        saved = np.asarray(Pillow.open(tmp_path / "a.png").convert("RGB"))
        assert (saved[outlined] == palette.MISSED).all()
        # With a palette, grey level 1 is drawn as 0.
        assert np.abs(saved[~outlined].astype(int) - grey[~outlined][:, None]).max() <= 1


def test_a_large_picture_is_stretched_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).normal(100, 10, (400, 500)).astype(np.float32)
    whole = picture.stretch(image)
    monkeypatch.setattr(picture, "SAMPLED", 20_000)
    sampled = picture.stretch(image)
    assert np.abs(sampled.astype(int) - whole).max() < 8 and sampled.min() == 0
