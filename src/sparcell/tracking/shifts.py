"""How far the picture moved between two frames, from images and from positions of objects.

Two estimators are needed. Correlation of images is exact where a texture fills the field, as in
phase contrast. Fluorescent nuclei on dark ground each move their own way, and there is nothing
else: votes of the displacements of all pairs of objects find the shift that most of them share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree
from scipy.special import rel_entr

Floats = NDArray[np.float64]

LARGEST_PART = 0.5
"""Largest shift that is looked for, as a part of the field; beyond it too little is shared."""
MOST_VOTERS = 400
"""Objects of the first frame that vote; more change little and cost much."""
PEAKS = 3
BINS_PER_DIAMETER = 6
CLOSE = (0.5, 0.25, 0.12)
"""Diameters within which an object has found its partner, from coarse to fine."""
LARGEST_IMAGE = 512
"""Edge to which images are reduced before they are correlated, px."""
FEWEST = 4
"""Fewer shared objects decide nothing."""


@dataclass(frozen=True)
class PairShift:
    """Shift between two frames.

    Attributes
    ----------
    shift : (2,) float64
        (y, x) in px: what was at p in the first frame is at p + shift in the second.
    source : {"images", "objects", "none"}
        What it was measured from; "none" where nothing was found and 0 is assumed.
    partners : float
        Share of the objects that both frames can show which find a partner, 0 to 1.
    evidence : float
        By how much that is more than chance, as a log-likelihood ratio; 0 or more.
    """

    shift: Floats
    source: str
    partners: float
    evidence: float


def measure_shift(
    first: Floats,
    second: Floats,
    diameter: float,
    shape: tuple[float, float],
    images: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> PairShift:
    """Measure the shift between two frames.

    All candidates are tried: no shift, the highest peaks of the votes, and that of the images. The
    one is taken after which the most objects find a partner, by their likelihood.

    Parameters
    ----------
    first, second : (N, 2) and (M, 2) float64
        Places of the objects, px.
    diameter : float
        Of a typical object, px.
    shape : (float, float)
        Height and width of the field, px.
    images : pair of (Y, X) float32, optional
    """
    candidates = [("none", np.zeros(2))]
    candidates += [("objects", shift) for shift in vote(first, second, diameter, shape)]
    if images is not None:
        candidates.append(("images", correlate(*images, shape)))
    found = [judge(name, s, first, second, diameter, shape) for name, s in candidates]
    best = max(found, key=lambda one: one.evidence)
    return best if best.evidence > found[0].evidence else found[0]


def vote(
    first: Floats, second: Floats, diameter: float, shape: tuple[float, float]
) -> list[Floats]:
    """Return the shifts that most pairs of objects agree on, the best first, (2,) each.

    The displacements of all pairs fill a smoothed histogram. It is divided by the area that both
    frames share at that shift, since fewer pairs are possible there.
    """
    if len(first) < 2 or len(second) < 2:
        return []
    chosen = first
    if len(first) > MOST_VOTERS:
        step = np.linspace(0, len(first) - 1, MOST_VOTERS).astype(int)
        chosen = first[step]
    reach = LARGEST_PART * np.array(shape)
    moves = (second[None] - chosen[:, None]).reshape(-1, 2)
    moves = moves[(np.abs(moves) <= reach).all(axis=1)]
    if not len(moves):
        return []
    width = max(diameter / BINS_PER_DIAMETER, 1.0)
    bins = np.maximum((2 * reach / width).astype(int), 1)
    limits = [(-reach[0], reach[0]), (-reach[1], reach[1])]
    counts, *edges = np.histogram2d(moves[:, 0], moves[:, 1], bins=bins, range=limits)
    votes = ndimage.gaussian_filter(counts, 1.5, mode="constant")
    centres = [(edge[1:] + edge[:-1]) / 2 for edge in edges]
    shared = [1 - np.abs(centre) / side for centre, side in zip(centres, shape, strict=True)]
    # More than the square root of what chance gives is what counts, as for counts of Poisson.
    expected = np.outer(*shared) * votes.mean() / np.outer(*shared).mean()
    height = (votes - expected) / np.sqrt(expected + 0.1)
    peaks = []
    for _ in range(PEAKS):
        row, column = np.unravel_index(int(height.argmax()), height.shape)
        place = np.array([centres[0][row], centres[1][column]])
        peaks.append(_refine(place, moves, diameter))
        near = 4
        height[
            max(row - near, 0) : row + near + 1, max(column - near, 0) : column + near + 1
        ] = -np.inf
    return peaks


def _refine(place: Floats, moves: Floats, diameter: float) -> Floats:
    """Move to the median of the votes near by, (2,)."""
    for radius in (0.75, 0.5, 0.5):
        near = moves[np.hypot(*(moves - place).T) < max(radius * diameter, 2.0)]
        if len(near):
            place = np.median(near, axis=0)
    return place


def correlate(
    first: NDArray[np.float32], second: NDArray[np.float32], shape: tuple[float, float]
) -> Floats:
    """Shift at which two images correlate best, (2,), in px of `shape`.

    Images are flattened, and fade out towards the edges, which would correlate at 0 otherwise.
    """
    from scipy.fft import irfft2, next_fast_len, rfft2

    parts = [_prepare(image) for image in (first, second)]
    size = np.array(parts[0].shape)
    # Padded, so that what leaves on one side does not come back on the other.
    padded = [next_fast_len(int(edge * (1 + LARGEST_PART)), real=True) for edge in size]
    a, b = (rfft2(part, padded) for part in parts)
    correlation = irfft2(np.conj(a) * b, padded)
    place = np.array(np.unravel_index(int(correlation.argmax()), correlation.shape))
    place = np.where(place > np.array(padded) / 2, place - padded, place)
    return np.asarray(place * (np.array(shape) / size), np.float64)


def _prepare(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reduce, flatten and fade an image."""
    step = int(np.ceil(max(image.shape) / LARGEST_IMAGE))
    if step > 1:
        height, width = (size // step * step for size in image.shape)
        blocks = image[:height, :width].reshape(height // step, step, width // step, step)
        image = blocks.mean(axis=(1, 3))
    flat = image - ndimage.uniform_filter(image, max(image.shape) // 6)
    window = np.outer(*(np.hanning(size + 2)[1:-1] for size in image.shape))
    return np.asarray(flat * window, np.float32)


def judge(
    source: str,
    shift: Floats,
    first: Floats,
    second: Floats,
    diameter: float,
    shape: tuple[float, float],
) -> PairShift:
    """Say how many objects find a partner after a shift, and how much more than chance that is.

    The evidence is the log-likelihood ratio of a binomial with the observed share against one with
    the share by chance, for objects scattered at the density of the second frame; the mean over the
    distances `CLOSE`.
    """
    moved = first + shift
    inside = ((moved >= 0) & (moved < np.array(shape))).all(axis=1)
    count = int(inside.sum())
    if count < FEWEST or not len(second):
        return PairShift(shift, source, 0.0, 0.0)
    distance = KDTree(second).query(moved[inside])[0]
    density = len(second) / (shape[0] * shape[1])
    partners, evidence = [], 0.0
    for part in CLOSE:
        radius = part * diameter
        share = float((distance <= radius).mean())
        chance = 1 - np.exp(-density * np.pi * radius**2)
        partners.append(share)
        if share > chance:
            evidence += float(rel_entr(share, chance) + rel_entr(1 - share, 1 - chance))
    return PairShift(shift, source, partners[0], count * evidence / len(CLOSE))
