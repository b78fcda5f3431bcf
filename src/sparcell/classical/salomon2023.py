"""Preset ``salomon2023``: the published way from stain to labels, literally.

CLAHE as Fiji's (`clahe`), then objects by adaptive Otsu, on crops of 512 x 512 px
(Salomon-Sörensen 2023, sections 3.2.3 and 5.2.3). What that text leaves open is taken from the
documented defaults of CellProfiler 4 (IdentifyPrimaryObjects and Threshold modules; Stirling et al.
2021, BMC Bioinformatics 22:433).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import scipy
import skimage
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sparcell.classical.clahe import clahe
from sparcell.classical.declumping import split_by_intensity
from sparcell.core.labels import Labels, connected_labels

# The share of a normal distribution within this many standard deviations is one half.
HALF_MASS = 0.6744
# A local threshold stays between these multiples of the global one.
LOCAL_OVER_GLOBAL = (0.7, 1.5)


class Salomon2023Settings(BaseModel):
    """Settings of the preset ``salomon2023``.

    Lengths are px at the reference pixel size, and `scaled` to an image's own, but for `crop`:
    that is a number of pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clahe_block: int = Field(127, ge=3, description="CLAHE block, px")
    clahe_bins: int = Field(256, ge=2, le=256, description="CLAHE histogram bins")
    clahe_slope: float = Field(3.0, ge=1, description="CLAHE maximum slope")
    # Salomon-Sörensen 2023 saved stains as 32-bit files (section 5.2.2).
    clahe_bits: Literal[8, 32] = Field(
        32, description="CLAHE as Fiji does it for images of this type"
    )
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
    # Salomon-Sörensen 2023 gives no pixel size. The images of 1408 x 1040 px are those of an
    # IncuCyte S3, which has 1.24 um with its 10x objective.
    reference_pixel_size: float = Field(
        1.24, gt=0, description="um; lengths scale with it where an image states its pixel size"
    )
    lowest_share: float = Field(
        0.25, ge=0, lt=1, description="part of the crops dropped for having fewest nucleus pixels"
    )
    max_coverage: float = Field(
        0.5, gt=0, le=1, description="crops with a larger part of nucleus pixels are dropped"
    )

    by: str | None = Field(
        None,
        description="column of split.csv in whose groups the share is dropped; by default cell,"
        " where there is one",
    )

    def scaled(self, pixel_size: float | None) -> Salomon2023Settings:
        """Settings with lengths in px of an image of `pixel_size` um, if that is known.

        CLAHE's block stays odd, at least 3 px, and the block of the threshold at least 2 px.
        """
        if pixel_size is None:
            return self
        factor = self.reference_pixel_size / pixel_size
        radius = max(1, round((self.clahe_block - 1) / 2 * factor))
        low, high = self.diameters
        return self.model_copy(
            update={
                "clahe_block": 2 * radius + 1,
                "diameters": (low * factor, high * factor),
                "window": max(2, round(self.window * factor)),
                "smoothing_scale": self.smoothing_scale * factor,
            }
        )


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


def equalize(stain: NDArray[np.float32], settings: Salomon2023Settings) -> NDArray[np.float64]:
    """CLAHE of a stain, (Y, X) to values 0 to 1, as Fiji's for 32-bit images by default."""
    return clahe(
        stain,
        settings.clahe_block,
        settings.clahe_bins,
        settings.clahe_slope,
        settings.clahe_bits,
    ).astype(np.float64)


def adaptive_threshold(
    image: NDArray[np.float64], settings: Salomon2023Settings
) -> NDArray[np.float64]:
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
    # An import of 0.1 s that other presets need not wait for.
    from scipy.interpolate import RectBivariateSpline

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
    return first if (values == first).all() else float(skimage.filters.threshold_otsu(values))


def find_primary_objects(image: NDArray[np.float64], settings: Salomon2023Settings) -> Labels:
    """Objects of an equalized stain as IdentifyPrimaryObjects finds them with its defaults.

    Threshold on the smoothed image, small holes filled, clumps separated by intensity, objects
    at the border and of an area outside the diameters' circles discarded, and at last the holes
    of each object filled.

    Parameters
    ----------
    image : (Y, X) float64
        0 to 1.

    Returns
    -------
    (Y, X) int32
    """
    sigma = settings.smoothing_scale / HALF_MASS / 2
    smooth = scipy.ndimage.gaussian_filter(image, sigma, mode="constant")
    # Outside the image there is nothing; divide by the weight that lies inside.
    smooth /= scipy.ndimage.gaussian_filter(np.ones_like(image), sigma, mode="constant")
    mask = fill_small_holes(
        smooth >= adaptive_threshold(image, settings), settings.diameters[1] ** 2
    )
    labels = drop_border(split_by_intensity(image, mask, settings.diameters[0]))
    return _fill_each(filter_size(labels, settings.diameters))


def fill_small_holes(mask: NDArray[np.bool_], limit: float) -> NDArray[np.bool_]:
    """Fill 4-connected pieces of background of fewer than `limit` px that the mask encloses.

    Larger ones are open space among nuclei. CellProfiler's limit is the largest diameter squared.
    """
    pieces, _ = scipy.ndimage.label(~mask)
    small = np.bincount(pieces.ravel()) < limit
    # Number 0 is the mask itself; pieces at the edge are not enclosed.
    small[[0, *pieces[0], *pieces[-1], *pieces[:, 0], *pieces[:, -1]]] = False
    filled: NDArray[np.bool_] = mask | small[pieces]
    return filled


def _fill_each(labels: Labels) -> Labels:
    for number, box in enumerate(scipy.ndimage.find_objects(labels), 1):
        part = labels[box]
        part[scipy.ndimage.binary_fill_holes(part == number) & (part == 0)] = number
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
    stain: NDArray[np.float32], pixel_size: float | None, settings: Salomon2023Settings
) -> Labels:
    """Labels of one crop of stain, (Y, X) to (Y, X) int32.

    The labels of Salomon-Sörensen 2023 are binary images (section 5.2.3), so objects that touch
    are one again. That matters where nuclei are much larger than the smallest diameter. There
    splitting, which finds maxima at the scale of the smallest, cuts every nucleus into many.
    """
    scaled = settings.scaled(pixel_size)
    objects = find_primary_objects(equalize(stain, scaled), scaled)
    return connected_labels(objects > 0)


def filter_dataset(
    coverage: NDArray[np.float64],
    settings: Salomon2023Settings,
    groups: Sequence[str] | None = None,
) -> list[str]:
    """Why each crop is dropped from the set; ``""`` where it stays.

    Salomon-Sörensen 2023 has a cutoff for each dataset, that is, each cell line (section 5.2.4).

    Parameters
    ----------
    coverage : (n,) float64
        Part of nucleus pixels of each crop.
    groups : n str, optional
        The group of each crop, of which the share with the lowest coverage is dropped; by default
        all are one. Of a group too small for that, such as a single crop, none is.
    """
    of = (
        np.zeros(len(coverage), int)
        if groups is None
        else np.unique(groups, return_inverse=True)[1]
    )
    lowest = np.zeros(len(coverage), bool)
    for group in range(of.max(initial=-1) + 1):
        members = np.flatnonzero(of == group)
        ranked = members[np.argsort(coverage[members], kind="stable")]
        lowest[ranked[: int(settings.lowest_share * len(members))]] = True
    return [
        f"noise: {part:.0%} of the crop are nuclei, at most {settings.max_coverage:.0%} expected"
        if part > settings.max_coverage
        else f"too few: among the {settings.lowest_share:.0%} with fewest nucleus pixels"
        if low
        else ""
        for part, low in zip(coverage, lowest, strict=True)
    ]
