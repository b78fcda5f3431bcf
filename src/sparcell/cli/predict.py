"""sparcell predict: images to label images and object tables."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sparcell.cli.models import OUTPUTS

if TYPE_CHECKING:
    from sparcell.prediction.predict import Summary

logger = logging.getLogger(__name__)


def predict(
    model: str = typer.Argument(
        ..., help="Name of a model, model.zip, run folder or bioimage.io package."
    ),
    inputs: list[str] = typer.Argument(..., help="Images, folders, quoted patterns, OME-Zarrs."),
    out: Path = typer.Option(Path("predicted"), "-o", "--out", help="Folder for the results."),
    axes: str = typer.Option(None, help="Axes of the inputs, such as TYX, if they do not say."),
    scene: str = typer.Option(
        None,
        help="Predict only the scene of this name, or number from 0, of each file; sparcell info"
        " lists them. By default all.",
    ),
    channel: list[int] = typer.Option(
        None, help="Channel the model shall see, from 0; repeat it for several."
    ),
    runtime: str = typer.Option(
        "auto",
        help="auto; cuda, directml, coreml, openvino-int8, openvino-bf16, openvino, onnxruntime.",
    ),
    threads: int = typer.Option(0, help="Threads of the network; 0 = as many as there are cores."),
    tta: str = typer.Option(
        None,
        help="Average the answers to views of the image: flips (4), turns (4), all (8), photometric"
        " (brightness, contrast, hue: 4 or 5) or none; as the model says if not given.",
    ),
    diameter: str = typer.Option(
        None,
        help="Median diameter of the objects, px, by which images are resized for the model; auto:"
        " estimated from each image; none: never resize. By default pixel sizes decide.",
    ),
    tile: int = typer.Option(None, min=1, help="Largest edge of a tile, px."),
    halo: int = typer.Option(None, help="How far a tile looks for the rest of its objects, px."),
    zarr: bool = typer.Option(False, "--zarr", help="Write labels as OME-Zarr instead of TIFF."),
    into_image: str = typer.Option(
        None, help="Write labels into the OME-Zarr images themselves, under this name."
    ),
    block: int = typer.Option(
        None, help="Predict every image in blocks of about this edge, px; large ones always are."
    ),
    workers: int = typer.Option(0, min=0, help="Predict in so many processes on this machine."),
    scheduler: str = typer.Option(
        "", help="Predict on a cluster: address of a Dask scheduler, slurm, or slurm:N jobs."
    ),
    resume: bool = typer.Option(
        False, "--resume", help="Skip inputs that have their results, and blocks that are done."
    ),
    outputs: str = typer.Option(None, help=OUTPUTS),
    max_pixels: int = typer.Option(
        None, min=1, help="Pixels that a header may promise; more than is likely is refused."
    ),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Print images, time, memory and problems; write nothing."
    ),
) -> None:
    """Find objects in images: label images, object tables, counts; or predict their stain."""
    from sparcell.models import load_model
    from sparcell.prediction.predict import predict as run
    from sparcell.prediction.settings import PredictSettings

    settings = PredictSettings(
        axes=axes,
        scene=scene,
        channels=tuple(channel) if channel else None,
        tile=tile,
        halo=halo,
        format=".ome.zarr" if zarr else ".tif",
        tta=tta,
        diameter=_diameter(diameter),
        block=block,
        into_image=into_image,
        max_pixels=max_pixels,
    )
    loaded = load_model(model, outputs.split(",") if outputs else None)
    if dry_run:
        from sparcell.cli.forecast import show_forecast
        from sparcell.prediction.planning.dry_run import estimate_prediction

        foreseen = estimate_prediction(
            loaded, inputs, out, settings=settings, runtime=runtime, threads=threads, resume=resume
        )
        show_forecast(foreseen)
        raise typer.Exit(2 if foreseen.problems else 0)
    summary = run(
        loaded,
        inputs,
        out,
        settings=settings,
        runtime=runtime,
        threads=threads,
        resume=resume,
        dask=_where(workers, scheduler),
    )
    logger.info(summary.headline)
    _tell_failures(summary)


def _tell_failures(summary: Summary) -> None:
    """List what has no result, and end with exit code 2 if there is any."""
    for what, told in (
        ("inputs without result", summary.failures),
        ("inputs of which parts have no result", summary.skipped),
    ):
        if told:
            logger.warning(f"{len(told)} {what}:")
        for path, reason in told.items():
            logger.warning(f"  {path}: {reason}")
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
