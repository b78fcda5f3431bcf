"""sparcell simulate: pairs of images whose truth is known."""

from __future__ import annotations

import logging
from pathlib import Path

import typer

logger = logging.getLogger(__name__)


def simulate(
    out: Path = typer.Argument(..., help="New dataset folder."),
    train: int = typer.Option(12, help="Training fields."),
    val: int = typer.Option(3, help="Validation fields."),
    test: int = typer.Option(3, help="Test fields."),
    size: int = typer.Option(512, help="Edge of a field, px."),
    seed: int = typer.Option(0, help="Equal seeds give equal images."),
) -> None:
    """Write a dataset of simulated phase-contrast and stain images."""
    from sparcell.simulation import SimulationSettings, write_dataset

    settings = SimulationSettings(size=(size, size))
    write_dataset(out, settings, seed, train=train, val=val, test=test)
    logger.info(f"{train + val + test} fields: {out}")
