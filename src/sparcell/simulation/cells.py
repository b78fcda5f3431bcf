"""Simulated cells: star-shaped outlines around a nucleus, placed in a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.simulation.settings import SimulationSettings

Floats = NDArray[np.float32]

ANGLES = 128
DIRECTIONS = np.arange(ANGLES) * (2 * np.pi / ANGLES)
TEXTURE_SIZE = 256
CANDIDATES = 64
# A rounded-up cell is a ball little larger than its nucleus, whose chromatin is condensed.
ROUNDED_CELL = 1.35
ROUNDED_NUCLEUS = 0.72


@dataclass(frozen=True)
class SimulatedCell:
    """One cell; lengths in px, angles in radians.

    Attributes
    ----------
    y, x : float
        Centre of the nucleus in the plane; the field begins at (0, 0).
    angle : float
        Direction of the long axis.
    radius : float
        Mean radius of the nucleus.
    nucleus, body : (ANGLES,) float
        Outlines relative to `radius` by direction from the long axis.
    nucleoli : (N, 3) float
        Offset along and across the axis, and size, relative to `radius`.
    dye : float
        Brightness relative to the median nucleus; 0 = took no dye.
    texture : (int, int)
        Where in the shared texture the cell's own begins.
    rounding : float
        0 = spread, 1 = rounded up with condensed chromatin.
    """

    y: float
    x: float
    angle: float
    radius: float
    nucleus: NDArray[np.float64]
    body: NDArray[np.float64]
    nucleoli: NDArray[np.float64]
    dye: float
    texture: tuple[int, int]
    rounding: float = 0.0

    def outlines(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Radii in px of nucleus and cell body by direction, (ANGLES,) each."""
        condensed = ROUNDED_NUCLEUS * (0.5 + 0.5 * self.nucleus)
        nucleus = self.nucleus + self.rounding * (condensed - self.nucleus)
        body = self.body + self.rounding * (ROUNDED_CELL - self.body)
        return self.radius * nucleus, self.radius * np.maximum(body, 1.15 * nucleus)


@dataclass(frozen=True)
class FocalPlane:
    """All cells and debris in and around the field.

    Attributes
    ----------
    cells : list of Cell
    debris : (N, 5) float
        y, x, size in px, optical phase in radians, dye relative to the median nucleus.
    texture : (TEXTURE_SIZE, TEXTURE_SIZE) float32
        Periodic noise of mean 0 and standard deviation 1 with grains of a tenth of a nucleus.
    """

    cells: list[SimulatedCell]
    debris: NDArray[np.float64]
    texture: Floats


def reach(settings: SimulationSettings) -> int:
    """Distance in px from which a cell outside the field still shows in it."""
    return int(np.ceil(3 * settings.nucleus_diameter))


def populate(
    settings: SimulationSettings,
    rng: np.random.Generator,
    bounds: tuple[float, float, float, float],
) -> FocalPlane:
    """Draw `settings.count` cells into the field and as dense a crowd around it.

    Parameters
    ----------
    settings : SimulationSettings
    rng : Generator
    bounds : (float, float, float, float)
        Top, left, bottom and right of the plane in px; the field lies inside.
    """
    height, width = settings.size
    top, left, bottom, right = bounds
    regions = [
        (0, 0, height, width),
        (top, left, 0, right),
        (height, left, bottom, right),
        (0, left, height, 0),
        (0, width, height, right),
    ]
    cells: list[SimulatedCell] = []
    for number, region in enumerate(regions):
        area = (region[2] - region[0]) * (region[3] - region[1])
        for _ in range(round(settings.crowding * area) if number else settings.count):
            radius = (
                settings.nucleus_diameter
                / 2
                * _factor(rng, settings.nucleus_diameter_sd / settings.nucleus_diameter)
            )
            y, x = _free_place(settings, rng, region, cells, radius)
            cells.append(_draw_cell(settings, rng, y, x, radius))
    area = (bottom - top) * (right - left)
    debris = np.column_stack(
        [
            rng.uniform(low, high, round(settings.debris * area / 1e6))
            for low, high in ((top, bottom), (left, right), (0.03, 0.12), (0.5, 3.0), (-2, 1))
        ]
    )
    debris[:, 2] *= settings.nucleus_diameter
    # Two specks in three take no dye.
    debris[:, 4] = np.clip(debris[:, 4], 0, None)
    return FocalPlane(cells, debris, _draw_texture(settings, rng))


def separate(centres: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Push overlapping nuclei apart along the line between them.

    Parameters
    ----------
    centres : (N, 2) float
    radii : (N,) float

    Returns
    -------
    (N, 2) float
    """
    from scipy.spatial import cKDTree

    centres = centres.copy()
    for _ in range(5):
        pairs = cKDTree(centres).query_pairs(2.1 * radii.max(initial=0.1), output_type="ndarray")
        # The tree's own order of pairs may differ between builds of it; sums must not.
        first, second = pairs[np.lexsort(pairs.T)].T
        gap = centres[second] - centres[first]
        distance = np.maximum(np.hypot(*gap.T), 1e-6)
        overlap = 1.05 * (radii[first] + radii[second]) - distance
        push = (gap / distance[:, None]) * (np.maximum(overlap, 0) / 2)[:, None]
        np.add.at(centres, first, -push)
        np.add.at(centres, second, push)
    return centres


def _factor(rng: np.random.Generator, sd: float) -> float:
    """Draw a factor of mean 1, limited to 0.5 to 2."""
    return float(np.clip(rng.normal(1, sd), 0.5, 2))


def _free_place(
    settings: SimulationSettings,
    rng: np.random.Generator,
    region: tuple[float, float, float, float],
    cells: list[SimulatedCell],
    radius: float,
) -> tuple[float, float]:
    """Choose the centre of a nucleus: right beside another one, or with room around it."""
    points = rng.uniform(region[:2], region[2:], (CANDIDATES, 2))
    beside = rng.random() < settings.touching
    if not cells:
        return float(points[0, 0]), float(points[0, 1])
    centres = np.array([(cell.y, cell.x) for cell in cells])
    radii = np.array([cell.radius for cell in cells])
    room = settings.nucleus_diameter / 2
    if beside:
        near = int(np.argmin(np.hypot(*(centres - points[0]).T)))
        turn = rng.uniform(0, 2 * np.pi, CANDIDATES)
        step = (radii[near] + radius) * rng.uniform(0.98, 1.12, CANDIDATES)
        around = centres[near] + step[:, None] * np.column_stack([np.sin(turn), np.cos(turn)])
        within = ((around >= region[:2]) & (around < region[2:])).all(axis=1)
        if within.any():
            points, room = around[within], 0.0
    gaps = np.hypot(*(points[:, None] - centres[None]).T).T - radii - radius
    clearance = gaps.min(axis=1)
    roomy = np.flatnonzero(clearance >= room)
    chosen = points[roomy[0] if len(roomy) else int(np.argmax(clearance))]
    return float(chosen[0]), float(chosen[1])


def _draw_cell(
    settings: SimulationSettings, rng: np.random.Generator, y: float, x: float, radius: float
) -> SimulatedCell:
    """Draw the shape and the dye of one cell."""
    nucleus = _ellipse(rng.uniform(1.05, 1.5)) * _wobble(rng, 0.03)
    count = rng.integers(2, 5)
    turn, out = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.1, 0.55, count)
    nucleoli = np.column_stack(
        [out * np.cos(turn), out * np.sin(turn), rng.uniform(0.1, 0.17, count)]
    )
    took_dye = rng.random() >= settings.dye_failure
    rounded = rng.random() < settings.rounded
    return SimulatedCell(
        y=y,
        x=x,
        angle=float(rng.uniform(0, 2 * np.pi)),
        radius=radius,
        nucleus=nucleus,
        body=_draw_body(settings, rng),
        nucleoli=nucleoli,
        dye=float(np.exp(rng.normal(0, settings.dye_spread))) * took_dye,
        texture=(int(rng.integers(TEXTURE_SIZE)), int(rng.integers(TEXTURE_SIZE))),
        rounding=float(rng.uniform(0.7, 1)) * rounded,
    )


def _draw_body(settings: SimulationSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """Outline of a spread cell: an ellipse with lobes, drawn out into a few processes."""
    spread = settings.spread
    body = 2.1 * _factor(rng, 0.12) * _ellipse(1 + rng.uniform(0.2, 1.4) * spread)
    body *= _wobble(rng, 0.05 + 0.08 * spread)
    # The first two processes leave along the axis, as in a bipolar fibroblast.
    leave = [rng.normal(0, 0.3), np.pi + rng.normal(0, 0.3), *rng.uniform(0, 2 * np.pi, 3)]
    for direction in leave[: rng.integers(1, 6)]:
        length, narrow = spread * rng.uniform(0.3, 1.8), rng.uniform(8, 40)
        body += length * np.exp(narrow * (np.cos(DIRECTIONS - direction) - 1))
    return body


def _ellipse(aspect: float) -> NDArray[np.float64]:
    """Radius by direction of an ellipse of area pi."""
    along, across = np.sqrt(aspect), 1 / np.sqrt(aspect)
    radius: NDArray[np.float64] = 1 / np.hypot(
        np.cos(DIRECTIONS) / along, np.sin(DIRECTIONS) / across
    )
    return radius


def _wobble(rng: np.random.Generator, amplitude: float) -> NDArray[np.float64]:
    """Factor by direction that makes an outline irregular: harmonics 2 to 6."""
    factor = np.ones(ANGLES)
    for harmonic in range(2, 7):
        phase = rng.uniform(0, 2 * np.pi)
        strength = rng.normal(0, amplitude / np.sqrt(harmonic - 1))
        factor += strength * np.cos(harmonic * DIRECTIONS + phase)
    return np.clip(factor, 0.5, 1.6)


def _draw_texture(settings: SimulationSettings, rng: np.random.Generator) -> Floats:
    """Band-pass noise that tiles the plane."""
    grain = settings.nucleus_diameter / 20
    noise = rng.standard_normal((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)
    texture = ndimage.gaussian_filter(noise, grain, mode="wrap")
    texture -= ndimage.gaussian_filter(noise, 3 * grain, mode="wrap")
    scaled: Floats = (texture / texture.std()).astype(np.float32)
    return scaled
