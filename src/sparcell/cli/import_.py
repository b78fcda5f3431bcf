"""sparcell import: points and outlines from other tools."""

from __future__ import annotations

from pathlib import Path

import typer


def import_(
    annotations: list[Path] = typer.Argument(
        ...,
        help="Tables, ImageJ .roi or .zip, QuPath GeoJSON, COCO, LabelMe, VIA, CVAT, Label"
        " Studio, Cellpose; or folders of them.",
    ),
    out: Path = typer.Option(
        Path("imported"),
        "-o",
        "--output",
        help="New dataset folder, or one that has images and lacks these.",
    ),
    images: Path = typer.Option(
        None, help="Folder of the images, which stay where they are; by default those of -o."
    ),
    units: str = typer.Option("auto", help="Unit of the points in tables: px, um, or auto."),
    pixel_size: float = typer.Option(
        None, help="Edge of a pixel, um, instead of what the images say."
    ),
    only: list[str] = typer.Option(
        None, "--class", help="Import shapes of this class alone; repeat it for several."
    ),
    overwrite: bool = typer.Option(
        False, "--overwrite", help="Replace points and labels that are there."
    ),
) -> None:
    """Import points and outlines of other tools."""
    from sparcell.annotations.importing import import_annotations

    import_annotations(
        annotations,
        out,
        images,
        units=units,
        pixel_size=pixel_size,
        classes=only or (),
        overwrite=overwrite,
    )
