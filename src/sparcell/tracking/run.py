"""Track all movies of a folder, and write what was found."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError, first_line
from sparcell.core.image import Image, Plane
from sparcell.core.progress import track as progress
from sparcell.core.rows import LabelPlane
from sparcell.core.tracks import Track
from sparcell.tracking.exchange.links import read_links
from sparcell.tracking.layout import read_layout
from sparcell.tracking.lineage import build_tracks
from sparcell.tracking.linking import Links, link_objects
from sparcell.tracking.movies import MovieToTrack, find_movies_to_track
from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.rates.summary import summarise_tracks
from sparcell.tracking.results import OF_MOVIES, Tracks, check_out, write_tracked
from sparcell.tracking.stage import StagePath, follow_stage, stand_still
from sparcell.tracking.tables import (
    frame_rows,
    link_rows,
    movie_rows,
    object_rows,
    shift_rows,
    tile_rows,
    track_rows,
)
from sparcell.tracking.tiled import TiledWell, WellMovie, group_tiles, join_tiles, warn_of_tiles

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

INTERVAL = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|h|d)")
LinkSource = Callable[[str, MovieObjects, float | None], Links]
HOURS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0}


@dataclass(frozen=True)
class TrackedObjects:
    """Result of one movie: its objects, their tracks, links and the path of the stage.

    The path of a well that was joined from tiles stands still: each tile has one of its own.
    """

    table: DataFrame
    objects: MovieObjects
    of_object: NDArray[np.int64]
    tracks: tuple[Track, ...]
    links: Links
    path: StagePath
    well: WellMovie | None = None


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
    pictures = _find_pictures(movies, Path(images)) if images is not None else {}
    layout = read_layout(tiles, grid, order, sorted({movie.tile for movie in movies} - {""}))
    jobs: Sequence[MovieToTrack | TiledWell] = movies
    if layout is not None:
        jobs = group_tiles(movies, layout)
    else:
        warn_of_tiles(movies)
    given = None
    if links is not None:
        given = partial(read_links, Path(links), alone=len(jobs) == 1)
    parts: dict[str, list[DataFrame]] = {name: [] for name in OF_MOVIES}
    for job in progress(jobs, "tracking", len(jobs), "movies"):
        if isinstance(job, TiledWell):
            movie, result = track_well(job, pictures, shifts, given)
        else:
            movie = job
            result = track_movie(job, pictures.get(job.name), shifts, given)
        _say(movie, result)
        for name, rows in _tabulate(movie, result).items():
            parts[name].append(rows)
        if folder is not None and movie.labels is not None:
            _write_labels(folder / "labels" / f"{movie.name}.tif", movie.labels, result)
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
            "tiles": str(tiles) if tiles else None,
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


def _tabulate(movie: MovieToTrack, result: TrackedObjects) -> dict[str, DataFrame]:
    """Tables of one movie."""
    name, of_object, links = movie.name, result.of_object, result.links
    # What stands still has one place in the well, wherever the stage is.
    placed = result.objects.moved(-result.path.positions[result.objects.frames])
    tracks = track_rows(name, placed, of_object, result.tracks, links)
    if movie.interval is not None:
        tracks["hours"] = ((tracks["last"] - tracks["first"] + 1) * movie.interval).round(4)
    objects = object_rows(name, result.table, placed, of_object, links)
    tracks.insert(1, "well", movie.well)
    for column in ("tile", "well"):
        if column not in objects:
            objects.insert(1, column, getattr(movie, column))
    well = result.well
    n_tiles, covered = (1, int(np.prod(result.objects.shape))) if well is None else well.coverage()
    return {
        "objects": objects,
        "tracks": tracks,
        "links": link_rows(name, result.objects, of_object, links),
        "shifts": shift_rows(name, movie.tile, result.path) if well is None else well.shift_rows(),
        "movies": movie_rows(movie, result.objects),
        "tiles": tile_rows(movie, result.path) if well is None else well.tile_rows(),
        "frames": frame_rows(movie, result.objects, tracks).assign(
            n_tiles=n_tiles, covered_px=covered
        ),
    }


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


def track_movie(
    movie: MovieToTrack,
    images: Image | None,
    shifts: bool,
    given: LinkSource | None = None,
) -> TrackedObjects:
    """Track one movie in memory, by links of our own unless `given` returns others."""
    table, objects = measure_movie(movie)
    path = _follow(objects, images, shifts)
    return _link(movie, table, objects, path, given)


def track_well(
    well: TiledWell,
    pictures: Mapping[str, Image],
    shifts: bool,
    given: LinkSource | None = None,
) -> tuple[MovieToTrack, TrackedObjects]:
    """Join the tiles of a well, and track it as one movie."""

    def follow(tile: MovieToTrack) -> tuple[StagePath, float]:
        _, objects = measure_movie(tile)
        return _follow(objects, pictures.get(tile.name), shifts), objects.diameter

    joined = join_tiles(well, follow)
    table, objects = joined.measure()
    path = stand_still(joined.movie.frames)
    result = _link(joined.movie, table, objects, path, given)
    return joined.movie, replace(result, well=joined)


def _follow(objects: MovieObjects, images: Image | None, shifts: bool) -> StagePath:
    if not shifts:
        return stand_still(objects.count)
    return follow_stage(objects, _gray(images) if images is not None else None)


def _link(
    movie: MovieToTrack,
    table: DataFrame,
    objects: MovieObjects,
    path: StagePath,
    given: LinkSource | None,
) -> TrackedObjects:
    labels = None
    if movie.labels is not None:
        stack = movie.labels

        def labels(t: int) -> NDArray[np.int32]:
            return stack.read_labels(plane=Plane(t))

    if given is not None:
        links = given(movie.name, objects, movie.labels.pixel_size if movie.labels else None)
    else:
        links = link_objects(objects, path.shifts, labels)
    of_object, tracks = build_tracks(objects, links)
    return TrackedObjects(table, objects, of_object, tracks, links, path)


def measure_movie(movie: MovieToTrack) -> tuple[DataFrame, MovieObjects]:
    """Measure all objects of a movie, in the order of frames."""
    import pandas as pd

    from sparcell.measurement import object_table

    if movie.points is not None:
        table = movie.points
        largest = table[["y", "x"]].max() + 1
        field = (float(largest["y"]), float(largest["x"]))
        return table, MovieObjects.of_table(table, movie.frames, field)
    assert movie.labels is not None
    image = movie.labels
    parts = []
    for t in range(movie.frames):
        name = movie.names[t] if len(movie.names) == movie.frames else movie.names[0]
        plane = Plane(t)
        parts.append(
            object_table(
                LabelPlane(image, plane),
                pixel_size=image.pixel_size,
                image_name=name,
                plane=plane,
            )
        )
    table = pd.concat(parts, ignore_index=True)
    return table, MovieObjects.of_table(table, movie.frames, image.shape)


def _gray(images: Image) -> Callable[[int], NDArray[np.float32]]:
    """Return a function that reads the first channel of a frame."""
    return lambda t: images.read(plane=Plane(t))[0]


def _find_pictures(movies: list[MovieToTrack], folder: Path) -> dict[str, Image]:
    """Open the images of each movie, whose files have the names of its label images.

    Raises
    ------
    InputError
        If one is missing, or has another size.
    """
    from sparcell.core.image_ref import ImageRef
    from sparcell.io import list_images, name_results, open_image
    from sparcell.io.frame_stack import open_frames

    paths = list_images([folder])
    files = dict(zip(name_results(paths), paths, strict=True))
    found = {}
    for movie in movies:
        if movie.labels is None:
            raise InputError(f"images for the points of {movie.name}", "label images", "leave out")
        missing = [name for name in movie.names if name not in files]
        if missing:
            raise InputError(
                f"no image {missing[0]} in {folder} ({len(missing)} of {len(movie.names)} missing)",
                "an image for every label image",
                "check the folder",
            )
        if len(movie.names) > 1:
            image = open_frames([ImageRef(files[name]) for name in movie.names])
        else:
            image = open_image(files[movie.names[0]])
        if image.tzyx != movie.labels.tzyx:
            raise InputError(
                f"images of T, Z, Y, X = {image.tzyx} beside labels of {movie.labels.tzyx}, "
                f"{movie.name}",
                "images of the same size",
                "give the images that were segmented",
            )
        found[movie.name] = image
    return found


def _say(movie: MovieToTrack, result: TrackedObjects) -> None:
    uncertain = np.flatnonzero(~result.path.certain)
    if len(uncertain):
        logger.warning(
            f"{movie.name}: the shift of the stage is uncertain before {len(uncertain)} of "
            f"{movie.frames - 1} frames, first frame {uncertain[0] + 1}; see shifts.csv"
        )
    empty = movie.frames - len(np.unique(result.objects.frames))
    if empty:
        logger.warning(f"{movie.name}: {empty} of {movie.frames} frames have no object")


def _write_labels(path: Path, labels: Image, result: TrackedObjects) -> None:
    """Write the label images with track ids, one frame in memory at a time."""
    from sparcell.io import create_image

    largest = int(result.of_object.max(initial=0))
    dtype = np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32
    shape = (labels.size("T"), *labels.shape)
    with create_image(path, "TYX", shape, dtype, labels.pixel_size) as pixels:
        for t, frame in enumerate(recolour(labels, result)):
            pixels[t] = frame.astype(dtype)


def recolour(labels: Image, result: TrackedObjects) -> Iterator[NDArray[np.int64]]:
    """Give each frame with track ids instead of ids, (Y, X)."""
    for t in range(labels.size("T")):
        frame = labels.read_labels(plane=Plane(t))
        members = result.objects.of_frame(t)
        ids = np.zeros(int(frame.max(initial=0)) + 1, np.int64)
        ids[result.objects.ids[members]] = result.of_object[members]
        yield ids[frame]
