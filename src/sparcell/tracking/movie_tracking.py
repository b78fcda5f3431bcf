"""Track one movie, or one well of tiles, and make its tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import Image, Plane
from sparcell.core.rows import LabelPlane
from sparcell.core.tracks import Track
from sparcell.measurement import object_table
from sparcell.tracking.gaps import ViewTest
from sparcell.tracking.kept_frames import OBJECTS, Arrays, KeptFrames
from sparcell.tracking.lineage import build_tracks
from sparcell.tracking.linking import Links, link_objects
from sparcell.tracking.movies import MovieToTrack
from sparcell.tracking.objects import MovieObjects
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
from sparcell.tracking.tiled import TiledWell, WellMovie, join_tiles

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

LinkSource = Callable[[str, MovieObjects, float | None], Links]


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


def track_movie(
    movie: MovieToTrack,
    images: Image | None,
    shifts: bool,
    given: LinkSource | None = None,
    fast: bool = False,
    kept: KeptFrames | None = None,
) -> TrackedObjects:
    """Track one movie in memory, by links of our own unless `given` returns others."""
    table, objects = measure_movie(movie, kept)
    path = _follow(objects, images, shifts)
    return _link(movie, table, objects, path, given, fast, kept)


def track_well(
    well: TiledWell,
    pictures: Mapping[str, Image],
    shifts: bool,
    given: LinkSource | None = None,
    fast: bool = False,
    kept: KeptFrames | None = None,
) -> tuple[MovieToTrack, TrackedObjects]:
    """Join the tiles of a well, and track it as one movie."""
    joined = join_tiles(well, partial(follow_movie, pictures=pictures, shifts=shifts))
    table, objects = joined.measure()
    path = stand_still(joined.movie.frames)
    # Gaps between tiles cut cells: these are linked by where the whole probably is.
    whole = joined.completed(objects)
    result = _link(joined.movie, table, whole, path, given, fast, kept, joined.in_view)
    return joined.movie, replace(result, objects=objects, well=joined)


def follow_movie(
    movie: MovieToTrack, pictures: Mapping[str, Image], shifts: bool
) -> tuple[StagePath, float]:
    """Find the path of the stage of a movie, and the diameter of its objects in px."""
    _, objects = measure_movie(movie)
    return _follow(objects, pictures.get(movie.name), shifts), objects.diameter


def _follow(objects: MovieObjects, images: Image | None, shifts: bool) -> StagePath:
    if not shifts:
        return stand_still(objects.count)
    return follow_stage(objects, _read_gray(images) if images is not None else None)


def _link(
    movie: MovieToTrack,
    table: DataFrame,
    objects: MovieObjects,
    path: StagePath,
    given: LinkSource | None,
    fast: bool,
    kept: KeptFrames | None,
    in_view: ViewTest | None = None,
) -> TrackedObjects:
    labels = None
    if movie.labels is not None:
        stack = movie.labels

        def labels(t: int) -> NDArray[np.int32]:
            return stack.read_labels(plane=Plane(t))

    if given is not None:
        links = given(movie.name, objects, movie.labels.pixel_size if movie.labels else None)
    else:
        links = link_objects(objects, path.shifts, labels, fast=fast, in_view=in_view, kept=kept)
    of_object, tracks = build_tracks(objects, links)
    return TrackedObjects(table, objects, of_object, tracks, links, path)


def measure_movie(
    movie: MovieToTrack, kept: KeptFrames | None = None
) -> tuple[DataFrame, MovieObjects]:
    """Measure all objects of a movie, in the order of frames."""
    import pandas as pd

    if movie.points is not None:
        table = movie.points
        largest = table[["y", "x"]].max() + 1
        field = (float(largest["y"]), float(largest["x"]))
        return table, MovieObjects.of_table(table, movie.frames, field)
    assert movie.labels is not None
    kept = kept or KeptFrames()
    frames = [kept.get(OBJECTS, t, partial(_measure, movie.labels, t)) for t in range(movie.frames)]
    columns = {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]}
    names = movie.names if len(movie.names) == movie.frames else movie.names[:1] * movie.frames
    image = np.repeat(np.array(names, np.object_), [len(frame["id"]) for frame in frames])
    table = pd.DataFrame({"image": pd.Series(image, dtype="str"), **columns})
    return table, MovieObjects.of_table(table, movie.frames, movie.labels.shape)


def _measure(labels: Image, t: int) -> Arrays:
    """Measure the objects of a frame: columns of their table, but the name of the image."""
    plane = Plane(t)
    rows = object_table(LabelPlane(labels, plane), pixel_size=labels.pixel_size, plane=plane)
    return {str(name): rows[name].to_numpy() for name in rows if name != "image"}


def _read_gray(images: Image) -> Callable[[int], NDArray[np.float32]]:
    """Return a function that reads the first channel of a frame."""
    return lambda t: images.read(plane=Plane(t))[0]


def tabulate(movie: MovieToTrack, result: TrackedObjects) -> dict[str, DataFrame]:
    """Make the tables of one movie, by name."""
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


def warn_of_faults(movie: MovieToTrack, result: TrackedObjects) -> None:
    """Print where shifts are uncertain, and how many frames are empty."""
    uncertain = np.flatnonzero(~result.path.certain)
    if len(uncertain):
        logger.warning(
            f"{movie.name}: the shift of the stage is uncertain before {len(uncertain)} of "
            f"{movie.frames - 1} frames, first frame {uncertain[0] + 1}; see shifts.csv"
        )
    empty = movie.frames - len(np.unique(result.objects.frames))
    if empty:
        logger.warning(f"{movie.name}: {empty} of {movie.frames} frames have no object")
