"""Mark pixels whose labels are uncertain; training leaves them out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.classical.objects import StainSegments, find_objects
from sparcell.classical.scoring import plausible_objects, uncovered
from sparcell.classical.stain_statistics import Pixels, StainStatistics
from sparcell.classical.strategies import STRATEGIES
from sparcell.core.labels import Labels
from sparcell.morphology.shapes import keep_regions

# An object this much fainter than the typical one may be a nucleus out of focus, or none.
DIM = 0.15
# An object larger than this many typical areas that is no ellipse is an unsplit clump.
OVERSIZE = 3.0
CLUMP_FIT = 0.88
# An object at the border smaller than this part of the typical area is a sliver.
SLIVER = 0.25
# Unlabelled signal is uncertain above this part of the typical contrast, if a disc of this many
# diameters fits into it.
RESIDUE = 0.4
RESIDUE_DIAMETER = 0.3
# A region whose bare part is smaller, in typical areas, holds no nucleus that is not labelled.
BARE = 0.2
# Unlabelled signal this close to an object is its edge, px of the file.
MARGIN_PX = 2


def mark_uncertain(
    signal: Pixels, segments: StainSegments, stats: StainStatistics, contrast: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mark uncertain pixels of one window.

    Uncertain are pieces that were found and dropped; objects much dimmer than the typical one;
    oversize objects that are no ellipse; slivers at the border; and bright regions that no object
    accounts for, such as leaked dye. `find_faint` adds nuclei too faint to be labelled.

    Parameters
    ----------
    signal : (Y, X) float32
    segments : StainSegments
    stats : StainStatistics
    contrast : float
        Typical contrast of a nucleus.

    Returns
    -------
    uncertain, residue : (Y, X) bool
        All uncertain pixels, and among them the bright ones without an object.
    """
    uncertain = np.append(False, doubtful_objects(segments, stats, contrast))[segments.labels]
    uncertain |= segments.rejected
    residue = find_residue(signal, segments.labels > 0, stats, contrast)
    return np.asarray(uncertain | residue), residue


def doubtful_objects(
    segments: StainSegments, stats: StainStatistics, contrast: float
) -> NDArray[np.bool_]:
    """Which objects are too dim, oversize and no ellipse, or slivers at the border, (n,) bool."""
    labels, objects = segments.labels, segments.objects
    dubious = (objects.contrast < DIM * contrast) | (
        (objects.area > OVERSIZE * stats.area) & (objects.fit < CLUMP_FIT)
    )
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    at_border = np.isin(np.arange(1, len(objects) + 1), border)
    return np.asarray(dubious | (at_border & (objects.area < SLIVER * stats.area)))


def find_faint(signal: Pixels, labels: Labels, stats: StainStatistics) -> NDArray[np.bool_]:
    """Mark nucleus-like objects below the lowest labelled signal but above noise, (Y, X) bool."""
    deeper = replace(stats, min_signal=stats.detection_limit)
    regions = STRATEGIES["local"](signal, deeper)
    # Most regions are nuclei that are labelled, with a bare rim. Others may hold one that is not.
    bare = _where_disc_fits((regions > 0) & (labels == 0), _radius(stats))
    sizes = np.bincount(regions[bare], minlength=int(regions.max(initial=0)) + 1)
    large = sizes >= BARE * stats.area
    if not large.any():
        return np.zeros(labels.shape, bool)
    found = find_objects(signal, deeper, lambda *_: keep_regions(regions, large))
    new = plausible_objects(found.objects, stats.area) & uncovered(found, labels)
    return np.asarray(np.append(False, new)[found.labels])


def find_residue(
    signal: Pixels, explained: NDArray[np.bool_], stats: StainStatistics, contrast: float
) -> NDArray[np.bool_]:
    """Mark bright pixels outside all objects where a disc of 0.3 diameters fits, (Y, X) bool."""
    height = max(stats.detection_limit, RESIDUE * contrast)
    # Few pixels are bright and bare, so each step goes on with the list of those that are left:
    # flat positions in images that are padded, so that no step leaves them.
    margin = max(1, MARGIN_PX // stats.scale)
    free = np.pad(~explained, margin, constant_values=True)
    bare = np.pad((signal >= height) & ~explained, margin)
    at = _all_true(np.flatnonzero(bare), free, _near(margin, 1))
    bare[:] = False
    bare.ravel()[at] = True
    return _where_disc_fits(bare[margin:-margin, margin:-margin], _radius(stats))


def _radius(stats: StainStatistics) -> int:
    """Radius in px of the disc that fits into what may be a nucleus."""
    return max(1, round(RESIDUE_DIAMETER * stats.diameter / 2))


def _where_disc_fits(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Pixels of a mask that lie in a disc which lies in the mask, (Y, X) bool."""
    padded = np.pad(mask, radius)
    disc = _near(radius, 2)
    centres = _all_true(np.flatnonzero(padded), padded, disc)
    padded[:] = False
    for step in _steps(disc, padded.shape[1]):
        padded.ravel()[centres + step] = True
    return padded[radius:-radius, radius:-radius]


def _all_true(
    at: NDArray[np.int64], mask: NDArray[np.bool_], footprint: NDArray[Any]
) -> NDArray[np.int64]:
    """Those of some flat positions around which a mask is true in the whole footprint."""
    for step in _steps(footprint, mask.shape[1]):
        at = at[mask.ravel()[at + step]]
    return at


def _near(radius: int, power: int) -> NDArray[np.bool_]:
    """Pixels of a square within a radius: city-block distances (power 1), or Euclidean ones (2)."""
    reach = np.abs(np.arange(-radius, radius + 1)) ** power
    return np.asarray(reach[:, None] + reach <= radius**power)


def _steps(footprint: NDArray[Any], width: int) -> NDArray[np.int64]:
    """Flat distances from the centre of a footprint to its pixels, in an image `width` px wide."""
    y, x = np.argwhere(footprint).T - len(footprint) // 2
    return np.asarray(y * width + x)
