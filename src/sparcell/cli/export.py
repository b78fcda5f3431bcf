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
    half_weights: bool = typer.Option(
        False, "--half-weights", help="Store the weights in 16 bits: half the size."
    ),
) -> None:
    """Write a model for ImageJ, QuPath and other programs."""
    from sparcell.core.progress import say
    from sparcell.models.catalogue import card_of, find_model
    from sparcell.models.export import another_tools, export_model
    from sparcell.models.loading import load_model, look_at

    path = find_model(model)
    own, kind = look_at(path)
    if kind == "bioimage.io":
        raise another_tools(model)
    card = card_of(path) or own
    said = {"authors": tuple(author or card.authors), "licence": licence or card.licence}
    card = card.model_copy(update=said)
    export_model(load_model(path), out, format.value, card, half_weights)
    say(f"written: {out}")
    for what, option in (("authors", "--author"), ("licence", "--licence")):
        if not said[what]:
            say(f"it names no {what}: give {option} before you publish it")
