"""Simulate a well that is imaged tile by tile, at places that are not quite the same each time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.labels import Labels
from sparcell.core.tracks import Track
from sparcell.simulation.cells import populate, reach
from sparcell.simulation.dish import Dish, TrackBook
from sparcell.simulation.movie import stage_shifts
from sparcell.simulation.optics import Lamps, OpticalScene, fluorescence, phase_contrast, view
from sparcell.simulation.settings import MotionSettings, SimulationSettings, WellSettings


@dataclass(frozen=True)
class SimulatedTile:
    """One tile of a well over time.

    Attributes
    ----------
    row, column : int
        In the grid, from 0.
    nuclei : (T, Y, X) int32
        Ids are those of the tracks of the well, 0 = none.
    phase : (T, Y, X) uint8 or None
        Phase contrast; None if no images were asked for.
    stain : (T, Y, X) uint16 or None
    origins : (T, 2) float
        True place of its first pixel in the well, (y, x) in px.
    """

    row: int
    column: int
    nuclei: Labels
    phase: NDArray[np.uint8] | None
    stain: NDArray[np.uint16] | None
    origins: NDArray[np.float64]


@dataclass(frozen=True)
class SimulatedWell:
    """A well with its ground truth.

    Attributes
    ----------
    tiles : tuple of SimulatedTile
        Row by row.
    nuclei : (T, Y, X) int32
        The whole well as one field without stage error; ids are those of `tracks`.
    tracks : tuple of Track
        Of the whole well, in the frames that were imaged.
    frames : (T,) int64
        Number of each frame as if none were missing.
    """

    tiles: tuple[SimulatedTile, ...]
    nuclei: Labels
    tracks: tuple[Track, ...]
    frames: NDArray[np.int64]


def simulate_well(
    settings: SimulationSettings,
    frames: int,
    seed: int | np.random.Generator,
    well: WellSettings | None = None,
    motion: MotionSettings | None = None,
    images: bool = True,
) -> SimulatedWell:
    """Simulate a time-lapse of a well of several tiles.

    The stage drifts and jumps as `motion` says, and each tile misses its place by an error of its
    own in each frame.

    Parameters
    ----------
    settings : SimulationSettings
        `size` is that of a tile; `cells` are those of the whole well.
    frames : int
        Number of frames before some are skipped, at least 1. The first is never skipped.
    seed : int or Generator
        Equal seeds give equal bytes.
    well : WellSettings, optional
    motion : MotionSettings, optional
    images : bool
        Draw phase contrast and stain, too, which takes most of the time.

    Raises
    ------
    InputError
        If there is no frame, or tiles overlap wholly.
    """
    well, motion = well or WellSettings(), motion or MotionSettings()
    if frames < 1:
        raise InputError(f"{frames} frames for a well", "at least 1", "give a larger number")
    if well.overlap >= min(settings.size):
        raise InputError(
            f"an overlap of {well.overlap} px of tiles of {settings.size} px",
            "less than the edge of a tile",
            "correct it",
        )
    rng = np.random.default_rng(seed)
    corners = _corners(settings, well)
    whole = settings.model_copy(
        update={"size": tuple((corners.max(axis=0) + settings.size).tolist())}
    )
    shifts = stage_shifts(motion, frames, rng)
    errors = rng.normal(0, 1, (frames, len(corners), 2)) * well.revisit
    # (T, tiles, 2): the view moves against its content.
    origins = corners[None] - shifts[:, None] + errors
    imaged = np.flatnonzero((rng.random(frames) >= well.skipped) | (np.arange(frames) == 0))
    margin = reach(settings)
    low = np.minimum(origins.min(axis=(0, 1)), 0) - margin
    high = np.maximum(origins.max(axis=(0, 1)) + settings.size, whole.size) + margin
    bounds = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    dish, book = Dish(populate(whole, rng, bounds), motion, bounds, rng), TrackBook()
    camera = _Camera(settings, len(corners), len(imaged), rng if images else None)
    nuclei = np.empty((len(imaged), *whole.size), np.int32)
    for frame in range(frames):
        if frame:
            dish.step(frame)
        if frame not in imaged:
            continue
        number = int(np.searchsorted(imaged, frame))
        scene = view(dish.plane(), whole)
        # What only a displaced tile sees is a cell of the well, too.
        seen = camera.views(dish, origins[frame])
        visible = np.unique(np.concatenate([np.unique(s) for s in (scene.nuclei, *seen)]))
        ids = book.enter(number, dish.lives, visible)
        nuclei[number] = ids[scene.nuclei]
        camera.expose(number, ids)
    tiles = camera.tiles(tile_grid(well), origins[imaged])
    return SimulatedWell(tiles, nuclei, book.table(), imaged)


def tile_grid(well: WellSettings) -> list[tuple[int, int]]:
    """Row and column of each tile, row by row."""
    rows, columns = well.tiles
    return [(row, column) for row in range(rows) for column in range(columns)]


def _corners(settings: SimulationSettings, well: WellSettings) -> NDArray[np.int64]:
    """Places of the tiles' first pixels without stage error, (tiles, 2)."""
    pitch = np.array(settings.size) - well.overlap
    corners: NDArray[np.int64] = np.array(tile_grid(well)) * pitch
    return corners


class _Camera:
    """Draws the tiles of a well frame by frame."""

    def __init__(
        self, settings: SimulationSettings, tiles: int, frames: int, rng: np.random.Generator | None
    ) -> None:
        self._settings, self._rng = settings, rng
        shape = (tiles, frames, *settings.size)
        self._nuclei = np.empty(shape, np.int32)
        self._phase = np.empty(shape, np.uint8) if rng else None
        self._stain = np.empty(shape, np.uint16) if rng else None
        self._lamps = Lamps.draw(rng) if rng else None
        self._scenes: list[OpticalScene] = []

    def views(self, dish: Dish, origins: NDArray[np.float64]) -> list[NDArray[np.int32]]:
        """Look at all tiles; return the cells' numbers, by pixel."""
        plane = dish.plane()
        self._scenes = [view(plane, self._settings, (y, x)) for y, x in origins.tolist()]
        return [scene.nuclei for scene in self._scenes]

    def expose(self, frame: int, ids: NDArray[np.int32]) -> None:
        """Take the pictures; `ids` are tracks by number of the cell."""
        for tile, scene in enumerate(self._scenes):
            self._nuclei[tile, frame] = ids[scene.nuclei]
            if self._rng and self._lamps and self._phase is not None and self._stain is not None:
                self._phase[tile, frame] = phase_contrast(
                    scene, self._settings, self._lamps, self._rng
                )
                self._stain[tile, frame] = fluorescence(
                    scene, self._settings, self._lamps, self._rng, "none"
                )

    def tiles(
        self, grid: list[tuple[int, int]], origins: NDArray[np.float64]
    ) -> tuple[SimulatedTile, ...]:
        """Return what was taken; `origins` is (T, tiles, 2)."""
        return tuple(
            SimulatedTile(
                row,
                column,
                self._nuclei[tile],
                None if self._phase is None else self._phase[tile],
                None if self._stain is None else self._stain[tile],
                origins[:, tile],
            )
            for tile, (row, column) in enumerate(grid)
        )
