"""Paired phase-contrast and nuclear-stain images, and time-lapse, with known truth.

Every random number comes from a generator made from the seed, so equal
settings and seed give equal bytes. The images serve demonstrations and tests. Figures measured on
them do not hold for real cells.
"""

from sparcell.simulation.dataset import write_dataset
from sparcell.simulation.field import SimulatedField, simulate_field
from sparcell.simulation.movie import Movie, simulate_movie
from sparcell.simulation.settings import (
    STAIN_FAILURES,
    MotionSettings,
    SimulationSettings,
    StainFailure,
)

__all__ = [
    "STAIN_FAILURES",
    "MotionSettings",
    "Movie",
    "SimulatedField",
    "SimulationSettings",
    "StainFailure",
    "simulate_field",
    "simulate_movie",
    "write_dataset",
]
