"""sparcell evaluate: predictions against truth."""

from __future__ import annotations

from pathlib import Path

import typer


def evaluate(
    truth: Path = typer.Argument(..., help="Folder of true label images, or one of them."),
    prediction: Path = typer.Argument(..., help="Folder of predicted label images, or one."),
    ignore: Path = typer.Option(None, help="Folder of masks, non-zero where nothing counts."),
    json: Path = typer.Option(None, "--json", help="Write all scores here."),
    overlays: Path = typer.Option(None, help="Folder for pictures of hits, misses and extras."),
) -> None:
    """Score label images pixel by pixel, by overlap and one to one."""
    from sparcell.core.files import write_json
    from sparcell.core.progress import console
    from sparcell.evaluation import evaluate as run

    result = run(truth, prediction, ignore=ignore, overlays=overlays)
    console.print(result.table())
    if json:
        write_json(json, result.to_json())
