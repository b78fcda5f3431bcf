"""sparcell label: stain or points to labels."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer


class ResultKind(StrEnum):
    """Kinds of annotation that are written."""

    labels = "labels"
    points = "points"


class Mask(StrEnum):
    """Where proposed outlines may grow."""

    auto = "auto"
    mask = "mask"
    stain = "stain"
    image = "image"


def label(
    dataset: Path = typer.Argument(..., help="Dataset folder with images/ and stain/ or points/."),
    out: Path = typer.Option(
        None, "-o", "--output", help="New folder for the result; by default the dataset itself."
    ),
    source: str = typer.Option(
        "stain", "--from", help="stain, or points: propose an outline for each, to be corrected."
    ),
    to: ResultKind = typer.Option(
        ResultKind.labels, help="labels, or points: from a stain, a point in each nucleus."
    ),
    mask: Mask = typer.Option(
        Mask.auto,
        help="With --from points, where outlines may grow: the image's mask, where its stain"
        " shows objects, or where the image does; auto: the first of these that there is.",
    ),
    preset: str = typer.Option(
        "auto",
        help="auto; salomon2023: as published there; cellpose or cellpose:FILE: by that tool,"
        " if installed, with its own weights or yours.",
    ),
    overwrite: bool = typer.Option(
        False, "--overwrite", help="Replace the labels of an earlier run of this step."
    ),
    by: str = typer.Option(
        None,
        help="With --preset salomon2023: column of split.csv in whose groups a quarter of the crops"
        " is dropped; by default cell, where there is one.",
    ),
    diameter: float = typer.Option(
        None, help="Typical diameter of a nucleus, px; by default estimated from each image."
    ),
    workers: int = typer.Option(
        0,
        min=0,
        help="Number of worker processes on this machine; 0: as many as cores and memory allow.",
    ),
) -> None:
    """Make labels from a nuclear stain or from points."""
    from sparcell.labeling.batch import label_rows as run

    # What was not given is not passed on, so that only a setting that the preset lacks is refused.
    given = {
        "to": to.value if to != ResultKind.labels else None,
        "mask": mask.value if mask != Mask.auto else None,
        "by": by,
        "diameter": diameter,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    rows = run(
        dataset,
        out,
        preset,
        source=source,
        settings=settings,
        overwrite=overwrite,
        workers=workers,
    )
    bad_files = any((row["reason"] or "").startswith("unusable") for row in rows)
    if bad_files or not any(row["accepted"] for row in rows):
        raise typer.Exit(2)
