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
from sparcell.core.text import printable
from sparcell.core.tiles import tiles
from sparcell.drawing.palette import EXTRA, MATCHED, MISSED
from sparcell.drawing.picture import save_png, text_font
from sparcell.morphology.boundaries import inner_boundary

FIELDS_PER_PAGE = 24
COLUMNS = 6
THUMBNAIL_PX = 480
EDGE, GAP = 340, 6
"""Longest edge of a picture, and distance from its cell's rim, px."""
CELL = EDGE + 2 * GAP
"""Width of a picture with its rim, px."""
FONT_SIZE, LINE = 11, 15
"""Height of letters and lines, px."""
MEANINGS = {
    MATCHED: "outlines, accepted",
    EXTRA: "outlines, refused",
    MISSED: "left out as uncertain",
}
LEGEND = LINE * len(MEANINGS) + GAP
"""Height of the legend, px."""


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
    """

    title: str
    reason: str
    stain: NDArray[np.float32] | None = None
    labels: NDArray[Any] | None = None
    ignore: NDArray[Any] | None = None


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
        save_png(np.asarray(page), path)
        self._waiting.clear()


def _add_legend(page: ImageDraw.ImageDraw, top: int) -> None:
    """Say what the colours mean, below the pictures."""
    for colour, meaning in MEANINGS.items():
        page.rectangle((GAP, top + 4, GAP + 20, top + 12), fill=colour)
        page.text((GAP + 28, top), meaning, fill="black", font=text_font(FONT_SIZE))
        top += LINE


def _draw(thumbnail: Thumbnail) -> Pillow.Image:
    """Draw name, result and picture of one field."""
    accepted = not thumbnail.reason
    result = "accepted" if accepted else "refused: " + thumbnail.reason
    title = textwrap.wrap(thumbnail.title, 42)[:1] + textwrap.wrap(result, 48)[:3]
    picture = _picture(thumbnail)
    top = GAP + LINE * len(title)
    cell = Pillow.new("RGB", (CELL, top + (picture.height if picture else EDGE) + GAP), "white")
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
    if picture:
        cell.paste(picture, ((CELL - picture.width) // 2, top))
    else:
        middle = (CELL // 2, top + EDGE // 2)
        draw.text(middle, "no picture", fill="grey", font=font, anchor="mm")
    return cell


def _picture(thumbnail: Thumbnail) -> Pillow.Image | None:
    """The stain with outlines, its longest edge `EDGE`; None if it could not be read."""
    if thumbnail.stain is None or thumbnail.labels is None:
        return None
    low, high = np.percentile(thumbnail.stain, [1, 99.7])
    # The square root shows dim nuclei beside bright ones.
    grey = np.sqrt(np.clip((thumbnail.stain - low) / max(high - low, 1e-9), 0, 1))
    picture = np.repeat((grey * 255).astype(np.uint8)[..., None], 3, axis=2)
    if thumbnail.ignore is not None:
        ignored = thumbnail.ignore > 0
        picture[ignored] = 0.6 * picture[ignored] + 0.4 * np.array(MISSED)
    boundary = inner_boundary(thumbnail.labels, connectivity=4)
    picture[boundary] = EXTRA if thumbnail.reason else MATCHED
    factor = EDGE / max(picture.shape)
    size = [max(1, round(edge * factor)) for edge in (picture.shape[1], picture.shape[0])]
    # Means keep the outlines of a picture that is shrunk.
    how = Pillow.Resampling.BOX if factor < 1 else Pillow.Resampling.NEAREST
    return Pillow.fromarray(picture).resize((size[0], size[1]), how)
