"""Contact sheet: pictures of all stains with outlines, result and reason."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from sparcell.classical.stain_statistics import StainView
from sparcell.core.files import whole_file
from sparcell.core.text import counted, printable
from sparcell.core.tiles import range_around, tiles
from sparcell.drawing.palette import EXTRA, MATCHED, MISSED, RGB
from sparcell.drawing.picture import text_font
from sparcell.drawing.png import encode_png
from sparcell.morphology.boundaries import inner_boundary

FIELDS_PER_PAGE = 24
COLUMNS = 3
THUMBNAIL_PX = 480
EDGE, GAP = 340, 6
"""Longest edge of a picture, and distance from its cell's rim, px."""
DETAIL_PX = 170
"""Edge of the part that is shown enlarged beside a field which is reduced, px."""
CELL = 2 * EDGE + 3 * GAP
"""Width of a picture and its part with their rim, px."""
FONT_SIZE, LINE = 12, 16
"""Height of letters and lines, px."""
MEANINGS = {
    MATCHED: "outlines, accepted",
    EXTRA: "outlines, refused",
    MISSED: "left out as uncertain",
}
WHAT = "Left: the image. Right: its part with the most outlines, twice as large as its pixels."
LEGEND = LINE * (len(MEANINGS) + 1) + GAP
"""Height of the legend, px."""


Pixels = tuple[NDArray[np.float32], NDArray[Any], NDArray[Any]]
"""Stain, labels and ignore mask of a region, each (Y, X)."""


@dataclass(frozen=True)
class Thumbnail:
    """Picture of one field on the contact sheet.

    Attributes
    ----------
    title : str
    reason : str
        Why the field was refused; ``""`` if accepted.
    stain, labels, ignore : (Y, X) or None
        Every n-th pixel of the first plane; None if the stain could not be read.
    detail : tuple of (Y, X) arrays, optional
        Stain, labels and ignore mask of the part with the most outlines, every pixel of it.
    objects : int, optional
        In all planes.
    """

    title: str
    reason: str
    stain: NDArray[np.float32] | None = None
    labels: NDArray[Any] | None = None
    ignore: NDArray[Any] | None = None
    detail: Pixels | None = None
    objects: int | None = None


def thumbnail_pixels(
    view: StainView, labels: Any, ignore: Any
) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[Any], Pixels | None]:
    """Take the pixels of a thumbnail from a plane: `Thumbnail` has their order.

    Parameters
    ----------
    view : StainView
    labels, ignore : (Y, X)
        Of the same plane; read region by region.
    """
    small, step = downsample(view)
    every_nth = np.s_[::step, ::step]
    some, left_out = np.array(labels[every_nth]), np.array(ignore[every_nth])
    part = densest_part(some > 0, step, view.shape)
    detail = view.read(*part).copy(), np.array(labels[part]), np.array(ignore[part])
    return small, some, left_out, detail


def densest_part(mask: NDArray[np.bool_], step: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Choose the part of a plane with the most outlines, at most `DETAIL_PX` along Y and X.

    Parameters
    ----------
    mask : (Y, X) bool
        Every `step`-th pixel of the plane: whether it is in an object.
    step : int
    shape : (int, int)
        Of the plane, px.
    """
    density: NDArray[Any] = inner_boundary(mask.view(np.uint8), connectivity=4).astype(np.int32)
    size = max(1, DETAIL_PX // step)
    for axis, length in enumerate(mask.shape):
        # Sums over windows, by differences of sums from the edge.
        sums = np.insert(np.cumsum(density, axis), 0, 0, axis)
        first = np.arange(length) - size // 2
        ends = [np.clip(first + reach, 0, length) for reach in (0, size)]
        density = np.take(sums, ends[1], axis) - np.take(sums, ends[0], axis)
    centre = np.unravel_index(int(np.argmax(density)), density.shape)
    y, x = (
        range_around((at * step + 0.5) / length, min(DETAIL_PX, length), length)
        for at, length in zip(centre, shape, strict=True)
    )
    return slice(y.start, y.stop), slice(x.start, x.stop)


def downsample(view: StainView) -> tuple[NDArray[np.float32], int]:
    """Take every n-th pixel of a plane, so that it fits a thumbnail, and return these and n.

    The plane is read tile by tile.
    """
    step = max(1, int(np.ceil(max(view.shape) / THUMBNAIL_PX)))
    small = np.zeros([-(-edge // step) for edge in view.shape], np.float32)
    for tile in tiles(view.shape, size=1024 // step * step or step, halo=0):
        y, x = tile.core
        part = view.read(y, x)[::step, ::step]
        top, left = y.start // step, x.start // step
        small[top : top + part.shape[0], left : left + part.shape[1]] = part
    return small, step


class ContactSheet:
    """Collects thumbnails and writes a page whenever one is full.

    Parameters
    ----------
    path : Path
        ``contact_sheet.png``; further pages are ``contact_sheet_2.png`` and so on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pages = 0
        self._waiting: list[Thumbnail] = []

    def add(self, thumbnail: Thumbnail) -> None:
        """Add a field, and write the page if it is full."""
        self._waiting.append(thumbnail)
        if len(self._waiting) == FIELDS_PER_PAGE:
            self.flush()

    def flush(self) -> None:
        """Write the fields that are not yet written as a page."""
        if not self._waiting:
            return
        columns = min(COLUMNS, len(self._waiting))
        cells = [_draw(thumbnail) for thumbnail in self._waiting]
        rows = [cells[first : first + columns] for first in range(0, len(cells), columns)]
        heights = [max(cell.height for cell in row) for row in rows]
        page = Pillow.new("RGB", (columns * CELL, sum(heights) + LEGEND), "white")
        top = 0
        for row, height in zip(rows, heights, strict=True):
            for column, cell in enumerate(row):
                page.paste(cell, (column * CELL, top))
            top += height
        _add_legend(ImageDraw.Draw(page), top)
        self.pages += 1
        path = self.path
        if self.pages > 1:
            path = path.with_name(f"{path.stem}_{self.pages}{path.suffix}")
        with whole_file(path) as partial:
            partial.write_bytes(encode_png(np.asarray(page)))
        self._waiting.clear()


def _add_legend(page: ImageDraw.ImageDraw, top: int) -> None:
    """Say what the colours mean, below the pictures."""
    for colour, meaning in MEANINGS.items():
        page.rectangle((GAP, top + 4, GAP + 20, top + 12), fill=colour)
        page.text((GAP + 28, top), meaning, fill="black", font=text_font(FONT_SIZE))
        top += LINE
    page.text((GAP, top), WHAT, fill="black", font=text_font(FONT_SIZE))


def _draw(thumbnail: Thumbnail) -> Pillow.Image:
    """Draw name, result and picture of one field."""
    accepted = not thumbnail.reason
    result = "accepted" if accepted else "refused: " + thumbnail.reason
    if thumbnail.objects is not None:
        result = f"{counted(thumbnail.objects, 'object')}, {result}"
    title = textwrap.wrap(thumbnail.title, 80)[:1] + textwrap.wrap(result, 90)[:3]
    pictures = _pictures(thumbnail)
    top = GAP + LINE * len(title)
    height = max((picture.height for picture in pictures), default=EDGE)
    cell = Pillow.new("RGB", (CELL, top + height + GAP), "white")
    draw = ImageDraw.Draw(cell)
    font = text_font(FONT_SIZE)
    for number, line in enumerate(title):
        draw.text(
            (CELL // 2, GAP + LINE * number),
            printable(line),
            fill="black" if accepted else "firebrick",
            font=font,
            anchor="ma",
        )
    for number, picture in enumerate(pictures):
        cell.paste(picture, (GAP + number * (EDGE + GAP), top))
    if not pictures:
        middle = (CELL // 2, top + EDGE // 2)
        draw.text(middle, "no picture", fill="grey", font=font, anchor="mm")
    return cell


def _pictures(thumbnail: Thumbnail) -> list[Pillow.Image]:
    """The stain with outlines, and a part of it; none if it could not be read."""
    stain, labels, ignore = thumbnail.stain, thumbnail.labels, thumbnail.ignore
    if stain is None or labels is None:
        return []
    low, high = np.percentile(stain, [1, 99.7])
    rim = EXTRA if thumbnail.reason else MATCHED
    whole = stain, labels, np.zeros_like(labels) if ignore is None else ignore
    return [
        _paint(*pixels, (float(low), float(high)), rim)
        for pixels in (whole, thumbnail.detail)
        if pixels is not None
    ]


def _paint(
    stain: NDArray[np.float32],
    labels: NDArray[Any],
    ignore: NDArray[Any],
    limits: tuple[float, float],
    rim: RGB,
) -> Pillow.Image:
    """Draw outlines, and what is left out, over a stain; the longest edge becomes `EDGE`."""
    low, high = limits
    # The square root shows dim nuclei beside bright ones.
    grey = np.sqrt(np.clip((stain - low) / max(high - low, 1e-9), 0, 1))
    picture = np.repeat((grey * 255).astype(np.uint8)[..., None], 3, axis=2)
    ignored = ignore > 0
    picture[ignored] = 0.6 * picture[ignored] + 0.4 * np.array(MISSED)
    picture[inner_boundary(labels, connectivity=4)] = rim
    factor = EDGE / max(picture.shape)
    size = [max(1, round(edge * factor)) for edge in (picture.shape[1], picture.shape[0])]
    # Means keep the outlines of a picture that is shrunk.
    how = Pillow.Resampling.BOX if factor < 1 else Pillow.Resampling.NEAREST
    return Pillow.fromarray(picture).resize((size[0], size[1]), how)
