"""Track all movies of a folder, and write what was found."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparcell.core.errors import InputError, first_line
from sparcell.core.image import Image
from sparcell.core.progress import track as progress
from sparcell.core.record import read_record
from sparcell.core.text import counted
from sparcell.tracking.exchange.links import read_links
from sparcell.tracking.kept_frames import KeptFrames
from sparcell.tracking.layout import read_layout
from sparcell.tracking.movie_tracking import (
    LinkSource,
    TrackedObjects,
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
    HYPOTHESES,
    check_links_alone,
    find_alternatives,
    name_origins,
    repair_job,
)
from sparcell.tracking.results import (
    OF_MOVIES,
    Tracks,
    check_out,
    is_tracked,
    read_tracked,
    write_tracked,
)
from sparcell.tracking.tiled import TiledWell, group_tiles, warn_of_tiles
from sparcell.tracking.unfinished import Unfinished, fingerprint

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

INTERVAL = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|h|d)")
Job = MovieToTrack | TiledWell
Worked = tuple[MovieToTrack, TrackedObjects, dict[str, Any]]
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
    overlap: float | None = None,
    tiles: Path | str | None = None,
    repair: bool | None = None,
    fast: bool = False,
    resume: bool = False,
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
    overlap : float, optional
        Of neighbouring tiles of the grid, px, below 0 for a gap; by default it is measured.
    tiles : Path or str, optional
        Instead of a grid, a table of the places of tiles; see `read_layout`.
    repair : bool, optional
        Correct masks by what is before and after; see `repair_movie`. By default where `predict`
        wrote `hypotheses`. With True, touching objects are also merged and objects cut where that
        goes on better over time. With False all masks stay.
    fast : bool
        Link by assignment alone, without the global solution.
    resume : bool
        Keep what an earlier, unfinished call did, unless files have changed: movies that it
        tracked, and frames of the one that it did not finish.

    Raises
    ------
    InputError
        If there is no movie, a file cannot be read, `out` holds something else, or the call that
        is resumed had other settings.
    """
    hours = parse_interval(interval)
    settings: dict[str, Any] = {
        "predictions": str(predictions), "images": str(images) if images else None,
        "wells": str(wells) if wells else None, "interval_h": hours, "shifts": shifts,
        "links": str(links) if links else None, "grid": grid, "order": order, "overlap": overlap,
        "tiles": str(tiles) if tiles else None, "fast": fast,
    }  # fmt: skip
    folder = None if out is None else Path(out)
    if folder is not None:
        check_out(folder)
    movies = find_movies_to_track(Path(predictions), wells)
    if hours is not None:
        movies = [replace(movie, interval=hours, hours=()) for movie in movies]
    pictures, drawn = find_pictures(movies, Path(images) if images is not None else None)
    jobs = _plan_jobs(movies, grid, order, overlap, tiles)
    given: LinkSource | None = None
    if links is not None:
        given = partial(read_links, Path(links), alone=len(jobs) == 1)
        repair = check_links_alone(repair)
    settings["repair"] = repair
    work = _Work(Path(predictions), pictures, shifts, given, repair, fast)
    if folder is None:
        return _put_together([work(job)[2] for job in _each(jobs)])
    others = (wells, links, tiles, Path(predictions) / HYPOTHESES)
    read = [Path(one) for one in others if one and Path(one).exists()]
    files = {job.name: fingerprint([*job.paths, *_drawn(job, drawn), *read]) for job in jobs}
    settings["files"] = files
    if resume and is_tracked(folder) and read_record(folder).get("settings") == settings:
        logger.info(f"{folder} is complete; leave out `resume` to track again")
        return read_tracked(folder)
    found = _track_into(folder, jobs, work, settings, resume)
    _draw_page(found, folder, pictures)
    return found


def _plan_jobs(
    movies: list[MovieToTrack],
    grid: str | None,
    order: str,
    overlap: float | None,
    tiles: Path | str | None,
) -> Sequence[Job]:
    """Take movies one by one, or the tiles of each well together where their places are given."""
    names = sorted({movie.tile for movie in movies} - {""})
    layout = read_layout(tiles, grid, order, names, overlap)
    if layout is not None:
        return group_tiles(movies, layout)
    warn_of_tiles(movies)
    return movies


@dataclass(frozen=True)
class _Work:
    """How each movie or well is worked on: masks repaired, cells tracked, tables made."""

    source: Path
    pictures: Mapping[str, Image]
    shifts: bool
    given: LinkSource | None
    repair: bool | None
    fast: bool

    def __call__(self, job: Job, kept: KeptFrames | None = None) -> Worked:
        find_others = partial(find_alternatives, self.source, repair=self.repair)
        follow = partial(follow_movie, pictures=self.pictures, shifts=self.shifts)
        job, repairs = repair_job(job, find_others, follow)
        if isinstance(job, TiledWell):
            movie, result = track_well(job, self.pictures, self.shifts, self.given, self.fast, kept)
        else:
            movie, images = job, self.pictures.get(job.name)
            result = track_movie(job, images, self.shifts, self.given, self.fast, kept)
        warn_of_faults(movie, result)
        tables = tabulate(movie, result)
        tables["objects"] = name_origins(tables["objects"], repairs)
        return movie, result, {**tables, "repairs": repairs}


def _track_into(
    folder: Path, jobs: Sequence[Job], work: _Work, settings: dict[str, Any], resume: bool
) -> Tracks:
    """Track movie by movie, keep what is done of each, and write all at the end."""
    files = settings["files"]
    unfinished = Unfinished(folder, {k: v for k, v in settings.items() if k != "files"}, resume)
    # What an earlier, complete run left is no longer complete.
    (folder / "record.json").unlink(missing_ok=True)
    left = [job for job in jobs if not unfinished.has(job.name, files[job.name])]
    done = len(jobs) - len(left)
    if done:
        logger.info(f"{counted(done, 'movie')} of {len(jobs)} tracked already")
    for number, job in enumerate(_each(left), done):
        kept = unfinished.frames(job.name, files[job.name])
        if kept.measured:
            logger.info(f"{job.name}: goes on with {_say_frames(kept)}")
        try:
            movie, result, tables = work(job, kept)
            if movie.labels is not None:
                write_labels(folder / "labels" / f"{movie.name}.tif", movie.labels, result)
        except KeyboardInterrupt:
            logger.warning(
                f"kept for `resume`: {counted(number, 'movie')} of {len(jobs)}, and of {job.name} "
                f"{_say_frames(kept)}"
            )
            raise
        unfinished.save(job.name, files[job.name], tables)
    found = _put_together([unfinished.load(job.name) for job in jobs])
    write_tracked(folder, found, settings)
    unfinished.close()
    return found


def _say_frames(kept: KeptFrames) -> str:
    return f"{counted(kept.measured, 'frame')} measured and {kept.linked} linked"


def _each(jobs: Sequence[Job]) -> Iterator[Job]:
    return progress(jobs, "tracking", len(jobs), "movies")


def _drawn(job: Job, files: Mapping[str, tuple[Path, ...]]) -> Iterator[Path]:
    """Files of the images of a movie, or of all tiles of a well."""
    for movie in job.tiles if isinstance(job, TiledWell) else (job,):
        yield from files.get(movie.name, ())


def _put_together(parts: list[dict[str, DataFrame]]) -> Tracks:
    """Join the tables of all movies, and compute rates."""
    import pandas as pd

    tables = {
        name: pd.concat([part[name] for part in parts], ignore_index=True) for name in OF_MOVIES
    }
    rates, msd = summarise_tracks(
        tables["objects"], tables["tracks"], tables["frames"], tables["movies"]
    )
    return Tracks(**tables, rates=rates, msd=msd)


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
