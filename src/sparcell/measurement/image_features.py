"""Features of an image and of the objects found in it, which tell kinds of images apart.

All features are the same if the intensities are multiplied by a positive number or shifted. They
say nothing about single objects, so they can be compared between images of any content.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels

OF_IMAGE = ("background", "noise", "fine_texture", "coarse_texture", "object_share")
OF_OBJECTS = ("contrast", "outline_contrast", "raggedness", "shading")
"""Names of the features of any image, and of those that need `ENOUGH` objects."""
FILL = "fill"
"""Name of a further feature of objects, which is low where they are rings or parts of rings."""
DARK_PART, FEWEST_SAMPLED, SMALLEST_FILLED = 0.2, 10, 200
"""Share of an object's pixels that are compared with their mean, fewest pixels of the sample in an
object, and the smallest object, px: in smaller ones, blur alone makes most pixels dim."""
ENOUGH = 3
"""Fewest objects for features of objects."""
SAMPLE = 1 << 14
"""Pixels that are compared: in larger regions, those on a grid."""
COARSEST = 4
"""Largest distance on this grid, px."""
FINER = 2
"""How many times as fine the grid is on which objects are measured."""
LAGS = (1, 4, 16)
"""Distances at which pixels are compared for the texture, px."""
NORMAL_MAD = 0.6745
"""Median absolute deviation of the standard normal distribution."""
LAPLACIAN_NORM = 20**0.5
"""Standard deviation of the five-point Laplacian of white noise of standard deviation 1."""


class LabelledRegion(NamedTuple):
    """A part of an image with the objects found in it.

    Attributes
    ----------
    pixels : (C, Y, X) float32
        Any unit.
    labels : (Y, X) int32
        0 = background.
    """

    pixels: NDArray[np.float32]
    labels: Labels


def image_features(regions: Sequence[LabelledRegion], reach: int) -> dict[str, float]:
    """Compute features from some regions of one plane.

    Parameters
    ----------
    regions : sequence of LabelledRegion
        Of one plane, at least 3 px high and wide.
    reach : int
        Distance across an outline at which its two sides are compared, px.

    Returns
    -------
    dict
        Empty for constant pixels. Else `OF_IMAGE`:

        - background: the median between the percentiles 1 (0) and 99.8 (1); low where bright
          objects lie on a dark background, high where dark ones lie on a bright one;
        - noise: log10 of the standard deviation of the noise (from the Laplacian, robustly) over
          that of the pixels; 0 = nothing but noise;
        - fine_texture, coarse_texture: log10 of the mean difference of pixels 4 px apart over
          that of neighbours, and of 16 px over 4 px;
        - object_share: log10 of the share of pixels in objects, plus 0.01.

        With `ENOUGH` objects also `OF_OBJECTS`:

        - contrast: Fisher's z of the correlation of pixels with being in an object;
        - outline_contrast: logit of the share of pairs of pixels across an outline of which the
          inner one is brighter;
        - raggedness: length of all outlines over that of squares of the same areas;
        - shading: log10 of how far the 5th percentile of the background lies below its median,
          in units of the objects' contrast, plus 0.03.

        and, where objects are large enough:

        - fill: the contrast that four fifths of an object's pixels reach, in units of its mean
          contrast; the median of the objects. 1 where they are even, near 0 where they are hollow.
    """
    grey = [_grey(region.pixels) for region in regions]
    labels = [region.labels for region in regions]
    step = round((sum(part.size for part in grey) / SAMPLE) ** 0.5)
    step = min(max(step, 1), COARSEST)
    low, median, high = _quantiles(_on_grid(grey, step), (0.01, 0.5, 0.998))
    # A hot pixel must not make all else look constant.
    grey = [np.clip(part, 2 * low - high, 2 * high - low) for part in grey]
    pixels = _on_grid(grey, step)
    inside = _on_grid(labels, step) > 0
    spread = float(pixels.std())
    if high <= low or spread == 0:
        return {}
    near, middle, far = (_mean_difference(grey, lag, step) for lag in LAGS)
    if not near:
        return {}
    found = {
        "background": (median - low) / (high - low),
        "noise": float(np.log10(_noise(grey, step) / spread + 1e-3)),
        "fine_texture": float(np.log10(middle / near)),
        "coarse_texture": float(np.log10(far / middle)) if middle and far else 0.0,
        "object_share": float(np.log10(inside.mean() + 0.01)),
    }
    finer = max(1, step // FINER)
    areas = np.concatenate([np.bincount(_on_grid([part], finer))[1:] for part in labels])
    areas = areas[areas > 0] * finer**2
    if len(areas) < ENOUGH or not inside.any() or inside.all():
        return found
    background = pixels[~inside]
    bottom, ground = _quantiles(background, (0.05, 0.5))
    objects = float(pixels[inside].mean())
    share = inside.mean()
    contrasts = (pixels[inside] - ground) * np.sign(objects - ground)
    fill = _fill(contrasts, _on_grid(labels, step)[inside], step)
    correlation = (objects - background.mean()) * np.sqrt(share * (1 - share)) / spread
    contrast = abs(objects - ground) + 1e-6 * spread
    return found | {
        "contrast": float(np.arctanh(np.clip(correlation, -0.98, 0.98))),
        "outline_contrast": _logit(_brighter_inside(grey, labels, reach, step)),
        "raggedness": _outline_length(labels, finer) / float(4 * np.sqrt(areas).sum()),
        "shading": float(np.log10(min((ground - bottom) / contrast, 10) + 0.03)),
        **({} if fill is None else {FILL: fill}),
    }


def _grey(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the channels, each between its percentiles 1 (0) and 99.8 (1)."""
    if len(pixels) == 1:
        only: NDArray[np.float32] = pixels[0]
        return only
    low, high = np.percentile(pixels, [1, 99.8], axis=(1, 2))[:, :, None, None]
    scaled = (pixels - low) / np.maximum(high - low, 1e-6)
    grey: NDArray[np.float32] = scaled.mean(axis=0, dtype=np.float32)
    return grey


def _on_grid(parts: Sequence[NDArray[Any]], step: int) -> NDArray[Any]:
    """Every `step`-th pixel along both axes."""
    return np.concatenate([part[::step, ::step].ravel() for part in parts])


def _quantiles(values: NDArray[np.float32], shares: Sequence[float]) -> list[float]:
    """Quantiles without interpolation: of thousands of values, sorting is the fastest way."""
    ordered = np.sort(values)
    return [float(ordered[round(share * (len(ordered) - 1))]) for share in shares]


def _mean_difference(parts: Sequence[NDArray[np.float32]], lag: int, step: int) -> float:
    """Mean absolute difference of pixels `lag` px apart along both axes; 0 if there are none."""
    total, count = 0.0, 0
    for part in parts:
        along_x = part[::step, lag::step] - part[::step, :-lag:step]
        along_y = part[lag::step, ::step] - part[:-lag:step, ::step]
        for difference in (along_x, along_y):
            total += float(np.abs(difference).sum(dtype=np.float64))
            count += difference.size
    return total / count if count else 0.0


def _noise(parts: Sequence[NDArray[np.float32]], step: int) -> float:
    """Standard deviation of white noise, of which structures of several px take no part."""
    values = []
    grid = np.s_[::step, ::step]
    for part in parts:
        around = part[:-2, 1:-1][grid] + part[2:, 1:-1][grid]
        around += part[1:-1, :-2][grid] + part[1:-1, 2:][grid]
        values.append(np.abs(4 * part[1:-1, 1:-1][grid] - around).ravel())
    (median,) = _quantiles(np.concatenate(values), (0.5,))
    return median / LAPLACIAN_NORM / NORMAL_MAD


def _brighter_inside(
    parts: Sequence[NDArray[np.float32]], labels: Sequence[Labels], reach: int, step: int
) -> float:
    """Share of pairs across outlines, `reach` px apart, whose inner pixel is the brighter one."""
    brighter = pairs = 0
    ends = (np.s_[:-reach:step], np.s_[reach::step])
    for part, ids in zip(parts, labels, strict=True):
        for first, second in (
            [np.s_[::step, end] for end in ends],
            [np.s_[end, ::step] for end in ends],
        ):
            leaving = (ids[first] > 0) & (ids[second] == 0)
            entering = (ids[first] == 0) & (ids[second] > 0)
            rising = part[first] < part[second]
            brighter += int((leaving & ~rising).sum() + (entering & rising).sum())
            pairs += int(leaving.sum() + entering.sum())
    return brighter / pairs if pairs else 0.5


def _fill(contrasts: NDArray[np.float32], ids: Labels, step: int) -> float | None:
    """Contrast of the dim pixels of objects over that of all; the median of the objects."""
    order = np.lexsort((contrasts, ids))
    contrasts, ids = contrasts[order], ids[order]
    first = np.flatnonzero(np.diff(ids, prepend=0))
    count = np.diff(first, append=len(ids))
    mean = np.add.reduceat(contrasts, first) / count
    dim = contrasts[first + (DARK_PART * count).astype(int)]
    known = (count >= max(FEWEST_SAMPLED, SMALLEST_FILLED / step**2)) & (mean > 0)
    return float(np.median(dim[known] / mean[known])) if known.any() else None


def _outline_length(labels: Sequence[Labels], step: int) -> int:
    """Number of edges between pixels of different objects, or of an object and background."""
    return step * sum(
        int(np.count_nonzero(part[1::step] != part[:-1:step]))
        + int(np.count_nonzero(part[::step, 1:] != part[::step, :-1]))
        for part in labels
    )


def _logit(share: float) -> float:
    share = min(max(share, 0.01), 0.99)
    return float(np.log(share / (1 - share)))
