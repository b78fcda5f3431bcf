"""sparcell train: labelled fields to a model."""

from __future__ import annotations

import logging
from pathlib import Path

import typer

logger = logging.getLogger(__name__)


def train(
    recipe: str = typer.Argument(..., help="A recipe's name (`sparcell recipes list`) or YAML."),
    data: list[Path] = typer.Option(..., "--data", help="Dataset folder; repeat it to mix sets."),
    out: Path = typer.Option(Path("run"), "-o", "--output", help="Run folder."),
    settings: list[str] = typer.Option(
        [], "--set", help="Change a setting of the recipe: --set fit.epochs=20."
    ),
    pretrained: str = typer.Option(
        None,
        metavar="RUN",
        help="Start from a run, such as one that learned to predict a stain, a model or a file.",
    ),
    minutes: float = typer.Option(
        None, min=0, help="Longest time of the training, min. By default as the recipe says."
    ),
    resume: bool = typer.Option(False, "--resume", help="Continue a stopped run."),
) -> None:
    """Train a model, score it, and write its report."""
    from sparcell.cli.extras import need_torch

    need_torch()
    from sparcell.training import train as run

    folder = run(
        recipe,
        data,
        out,
        overrides=settings,
        pretrained=pretrained,
        resume=resume,
        minutes=minutes,
    )
    logger.info(
        f"  Model     {folder / 'model.zip'}\n"
        f"  Report    {folder / 'report.html'}: read it first\n"
        f"  Next      sparcell predict {folder} IMAGES"
    )
