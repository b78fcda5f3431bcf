"""sparcell quantise: a model computed in 8 bits, if it finds what it found before."""

from __future__ import annotations

import logging
from pathlib import Path

import typer

logger = logging.getLogger(__name__)


def quantise(
    model: str = typer.Argument(..., help="Name of a model, model.zip or run folder."),
    data: Path = typer.Option(..., help="Dataset that it was trained and validated on."),
    out: Path = typer.Option(
        Path("quantised.zip"), "-o", "--output", help="Model file to write, a .zip."
    ),
) -> None:
    """Make a model faster on CPUs, if it stays accurate."""
    from sparcell.calibration import quantise as run
    from sparcell.core.errors import InputError
    from sparcell.models.loading import load_model

    if out.suffix != ".zip":
        raise InputError(f"-o {out} for a model file", "a name that ends in .zip", "add it")
    run(load_model(model), data).save(out)
    logger.info(f"written: {out}")
