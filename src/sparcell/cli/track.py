"""sparcell track: cells over time."""

from __future__ import annotations

import logging
from pathlib import Path

import typer

logger = logging.getLogger(__name__)

TILES = "Tiles of a well"


def track(
    predictions: Path = typer.Argument(
        ...,
        help="Folder that `sparcell predict` wrote, label images (movies, or a file for each "
        "frame), or a table of points with t, y, x.",
    ),
    out: Path = typer.Option(
        Path("tracked"), "-o", "--output", help="Folder for tables and label images."
    ),
    images: Path = typer.Option(
        None, help="Folder of the images, to find shifts of the stage from them, too."
    ),
    wells: str = typer.Option(
        None,
        help="Table with name,well,tile,time, or a regular expression with these groups. By "
        "default names are read as those of common microscopes, or end in the frame's number.",
    ),
    interval: str = typer.Option(None, help="Time from frame to frame, such as 15min."),
    shifts: bool = typer.Option(
        True, "--shifts/--no-shifts", help="Correct shifts of the stage between frames."
    ),
    links: Path = typer.Option(
        None,
        help="Links that another tool made, instead of our own: GEFF, TrackMate's XML, a folder of "
        "the Cell Tracking Challenge, or a table; for several movies a folder of such files.",
    ),
    repair: bool = typer.Option(
        None,
        "--repair/--keep-masks",
        help="Merge and cut masks where cells then go on better over time; or change none. By "
        "default masks are corrected if `sparcell predict` wrote --hypotheses.",
    ),
    fast: bool = typer.Option(
        False, "--fast", help="Link by assignment alone: less time, and fewer right divisions."
    ),
    resume: bool = typer.Option(
        False, "--resume", help="Keep the movies that an unfinished run has tracked."
    ),
    grid: str = typer.Option(
        None,
        help="Rows and columns of tiles of a well, such as 3x3: follow cells from tile to tile.",
        rich_help_panel=TILES,
    ),
    order: str = typer.Option(
        "row",
        help="How tiles of the grid are numbered: row, snake (every second row backwards), column "
        "or column-snake.",
        rich_help_panel=TILES,
    ),
    overlap: float = typer.Option(
        None,
        help="Overlap of neighbouring tiles of the grid, px; below 0 a gap. By default measured.",
        rich_help_panel=TILES,
    ),
    tiles: Path = typer.Option(
        None,
        help="Table of tiles instead: tile, and row and column, or y and x (px), or y_um and x_um.",
        rich_help_panel=TILES,
    ),
) -> None:
    """Follow cells over time, also when the stage shifts.

    Writes tracks, divisions and families.
    """
    from sparcell.tracking import track as run
    from sparcell.tracking.report.headline import headline
    from sparcell.tracking.results import PAGE

    found = run(
        predictions,
        out,
        images=images,
        wells=wells,
        interval=interval,
        shifts=shifts,
        links=links,
        grid=grid,
        order=order,
        overlap=overlap,
        tiles=tiles,
        repair=repair,
        fast=fast,
        resume=resume,
    )
    for line in headline(found):
        logger.info(line)
    page = out / PAGE
    logger.info(f"tables: {out}" + (f", page: {page}" if page.exists() else ""))
