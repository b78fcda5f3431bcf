"""Track all movies of a folder, and write what was found."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sparcell.core.errors import InputError, first_line
from sparcell.core.image import Image
from sparcell.core.progress import track as progress
from sparcell.tracking.exchange.links import read_links
from sparcell.tracking.layout import read_layout
from sparcell.tracking.movie_tracking import (
    LinkSource,
    follow_movie,
    tabulate,
    track_movie,
    track_well,
    warn_of_faults,
)
from sparcell.tracking.movies import MovieToTrack, find_movies_to_track
from sparcell.tracking.pictures import find_pictures, write_labels
from sparcell.tracking.rates.summary import summarise_tracks
from sparcell.tracking.repair import (
    check_links_alone,
    find_alternatives,
    name_origins,
    repair_job,
)
from sparcell.tracking.results import OF_MOVIES, Tracks, check_out, write_tracked
from sparcell.tracking.tiled import TiledWell, group_tiles, warn_of_tiles

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

INTERVAL = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|h|d)")
HOURS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0}


def track(
    predictions: Path | str,
    out: Path | str | None = None,
    *,
    images: Path | str | None = None,
    wells: str | Path | None = None,
    interval: str | float | None = None,
    shifts: bool = True,
    links: Path | str | None = None,
    grid: str | None = None,
    order: str = "row",
    tiles: Path | str | None = None,
    repair: bool | None = None,
) -> Tracks:
    """Follow cells over time: shifts of the stage, links, divisions, tracks.

    There is no distance to choose. How far cells move and how readily divisions are believed is
    found from each movie.

    Parameters
    ----------
    predictions : Path or str
        Folder that `predict` wrote; label images, movies or a file for each frame; or a table of
        points. See `find_movies_to_track`.
    out : Path or str, optional
        Folder for the tables of `Tracks` and ``labels/`` with track ids; by default nothing is
        written.
    images : Path or str, optional
        Folder of the images of the same names, to find shifts of the stage from them, too.
    wells : str or Path, optional
        Table or pattern of well, tile and time; see `find_wells`.
    interval : str or float, optional
        Time from frame to frame, such as ``15min``, or in hours; by default from the names.
    shifts : bool
        Correct shifts of the stage.
    links : Path or str, optional
        Links that another tool made, which are taken instead of our own; see `read_links`.
    grid : str, optional
        Rows and columns of the tiles of a well, such as ``3x3``: cells are followed from tile to
        tile, in the picture of the whole well.
    order : {"row", "snake", "column", "column-snake"}
        In which the tiles of the grid are numbered.
    tiles : Path or str, optional
        Instead of a grid, a table of the places of tiles; see `read_layout`.
    repair : bool, optional
        Correct masks by what is before and after; see `repair_movie`. By default where `predict`
        wrote `hypotheses`. With True, touching objects are also merged and objects cut where that
        goes on better over time. With False all masks stay.

    Raises
    ------
    InputError
        If there is no movie, a file cannot be read, or `out` holds something else.
    """
    import pandas as pd

    hours = parse_interval(interval)
    movies = find_movies_to_track(Path(predictions), wells)
    if hours is not None:
        movies = [replace(movie, interval=hours, hours=()) for movie in movies]
    folder = None if out is None else Path(out)
    if folder is not None:
        check_out(folder)
    pictures = find_pictures(movies, Path(images)) if images is not None else {}
    layout = read_layout(tiles, grid, order, sorted({movie.tile for movie in movies} - {""}))
    jobs: Sequence[MovieToTrack | TiledWell] = movies
    if layout is not None:
        jobs = group_tiles(movies, layout)
    else:
        warn_of_tiles(movies)
    given: LinkSource | None = None
    if links is not None:
        given = partial(read_links, Path(links), alone=len(jobs) == 1)
        repair = check_links_alone(repair)
    find_others = partial(find_alternatives, Path(predictions), repair=repair)
    follow = partial(follow_movie, pictures=pictures, shifts=shifts)
    parts: dict[str, list[DataFrame]] = {name: [] for name in OF_MOVIES}
    for job in progress(jobs, "tracking", len(jobs), "movies"):
        job, repairs = repair_job(job, find_others, follow)
        if isinstance(job, TiledWell):
            movie, result = track_well(job, pictures, shifts, given)
        else:
            movie = job
            result = track_movie(job, pictures.get(job.name), shifts, given)
        warn_of_faults(movie, result)
        tables_of_movie = tabulate(movie, result)
        tables_of_movie["objects"] = name_origins(tables_of_movie["objects"], repairs)
        for name, rows in {**tables_of_movie, "repairs": repairs}.items():
            parts[name].append(rows)
        if folder is not None and movie.labels is not None:
            write_labels(folder / "labels" / f"{movie.name}.tif", movie.labels, result)
    tables = {name: pd.concat(some, ignore_index=True) for name, some in parts.items()}
    rates, msd = summarise_tracks(
        tables["objects"], tables["tracks"], tables["frames"], tables["movies"]
    )
    found = Tracks(**tables, rates=rates, msd=msd)
    if folder is not None:
        settings = {
            "predictions": str(predictions), "images": str(images) if images else None,
            "wells": str(wells) if wells else None, "interval_h": hours, "shifts": shifts,
            "links": str(links) if links else None, "grid": grid, "order": order,
            "tiles": str(tiles) if tiles else None, "repair": repair,
        }  # fmt: skip
        write_tracked(folder, found, settings)
        _draw_page(found, folder, pictures)
    return found


def _draw_page(found: Tracks, folder: Path, pictures: Mapping[str, Image]) -> None:
    """Write the page; a fault in a picture costs no result."""
    from sparcell.tracking.report.page import write_page

    try:
        write_page(found, folder, pictures)
    except Exception as error:
        logger.warning(f"no page tracks.html: {first_line(error)}")


def parse_interval(interval: str | float | None) -> float | None:
    """Read a time such as ``15min`` as hours; a number is hours already.

    Raises
    ------
    InputError
        If it has no unit or is not above 0.
    """
    if interval is None:
        return None
    if isinstance(interval, str):
        match = INTERVAL.fullmatch(interval.strip())
        hours = float(match[1]) * HOURS[match[2]] if match else 0.0
    else:
        hours = float(interval)
    if not hours > 0:
        raise InputError(
            f"an interval '{interval}'", "a time with its unit: s, min, h or d", "try 15min"
        )
    return hours
