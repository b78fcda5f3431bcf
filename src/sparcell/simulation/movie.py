"""Simulate a time-lapse: cells crawl, divide and die while the stage drifts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.labels import Labels
from sparcell.core.tracks import Track
from sparcell.simulation.cells import populate, reach
from sparcell.simulation.dish import Dish, TrackBook
from sparcell.simulation.field import check_failure
from sparcell.simulation.optics import Lamps, fluorescence, phase_contrast, view
from sparcell.simulation.settings import MotionSettings, SimulationSettings, StainFailure


@dataclass(frozen=True)
class Movie:
    """A time-lapse with its ground truth.

    Attributes
    ----------
    phase : (T, Y, X) uint8
    stain : (T, Y, X) uint16
    nuclei, cells : (T, Y, X) int32
        Ids are those of `tracks`, 0 = none. Cells whose nucleus is outside the field are left out.
    tracks : tuple of Track
        Each is in all frames from `first` to `last`; a nucleus that leaves the field and returns
        begins a new one.
    deaths : tuple of int
        Ids of the tracks that end because the cell died.
    unstained : tuple of int
        Ids of the tracks whose nuclei took no dye.
    shifts : (T, 2) float
        How far the picture has moved since frame 0, (y, x) in px: what does not crawl and was at
        p in frame 0 is at p + shifts[t] in frame t.
    stain_failures : tuple of str
        Stain failure of each frame.
    """

    phase: NDArray[np.uint8]
    stain: NDArray[np.uint16]
    nuclei: Labels
    cells: Labels
    tracks: tuple[Track, ...]
    deaths: tuple[int, ...]
    unstained: tuple[int, ...]
    shifts: NDArray[np.float64]
    stain_failures: tuple[StainFailure, ...]


def simulate_movie(
    settings: SimulationSettings,
    frames: int,
    seed: int | np.random.Generator,
    motion: MotionSettings | None = None,
    stain_failures: Mapping[int, StainFailure] | None = None,
) -> Movie:
    """Simulate a time-lapse.

    Parameters
    ----------
    settings : SimulationSettings
        The field in frame 0.
    frames : int
        Number of frames, at least 1.
    seed : int or Generator
        Equal seeds give equal bytes.
    motion : MotionSettings, optional
    stain_failures : mapping of int to str, optional
        Frame to the stain failure there; ``empty`` is a frame without stain.

    Raises
    ------
    InputError
        If there is no frame, or a failure is unknown or in no frame of the movie.
    """
    failures = _failures_by_frame(frames, stain_failures or {})
    motion = motion or MotionSettings()
    rng = np.random.default_rng(seed)
    shifts = stage_shifts(motion, frames, rng)
    # The view moves against its content.
    origins = -shifts
    margin = reach(settings)
    low, high = origins.min(axis=0) - margin, origins.max(axis=0) + margin + settings.size
    bounds = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    dish = Dish(populate(settings, rng, bounds), motion, bounds, rng)

    shape = (frames, *settings.size)
    phase, stain = np.empty(shape, np.uint8), np.empty(shape, np.uint16)
    nuclei, cells = np.empty(shape, np.int32), np.empty(shape, np.int32)
    lamps, book = Lamps.draw(rng), TrackBook()
    for frame in range(frames):
        if frame:
            dish.step(frame)
        scene = view(dish.plane(), settings, (origins[frame, 0], origins[frame, 1]))
        phase[frame] = phase_contrast(scene, settings, lamps, rng)
        stain[frame] = fluorescence(scene, settings, lamps, rng, failures[frame])
        ids = book.enter(frame, dish.lives, np.unique(scene.nuclei))
        nuclei[frame], cells[frame] = ids[scene.nuclei], ids[scene.cells]
    return Movie(
        phase, stain, nuclei, cells, book.table(), book.deaths(), book.unstained(), shifts, failures
    )


def stage_shifts(
    motion: MotionSettings, frames: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Shift of the image since frame 0, (T, 2) in px."""
    angle = rng.uniform(0, 2 * np.pi)
    steps = motion.drift * np.array([np.sin(angle), np.cos(angle)])
    steps = steps + rng.normal(0, motion.jitter / np.sqrt(2), (frames, 2))
    jumps = rng.random(frames) < motion.jump_rate
    angles = rng.uniform(0, 2 * np.pi, frames)
    steps += motion.jump * jumps[:, None] * np.column_stack([np.sin(angles), np.cos(angles)])
    steps[0] = 0
    return np.cumsum(steps, axis=0)


def _failures_by_frame(
    frames: int, failures: Mapping[int, StainFailure]
) -> tuple[StainFailure, ...]:
    """One failure per frame."""
    if frames < 1:
        raise InputError(f"{frames} frames for a movie", "at least 1", "give a larger number")
    for frame, kind in failures.items():
        check_failure(kind)
        if not 0 <= frame < frames:
            raise InputError(
                f"a stain failure in frame {frame}", f"frames 0 to {frames - 1}", "correct it"
            )
    return tuple(failures.get(frame, "none") for frame in range(frames))
