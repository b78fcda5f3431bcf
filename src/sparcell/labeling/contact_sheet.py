"""Contact sheet: pictures of all stains with outlines, result and reason."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.classical.stain_statistics import StainView
from sparcell.core.files import whole_file
from sparcell.core.text import printable
from sparcell.core.tiles import tiles
from sparcell.drawing.palette import EXTRA, MATCHED, MISSED
from sparcell.morphology.boundaries import inner_boundary

FIELDS_PER_PAGE = 24
COLUMNS = 6
THUMBNAIL_PX = 480
OUTLINE = {True: np.array(MATCHED) / 255, False: np.array(EXTRA) / 255}
IGNORED = np.array(MISSED) / 255


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
        # Starting matplotlib takes half a second that no other verb should pay.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        columns = min(COLUMNS, len(self._waiting))
        rows = -(-len(self._waiting) // columns)
        figure = Figure(figsize=(3.2 * columns, 3.7 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for axis in axes.ravel():
            axis.set_axis_off()
        for axis, thumbnail in zip(axes.ravel(), self._waiting, strict=False):
            _draw(axis, thumbnail)
        _add_legend(figure)
        self.pages += 1
        page = self.path
        if self.pages > 1:
            page = page.with_name(f"{page.stem}_{self.pages}{page.suffix}")
        with whole_file(page) as partial:
            FigureCanvasAgg(figure).print_figure(str(partial), dpi=110)
        self._waiting.clear()


def _add_legend(figure: Any) -> None:
    """Say what the colours mean, below the pictures."""
    from matplotlib.patches import Patch

    meanings = (
        ("outlines, accepted", OUTLINE[True]),
        ("outlines, refused", OUTLINE[False]),
        ("left out as uncertain", IGNORED),
    )
    patches = [Patch(color=tuple(colour), label=label) for label, colour in meanings]
    figure.legend(handles=patches, loc="outside lower left", ncols=1, fontsize=7, frameon=False)


def _draw(axis: Any, thumbnail: Thumbnail) -> None:
    accepted = not thumbnail.reason
    result = "accepted" if accepted else "refused: " + thumbnail.reason
    title = textwrap.wrap(thumbnail.title, 42)[:1] + textwrap.wrap(result, 48)[:3]
    axis.set_title(
        printable("\n".join(title)),
        fontsize=7,
        # A name with two dollars is no formula.
        parse_math=False,
        color="black" if accepted else "firebrick",
    )
    if thumbnail.stain is None or thumbnail.labels is None:
        axis.text(0.5, 0.5, "no picture", ha="center", va="center", fontsize=9, color="grey")
        return
    low, high = np.percentile(thumbnail.stain, [1, 99.7])
    # The square root shows dim nuclei beside bright ones.
    grey = np.sqrt(np.clip((thumbnail.stain - low) / max(high - low, 1e-9), 0, 1))
    picture = np.repeat(grey[..., None], 3, axis=2)
    if thumbnail.ignore is not None:
        ignored = thumbnail.ignore > 0
        picture[ignored] = 0.6 * picture[ignored] + 0.4 * IGNORED
    picture[inner_boundary(thumbnail.labels, connectivity=4)] = OUTLINE[accepted]
    axis.imshow(picture, interpolation="nearest")
