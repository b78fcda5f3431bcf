"""sparcell simulate: pairs of images, or a time-lapse, whose truth is known."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import typer

logger = logging.getLogger(__name__)

MOVIE = "Time-lapse of a well"


def simulate(
    out: Path = typer.Argument(..., help="New dataset folder."),
    train: int = typer.Option(12, help="Training images."),
    val: int = typer.Option(3, help="Validation images."),
    test: int = typer.Option(3, help="Test images."),
    size: int = typer.Option(512, help="Edge of an image or tile, px."),
    seed: int = typer.Option(0, help="Random seed: same number, same images."),
    frames: int = typer.Option(
        None, help="Frames, every 15 minutes, instead of single images.", rich_help_panel=MOVIE
    ),
    tiles: str = typer.Option(
        "2x2", help="Rows and columns of tiles of the well.", rich_help_panel=MOVIE
    ),
    overlap: int = typer.Option(
        0, help="Overlap of neighbouring tiles, px; below 0 = a gap.", rich_help_panel=MOVIE
    ),
    revisit: float = typer.Option(
        3.0, help="Standard deviation of a tile's place in each frame, px.", rich_help_panel=MOVIE
    ),
) -> None:
    """Write simulated images of cells, or a time-lapse."""
    from sparcell.core.errors import InputError
    from sparcell.core.text import counted
    from sparcell.simulation import SimulationSettings, WellSettings, write_dataset, write_well

    settings = SimulationSettings(size=(size, size))
    if frames is None:
        write_dataset(out, settings, seed, train=train, val=val, test=test)
        logger.info(f"{counted(train + val + test, 'image')}: {out}")
        return
    grid = re.fullmatch(r"(\d+)x(\d+)", tiles)
    if not grid:
        raise InputError(f"--tiles {tiles}", "rows and columns, such as 2x3", "correct it")
    well = WellSettings(tiles=(int(grid[1]), int(grid[2])), overlap=overlap, revisit=revisit)
    write_well(out, settings, seed, frames, well)
    logger.info(f"{counted(frames, 'frame')} of {tiles} tiles: {out}")
