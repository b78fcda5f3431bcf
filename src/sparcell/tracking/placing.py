"""Where each tile of a well is in each frame, from its own motion, its neighbours and the layout.

Unknown are the place of each tile over a run of frames in which its motion is known, what the stage
does with all tiles in each frame, and the two steps of a grid. All equations are linear, and are
solved together by least squares with Huber's weights:

- a tile moves against its content, whose path is known (`StagePath`);
- neighbours are as far from each other as what both show tells (`measure_seam`);
- the stage goes to the places of the layout, and misses each a little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve

from sparcell.tracking.seams import FOUND, Seam, measure_seam
from sparcell.tracking.stage import StagePath

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MaskReader = Callable[[int, int], NDArray[np.bool_]]

LONGEST_RUN = 40
"""Frames after which a tile's place is an unknown of its own: errors of its path add up."""
FRAMES_OF_SEAM = 12
"""Frames of a run that tell how far neighbours are from each other."""
FARTHEST = 0.25
"""How far from what the layout says seams are looked for, as a part of a tile."""
KNOWN = 4.0
"""Evidence of a seam that is enough where the others already tell where to look."""
LEAST_MISS = 1.0
"""Px by which the stage misses its places at least."""
DRIFT = 10.0
"""Px by which the stage as a whole may move from frame to frame."""
RUN_DRIFT = 1.5
"""Px by which the path of a tile may be wrong after `LONGEST_RUN` frames."""
SEAM_ERROR = 0.05
"""Error of a seam, in diameters."""
ROUNDS = 15


@dataclass(frozen=True)
class PlacedTiles:
    """Places of all tiles.

    Attributes
    ----------
    origins : (K, T, 2) float64
        Place of each tile's first pixel in the well, (y, x) in px.
    seams : tuple of (int, int, Seam)
        Pairs of tiles that were compared over a run of frames.
    """

    origins: Floats
    seams: tuple[tuple[int, int, Seam], ...]

    @property
    def found(self) -> int:
        """Number of seams that were found."""
        return sum(seam.evidence >= FOUND for _, _, seam in self.seams)


@dataclass
class _Equations:
    """Rows of a linear system for (y, x)."""

    rows: list[dict[int, float]] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def add(self, row: dict[int, float], value: Floats, error: float) -> None:
        self.rows.append(row)
        self.values.append(np.asarray(value, np.float64))
        self.errors.append(error)

    def solve(self, unknowns: int) -> Floats:
        """Least squares with Huber's weights, (unknowns, 2)."""
        number = np.repeat(np.arange(len(self.rows)), [len(row) for row in self.rows])
        columns = np.array([column for row in self.rows for column in row])
        factors = np.array([factor for row in self.rows for factor in row.values()])
        matrix = coo_matrix((factors, (number, columns)), (len(self.rows), unknowns)).tocsc()
        values, errors = np.array(self.values), np.array(self.errors)
        weights = trust = 1 / errors**2
        solved = np.zeros((unknowns, 2))
        for _ in range(ROUNDS):
            normal = (matrix.T @ diags(weights) @ matrix).tocsc()
            solved = np.asarray(spsolve(normal, matrix.T @ (weights[:, None] * values)))
            residual = np.hypot(*(matrix @ solved - values).T) / errors
            updated = trust * np.minimum(1, 2 / np.maximum(residual, 1e-9))
            if np.allclose(updated, weights, rtol=1e-4):
                break
            weights = updated
        return solved.reshape(unknowns, 2)


class Placing:
    """Places the tiles of one well.

    Parameters
    ----------
    paths : sequence of StagePath
        Of each tile, over all frames of the well.
    layout : (K, 2) float64
        Rows and columns of a grid, or places in px.
    is_grid : bool
        The layout is a grid, whose steps are unknown.
    shape : (int, int)
        Height and width of a tile, px.
    diameter : float
        Of a typical object, px.
    present : (K, T) bool
        Which tiles were imaged in which frames.
    """

    def __init__(
        self,
        paths: list[StagePath],
        layout: Floats,
        is_grid: bool,
        shape: tuple[int, int],
        diameter: float,
        present: NDArray[np.bool_],
    ) -> None:
        self._present = present
        self._paths = np.stack([path.positions for path in paths])
        self._layout, self._is_grid = layout, is_grid
        self._shape, self._diameter = np.array(shape, np.float64), diameter
        self._runs = np.stack([_runs(path.certain) for path in paths])
        self._miss = _usual_miss(self._paths)
        # Unknowns: runs of all tiles, then the stage in each frame, then the steps of the grid.
        counts = self._runs.max(axis=1) + 1
        self._first = np.concatenate([[0], np.cumsum(counts)])

    def place(self, masks: MaskReader) -> PlacedTiles:
        """Find all places; `masks` reads the objects of a tile in a frame."""
        origins = self._solve([])
        seams = self._measure(origins, masks, FARTHEST * self._shape)
        known = [seam for seam in seams if seam[2].evidence >= FOUND]
        origins = self._solve(known)
        if not known:
            return PlacedTiles(origins, _pairs(seams))
        # Others are looked for again, near where those that are known tell.
        near = np.full(2, max(self._miss, self._diameter))
        again = self._measure(origins, masks, near)
        known = [seam for seam in again if seam[2].evidence >= KNOWN]
        return PlacedTiles(self._solve(known), _pairs(again))

    def _unknown(self, tile: int, frame: int) -> int:
        return int(self._first[tile] + self._runs[tile, frame])

    def _solve(self, seams: list[tuple[int, int, Seam, int]]) -> Floats:
        tiles, frames, _ = self._paths.shape
        stage = int(self._first[-1])
        steps = stage + frames
        unknowns = steps + 2 * self._is_grid
        system = _Equations()
        for frame in range(frames):
            for tile in np.flatnonzero(self._present[:, frame]).tolist():
                row = {self._unknown(tile, frame): 1.0, stage + frame: -1.0}
                value = self._paths[tile, frame]
                if self._is_grid:
                    down, right = self._layout[tile]
                    row |= {steps: -down, steps + 1: -right}
                else:
                    value = value + self._layout[tile]
                system.add(row, value, self._miss)
            if frame:
                system.add({stage + frame: 1.0, stage + frame - 1: -1.0}, np.zeros(2), DRIFT)
                for tile in range(tiles):
                    now, before = self._unknown(tile, frame), self._unknown(tile, frame - 1)
                    if now != before and self._continues(tile, frame):
                        system.add({now: 1.0, before: -1.0}, np.zeros(2), RUN_DRIFT)
        # The place of the well as a whole is free.
        system.add({stage: 1.0}, np.zeros(2), LEAST_MISS)
        if self._is_grid:
            for axis in range(2):
                step = np.where(np.arange(2) == axis, self._shape, 0.0)
                system.add({steps + axis: 1.0}, step, FARTHEST * float(self._shape.max()))
        for first, second, seam, frame in seams:
            row = {self._unknown(second, frame): 1.0, self._unknown(first, frame): -1.0}
            value = seam.displacement + self._paths[second, frame] - self._paths[first, frame]
            system.add(row, value, max(SEAM_ERROR * self._diameter, 0.5))
        solved = system.solve(unknowns)
        numbers = self._first[:-1, None] + self._runs
        return np.asarray(solved[numbers] - self._paths)

    def _continues(self, tile: int, frame: int) -> bool:
        """Whether a run only ends because it is long."""
        runs = self._runs[tile]
        return int((runs == runs[frame - 1]).sum()) == LONGEST_RUN

    def _measure(
        self, origins: Floats, masks: MaskReader, reach: Floats
    ) -> list[tuple[int, int, Seam, int]]:
        """Measure the seams of all neighbours in all runs of frames that both have."""
        found = []
        for first, second in self._neighbours():
            between = origins[second] - origins[first]
            both = self._runs[first] * self._runs.shape[1] + self._runs[second]
            seen = self._present[first] & self._present[second]
            for run in np.unique(both[seen]):
                frames = np.flatnonzero((both == run) & seen)
                picked = frames[np.linspace(0, len(frames) - 1, FRAMES_OF_SEAM).round().astype(int)]
                start = int(frames[0])
                pictures = (
                    (masks(first, t), masks(second, t), between[t] - between[start])
                    for t in np.unique(picked).tolist()
                )
                seam = measure_seam(pictures, between[start], reach, self._diameter)
                found.append((first, second, seam, start))
        return found

    def _neighbours(self) -> list[tuple[int, int]]:
        """Pairs of tiles that lie side by side."""
        pitch = np.ones(2) if self._is_grid else self._shape
        apart = (self._layout[None] - self._layout[:, None]) / pitch
        pairs = []
        for first, second in np.argwhere(np.triu(np.ones(apart.shape[:2]), 1)).tolist():
            along, across = np.sort(np.abs(apart[first, second]))[::-1]
            if 0.4 < along < 1.3 and across < 0.4:
                pairs.append((first, second))
        return pairs


def _pairs(seams: list[tuple[int, int, Seam, int]]) -> tuple[tuple[int, int, Seam], ...]:
    return tuple((first, second, seam) for first, second, seam, _ in seams)


def _runs(certain: NDArray[np.bool_]) -> Integers:
    """Number the runs of frames between uncertain steps, of `LONGEST_RUN` at most, (T,)."""
    runs = np.zeros(len(certain) + 1, np.int64)
    length = 1
    for frame, sure in enumerate(certain.tolist(), 1):
        cut = not sure or length == LONGEST_RUN
        runs[frame] = runs[frame - 1] + cut
        length = 1 if cut else length + 1
    return runs


def _usual_miss(paths: Floats) -> float:
    """Usual distance by which one tile moves unlike the others, px."""
    steps = np.diff(paths, axis=1)
    if not steps.size:
        return LEAST_MISS
    unlike = steps - np.median(steps, axis=0)
    # Two misses make the step, and the median of absolute values is 0.67 standard deviations.
    return max(float(np.median(np.abs(unlike)) / 0.67 / np.sqrt(2)), LEAST_MISS)
