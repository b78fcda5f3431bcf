"""sparcell info: what is there, and what could be trained from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sparcell.core.dataset import Dataset


def info(
    paths: list[Path] = typer.Argument(..., help="Images or dataset folders."),
    axes: str = typer.Option(None, help="Axes of the images, such as TYX, if they do not say."),
) -> None:
    """Show axes, channels, sizes and annotations."""
    from sparcell.core.dataset import Dataset
    from sparcell.core.errors import InputError
    from sparcell.io import list_images, open_image

    for path in paths:
        if (path / "images").is_dir() or (path / "dataset.yaml").exists():
            _show_dataset(Dataset.open(path))
            continue
        for file in list_images([path]):
            try:
                image = open_image(file, axes)
            except InputError as error:
                typer.echo(f"{file}: {error}")
                continue
            size = f"{image.pixel_size:g} um/px" if image.pixel_size else "pixel size unknown"
            shape = " x ".join(f"{image.data.shape[i]} {a}" for i, a in enumerate(image.axes))
            names = f", channels {', '.join(image.channels)}" if image.size("C") > 1 else ""
            typer.echo(f"{file}: {shape}, {image.data.dtype}, {size}{names}")


def _show_dataset(dataset: Dataset) -> None:
    from sparcell.core.dataset import KINDS, SPLITS

    typer.echo(f"{dataset.root}: {len(dataset)} fields")
    for kind in KINDS:
        count = len(dataset.having(kind))
        if count:
            typer.echo(f"  {kind}: {count}")
    parts = {part: len(dataset.split(part)) for part in (*SPLITS, "")}
    typer.echo(
        "  split: " + ", ".join(f"{n} {part or 'unmarked'}" for part, n in parts.items() if n)
    )
    refused = [s.name for s in dataset.samples if s.refused]
    if refused:
        typer.echo(f"  labels refused by the quality gate: {', '.join(refused)}")
    if len(dataset.having("labels")):
        typer.echo("  can be trained as it is: sparcell train nuclei-light --data ...")
    if len(dataset.having("stain")):
        typer.echo("  labels can be made from the stain: sparcell label ...")
    if not len(dataset.having("labels")) and not len(dataset.having("stain")):
        typer.echo("  nothing to train from yet: add stain/ or labels/")
