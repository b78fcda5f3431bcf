"""Image simulated cells: phase of light and dye, then microscope and camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.labels import Labels, connected_labels
from sparcell.simulation.cells import ANGLES, TEXTURE_SIZE, Floats, FocalPlane, SimulatedCell
from sparcell.simulation.settings import SimulationSettings, StainFailure

# Amplitude that the phase ring lets through; with it cells thicker than about 1 rad turn bright.
RING_AMPLITUDE = 0.6
PHASE_GREY = 135.0
PSF_SIGMA = 0.8


@dataclass(frozen=True)
class OpticalScene:
    """The specimen in view, before the microscope.

    Attributes
    ----------
    phase : (Y, X) float32
        Phase by which the specimen delays the light, radians, with `pad` px around the view.
    dye : (Y, X) float32
        Dye relative to the median nucleus, padded alike.
    nuclei, cells : (Y, X) int32
        1 + index of the cell in its plane, 0 = none; not padded. An id is one connected object.
    pad : int
        Width in px of the frame around the view.
    """

    phase: Floats
    dye: Floats
    nuclei: Labels
    cells: Labels
    pad: int


@dataclass(frozen=True)
class Lamps:
    """Uneven light, the same in every picture of one microscope.

    Attributes
    ----------
    tilt : float
        Fall from one side of the phase image to the other, relative to that to the corners.
    phase_side, stain_side : float
        Direction of the brighter side, radians.
    """

    tilt: float
    phase_side: float
    stain_side: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Lamps:
        """Draw those of one microscope."""
        phase_side, stain_side = rng.uniform(0, 2 * np.pi, 2)
        return cls(float(rng.uniform(0, 0.5)), float(phase_side), float(stain_side))


def view(
    plane: FocalPlane, settings: SimulationSettings, origin: tuple[float, float] = (0.0, 0.0)
) -> OpticalScene:
    """Draw the specimen in the view that begins at `origin` (y, x in px of the plane)."""
    pad = int(np.ceil(settings.nucleus_diameter + 3 * settings.defocus))
    shape = (settings.size[0] + 2 * pad, settings.size[1] + 2 * pad)
    corner = (origin[0] - pad, origin[1] - pad)
    phase, dye = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    ids = {name: np.zeros(shape, np.int32) for name in ("nucleus", "body")}
    nearest = {name: np.ones(shape, np.float32) for name in ids}
    for number, cell in enumerate(plane.cells, 1):
        patch = _patch(cell, corner, shape)
        if patch is None:
            continue
        levels, thickness, stained = _draw(cell, corner, patch, plane.texture)
        # Cells in contact hardly lie on one another: the thicker one shows.
        np.maximum(phase[patch], thickness, out=phase[patch])
        dye[patch] += stained
        # Where cells overlap a pixel belongs to the one in which it lies deeper.
        for name, level in levels.items():
            mine = level < nearest[name][patch]
            nearest[name][patch][mine] = level[mine]
            ids[name][patch][mine] = number
    _add_debris(phase, dye, plane.debris, corner)
    inner = (slice(pad, shape[0] - pad), slice(pad, shape[1] - pad))
    least = max(1, round(np.pi * settings.nucleus_diameter**2 / 4 / 20))
    nuclei = _one_piece(ids["nucleus"][inner], np.zeros_like(ids["nucleus"][inner]), least)
    cells = np.where(nuclei > 0, nuclei, ids["body"][inner])
    return OpticalScene(phase, dye, nuclei, _one_piece(cells, nuclei, least), pad)


def phase_contrast(
    scene: OpticalScene, settings: SimulationSettings, lamps: Lamps, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Positive phase contrast of a scene.

    The wave behind the specimen is exp(i phi). Its undiffracted part S goes through the phase
    ring, which dims it to the amplitude t and turns it by a quarter wave, so the image is
    ``|exp(i phi) - S - i t S|**2 / t**2`` (Zernike 1942, Physica 9, 686; Born and Wolf,
    Principles of Optics, section 8.6.3). A ring of finite width also takes low frequencies of
    the specimen for light of the background, which makes halo and shade-off (Yin, Kanade and
    Chen 2012, Medical Image Analysis 16, 1047): here S is 1 without, and the wave blurred over
    half a nucleus with, the full halo.

    Returns
    -------
    (Y, X) uint8
    """
    wave = np.exp(1j * scene.phase).astype(np.complex64)
    blur = settings.nucleus_diameter / 2
    real, imaginary = (
        ndimage.gaussian_filter(part, blur, truncate=3, mode="nearest")
        for part in (wave.real, wave.imag)
    )
    through_ring = (1 - settings.halo) + settings.halo * (real + 1j * imaginary)
    image = np.abs(wave - (1 + 1j * RING_AMPLITUDE) * through_ring) ** 2 / RING_AMPLITUDE**2
    image = _crop(ndimage.gaussian_filter(image, PSF_SIGMA), scene.pad)
    y, x = _field_coordinates(image.shape)
    vignette = (y**2 + x**2) / 2
    slope = y * np.sin(lamps.phase_side) + x * np.cos(lamps.phase_side)
    light = 1 - settings.illumination * (vignette - lamps.tilt * slope)
    grey = PHASE_GREY * light * image
    grey += settings.phase_noise * rng.standard_normal(image.shape, np.float32)
    levels: NDArray[np.uint8] = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return levels


def fluorescence(
    scene: OpticalScene,
    settings: SimulationSettings,
    lamps: Lamps,
    rng: np.random.Generator,
    failure: StainFailure = "none",
) -> NDArray[np.uint16]:
    """Image the nuclear dye of a scene, or a stain failure.

    Counts are Poisson distributed around background plus dye, with Gaussian read noise. The
    failures: ``empty`` = no dye in the dish; ``noise`` = no dye, and a camera noise several
    times that of the dye's own signal; ``leak`` = stray light many times brighter than nuclei
    over part of the field; ``out_of_focus`` = blurred over half a nucleus.

    Returns
    -------
    (Y, X) uint16
    """
    dye = scene.dye * settings.dye_counts
    if failure in ("empty", "noise"):
        dye = np.zeros_like(dye)
    blur = np.hypot(PSF_SIGMA, settings.defocus)
    if failure == "out_of_focus":
        blur = np.hypot(blur, settings.nucleus_diameter / 2)
    sharp = _crop(ndimage.gaussian_filter(dye, blur, mode="nearest"), scene.pad)
    # Light from above and below the focal plane: a faint glow around bright nuclei.
    out_of_focus = _crop(
        ndimage.gaussian_filter(dye, settings.nucleus_diameter, truncate=2, mode="nearest"),
        scene.pad,
    )
    y, x = _field_coordinates(sharp.shape)
    slope = 0.5 + (y * np.sin(lamps.stain_side) + x * np.cos(lamps.stain_side)) / 2
    counts = 0.9 * sharp + 0.1 * out_of_focus
    counts += settings.stain_background * (1 + settings.stain_gradient * slope)
    if failure == "leak":
        counts += _leak(rng, y, x, settings.dye_counts)
    counts = rng.poisson(np.clip(counts, 0, 60000)).astype(np.float32)
    noise = settings.read_noise
    if failure == "noise":
        noise = max(noise, settings.dye_counts)
    counts += noise * rng.standard_normal(counts.shape, np.float32)
    pixels: NDArray[np.uint16] = np.clip(np.rint(counts), 0, 65535).astype(np.uint16)
    return pixels


def _patch(
    cell: SimulatedCell, corner: tuple[float, float], shape: tuple[int, int]
) -> tuple[slice, slice] | None:
    """The part of the canvas that a cell can touch, or None."""
    far = cell.outlines()[1].max() + 2
    slices = []
    for centre, start, edge in zip((cell.y, cell.x), corner, shape, strict=True):
        low = max(int(np.floor(centre - start - far)), 0)
        high = min(int(np.ceil(centre - start + far)), edge)
        if low >= high:
            return None
        slices.append(slice(low, high))
    return slices[0], slices[1]


def _draw(
    cell: SimulatedCell, corner: tuple[float, float], window: tuple[slice, slice], texture: Floats
) -> tuple[dict[str, Floats], Floats, Floats]:
    """Levels (0 at the centre, 1 on the outline), phase and dye of one cell in its window."""
    dy = (np.arange(window[0].start, window[0].stop, dtype=np.float32) + corner[0] - cell.y)[
        :, None
    ]
    dx = (np.arange(window[1].start, window[1].stop, dtype=np.float32) + corner[1] - cell.x)[None]
    sin, cos = np.float32(np.sin(cell.angle)), np.float32(np.cos(cell.angle))
    along, across = dx * cos + dy * sin, dy * cos - dx * sin
    distance = np.hypot(along, across)
    turn = np.arctan2(across, along) * np.float32(ANGLES / (2 * np.pi)) % ANGLES
    nucleus_outline, body_outline = cell.outlines()
    level_n = distance / _around(nucleus_outline, turn)
    edge = _around(body_outline, turn)
    level_c = distance / edge

    row = (across.astype(np.int32) + cell.texture[0]) % TEXTURE_SIZE
    column = (along.astype(np.int32) + cell.texture[1]) % TEXTURE_SIZE
    chromatin = texture[row, column]
    granules = texture[column, row]
    dots = np.zeros_like(distance)
    for v, u, size in cell.nucleoli * cell.radius:
        dots += np.exp(-((along - v) ** 2 + (across - u) ** 2) / (2 * size**2))

    flat = 1 - cell.rounding
    inside = np.clip((1 - level_c) * edge, 0, 1)
    in_nucleus = np.clip((1 - level_n) * cell.radius + 0.5, 0, 1)
    dome = np.clip(1 - level_c**2, 0, None)
    ball = np.sqrt(dome)
    bulge = np.exp(-((level_n / 1.6) ** 2))
    # The cell's volume stays as it rounds up, so its height grows late and fast.
    phase = 2.3 * cell.rounding**3 * ball + flat * inside * (0.06 + 0.14 * dome + 0.16 * bulge)
    # The nucleus is smoother and less dense than the cytoplasm and shows a rim.
    rim = np.exp(-(((level_n - 1) * cell.radius / 1.2) ** 2))
    crowd = np.clip(granules - 0.7, 0, None) * (0.15 + np.exp(-np.clip(level_n - 1, 0, None)))
    phase += flat * inside * (1 - in_nucleus) * (0.03 * granules + 0.16 * crowd)
    phase += flat * (0.07 * rim * inside - 0.08 * in_nucleus + 0.25 * dots * in_nucleus)

    body = 1 - 0.25 * level_n**4 + 0.22 * flat * chromatin - 0.35 * flat * np.clip(dots, 0, 1)
    bright = cell.dye * (1 + cell.rounding)
    dye = bright * (in_nucleus * np.clip(body, 0.15, None) + 0.02 * inside)
    levels = {"nucleus": level_n.astype(np.float32), "body": level_c.astype(np.float32)}
    return levels, phase.astype(np.float32), dye.astype(np.float32)


def _around(outline: NDArray[np.float64], turn: Floats) -> Floats:
    """Outline radius at fractional directions, in steps of the table."""
    table = np.append(outline, outline[0]).astype(np.float32)
    low = np.minimum(turn.astype(np.int32), ANGLES - 1)
    fraction = turn - low
    radius: Floats = table[low] * (1 - fraction) + table[low + 1] * fraction
    return radius


def _add_debris(
    phase: Floats, dye: Floats, debris: NDArray[np.float64], corner: tuple[float, float]
) -> None:
    """Add specks as small bumps of phase, some of which glow."""
    for y, x, size, strength, glow in debris:
        cy, cx = y - corner[0], x - corner[1]
        far = 4 * size + 1
        rows = slice(max(int(cy - far), 0), max(int(cy + far) + 1, 0))
        columns = slice(max(int(cx - far), 0), max(int(cx + far) + 1, 0))
        dy = np.arange(*rows.indices(phase.shape[0]))[:, None] - cy
        dx = np.arange(*columns.indices(phase.shape[1]))[None] - cx
        bump = np.exp(-(dy**2 + dx**2) / (2 * size**2)).astype(np.float32)
        phase[rows, columns] += np.float32(strength) * bump
        dye[rows, columns] += np.float32(glow) * bump


def _one_piece(ids: Labels, core: Labels, least: int) -> Labels:
    """Keep one connected piece per id, the one with its core or else the largest.

    A piece smaller than `least` px, a sliver at the border of the field, is left out.
    """
    pieces = connected_labels(ids)
    owner = np.zeros(int(pieces.max(initial=0)) + 1, np.int32)
    owner[pieces] = ids
    size = np.bincount(pieces.ravel(), minlength=len(owner))
    with_core = np.bincount(pieces[(core > 0) & (core == ids)], minlength=len(owner)) > 0
    order = np.lexsort([size, with_core])
    best = np.zeros(int(owner.max()) + 1, np.int32)
    best[owner[order]] = order
    largest = (best[owner] == np.arange(len(owner))) & (owner > 0) & (size >= least)
    labels: Labels = np.where(largest, owner, 0)[pieces].astype(np.int32)
    return labels


def _leak(
    rng: np.random.Generator, y: NDArray[np.float64], x: NDArray[np.float64], counts: float
) -> NDArray[np.float64]:
    """Stray light from one side of the field with a bright patch in it."""
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3)
    side = 1 / (1 + np.exp(-(y * np.sin(angle) + x * np.cos(angle) - offset) / 0.15))
    cy, cx = rng.uniform(-0.6, 0.6, 2)
    patch = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 0.18)
    leak: NDArray[np.float64] = 8 * counts * (0.6 * side + patch)
    return leak


def _crop(image: Floats, pad: int) -> Floats:
    return image[pad : image.shape[0] - pad, pad : image.shape[1] - pad]


def _field_coordinates(
    shape: tuple[int, ...],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Row and column from -1 to 1 over the field."""
    y, x = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape)
    return y[:, None], x[None]
