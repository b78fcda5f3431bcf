"""Simulate one field of view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.labels import Labels, raster_order
from sparcell.simulation.cells import populate, reach
from sparcell.simulation.optics import Lamps, fluorescence, phase_contrast, view
from sparcell.simulation.settings import STAIN_FAILURES, SimulationSettings, StainFailure


@dataclass(frozen=True)
class SimulatedField:
    """A pair of images with its ground truth.

    Attributes
    ----------
    phase : (Y, X) uint8
        Positive phase contrast.
    stain : (Y, X) uint16
        Nuclear dye, counts.
    nuclei : (Y, X) int32
        Ids 1..n in raster order. A nucleus of which less than a twentieth of a typical one is in
        the field is left out.
    cells : (Y, X) int32
        Cell i holds nucleus i; ids above n are cells whose nucleus is outside the field.
    unstained : tuple of int
        Ids of the nuclei that took no dye.
    """

    phase: NDArray[np.uint8]
    stain: NDArray[np.uint16]
    nuclei: Labels
    cells: Labels
    unstained: tuple[int, ...]


def simulate_field(
    settings: SimulationSettings,
    seed: int | np.random.Generator,
    stain_failure: StainFailure = "none",
) -> SimulatedField:
    """Simulate one field of view.

    Parameters
    ----------
    settings : SimulationSettings
    seed : int or Generator
        Equal seeds give equal bytes. A generator is drawn from as it stands.
    stain_failure : str
        Stain failure: none, empty, noise, leak or out_of_focus. The rest of
        the field is the same whatever it is.

    Raises
    ------
    InputError
        If `stain_failure` is none of these.
    """
    check_failure(stain_failure)
    rng = np.random.default_rng(seed)
    margin = reach(settings)
    height, width = settings.size
    plane = populate(settings, rng, (-margin, -margin, height + margin, width + margin))
    scene, lamps = view(plane, settings), Lamps.draw(rng)
    phase = phase_contrast(scene, settings, lamps, rng)
    stain = fluorescence(scene, settings, lamps, rng, stain_failure)

    nuclei = raster_order(scene.nuclei)
    ids = np.zeros(len(plane.cells) + 1, np.int32)
    ids[scene.nuclei] = nuclei
    others = np.setdiff1d(scene.cells, scene.nuclei)
    others = others[others > 0]
    unstained = tuple(
        sorted(int(i) for i, cell in zip(ids[1:], plane.cells, strict=True) if i and not cell.dye)
    )
    ids[others] = int(nuclei.max(initial=0)) + 1 + np.arange(len(others), dtype=np.int32)
    return SimulatedField(phase, stain, nuclei, ids[scene.cells], unstained)


def check_failure(kind: str) -> None:
    """Raise `InputError` if `kind` names no stain failure."""
    if kind not in STAIN_FAILURES:
        raise InputError(
            f"stain failure '{kind}'", "one of " + ", ".join(STAIN_FAILURES), "correct the name"
        )
