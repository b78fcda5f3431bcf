"""sparcell export: a model for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer


class Format(StrEnum):
    """What is written."""

    bioimageio = "bioimageio"
    onnx = "onnx"


def export(
    model: str = typer.Argument(..., help="Name of a model, model.zip or run folder."),
    out: Path = typer.Option(..., "-o", "--out", help="A .zip, or a new folder for onnx."),
    format: Format = typer.Option(
        Format.bioimageio, help="bioimage.io package, or the bare network with a description."
    ),
    author: list[str] = typer.Option(None, help="Who made the model; repeat it for several."),
    licence: str = typer.Option("", help="Of the model, an SPDX identifier such as CC-BY-4.0."),
) -> None:
    """Write a model for ImageJ, QuPath and other programs."""
    from sparcell.core.progress import say
    from sparcell.prediction import load_model
    from sparcell.prediction.catalogue import card_of, find_model
    from sparcell.prediction.export import export_model
    from sparcell.prediction.loading import own_card

    loaded = load_model(model)
    card = card_of(find_model(model)) or own_card(loaded.card)
    said = {"authors": tuple(author or card.authors), "licence": licence or card.licence}
    card = card.model_copy(update=said)
    export_model(loaded, out, format.value, card)
    say(f"written: {out}")
    for what, option in (("authors", "--author"), ("licence", "--licence")):
        if not said[what]:
            say(f"it names no {what}: give {option} before you publish it")
