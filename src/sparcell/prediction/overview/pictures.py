"""Pictures of one predicted image: its objects outlined, or its stains beside it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import Image, Plane
from sparcell.drawing.palette import MATCHED
from sparcell.drawing.picture import (
    Picture,
    Region,
    draw_scale_bar,
    encode,
    encode_mask,
    magnification,
    magnified,
    outlines,
    read_ids,
    read_pixels,
    save_outlined,
    save_png,
)
from sparcell.io import open_image, read_pieces

LARGEST_EDGE = 1600
"""Longest edge of a picture, px; larger images are shrunk."""
DETAIL_EDGE = 640
"""Edge of the part of a large image that is drawn at full resolution, px."""
CARD_EDGE = 340
"""Edge of a picture on the page, px, before it is enlarged."""
GAP = 8


class LayeredPicture(NamedTuple):
    """A picture whose outlines can be hidden.

    Attributes
    ----------
    image : bytes
        JPEG.
    outlines : bytes
        PNG of the same size, transparent but for the outlines.
    """

    image: bytes
    outlines: bytes


def middle_plane(image: Image) -> Plane:
    """The plane in the middle of time and depth, which stands for the image."""
    times, depths = image.tzyx[:2]
    return Plane(times // 2, depths // 2)


def draw_objects(image: Image, labels: Path, objects: Path, path: Path) -> None:
    """Write an image with the outlines of its objects; of several planes the middle one.

    Parameters
    ----------
    image : Image
        With the channels that the model took.
    labels, objects : Path
        Its label image and its object table.
    path : Path
        ``NAME.png``. Of an image of more than `LARGEST_EDGE` px, also ``NAME_detail.png`` is
        written: the part with the most objects at full resolution.

    Raises
    ------
    InputError
        If a file cannot be read or written.
    """
    found, plane = open_image(labels), middle_plane(image)
    region = Region.whole(image.shape, LARGEST_EDGE)
    _save_outlined(image, found, plane, region, path)
    if region.step > 1:
        detail = densest_region(objects, plane, image.shape)
        _save_outlined(image, found, plane, detail, detail_path(path))


def detail_path(path: Path) -> Path:
    """Path of the picture of a part, beside that of the whole image."""
    return path.with_name(f"{path.stem}_detail.png")


def _save_outlined(image: Image, labels: Image, plane: Plane, region: Region, path: Path) -> None:
    pixels, ids = read_pixels(image, plane, region), read_ids(labels, plane, region)
    picture, mask = magnified(pixels), outlines(magnified(ids))
    barred = _with_scale_bar(image, region, picture, magnification(ids.shape))
    # The bar lies above the outlines.
    changed = barred != picture
    mask &= ~(changed if changed.ndim == 2 else changed.any(axis=2))
    save_outlined(barred, mask, path)


def _with_scale_bar(image: Image, region: Region, picture: Picture, factor: int) -> Picture:
    if image.pixel_size is not None:
        return draw_scale_bar(picture, image.pixel_size * region.step / factor)
    # Pixels of a picture that is resized are no unit that a reader could use.
    return picture if region.step * factor > 1 else draw_scale_bar(picture, None)


def densest_region(objects: Path, plane: Plane, shape: tuple[int, int]) -> Region:
    """Find the square of `DETAIL_EDGE` px with the most objects.

    Parameters
    ----------
    objects : Path
        Object table with the columns t, z, y and x.
    plane : Plane
    shape : (int, int)
        Height and width of the image, px.
    """
    counts = np.zeros([-(-edge // DETAIL_EDGE) for edge in shape], np.int64)
    for piece in read_pieces(objects, ["t", "z", "y", "x"]):
        here = piece[(piece["t"] == plane.t) & (piece["z"] == plane.z)]
        cells = (here[["y", "x"]].to_numpy() // DETAIL_EDGE).astype(int)
        np.add.at(counts, tuple(cells.T), 1)
    cell = np.unravel_index(int(counts.argmax()), counts.shape)
    starts = [
        max(min(int(at) * DETAIL_EDGE, edge - DETAIL_EDGE), 0)
        for at, edge in zip(cell, shape, strict=True)
    ]
    y, x = (
        slice(start, min(start + DETAIL_EDGE, edge))
        for start, edge in zip(starts, shape, strict=True)
    )
    return Region(y, x)


def draw_stain(image: Image, stain: Path, path: Path) -> None:
    """Write an image and its predicted stains side by side; of several planes the middle one.

    Raises
    ------
    InputError
        If a file cannot be read or written.
    """
    predicted, plane = open_image(stain), middle_plane(image)
    region = Region.whole(image.shape, LARGEST_EDGE)
    channels = [predicted.select_channels([number]) for number in range(predicted.size("C"))]
    panels = [as_colour(read_pixels(one, plane, region)) for one in (image, *channels)]
    size = None if image.pixel_size is None else image.pixel_size * region.step
    panels[-1] = draw_scale_bar(panels[-1], size)
    gap = np.full((len(panels[0]), GAP, 3), 255, np.uint8)
    save_png(np.concatenate([part for panel in panels for part in (gap, panel)][1:], axis=1), path)


def as_colour(pixels: Picture) -> Picture:
    """Give a grey picture three channels, (Y, X, 3)."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def layered(image: Image, labels: Path, edge: int, region: Region | None = None) -> LayeredPicture:
    """Draw image and outlines apart, for the page.

    Parameters
    ----------
    image : Image
        With the channels that the model took.
    labels : Path
        Its label image.
    edge : int
        Longest edge of the picture of a whole image, px.
    region : Region, optional
        The part that is drawn; by default the whole image.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    plane, region = middle_plane(image), region or Region.whole(image.shape, edge)
    pixels: NDArray[np.uint8] = read_pixels(image, plane, region)
    mask = outlines(magnified(read_ids(open_image(labels), plane, region)), CARD_EDGE)
    return LayeredPicture(encode(pixels, "JPEG", quality=80), encode_mask(mask, MATCHED))
