"""Paired phase-contrast and nuclear-stain images, and time-lapse, with known truth.

Every random number comes from a generator made from the seed, so equal
settings and seed give equal bytes. The images serve demonstrations and tests. Figures measured on
them do not hold for real cells.
"""

from sparcell.simulation.dataset import write_dataset
from sparcell.simulation.faults import add_faults
from sparcell.simulation.field import SimulatedField, simulate_field
from sparcell.simulation.movie import Movie, simulate_movie
from sparcell.simulation.settings import (
    STAIN_FAILURES,
    MotionSettings,
    SimulationSettings,
    StainFailure,
    WellSettings,
)
from sparcell.simulation.well import SimulatedTile, SimulatedWell, simulate_well
from sparcell.simulation.well_folder import write_well

__all__ = [
    "STAIN_FAILURES",
    "MotionSettings",
    "Movie",
    "SimulatedField",
    "SimulatedTile",
    "SimulatedWell",
    "SimulationSettings",
    "StainFailure",
    "WellSettings",
    "add_faults",
    "simulate_field",
    "simulate_movie",
    "simulate_well",
    "write_dataset",
    "write_well",
]
