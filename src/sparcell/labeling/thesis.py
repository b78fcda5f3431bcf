"""Preset ``thesis``: the published way from stain to labels, literally.

CLAHE, then objects by adaptive Otsu, on crops of 512 x 512 px (autolabel thesis, sections 3.2.3
and 5.2.3), with what the thesis leaves open taken from the documented defaults of CellProfiler 4
(IdentifyPrimaryObjects and Threshold modules; Stirling et al. 2021, BMC Bioinformatics 22:433).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage
from scipy.interpolate import RectBivariateSpline
from skimage.exposure import equalize_adapthist
from skimage.filters import threshold_otsu
from skimage.morphology import disk
from skimage.segmentation import watershed

from sparcell.core.labels import Labels, connected_labels, number_pieces

# The share of a normal distribution within this many standard deviations is one half.
HALF_MASS = 0.6744
# A local threshold stays between these multiples of the global one.
LOCAL_OVER_GLOBAL = (0.7, 1.5)
# CellProfiler looks for maxima at a resolution where the smallest diameter is 10 px.
LOW_RESOLUTION_DIAMETER = 10.0


class ThesisSettings(BaseModel):
    """Settings of the preset ``thesis``; lengths in px at the reference pixel size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clahe_block: int = Field(127, ge=3, description="CLAHE block, px")
    clahe_bins: int = Field(256, ge=2, description="CLAHE histogram bins")
    clahe_slope: float = Field(3.0, ge=1, description="CLAHE maximum slope")
    diameters: tuple[float, float] = Field(
        (5.0, 30.0), description="smallest and largest diameter kept, px"
    )
    window: int = Field(20, ge=2, description="block of the adaptive threshold, px")
    bounds: tuple[float, float] = Field(
        (0.05, 1.0), description="lowest and highest threshold, of intensities 0 to 1"
    )
    smoothing_scale: float = Field(
        1.3488, ge=0, description="diameter of smoothing before thresholding, px"
    )
    correction: float = Field(1.0, gt=0, description="factor on the threshold")
    crop: int = Field(512, ge=64, description="edge of a crop, px")
    # The thesis gives no pixel size. Its images of 1408 x 1040 px are those of an IncuCyte S3,
    # which has 1.24 um with its 10x objective.
    reference_pixel_size: float = Field(
        1.24, gt=0, description="um; diameters scale with it where an image states its pixel size"
    )
    lowest_share: float = Field(
        0.25, ge=0, lt=1, description="part of the crops dropped for having fewest nucleus pixels"
    )
    max_coverage: float = Field(
        0.5, gt=0, le=1, description="crops with a larger part of nucleus pixels are dropped"
    )

    def scaled(self, pixel_size: float | None) -> ThesisSettings:
        """Settings with the diameters in px of an image of `pixel_size` um, if that is known."""
        if pixel_size is None:
            return self
        low, high = (d * self.reference_pixel_size / pixel_size for d in self.diameters)
        return self.model_copy(update={"diameters": (low, high)})


def crop_corners(shape: tuple[int, int], size: int) -> list[tuple[int, int]]:
    """Upper left corners of the largest centred grid of crops that do not overlap.

    A side shorter than `size` is not cut. A 1040 x 1408 image gives four crops of 512 px.
    """
    starts = []
    for edge in shape:
        count = max(1, edge // size)
        margin = max(0, edge - count * size) // 2
        starts.append([margin + k * size for k in range(count)])
    return [(top, left) for top in starts[0] for left in starts[1]]


def equalize(stain: NDArray[np.float32], settings: ThesisSettings) -> NDArray[np.float64]:
    """CLAHE of a stain, (Y, X) to values 0 to 1.

    Fiji clips a block's histogram at ``round(slope * n / bins)`` counts, n the pixels of the
    block; scikit-image at ``clip_limit * n``. ``clip_limit = slope / bins`` is the same limit:
    189 counts for a block of 127 px. Both interpolate between blocks (Fiji in its fast mode).
    """
    low, high = float(stain.min()), float(stain.max())
    scaled = (stain.astype(np.float64) - low) / max(high - low, 1e-12)
    return np.asarray(
        equalize_adapthist(
            scaled,
            kernel_size=settings.clahe_block,
            clip_limit=settings.clahe_slope / settings.clahe_bins,
            nbins=settings.clahe_bins,
        )
    )


def adaptive_threshold(image: NDArray[np.float64], settings: ThesisSettings) -> NDArray[np.float64]:
    """Otsu's threshold of every block, interpolated by a spline of up to third order.

    Limited to 0.7 to 1.5 times the threshold of the whole image, and to the bounds.

    Parameters
    ----------
    image : (Y, X) float64
        0 to 1.

    Returns
    -------
    (Y, X) float64
    """
    low, high = settings.bounds
    whole = min(max(_otsu(image) * settings.correction, low), high)
    blocks = [edge // settings.window for edge in image.shape]
    if min(blocks) < 2:
        return np.full(image.shape, whole)
    edges = [
        (np.arange(n + 1) * edge / n).astype(int)
        for n, edge in zip(blocks, image.shape, strict=True)
    ]
    of_block = np.array(
        [
            [_otsu(image[a:b, c:d]) for c, d in zip(edges[1], edges[1][1:], strict=False)]
            for a, b in zip(edges[0], edges[0][1:], strict=False)
        ]
    )
    centres = [(e[:-1] + e[1:]) / 2 for e in edges]
    order = min(3, min(blocks) - 1)
    spline = RectBivariateSpline(
        *centres,
        of_block,
        bbox=(0.5, image.shape[0] - 0.5, 0.5, image.shape[1] - 0.5),
        kx=order,
        ky=order,
    )
    local = spline(*(np.arange(edge) + 0.5 for edge in image.shape)) * settings.correction
    below, above = LOCAL_OVER_GLOBAL
    return np.asarray(np.clip(local, max(low, whole * below), min(high, whole * above)))


def _otsu(values: NDArray[np.float64]) -> float:
    """Otsu's threshold over 256 bins; the value itself where there is only one."""
    first = float(values.flat[0])
    return first if (values == first).all() else float(threshold_otsu(values))


def find_primary_objects(image: NDArray[np.float64], settings: ThesisSettings) -> Labels:
    """Objects of an equalized stain as IdentifyPrimaryObjects finds them with its defaults.

    Threshold on the smoothed image, holes filled, clumps parted by intensity, holes filled
    again, objects at the border and of an area outside the diameters' circles discarded.

    Parameters
    ----------
    image : (Y, X) float64
        0 to 1.

    Returns
    -------
    (Y, X) int32
    """
    sigma = settings.smoothing_scale / HALF_MASS / 2
    smooth = ndimage.gaussian_filter(image, sigma, mode="constant")
    # Outside the image there is nothing; divide by the weight that lies inside.
    smooth /= ndimage.gaussian_filter(np.ones_like(image), sigma, mode="constant")
    mask = ndimage.binary_fill_holes(smooth >= adaptive_threshold(image, settings))
    labels = split_by_intensity(image, mask, settings.diameters[0])
    labels = _fill_each(labels)
    return filter_size(drop_border(labels), settings.diameters)


def split_by_intensity(
    image: NDArray[np.float64], mask: NDArray[np.bool_], smallest: float
) -> Labels:
    """Part clumps at the maxima of the smoothed image, along its valleys.

    The smoothing filter has a full width at half maximum of ``2.35 * smallest / 3.5``, and a
    maximum is the highest within ``smallest / 1.5`` px: what CellProfiler derives from the
    smallest diameter. Above 10 px both are applied to an image reduced to 10 px.
    """
    clumps = number_pieces(mask)
    if not clumps.any():
        return clumps
    smooth = _smooth_inside(image, smallest / 3.5)
    shrink = min(1.0, LOW_RESOLUTION_DIAMETER / smallest)
    reach = smallest / 1.5 if shrink == 1 else 7.0
    seen, area = smooth, clumps
    if shrink < 1:
        seen = ndimage.zoom(smooth, shrink, order=1)
        rows, columns = (
            np.minimum(((np.arange(n) + 0.5) * big / n).astype(int), big - 1)
            for n, big in zip(seen.shape, mask.shape, strict=True)
        )
        area = clumps[np.ix_(rows, columns)]
    around = disk(max(1, int(reach - 0.5)))
    highest = seen >= ndimage.maximum_filter(np.where(area > 0, seen, 0), footprint=around)
    spots = number_pieces(highest & (area > 0))
    markers = np.zeros(mask.shape, np.int32)
    for number, (y, x) in enumerate(_centres(spots), 1):
        row, column = (
            min(int((at + 0.5) * big / small), big - 1)
            for at, big, small in zip((y, x), mask.shape, seen.shape, strict=True)
        )
        markers[row, column] = number
    parted = watershed(-image, markers, mask=mask, connectivity=2).astype(np.int32)
    # A clump that the reduced image skipped stays one object.
    return connected_labels(np.where(mask & (parted == 0), clumps, parted))


def _smooth_inside(image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian cut at half its filter size, of what lies inside the image."""
    radius = max(int(2.35 * sigma / 2), 1)
    weight = ndimage.gaussian_filter(np.ones_like(image), sigma, mode="constant", radius=radius)
    return np.asarray(
        ndimage.gaussian_filter(image, sigma, mode="constant", radius=radius) / weight
    )


def _centres(spots: Labels) -> Sequence[tuple[int, int]]:
    """One pixel of each spot: the one nearest its centre of mass."""
    count = int(spots.max(initial=0))
    ids = np.arange(1, count + 1)
    means = ndimage.center_of_mass(np.ones(spots.shape), spots, ids)
    found = []
    for box, number, (y, x) in zip(ndimage.find_objects(spots), ids, means, strict=True):
        rows, columns = np.nonzero(spots[box] == number)
        rows, columns = rows + box[0].start, columns + box[1].start
        nearest = int(np.argmin((rows - y) ** 2 + (columns - x) ** 2))
        found.append((int(rows[nearest]), int(columns[nearest])))
    return found


def _fill_each(labels: Labels) -> Labels:
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        part = labels[box]
        part[ndimage.binary_fill_holes(part == number) & (part == 0)] = number
    return labels


def drop_border(labels: Labels) -> Labels:
    """Discard objects that touch the image's edge."""
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return connected_labels(np.where(np.isin(labels, edge), 0, labels))


def filter_size(labels: Labels, diameters: tuple[float, float]) -> Labels:
    """Keep objects with an area from that of the smallest circle to that of the largest."""
    smallest, largest = (np.pi * d**2 / 4 for d in diameters)
    area = np.bincount(labels.ravel())
    return connected_labels(np.where(((area >= smallest) & (area <= largest))[labels], labels, 0))


def label_crop(
    stain: NDArray[np.float32], pixel_size: float | None, settings: ThesisSettings
) -> Labels:
    """Labels of one crop of stain, (Y, X) to (Y, X) int32.

    The thesis's labels are binary images (5.2.3): objects that touch are one again. That matters
    where nuclei are much larger than the smallest diameter, for there the splitting, which looks
    for maxima at the scale of the smallest, cuts every nucleus into many.
    """
    objects = find_primary_objects(equalize(stain, settings), settings.scaled(pixel_size))
    return connected_labels(objects > 0)


def filter_dataset(coverage: NDArray[np.float64], settings: ThesisSettings) -> list[str]:
    """Why each crop is dropped from the set; ``""`` where it stays.

    Parameters
    ----------
    coverage : (n,) float64
        Part of nucleus pixels of each crop.
    """
    dropped = int(settings.lowest_share * len(coverage))
    lowest = np.zeros(len(coverage), bool)
    lowest[np.argsort(coverage, kind="stable")[:dropped]] = True
    return [
        f"noise: {part:.0%} of the crop are nuclei, at most {settings.max_coverage:.0%} expected"
        if part > settings.max_coverage
        else f"too few: among the {settings.lowest_share:.0%} with fewest nucleus pixels"
        if low
        else ""
        for part, low in zip(coverage, lowest, strict=True)
    ]
