"""Turn the regions of a strategy into single nuclei, and measure each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from sparcell.classical.outlines import (
    DrawnOutlines,
    enlarge_outlines,
    fit_outlines,
    keep_outlines,
)
from sparcell.classical.splitting import split_touching
from sparcell.classical.stain_statistics import Pixels, StainStatistics
from sparcell.classical.strategies import InstanceStrategy, Strategy
from sparcell.core.labels import Labels
from sparcell.morphology.boundaries import inner_boundary
from sparcell.morphology.shapes import (
    Table,
    ellipse_fit,
    keep_regions,
    region_moments,
    region_sizes,
    slope_at,
)

# Parts of the typical area below which a piece is dropped before, and an object after, its
# outline is drawn.
SMALLEST_PIECE = 0.05
SMALLEST_OBJECT = 0.1


@dataclass(frozen=True)
class StainObjects:
    """Measures of nuclei, one entry per object.

    Attributes
    ----------
    y, x : (n,) float64
        Centre in px.
    area : (n,) float64
        In px.
    fit : (n,) float64
        Ellipse fit, 1 = an ellipse.
    plateau, contrast : (n,) float64
        Signal inside; signal inside less that of the surround. Units of the file.
    steepness : (n,) float64
        Mean gradient along the outline over the contrast, 1/px.
    """

    y: Table
    x: Table
    area: Table
    fit: Table
    plateau: Table
    contrast: Table
    steepness: Table

    def __len__(self) -> int:
        return len(self.area)

    @classmethod
    def join(cls, parts: Sequence[StainObjects]) -> StainObjects:
        """Rows of all parts, in their order."""
        return cls(
            *(
                np.concatenate([getattr(part, f.name) for part in parts] or [np.zeros(0)])
                for f in fields(cls)
            )
        )

    def select(self, rows: NDArray[np.bool_]) -> StainObjects:
        """Rows where the (n,) mask `rows` is true."""
        return StainObjects(*(getattr(self, f.name)[rows] for f in fields(self)))

    def moved(self, dy: int, dx: int) -> StainObjects:
        """Rows with other positions."""
        return replace(self, y=self.y + dy, x=self.x + dx)

    def typical_contrast(self, stats: StainStatistics) -> float:
        """Median contrast of the objects above 0.3 typical areas; 0 without any."""
        large = self.area > 0.3 * stats.area
        return float(np.median(self.contrast[large])) if large.any() else 0.0


@dataclass(frozen=True)
class StainSegments:
    """Nuclei of one window.

    Attributes
    ----------
    labels : (Y, X) int32
        Ids 1..n.
    objects : StainObjects
        Row i - 1 belongs to id i.
    rejected : (Y, X) bool
        Pixels of pieces that were found but dropped as too small or too faint.
    zone : (Y, X) int32
        Where each nucleus may lie.
    """

    labels: Labels
    objects: StainObjects
    rejected: NDArray[np.bool_]
    zone: Labels


def find_objects(
    signal: Pixels, stats: StainStatistics, strategy: Strategy | InstanceStrategy
) -> StainSegments:
    """Run one strategy on one window: regions, splitting, outlines, and removal of small objects.

    Parameters
    ----------
    signal : (Y, X) float32
        Stain above background, from ``stats.signal``.
    stats : StainStatistics
    strategy : callable or InstanceStrategy
        Regions of the latter are neither split nor redrawn.

    Returns
    -------
    StainSegments
    """
    if isinstance(strategy, InstanceStrategy):
        found = strategy.find(signal, stats)
        drawn = keep_outlines(found, signal, stats.diameter)
    else:
        pieces = split_touching(strategy(signal, stats), signal, stats.diameter)
        pieces = keep_regions(pieces, region_sizes(pieces) >= SMALLEST_PIECE * stats.area)
        drawn = fit_outlines(pieces, signal, stats.diameter)
    return _select_nuclei(drawn, signal, stats)


def enlarge_segments(
    segments: StainSegments, signal: Pixels, stats: StainStatistics, scale: int
) -> StainSegments:
    """Draw the nuclei of a reduced window at full resolution.

    Parameters
    ----------
    segments : StainSegments
        Of the reduced window.
    signal : (Y, X) float32
        Of the window at full resolution.
    stats : StainStatistics
        Of the plane at full resolution.
    scale : int
        Pixels along each side of a pixel of the reduced window.
    """
    drawn = enlarge_outlines(segments.labels, segments.zone, scale, signal)
    return _select_nuclei(drawn, signal, stats)


def _select_nuclei(drawn: DrawnOutlines, signal: Pixels, stats: StainStatistics) -> StainSegments:
    """Leave out what is too small or too faint, and measure the others."""
    labels, plateau = drawn.labels, drawn.plateau
    contrast = plateau - drawn.surround
    area = region_sizes(labels, len(plateau))
    # (n + 1,) bool: which pieces are nuclei.
    valid = (area >= max(SMALLEST_OBJECT * stats.area, 1)) & (contrast > stats.detection_limit)
    valid[0] = False
    nuclei = keep_regions(labels, valid)
    count = int(valid.sum())
    moments = region_moments(nuclei, count)[1:]
    area = np.maximum(moments[:, 0], 1)
    # Mean gradient over the P pixels of each outline.
    outline = np.flatnonzero(inner_boundary(nuclei, connectivity=4))
    ids = nuclei.ravel()[outline]
    length = np.bincount(ids, minlength=count + 1)[1:]
    steepness = np.bincount(ids, slope_at(signal, outline), count + 1)[1:] / np.maximum(length, 1)
    objects = StainObjects(
        y=moments[:, 1] / area,
        x=moments[:, 2] / area,
        area=moments[:, 0],
        fit=ellipse_fit(moments),
        plateau=plateau[valid],
        contrast=contrast[valid],
        steepness=steepness / contrast[valid],
    )
    rejected = (labels > 0) & (nuclei == 0)
    return StainSegments(nuclei, objects, rejected, keep_regions(drawn.zone, valid))
