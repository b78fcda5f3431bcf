"""sparcell measure: label images to tables."""

from __future__ import annotations

import logging
from pathlib import Path

import typer

logger = logging.getLogger(__name__)

XLSX = "Also write results.xlsx: all tables, settings and notes."
SQLITE = "Also write results.sqlite, with the names of CellProfiler."
WELLS = (
    "Table with well,condition or name,well,tile,time, or a regular expression with these groups;"
    " also plate, channel and depth. By default well and time are read from the names of common"
    " microscopes."
)
MINUTES = "Time between frames; without it, times are numbers of frames."


def measure(
    predictions: Path = typer.Argument(
        ..., help="Folder that `sparcell predict` wrote, or labels."
    ),
    out: Path = typer.Option(Path("measured"), "-o", "--output", help="Folder for the tables."),
    images: Path = typer.Option(None, help="Folder of the images, for intensities."),
    typical: float = typer.Option(
        None,
        help="Known area of a single nucleus, px, for the count by area; by default estimated from"
        " all objects.",
    ),
    xlsx: bool = typer.Option(False, "--xlsx", help=XLSX),
    sqlite: bool = typer.Option(False, "--sqlite", help=SQLITE),
    wells: str = typer.Option(None, help=WELLS),
    minutes_between_frames: float = typer.Option(None, help=MINUTES),
) -> None:
    """Measure and count objects; summarise wells over time."""
    from sparcell.measurement import measure as run

    folder = run(
        predictions,
        images=images,
        wells=wells,
        minutes_between_frames=minutes_between_frames,
        out=out,
        typical=typical,
        xlsx=xlsx,
        sqlite=sqlite,
    )
    logger.info(f"tables: {folder}")
