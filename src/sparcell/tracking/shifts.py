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
from scipy.spatial import cKDTree
from scipy.special import rel_entr

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Shape = tuple[float, float]

LARGEST_PART = 0.5
"""Largest shift that is looked for, as a part of the field; beyond it too little is shared."""
MOST_VOTERS = 400
"""Objects of the first frame that vote and are judged; more change little and cost much."""
PEAKS, APART = 3, 4
"""Peaks that are looked at, and bins between them."""
BINS_PER_DIAMETER = 6
CLOSE = (0.5, 0.25, 0.12)
"""Diameters within which an object has found its partner, from coarse to fine."""
AROUND = 1.0
"""Diameters within which partners count, too, where shifts are compared: each cell of a sheet moves
a little differently. Cells that keep apart have some at any shift, so it is no evidence of one."""
LARGEST_IMAGE = 512
"""Edge to which images are reduced before they are correlated, px."""
CROWDED = 0.5
"""Chance of a partner from which a distance tells nothing: cells fill the field."""
FEWEST = 4
"""Fewer shared objects decide nothing."""
REFINED = (0.75, 0.5, 0.5)
"""Diameters about a shift whose displacements correct it."""
DECISIVE = 0.2
"""Part of the largest possible evidence from which votes change nothing."""


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
    support : float
        The evidence, with that of partners farther away, less the logarithm of the number of
        shifts that are as short. Of several shifts the one with most is taken.
    """

    shift: Floats
    source: str
    partners: float
    evidence: float
    support: float = 0.0


def measure_shift(
    first: Floats,
    second: Floats | cKDTree,
    diameter: float,
    shape: Shape,
    images: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    expected: Floats | None = None,
) -> PairShift:
    """Measure the shift between two frames.

    All candidates are tried: no shift, one near it or near `expected`, that of the images, and the
    highest peaks of the votes. The one is taken after which the most objects find a partner, by
    their likelihood. Votes are the dearest, and are left out where another candidate is decisive.

    Parameters
    ----------
    first, second : (N, 2) and (M, 2) float64
        Places of the objects, px; of the second frame perhaps as a tree.
    diameter : float
        Of a typical object, px.
    shape : (float, float)
        Height and width of the field, px.
    images : pair of (Y, X) float32, optional
    expected : (2,) float64, optional
        Shift that is already known about: no votes are counted.
    """
    partners = _Partners(first, second, diameter)

    def judged(source: str, shift: Floats) -> PairShift:
        return judge(source, shift, partners, diameter, shape)

    none = judged("none", np.zeros(2))
    starts = [none.shift] if expected is None else [none.shift, expected]
    found = [judged("objects", _nearby(partners, start, diameter)) for start in starts]
    if images is not None:
        found.append(judged("images", correlate(*images, shape)))
    best = max(found, key=lambda one: one.support)
    first, second = partners.first, partners.second
    if expected is None and best.evidence < _decisive(len(second), diameter, shape) * len(first):
        found += [judged("objects", shift) for shift in vote(first, second, diameter, shape)]
        best = max(found, key=lambda one: one.support)
    return best if best.support > none.support else none


def is_decisive(shift: PairShift, first: int, second: int, diameter: float, shape: Shape) -> bool:
    """Whether no other shift of so many objects could be as good."""
    needed = _decisive(second, diameter, shape) * min(first, MOST_VOTERS)
    return shift.evidence > 0 and shift.evidence >= needed


def _decisive(second: int, diameter: float, shape: Shape) -> float:
    """Evidence for each object that only the right shift reaches."""
    chances = _chance(np.array(CLOSE) * diameter, second, shape)
    # If all objects found a partner at every distance.
    most = -float(np.mean(np.log(np.maximum(chances, 1e-12))))
    return DECISIVE * most


def _chance(radii: Floats, objects: int, shape: Shape) -> Floats:
    """Chance that one of the scattered objects lies within each radius."""
    return np.asarray(-np.expm1(-objects / (shape[0] * shape[1]) * np.pi * radii**2))


def _sample(places: Floats) -> Floats:
    """Some of many places, evenly."""
    if len(places) <= MOST_VOTERS:
        return places
    return np.asarray(places[np.linspace(0, len(places) - 1, MOST_VOTERS).astype(int)])


class _Partners:
    """Objects of the second frame that are nearest to those of the first, after a shift.

    Shifts that are compared soon come to the same pairs, so each is looked up once.

    Parameters
    ----------
    first, second : (N, 2) and (M, 2) float64, or a tree of the second
        Places, px. Some of many in the first frame are looked at.
    diameter : float
    """

    def __init__(self, first: Floats, second: Floats | cKDTree, diameter: float) -> None:
        self._tree = second if isinstance(second, cKDTree) else cKDTree(second)
        self.first = _sample(first)
        self.second: Floats = self._tree.data
        self._reach = max(1.001 * AROUND * diameter, 2.0)
        self._known: dict[bytes, tuple[Floats, Integers]] = {}

    def at(self, shift: Floats) -> tuple[Floats, Integers]:
        """Distance to the nearest, infinite where none is near, and which it is, (N,) each."""
        key = shift.tobytes()
        if key not in self._known:
            near = self._tree.query(self.first + shift, distance_upper_bound=self._reach)
            self._known[key] = near
        return self._known[key]


def _nearby(partners: _Partners, shift: Floats, diameter: float) -> Floats:
    """Median displacement of objects to those nearest to them after a shift, (2,)."""
    for radius in REFINED:
        distance, nearest = partners.at(shift)
        near = distance < max(radius * diameter, 2.0)
        if near.any():
            shift = np.median(partners.second[nearest[near]] - partners.first[near], axis=0)
    return shift


def vote(first: Floats, second: Floats, diameter: float, shape: Shape) -> list[Floats]:
    """Return the shifts that most pairs of objects agree on, the best first, (2,) each.

    The displacements of all pairs fill a smoothed histogram. It is divided by the area that both
    frames share at that shift, since fewer pairs are possible there.
    """
    if len(first) < 2 or len(second) < 2:
        return []
    reach = LARGEST_PART * np.array(shape)
    down, right = (np.subtract.outer(second[:, k], first[:, k]).ravel() for k in (0, 1))
    near = np.flatnonzero((np.abs(down) <= reach[0]) & (np.abs(right) <= reach[1]))
    moves = down[near], right[near]
    if not len(near):
        return []
    width = max(diameter / BINS_PER_DIAMETER, 1.0)
    bins = np.maximum((2 * reach / width).astype(int), 1)
    row, column = (
        np.minimum(((move + r) * (n / (2 * r))).astype(np.int64), n - 1)
        for move, r, n in zip(moves, reach, bins, strict=True)
    )
    counts = np.bincount(row * bins[1] + column, minlength=int(bins.prod()))
    votes = ndimage.gaussian_filter(
        counts.reshape(bins).astype(np.float32), 1.5, mode="constant", truncate=3.0
    )
    centres = [(np.arange(n) + 0.5) * (2 * r / n) - r for n, r in zip(bins, reach, strict=True)]
    shared = [1 - np.abs(centre) / side for centre, side in zip(centres, shape, strict=True)]
    # More than the square root of what chance gives is what counts, as for counts of Poisson.
    expected = np.outer(*shared) * (votes.mean() / np.mean(shared[0]) / np.mean(shared[1]))
    height = (votes - expected) / np.sqrt(expected + 0.1)
    peaks = []
    for _ in range(PEAKS):
        row, column = np.unravel_index(int(height.argmax()), height.shape)
        place = np.array([centres[0][row], centres[1][column]])
        peaks.append(_refine(place, moves, diameter))
        height[
            max(row - APART, 0) : row + APART + 1, max(column - APART, 0) : column + APART + 1
        ] = -np.inf
    return peaks


def _refine(place: Floats, moves: tuple[Floats, Floats], diameter: float) -> Floats:
    """Move to the median of the votes near by, given as y and x, (2,)."""
    reach = 2 * max(diameter, 2.0)
    around = np.flatnonzero(np.abs(moves[0] - place[0]) < reach)
    around = around[np.abs(moves[1][around] - place[1]) < reach]
    some = np.column_stack([move[around] for move in moves])
    for radius in REFINED:
        near = some[np.hypot(*(some - place).T) < max(radius * diameter, 2.0)]
        if len(near):
            place = np.median(near, axis=0)
    return place


def correlate(first: NDArray[np.float32], second: NDArray[np.float32], shape: Shape) -> Floats:
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


def judge_places(
    source: str,
    shift: Floats,
    first: Floats,
    second: Floats | cKDTree,
    diameter: float,
    shape: Shape,
) -> PairShift:
    """Judge a given shift between two sets of places; see `judge`."""
    return judge(source, shift, _Partners(first, second, diameter), diameter, shape)


def judge(
    source: str, shift: Floats, partners: _Partners, diameter: float, shape: Shape
) -> PairShift:
    """Say how many objects find a partner after a shift, and how much more than chance that is.

    The evidence is the log-likelihood ratio of a binomial with the observed share against one with
    the share by chance, for objects scattered at the density of the second frame; the mean over the
    distances `CLOSE`.
    """
    moved = partners.first + shift
    inside = ((moved >= 0) & (moved < np.array(shape))).all(axis=1)
    count = int(inside.sum())
    if count < FEWEST or not len(partners.second):
        return PairShift(shift, source, 0.0, 0.0)
    radii = np.array((*CLOSE, AROUND)) * diameter
    distance = np.sort(partners.at(shift)[0][inside])
    share = np.searchsorted(distance, radii, "right") / count
    chance = _chance(radii, len(partners.second), shape)
    gain = rel_entr(share, chance) + rel_entr(1 - share, 1 - chance)
    gain[(share <= chance) | (chance >= CROWDED)] = 0
    evidence = count * float(gain[:-1].sum()) / len(CLOSE)
    # As many other shifts are as short as this one.
    shorter = np.pi * float(shift @ shift) / (CLOSE[1] * diameter) ** 2
    support = evidence + count * float(gain[-1]) - float(np.log1p(shorter))
    return PairShift(shift, source, float(share[0]), evidence, support)
