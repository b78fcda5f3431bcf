"""The path of the stage over a movie, from shifts of many pairs of frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.shifts import PairShift, is_decisive, judge_places, measure_shift

Floats = NDArray[np.float64]
ImageReader = Callable[[int], NDArray[np.float32]]

SPANS = (1, 2, 4)
"""Frames between the two of a pair. A jump and its way back cancel in the longer ones."""
CERTAIN = 8.0
"""Evidence from which a shift counts as found: on movies with known jumps all such were right."""
TOLERANCE = 0.25
"""Diameters by which pairs may contradict each other before they lose weight."""
ROUNDS = 20


@dataclass(frozen=True)
class StagePath:
    """Where the picture is in each frame.

    Attributes
    ----------
    positions : (T, 2) float64
        (y, x) in px: what stands still and was at p in frame 0 is at p + positions[t] in frame t.
    steps : tuple of PairShift
        From each frame to the next, T - 1.
    """

    positions: Floats
    steps: tuple[PairShift, ...]

    @property
    def shifts(self) -> Floats:
        """From each frame to the next, (T - 1, 2) px."""
        return np.diff(self.positions, axis=0)

    @property
    def certain(self) -> NDArray[np.bool_]:
        """Which steps are known, (T - 1,)."""
        return np.array([step.evidence >= CERTAIN for step in self.steps], np.bool_)

    def spread(self, at: NDArray[np.int64], count: int) -> StagePath:
        """Return the path over `count` frames, of which those `at` are known, ascending.

        In the others the stage stays where it was last known to be.
        """
        last = np.maximum(np.searchsorted(at, np.arange(count), "right") - 1, 0)
        still = PairShift(np.zeros(2), "none", 1.0, np.inf)
        steps = [still] * (count - 1)
        for own, frame in enumerate(at[1:].tolist()):
            steps[frame - 1] = self.steps[own]
        return StagePath(self.positions[last], tuple(steps))


def follow_stage(objects: MovieObjects, images: ImageReader | None = None) -> StagePath:
    """Find the path of the stage.

    Shifts are measured between frames that are 1, 2 and 4 apart. Positions follow by least squares
    with Huber's weights, so one wrong pair is outvoted by those around it.

    Parameters
    ----------
    objects : MovieObjects
    images : callable, optional
        Reads the image of a frame, (Y, X) float32.
    """
    count = objects.count
    places = [objects.places[objects.of_frame(t)] for t in range(count)]
    size, shape = objects.diameter, objects.shape
    window: dict[int, NDArray[np.float32]] = {}
    pairs: list[tuple[int, int, PairShift]] = []
    direct: dict[int, PairShift] = {}
    decisive: list[bool] = [True]
    for t in range(count):
        if images is not None:
            window[t] = images(t)
            window.pop(t - SPANS[-1] - 1, None)
        tree = cKDTree(places[t])
        for span in SPANS:
            if t < span:
                continue
            seen = (window[t - span], window[t]) if window else None
            first = places[t - span]
            expected = None
            if span > 1 and all(decisive[t - span + 1 : t + 1]):
                expected = np.sum([direct[u].shift for u in range(t - span + 1, t + 1)], axis=0)
            shift = measure_shift(first, tree, size, shape, seen, expected)
            pairs.append((t - span, t, shift))
            if span == 1:
                direct[t] = shift
                decisive.append(is_decisive(shift, len(first), tree.n, size, shape))
    positions = _solve(pairs, count, TOLERANCE * size)
    steps = []
    for t in range(1, count):
        step = positions[t] - positions[t - 1]
        own = direct[t]
        source = own.source if np.hypot(*(own.shift - step)) < TOLERANCE * size else "path"
        steps.append(judge_places(source, step, places[t - 1], places[t], size, shape))
    return StagePath(positions, tuple(steps))


def stand_still(count: int) -> StagePath:
    """Path of a stage that is taken to stand still, over `count` frames."""
    step = PairShift(np.zeros(2), "none", 1.0, np.inf)
    return StagePath(np.zeros((count, 2)), (step,) * (count - 1))


def _solve(pairs: list[tuple[int, int, PairShift]], count: int, tolerance: float) -> Floats:
    """Positions that fit all shifts best, (T, 2); that of frame 0 is 0."""
    positions = np.zeros((count, 2))
    if not pairs:
        return positions
    number = np.arange(len(pairs))
    start, stop = np.array([t for t, _, _ in pairs]), np.array([u for _, u, _ in pairs])
    shifts = np.array([shift.shift for _, _, shift in pairs])
    # Long pairs hold more motion of the cells themselves.
    trust = np.array([min(shift.evidence, 50.0) + 0.01 for _, _, shift in pairs])
    trust /= (stop - start) ** 2
    rows, columns = np.concatenate([number, number]), np.concatenate([stop, start])
    signs = np.concatenate([np.ones(len(pairs)), -np.ones(len(pairs))])
    # Frame 0 is fixed, and has no column.
    matrix = coo_matrix((signs, (rows, columns)), (len(pairs), count)).tocsc()[:, 1:]
    weights = trust
    for _ in range(ROUNDS):
        normal = (matrix.T @ diags(weights) @ matrix).tocsc()
        solved = spsolve(normal, matrix.T @ (weights[:, None] * shifts))
        positions[1:] = np.asarray(solved).reshape(count - 1, 2)
        residual = np.hypot(*(positions[stop] - positions[start] - shifts).T)
        updated = trust * np.minimum(1, tolerance / np.maximum(residual, 1e-9))
        if np.abs(updated - weights).max() < 1e-6:
            break
        weights = updated
    return positions
