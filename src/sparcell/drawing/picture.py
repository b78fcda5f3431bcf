"""Pictures of images with outlines of objects, as PNG or JPEG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from sparcell.core.files import whole_file
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.core.tiles import tiles
from sparcell.drawing.palette import MATCHED, RGB
from sparcell.drawing.png import encode_png
from sparcell.morphology.boundaries import inner_boundary

Picture = NDArray[np.uint8]
READ_EDGE = 2048
"""Edge of the regions by which a large image is read, px."""
DISPLAY_PERCENTILES = (0.5, 99.5)
SAMPLED = 250_000
"""Pixels whose percentiles are those of a picture."""
BAR_SHARE = 0.25
"""Largest share of a picture's width that a scale bar takes."""
VIEWED_EDGE = 500
"""Edge of a picture on a page, px."""
MARGIN = 12
"""Distance of a scale bar from the edges of a picture, px."""
FONT_SIZE = 15


class Region(NamedTuple):
    """A part of a plane, and how much it is shrunk.

    Attributes
    ----------
    y, x : slice
        Rows and columns, px of the image.
    step : int
        Edge of the square of pixels that becomes one pixel of the picture.
    """

    y: slice
    x: slice
    step: int = 1

    @classmethod
    def whole(cls, shape: tuple[int, int], edge: int) -> Region:
        """Take a whole plane, shrunk until no edge is longer than `edge` px."""
        step = max(1, -(-max(shape) // edge))
        return cls(slice(0, shape[0]), slice(0, shape[1]), step)


def stretch(image: NDArray[np.float32]) -> Picture:
    """Map the 0.5 to 99.5 percentile of an image to 0..255 for display.

    Percentiles are those of every n-th row and column where it has more than `SAMPLED` pixels.
    """
    step = max(1, int((image.size / SAMPLED) ** 0.5))
    low, high = np.percentile(image[..., ::step, ::step], DISPLAY_PERCENTILES)
    grey: NDArray[np.float32] = np.clip((image - low) / max(high - low, 1e-6) * 255, 0, 255)
    return grey.astype(np.uint8)


def read_pixels(image: Image, plane: Plane = FIRST_PLANE, region: Region | None = None) -> Picture:
    """Read a region for display.

    Parameters
    ----------
    image : Image
        Of three channels: red, green and blue. Of any other number: the last one is drawn, which is
        the newest frame of a model that reads several.
    plane : Plane
    region : Region, optional
        By default the whole plane.

    Returns
    -------
    (Y, X) or (Y, X, 3) uint8
        Means of `step` x `step` px, stretched to 0..255; all colours alike.
    """
    region = region or Region.whole(image.shape, max(image.shape))
    channels = slice(0, 3) if image.size("C") == 3 else slice(-1, None)
    pixels = _shrunk(region, lambda y, x: image.read(y, x, plane)[channels])
    grey = stretch(pixels)
    return grey[0] if len(grey) == 1 else np.ascontiguousarray(grey.transpose(1, 2, 0))


def _shrunk(region: Region, read: Any) -> NDArray[np.float32]:
    """Means over squares of `step` px, (C, Y, X); squares at the far edges may be smaller."""
    step = region.step
    height, width = (part.stop - part.start for part in (region.y, region.x))
    if step == 1:
        pixels: NDArray[np.float32] = read(region.y, region.x)
        return pixels
    shape = (-(-height // step), -(-width // step))
    small: NDArray[np.float32] | None = None
    for tile in tiles((height, width), max(READ_EDGE // step, 1) * step, 0):
        y, x = tile.core
        part = read(
            slice(region.y.start + y.start, region.y.start + y.stop),
            slice(region.x.start + x.start, region.x.start + x.stop),
        )
        # Sums over squares: reduceat adds from each start to the next, also over short rests.
        rows, columns = (np.arange(0, length, step) for length in part.shape[1:])
        sums = np.add.reduceat(np.add.reduceat(part, rows, axis=1), columns, axis=2)
        heights, widths = (
            np.diff(rows, append=part.shape[1]),
            np.diff(columns, append=part.shape[2]),
        )
        counts = np.outer(heights, widths)
        if small is None:
            small = np.zeros((len(part), *shape), np.float32)
        top, left = y.start // step, x.start // step
        small[:, top : top + len(rows), left : left + len(columns)] = sums / counts
    assert small is not None
    return small


def read_ids(labels: Image, plane: Plane = FIRST_PLANE, region: Region | None = None) -> Any:
    """Read every `step`-th pixel of a region of a label image, (Y, X) int32."""
    region = region or Region.whole(labels.shape, max(labels.shape))
    if region.step == 1:
        return labels.read_labels(region.y, region.x, plane)
    step, bands = region.step, []
    height = max(READ_EDGE // step, 1) * step
    for top in range(region.y.start, region.y.stop, height):
        rows = slice(top, min(top + height, region.y.stop))
        # A copy: a view would keep the whole band in memory.
        bands.append(labels.read_labels(rows, region.x, plane)[::step, ::step].copy())
    return np.concatenate(bands)


def outlines(ids: NDArray[Any], viewed: int = VIEWED_EDGE) -> NDArray[np.bool_]:
    """Mark the outermost pixels of objects; where two touch, both have an outline.

    They are wider in larger pictures, so that they are still visible in a view of an edge of
    `viewed` px.
    """
    return inner_boundary(ids, max(1, round(max(ids.shape) / viewed)), connectivity=4)


def magnified(pixels: NDArray[Any]) -> NDArray[Any]:
    """Repeat the pixels of a small picture, so that outlines are thinner than what they enclose.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, 3) array

    Returns
    -------
    array
        Larger by `magnification` along Y and X.
    """
    factor = magnification(pixels.shape)
    return pixels.repeat(factor, 0).repeat(factor, 1) if factor > 1 else pixels


def magnification(shape: tuple[int, ...]) -> int:
    """Factor by which a picture is enlarged: the longest edge becomes about `VIEWED_EDGE`."""
    return max(1, VIEWED_EDGE // max(shape[:2]))


def draw_outlines(pixels: Picture, ids: NDArray[Any], colour: RGB = MATCHED) -> Picture:
    """Draw the outlines of objects on an image.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, 3) uint8
    ids : (Y, X) integer
        0 = background.

    Returns
    -------
    (Y, X, 3) uint8
    """
    picture = np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels.copy()
    picture[outlines(ids)] = colour
    return picture


def draw_scale_bar(picture: Picture, pixel_size: float | None) -> Picture:
    """Draw a bar of round length at the lower right of a picture, with its length in um or px.

    Parameters
    ----------
    picture : (Y, X) or (Y, X, 3) uint8
    pixel_size : float or None
        Edge of the picture's pixels in um; None where it is unknown: the length is then in px of
        the picture.

    Returns
    -------
    uint8
        Of the same shape; the picture itself where it is too small for a bar.
    """
    height, width = picture.shape[:2]
    if width < 8 * MARGIN or height < 6 * MARGIN:
        return picture
    per_pixel, unit = (1.0, "px") if pixel_size is None else (pixel_size, "um")
    length = round_length(BAR_SHARE * width * per_pixel)
    edge = max(1, round(length / per_pixel))
    text = f"{length:g} {unit}"
    canvas = Pillow.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    right, bottom = width - MARGIN, height - MARGIN
    font = ImageFont.load_default(FONT_SIZE)
    middle = right - edge / 2
    # White with a black rim is visible on dark and bright images.
    draw.rectangle(
        (right - edge - 1, bottom - 5, right, bottom), fill="white", outline="black", width=1
    )
    half = draw.textlength(text, font=font) / 2
    centre = min(middle, right - half)
    draw.text(
        (centre, bottom - 8),
        text,
        fill="white",
        font=font,
        anchor="mb",
        stroke_width=2,
        stroke_fill="black",
    )
    return np.asarray(canvas)


@cache
def text_font(size: int) -> Any:
    """Font for text of any alphabet, `size` px high: that of Matplotlib, without its import."""
    found = find_spec("matplotlib")
    folders = found.submodule_search_locations if found else None
    for folder in folders or []:
        file = Path(folder) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.exists():
            return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)


def round_length(most: float) -> float:
    """Largest length of 1, 2 or 5 times a power of ten that is not above `most`."""
    power = 10.0 ** np.floor(np.log10(most))
    # The product of a power of ten and a factor may differ from `most` in the last bit.
    return float(max(n * power for n in (1, 2, 5) if n * power <= most * (1 + 1e-9)))


def encode(picture: Picture, kind: str = "PNG", **options: Any) -> bytes:
    """Encode a (Y, X) or (Y, X, 3) uint8 picture as PNG or JPEG."""
    stream = io.BytesIO()
    Pillow.fromarray(picture).save(stream, kind, **options)
    return stream.getvalue()


def encode_mask(mask: NDArray[np.bool_], colour: RGB) -> bytes:
    """Encode a mask as a PNG of one colour that is transparent elsewhere."""
    picture = Pillow.fromarray(mask.astype(np.uint8), mode="P")
    picture.putpalette([0, 0, 0, *colour])
    stream = io.BytesIO()
    picture.save(stream, "PNG", transparency=0, bits=1, optimize=False)
    return stream.getvalue()


def save_png(picture: Picture, path: Path) -> None:
    """Write a picture; the fastest compression, since it is made for every image.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    content = encode_png(*_with_palette(picture))
    with whole_file(path) as partial:
        partial.write_bytes(content)


def save_outlined(
    pixels: Picture, outlined: NDArray[np.bool_], path: Path, colour: RGB = MATCHED
) -> None:
    """Write a picture in which some pixels, such as outlines, have one colour.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, 3) uint8
    outlined : (Y, X) bool
    path : Path
    colour : RGB

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if pixels.ndim == 3:
        picture = pixels.copy()
        picture[outlined] = colour
        save_png(picture, path)
        return
    content = encode_png(*_indexed(pixels, outlined, colour))
    with whole_file(path) as partial:
        partial.write_bytes(content)


def _indexed(
    grey: Picture, coloured: NDArray[np.bool_], colour: Sequence[int]
) -> tuple[Picture, Picture]:
    """Levels and palette: the colour takes the place of grey level 1, which becomes 0.

    One byte for a pixel takes a third of the time, and two thirds of the disk.
    """
    levels = np.where(grey == 1, np.uint8(0), grey)
    levels[coloured] = 1
    palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    palette[1] = colour
    return levels, palette


def _with_palette(picture: Picture) -> tuple[Picture, Picture | None]:
    """Give a grey picture with outlines of one colour a palette; others stay as they are."""
    if picture.ndim == 2:
        return picture, None
    grey = picture[:, :, 1]
    coloured = (picture[:, :, 0] != grey) | (picture[:, :, 2] != grey)
    colours = picture[coloured]
    if not len(colours):
        return np.ascontiguousarray(grey), None
    if (colours != colours[:1]).any():
        return picture, None
    return _indexed(grey, coloured, colours[0])
