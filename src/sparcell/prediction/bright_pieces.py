"""Estimate the size of bright objects before any prediction, from the bright pieces of a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import number_pieces
from sparcell.core.tiles import range_around
from sparcell.measurement.counts import circle_diameter, median_diameter

if TYPE_CHECKING:
    from sparcell.prediction.prepared_image import PreparedImage

EDGE = 512
"""Largest edge of the middle part that is read, px."""
SMALLEST = 21
"""Pixels of the smallest piece that counts."""
START, STEPS = -0.5, 2
"""First threshold, of scaled intensities, and how often it is moved between both means."""


class PieceSizes(NamedTuple):
    """Sizes of the bright pieces of a plane.

    Attributes
    ----------
    number : int
        Pieces that do not touch the edge.
    median : float
        Median diameter, px; NaN without pieces.
    of_pixels : float
        Diameter of the piece that contains the middle one of all their pixels, px. It is far
        larger than `median` where large objects have many scraps.
    """

    number: int
    median: float
    of_pixels: float


def bright_piece_sizes(prepared: PreparedImage) -> PieceSizes:
    """Measure the bright pieces in the middle of one plane, in the first channel.

    The threshold lies between the mean intensities of what is darker and what is brighter than it
    (Ridler and Calvard 1978). So touching objects are one piece, and dim ones are none.

    Parameters
    ----------
    prepared : PreparedImage
        In the size of the file. Its plane nearest to the middle one that shows something counts.

    Raises
    ------
    InputError
        If the plane is constant or cannot be read.
    """
    image, plane = prepared.image, prepared.middle_plane
    y, x = (range_around(0.5, min(EDGE, edge), edge) for edge in image.shape)
    pixels = image.read(slice(y.start, y.stop), slice(x.start, x.stop), plane)
    return measure_pieces(prepared.scaling(plane)(pixels)[-len(image.channels)])


def measure_pieces(pixels: NDArray[np.float32]) -> PieceSizes:
    """Measure the bright pieces of (Y, X) pixels that are scaled to -1..1."""
    bright = pixels > START
    for _ in range(STEPS):
        share = np.count_nonzero(bright) / bright.size
        if share in (0, 1):
            break
        above = float(pixels.mean(where=bright))
        below = (float(pixels.mean()) - share * above) / (1 - share)
        bright = pixels > (above + below) / 2
    pieces = number_pieces(bright)
    areas = np.bincount(pieces.ravel())
    cut = np.concatenate([pieces[[0, -1]].ravel(), pieces[:, [0, -1]].ravel()])
    areas[0] = areas[cut] = 0
    areas = areas[areas >= SMALLEST]
    if not len(areas):
        return PieceSizes(0, np.nan, np.nan)
    return PieceSizes(len(areas), median_diameter(areas), diameter_of_pixels(areas))


def diameter_of_pixels(areas: NDArray[np.number]) -> float:
    """Diameter of the object that contains the middle one of all pixels, px.

    Parameters
    ----------
    areas : (n,)
        Areas of all objects, px, at least one.
    """
    areas = np.sort(areas)
    half = np.searchsorted(np.cumsum(areas), areas.sum() / 2)
    return circle_diameter(float(areas[half]))
