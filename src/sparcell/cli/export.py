"""sparcell export: a model, labels or tracks, for other programs."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path

import typer

logger = logging.getLogger(__name__)


class Format(StrEnum):
    """Formats of the exported file."""

    bioimageio = "bioimageio"
    onnx = "onnx"
    geojson = "geojson"
    roi = "roi"
    coco = "coco"
    points = "points"
    colours = "colours"
    ctc = "ctc"
    geff = "geff"
    trackmate = "trackmate"
    napari = "napari"
    newick = "newick"


MODELS = (Format.bioimageio, Format.onnx)
TRACKS = (Format.ctc, Format.geff, Format.trackmate, Format.napari, Format.newick)


def export(
    what: str = typer.Argument(
        ...,
        help="Name of a model, model.zip or run folder; label images: one, a folder of them, or "
        "what predict, label or import made; or a folder that track wrote.",
    ),
    out: Path = typer.Option(
        None,
        "-o",
        "--output",
        help="A new folder, by default exported; for bioimageio a .zip, by default exported.zip.",
    ),
    format: Format = typer.Option(
        None,
        help="For models: bioimageio, a package (default), or onnx, the bare network with a "
        "description. Of labels: geojson for QuPath (default), roi for ImageJ, coco, points, or "
        "colours, label images with a table of colours. Of tracks: ctc (Cell "
        "Tracking Challenge), geff, trackmate, napari, or newick (trees).",
    ),
    tolerance: float = typer.Option(
        0.0,
        min=0,
        help="With geojson: leave out corners that are closer than this to the outline, px; 0.5 "
        "makes small files.",
    ),
    author: list[str] = typer.Option(None, help="Who made the model; repeat it for several."),
    licence: str = typer.Option("", help="Of the model, an SPDX identifier such as CC-BY-4.0."),
    half_weights: bool = typer.Option(
        False, "--half-weights", help="Store a model's weights in 16 bits: half the size."
    ),
) -> None:
    """Export models, labels for ImageJ and QuPath, or tracks."""
    format = format or _usual_format(what)
    out = out or Path("exported.zip" if format == Format.bioimageio else "exported")
    if format in MODELS:
        _export_model(what, out, format.value, list(author or ()), licence, half_weights)
        return
    from sparcell.annotations.exporting import export_labels
    from sparcell.core.errors import InputError
    from sparcell.tracking.exchange.export import export_tracks

    if author or licence or half_weights:
        raise InputError(
            f"settings of models for the format {format.value}",
            "neither --author, --licence nor --half-weights",
            "leave them out",
        )
    if format in TRACKS:
        export_tracks(what, out, format.value)
    else:
        export_labels(what, out, format.value, tolerance)


def _usual_format(what: str) -> Format:
    """Choose the format for what is exported, where none is given."""
    from sparcell.tracking.results import is_tracked

    path = Path(what)
    if is_tracked(path):
        return Format.ctc
    if not path.exists() or path.suffix == ".zip" or (path / "model.zip").is_file():
        return Format.bioimageio
    return Format.geojson


def _export_model(
    model: str, out: Path, format: str, authors: list[str], licence: str, half_weights: bool
) -> None:
    from sparcell.models.catalogue import find_model, info_of
    from sparcell.models.export import another_tools, export_model
    from sparcell.models.loading import load_model, read_info

    path = find_model(model)
    own, kind = read_info(path)
    if kind == "bioimage.io":
        raise another_tools(model)
    info = info_of(path) or own
    credits = {"authors": tuple(authors or info.authors), "licence": licence or info.licence}
    info = info.model_copy(update=credits)
    export_model(load_model(path), out, format, info, half_weights)
    logger.info(f"written: {out}")
    for what, option in (("authors", "--author"), ("licence", "--licence")):
        if not credits[what]:
            logger.warning(f"the model names no {what}: give {option} before you publish it")
