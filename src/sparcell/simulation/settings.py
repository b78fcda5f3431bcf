"""Settings of the simulator: cells, microscope, dye, and motion."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import ConfigDict, ValidationError, model_validator
from pydantic import Field as Setting

from sparcell.core.errors import InputError
from sparcell.core.settings import Settings

StainFailure = Literal["none", "empty", "noise", "leak", "out_of_focus"]
STAIN_FAILURES: tuple[StainFailure, ...] = get_args(StainFailure)

# Random sequential placement of discs jams at 0.547 of the area (Feder 1980). Up to this coverage,
# there is still room.
MAX_COVERAGE = 0.45

Fraction = Annotated[float, Setting(ge=0, le=1)]
Pixels = Annotated[int, Setting(ge=1, le=8192)]
TileCount = Annotated[int, Setting(ge=1, le=64)]


class _Settings(Settings):
    """Frozen settings whose mistakes are one plain line."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def _input_error(cls, error: ValidationError) -> InputError:
        if found := super()._input_error(error):
            return found
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = "one of " + ", ".join(cls.model_fields)
            return InputError(f"simulator setting '{name}'", known, "correct it")
        return InputError(
            f"simulator setting {name} = {first['input']!r}",
            first["msg"].removeprefix("Input should be "),
            "correct it",
        )


class SimulationSettings(_Settings):
    """One field of view of adherent cells.

    The defaults give about 80 cells in 512 x 512 px, as crowded for their size as HeLa at half
    confluence.
    """

    size: tuple[Pixels, Pixels] = Setting((512, 512), description="height and width, px")
    cells: int | None = Setting(
        None, ge=0, description="nuclei centred in the field; by `density` where None"
    )
    density: float = Setting(300.0, ge=0, description="cells per million px, unless `cells` is set")
    nucleus_diameter: float = Setting(20.0, ge=3, le=200, description="mean, px")
    nucleus_diameter_sd: float = Setting(2.0, ge=0, description="standard deviation, px")
    spread: Fraction = Setting(0.6, description="0 = round cells, 1 = fibroblast-like")
    touching: Fraction = Setting(
        0.2, description="fraction of nuclei placed right beside another one"
    )
    rounded: Fraction = Setting(
        0.05, description="fraction of cells rounded up, as in mitosis or death"
    )
    debris: float = Setting(60.0, ge=0, description="specks of debris per million px")

    halo: Fraction = Setting(
        0.7, description="share of the phase ring's blur in phase contrast; 0 = no halo"
    )
    illumination: Fraction = Setting(
        0.15, description="relative fall of the light over the phase image"
    )
    phase_noise: float = Setting(2.5, ge=0, description="standard deviation, grey levels of 255")

    dye_counts: float = Setting(1200.0, gt=0, le=20000, description="median nucleus, counts")
    dye_spread: float = Setting(
        0.45, ge=0, le=2, description="standard deviation of the log brightness between nuclei"
    )
    dye_failure: Fraction = Setting(0.02, description="fraction of nuclei without dye")
    stain_background: float = Setting(200.0, ge=0, le=20000, description="counts")
    stain_gradient: float = Setting(
        0.3, ge=0, le=2, description="rise of the background over the field, relative to its level"
    )
    read_noise: float = Setting(12.0, ge=0, description="standard deviation, counts")
    defocus: float = Setting(0.0, ge=0, le=50, description="extra Gaussian blur of the stain, px")

    pixel_size: float = Setting(0.65, gt=0, description="um")

    @property
    def count(self) -> int:
        """Number of nuclei centred in the field."""
        area = self.size[0] * self.size[1]
        return round(self.density * area / 1e6) if self.cells is None else self.cells

    @property
    def crowding(self) -> float:
        """Cells per px."""
        if self.cells is None:
            return self.density / 1e6
        return self.cells / (self.size[0] * self.size[1])

    @model_validator(mode="after")
    def _room_for_all(self) -> SimulationSettings:
        covered = self.crowding * np.pi * (self.nucleus_diameter / 2) ** 2
        if covered > MAX_COVERAGE:
            raise InputError(
                f"nuclei that would cover {covered:.0%} of the simulated field",
                f"at most {MAX_COVERAGE:.0%}",
                "ask for fewer cells, smaller nuclei or a larger size",
            )
        return self


class MotionSettings(_Settings):
    """How cells and the stage move in a time-lapse."""

    speed: float = Setting(1.5, ge=0, description="root mean square step of a cell, px per frame")
    persistence: float = Setting(
        0.8, ge=0, lt=1, description="correlation of a cell's steps between frames"
    )
    doubling: float | None = Setting(
        40.0, ge=10, description="mean time between divisions, frames; None = no division"
    )
    death: Fraction = Setting(0.002, description="chance of a cell to begin dying in a frame")
    drift: float = Setting(0.3, ge=0, description="steady drift of the stage, px per frame")
    jitter: float = Setting(0.2, ge=0, description="random step of the stage, px per frame")
    jump_rate: Fraction = Setting(0.03, description="chance of a jump of the stage in a frame")
    jump: float = Setting(10.0, ge=0, description="length of a jump of the stage, px")


class WellSettings(_Settings):
    """How a microscope images a well tile by tile, again and again."""

    tiles: tuple[TileCount, TileCount] = Setting((2, 2), description="rows and columns of tiles")
    overlap: int = Setting(
        0, ge=-512, le=512, description="of neighbouring tiles, px; below 0 = a gap between them"
    )
    revisit: float = Setting(
        0.0, ge=0, description="standard deviation of the place of a tile in a frame, px"
    )
    skipped: Fraction = Setting(0.0, description="chance of a frame to be missing")
