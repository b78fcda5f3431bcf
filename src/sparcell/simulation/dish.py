"""Cells of a dish over time: they crawl, divide and die."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparcell.core.tracks import Track
from sparcell.simulation.cells import ANGLES, FocalPlane, SimulatedCell, separate
from sparcell.simulation.settings import MAX_COVERAGE, MotionSettings

# Frames over which a cell rounds up to divide, its daughters spread again, and a dying one lasts.
ROUND_UP = 3
SPREAD_OUT = 4
DYING = 6
DAUGHTER_RADIUS = 0.8


@dataclass(eq=False)
class Life:
    """A cell over time."""

    cell: SimulatedCell
    velocity: NDArray[np.float64]
    adult_radius: float
    divides: float
    born: int | None = None
    dies: int | None = None
    mother: Life | None = None


class Dish:
    """All cells of the plane, one frame after the other."""

    def __init__(
        self,
        plane: FocalPlane,
        motion: MotionSettings,
        bounds: tuple[float, float, float, float],
        rng: np.random.Generator,
    ) -> None:
        self._start, self._motion, self._rng = plane, motion, rng
        self._low, self._high = np.array(bounds[:2]), np.array(bounds[2:])
        self.lives: list[Life] = []
        for cell in plane.cells:
            cycle = self._cycle()
            divides = ROUND_UP + rng.uniform(0, 1) * cycle
            if cell.rounding and motion.doubling is not None:
                divides = rng.uniform(0, ROUND_UP)
            velocity = rng.normal(0, motion.speed / np.sqrt(2), 2)
            life = Life(cell, velocity, cell.radius, divides)
            life.cell = _age(life, 0)
            self.lives.append(life)

    def plane(self) -> FocalPlane:
        """The plane in this frame; cell i is that of life i."""
        return replace(self._start, cells=[life.cell for life in self.lives])

    def step(self, frame: int) -> None:
        """Advance to `frame`."""
        full = self._coverage() > MAX_COVERAGE
        survivors: list[Life] = []
        for life in self.lives:
            if life.dies is not None and frame >= life.dies:
                continue
            # Contact inhibition: where there is no room, nobody begins to divide.
            if full and frame <= life.divides - ROUND_UP < frame + 1:
                life.divides += 1
            if life.dies is None and frame >= life.divides:
                survivors.extend(self._divide(life, frame))
            else:
                survivors.append(life)
        self.lives = survivors
        for life in self.lives:
            calm = life.born is None or frame - life.born > SPREAD_OUT
            if calm and life.dies is None and frame < life.divides - ROUND_UP:
                life.dies = frame + DYING if self._rng.random() < self._motion.death else None
        self._crawl()
        for life in self.lives:
            life.cell = _age(life, frame)

    def _coverage(self) -> float:
        """Part of the plane under nuclei."""
        nuclei = np.pi * sum(life.adult_radius**2 for life in self.lives)
        return float(nuclei / np.prod(self._high - self._low))

    def _cycle(self) -> float:
        """Draw the frames from one division to the next."""
        doubling = self._motion.doubling
        if doubling is None:
            return float("inf")
        return max(float(self._rng.normal(doubling, 0.15 * doubling)), ROUND_UP + SPREAD_OUT + 1.0)

    def _divide(self, life: Life, frame: int) -> list[Life]:
        """Replace a mother by two daughters on either side of where she was."""
        direction = self._rng.uniform(0, 2 * np.pi)
        radius = DAUGHTER_RADIUS * life.adult_radius
        daughters = []
        for side in (-1, 1):
            dy, dx = side * radius * np.sin(direction), side * radius * np.cos(direction)
            turned = np.roll(life.cell.body, int(self._rng.integers(ANGLES)))
            cell = replace(
                life.cell,
                y=life.cell.y + float(dy),
                x=life.cell.x + float(dx),
                angle=direction + np.pi / 2,
                radius=radius,
                body=turned,
            )
            velocity = np.array([dy, dx]) / 4
            daughters.append(
                Life(
                    cell,
                    velocity,
                    life.adult_radius,
                    divides=frame + self._cycle(),
                    born=frame,
                    mother=life,
                )
            )
        return daughters

    def _crawl(self) -> None:
        """Persistent random walk (velocities autoregressive of order 1) with walls."""
        if not self.lives or not self._motion.speed:
            return
        persistence = self._motion.persistence
        kick = self._motion.speed * np.sqrt((1 - persistence**2) / 2)
        at = np.array([(life.cell.y, life.cell.x) for life in self.lives])
        for number, life in enumerate(self.lives):
            life.velocity = persistence * life.velocity + kick * self._rng.standard_normal(2)
            at[number] += life.velocity * (1 - life.cell.rounding)
        at = separate(at, np.array([life.cell.radius for life in self.lives]))
        for life, place in zip(self.lives, np.clip(at, self._low, self._high), strict=True):
            life.velocity = np.where(
                (place <= self._low) | (place >= self._high), -life.velocity, life.velocity
            )
            life.cell = replace(life.cell, y=float(place[0]), x=float(place[1]))


class TrackBook:
    """Gives track ids to nuclei, which enter and leave the field."""

    def __init__(self) -> None:
        self._rows: dict[int, list[int]] = {}
        self._life: dict[int, Life] = {}
        self._open: dict[Life, int] = {}

    def enter(self, frame: int, lives: list[Life], visible: NDArray[np.int32]) -> NDArray[np.int32]:
        """Record visible nuclei of a frame; return track ids by number of the cell in the plane."""
        ids = np.zeros(len(lives) + 1, np.int32)
        before, self._open = self._open, {}
        for number in visible[visible > 0]:
            life = lives[number - 1]
            track = before.get(life)
            if track is None:
                track = len(self._rows) + 1
                newborn = life.mother is not None and life.born == frame
                parent = before.get(life.mother, 0) if newborn else 0
                self._rows[track] = [frame, frame, parent]
                self._life[track] = life
            self._rows[track][1] = frame
            self._open[life] = ids[number] = track
        return ids

    def table(self) -> tuple[Track, ...]:
        """All tracks by id."""
        return tuple(Track(i, first, last, p) for i, (first, last, p) in self._rows.items())

    def deaths(self) -> tuple[int, ...]:
        """Tracks whose last frame is the last of a dying cell."""
        return tuple(
            i
            for i, life in self._life.items()
            if life.dies is not None and self._rows[i][1] == life.dies - 1
        )

    def unstained(self) -> tuple[int, ...]:
        """Tracks of nuclei without dye."""
        return tuple(i for i, life in self._life.items() if not life.cell.dye)


def _age(life: Life, frame: int) -> SimulatedCell:
    """Shape and size of a cell by its phase of the cell cycle."""
    cell, radius, dye = life.cell, life.adult_radius, life.cell.dye
    rounding = cell.rounding
    if np.isfinite(life.divides):
        rounding = float(np.clip(1 - (life.divides - frame - 1) / ROUND_UP, 0, 1))
    if life.born is not None:
        grown = min((frame - life.born) / SPREAD_OUT, 1)
        rounding = max(rounding, 1 - grown)
        radius *= DAUGHTER_RADIUS + (1 - DAUGHTER_RADIUS) * grown
    if life.dies is not None:
        left = (life.dies - frame) / DYING
        rounding = max(rounding, min(2 * (1 - left), 1.0))
        radius *= 0.6 + 0.4 * left
        dye *= 1.15
    return replace(cell, rounding=rounding, radius=radius, dye=dye)
