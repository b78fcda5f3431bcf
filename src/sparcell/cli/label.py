"""sparcell label: stain or points to labels."""

from __future__ import annotations

from pathlib import Path

import typer


def label(
    dataset: Path = typer.Argument(..., help="Dataset folder with images/ and stain/ or points/."),
    out: Path = typer.Option(
        None, "-o", "--out", help="New folder for the result; by default the dataset itself."
    ),
    source: str = typer.Option(
        "stain", "--from", help="stain, or points: propose an outline for each, to be corrected."
    ),
    preset: str = typer.Option("auto", help="auto, or thesis: the published settings, literally."),
    overwrite: bool = typer.Option(
        False, "--overwrite", help="Replace the labels of an earlier run of this step."
    ),
    diameter: float = typer.Option(
        None, help="Typical diameter of a nucleus, px; by default estimated from each image."
    ),
) -> None:
    """Make labels from a nuclear stain or from points, and say how good they are."""
    from sparcell.core.dataset import Dataset
    from sparcell.labeling import label as run

    table = run(
        Dataset.open(dataset),
        out,
        preset,
        source=source,
        diameter=diameter,
        overwrite=overwrite,
    )
    bad_files = table["reason"].fillna("").str.startswith("unusable")
    if bad_files.any() or not table["accepted"].any():
        raise typer.Exit(2)
