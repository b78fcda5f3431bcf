"""sparcell predict: images to label images and object tables."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sparcell.cli.measure import MINUTES, SQLITE, WELLS, XLSX
from sparcell.cli.models import OUTPUTS
from sparcell.core.text import about, counted

if TYPE_CHECKING:
    from sparcell.prediction.predict import Summary

logger = logging.getLogger(__name__)

SIZE, MODEL, TABLES = "Size of objects", "Network", "Tables"
LARGE, MACHINE = "Large images", "Machine"


def predict(
    model: str = typer.Argument(
        ..., help="Name of a model, model.zip, run folder or bioimage.io package."
    ),
    inputs: list[str] = typer.Argument(..., help="Images, folders, quoted patterns, OME-Zarrs."),
    out: Path = typer.Option(Path("predicted"), "-o", "--output", help="Folder for the results."),
    axes: str = typer.Option(
        None, help="Axes of the inputs, such as TYX, if their metadata lack them."
    ),
    scene: str = typer.Option(
        None,
        help="Predict only this scene of each file: its name, or its number from 0. `sparcell"
        " info` lists scenes.",
    ),
    channel: list[int] = typer.Option(
        None, help="Channel for the model, from 0; repeat the option for several."
    ),
    project: str = typer.Option(
        None,
        metavar="max",
        help="max: predict the maximum along Z of each stack, so that a nucleus counts once.",
    ),
    zarr: bool = typer.Option(False, "--zarr", help="Write labels as OME-Zarr instead of TIFF."),
    pictures: bool = typer.Option(
        True, "--pictures/--no-pictures", help="Draw outlines on the images, and overview.html."
    ),
    hypotheses: bool = typer.Option(
        False,
        "--hypotheses",
        help="Also write other label images of each image, from which `sparcell track` chooses.",
    ),
    resume: bool = typer.Option(False, "--resume", help="Skip finished inputs and blocks."),
    overwrite: bool = typer.Option(
        False, "--overwrite", help="Replace the results of an earlier prediction."
    ),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Print images, time, memory and problems; write nothing."
    ),
    diameter: str = typer.Option(
        None,
        help="Median object diameter in the images, px, by which they are resized; auto: estimated"
        " from each image; none: never resize. By default pixel sizes decide, or what is found.",
        rich_help_panel=SIZE,
    ),
    tta: str = typer.Option(
        None,
        help="Also predict flipped or turned copies and average, which is slower and a little"
        " better: flips, turns, all, photometric or none. By default as the model says.",
        rich_help_panel=MODEL,
    ),
    outputs: str = typer.Option(None, help=OUTPUTS, rich_help_panel=MODEL),
    tile: int = typer.Option(
        None, min=1, help="(advanced) Largest edge of a tile, px.", rich_help_panel=LARGE
    ),
    halo: int = typer.Option(None, help="(advanced) Overlap of tiles, px.", rich_help_panel=LARGE),
    block: int = typer.Option(
        None,
        help="Predict every image in blocks of about this edge, px; large images always are.",
        rich_help_panel=LARGE,
    ),
    into_image: str = typer.Option(
        None,
        help="Write labels into the OME-Zarr images themselves, under this name.",
        rich_help_panel=LARGE,
    ),
    max_pixels: int = typer.Option(
        None,
        min=1,
        help="Largest image accepted, in pixels (guards against damaged files). By default"
        " unlikely sizes are refused.",
        rich_help_panel=LARGE,
    ),
    wells: str = typer.Option(None, help=WELLS, rich_help_panel=TABLES),
    minutes_between_frames: float = typer.Option(None, help=MINUTES, rich_help_panel=TABLES),
    xlsx: bool = typer.Option(False, "--xlsx", help=XLSX, rich_help_panel=TABLES),
    sqlite: bool = typer.Option(False, "--sqlite", help=SQLITE, rich_help_panel=TABLES),
    runtime: str = typer.Option(
        "auto",
        help="auto; cuda, directml, coreml, openvino-int8, openvino-bf16, openvino, onnxruntime.",
        rich_help_panel=MACHINE,
    ),
    threads: int = typer.Option(
        0, help="Threads of the network; 0: one per core.", rich_help_panel=MACHINE
    ),
    workers: int = typer.Option(
        0, min=0, help="Number of worker processes on this machine.", rich_help_panel=MACHINE
    ),
    scheduler: str = typer.Option(
        "",
        help="Predict on a cluster: address of a Dask scheduler, slurm, or slurm:N jobs.",
        rich_help_panel=MACHINE,
    ),
) -> None:
    """Find objects in images: count, outline, draw them.

    With a model of stains, predict the stain instead.
    """
    from sparcell.measurement.result_tables import TableOptions
    from sparcell.models import load_model
    from sparcell.prediction.predict import predict as run
    from sparcell.prediction.settings import PredictSettings

    settings = PredictSettings(
        axes=axes,
        scene=scene,
        channel=tuple(channel) if channel else None,
        project=project,  # type: ignore[arg-type]
        tile=tile,
        halo=halo,
        format=".ome.zarr" if zarr else ".tif",
        tta=tta,
        diameter=_diameter(diameter),
        block=block,
        into_image=into_image,
        max_pixels=max_pixels,
        pictures=pictures,
        hypotheses=hypotheses,
    )
    loaded = load_model(model, outputs.split(",") if outputs else None)
    how: dict[str, Any] = {
        "settings": settings,
        "runtime": runtime,
        "threads": threads,
        "resume": resume,
        "overwrite": overwrite,
    }
    if dry_run:
        from sparcell.cli.forecast import show_forecast
        from sparcell.prediction.planning.dry_run import estimate_prediction

        foreseen = estimate_prediction(loaded, inputs, out, **how)
        show_forecast(foreseen)
        raise typer.Exit(2 if foreseen.problems else 0)
    tables = TableOptions(wells, minutes_between_frames, xlsx, sqlite)
    summary = run(loaded, inputs, out, **how, dask=_where(workers, scheduler), tables=tables)
    logger.info(summary.headline)
    _report_failures(summary)


def _report_failures(summary: Summary) -> None:
    """List what has no result, and end with exit code 2 if there is any."""
    for what, reasons in (
        ("could not be predicted", summary.failures),
        ("with layers that were skipped", summary.skipped),
    ):
        if reasons:
            logger.warning(f"{counted(len(reasons), 'image')} {what}:")
        for path, reason in reasons.items():
            logger.warning(f"  {about(path, reason)}")
    if summary.failures or summary.skipped:
        raise typer.Exit(2)


def _where(workers: int, scheduler: str) -> str:
    """Say where to predict, as `sparcell.system.cluster.check_workers` takes it."""
    if workers and scheduler:
        from sparcell.core.errors import InputError

        raise InputError("--workers and --scheduler", "one of them", "leave one out")
    return f"local:{workers}" if workers else scheduler


def _diameter(text: str | None) -> float | str | None:
    """Take a number as a number; what else it may be is checked where it is used."""
    try:
        return text if text is None else float(text)
    except ValueError:
        return text
