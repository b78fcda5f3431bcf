"""Correct the masks of a movie by what is before and after, and list what was changed."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.image_ref import ImageRef
from sparcell.tracking.hypotheses import SHARED, FrameRegions
from sparcell.tracking.linking import link_objects
from sparcell.tracking.movies import MovieToTrack
from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.region_choice import choose_regions
from sparcell.tracking.separation import find_halves, unite
from sparcell.tracking.shape_variants import vary_shapes
from sparcell.tracking.stage import StagePath
from sparcell.tracking.tiled import TiledWell

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

HYPOTHESES = "hypotheses"
LATEST = 8
"""Frames that stay unpacked while divisions are looked at."""
COLUMNS = ("movie", "tile", "t", "change", "id", "found_ids", "y", "x", "area_px")


@dataclass(frozen=True)
class Alternatives:
    """Label images of a movie beside its own.

    Attributes
    ----------
    images : tuple of Image
        Other label movies of the same frames, as `predict` writes them with `hypotheses`.
    shapes : bool
        Touching objects merged, and objects cut at necks, are alternatives, too.
    """

    images: tuple[Image, ...] = ()
    shapes: bool = False

    def __bool__(self) -> bool:
        return bool(self.images) or self.shapes


def find_alternatives(
    folder: Path, movie: MovieToTrack, repair: bool | None = None
) -> Alternatives:
    """Find the label images that `predict` wrote with `hypotheses`.

    Parameters
    ----------
    folder : Path
        That `predict` wrote.
    movie : MovieToTrack
    repair : bool or None
        None: only if there are some; True: shapes are alternatives, too; False: none.

    Raises
    ------
    InputError
        If one is missing or has another size.
    """
    from sparcell.io import open_image
    from sparcell.io.frame_stack import open_frames

    if repair is False or movie.labels is None:
        return Alternatives()
    source = folder / HYPOTHESES
    folders = sorted(source.iterdir()) if source.is_dir() else []
    images = []
    for one in folders:
        paths = [one / path.name for path in movie.paths]
        missing = [path for path in paths if not path.exists()]
        if missing:
            raise InputError(
                f"no {missing[0]}",
                "hypotheses of every label image",
                "predict again with `hypotheses`, or keep the masks with `repair=False`",
            )
        refs = [ImageRef(path) for path in paths]
        image = open_image(paths[0]) if len(paths) == 1 else open_frames(refs, labels=True)
        if image.tzyx != movie.labels.tzyx:
            raise InputError(
                f"hypotheses of T, Z, Y, X = {image.tzyx} beside labels of {movie.labels.tzyx}",
                "label images of the same frames",
                "predict again with `hypotheses`",
            )
        images.append(image)
    return Alternatives(tuple(images), shapes=repair is True)


def check_links_alone(repair: bool | None) -> bool:
    """Check that masks stay where links are given, since these name their objects.

    Raises
    ------
    InputError
        If they are to be repaired.
    """
    if repair:
        raise InputError("`repair` with `links`", "one of them", "leave one out")
    return False


def repair_job(
    job: MovieToTrack | TiledWell,
    find: Callable[[MovieToTrack], Alternatives],
    follow: Callable[[MovieToTrack], tuple[StagePath, float]],
) -> tuple[MovieToTrack | TiledWell, DataFrame]:
    """Repair the masks of a movie, or of each tile of a well, where there are alternatives.

    Parameters
    ----------
    job : MovieToTrack or TiledWell
    find : callable
        Returns the alternatives of a movie.
    follow : callable
        Returns the path of the stage of a movie, and the diameter of its objects.

    Returns
    -------
    job : MovieToTrack or TiledWell
    changes : DataFrame
        See `repair_movie`; frames are those of the well.
    """
    import pandas as pd

    if isinstance(job, MovieToTrack):
        others = find(job)
        if not others:
            return job, pd.DataFrame(columns=list(COLUMNS))
        return repair_movie(job, others, follow(job)[0].shifts)
    tiles, changes = [], []
    times = np.array(job.times)
    for tile in job.tiles:
        repaired, rows = repair_job(tile, find, follow)
        assert isinstance(repaired, MovieToTrack)
        tiles.append(repaired)
        own = np.searchsorted(times, tile.times) if tile.times else np.arange(tile.frames)
        changes.append(rows.assign(movie=job.name, t=own[rows["t"].to_numpy(np.int64)]))
    return replace(job, tiles=tuple(tiles)), pd.concat(changes, ignore_index=True)


def name_origins(objects: DataFrame, changes: DataFrame) -> DataFrame:
    """Add the column origin: found, or how the mask was changed."""
    number = "tile_id" if "tile_id" in objects else "id"
    known = {
        (str(tile), t, one): change
        for tile, t, one, change in zip(
            changes["tile"], changes["t"], changes["id"], changes["change"], strict=True
        )
    }
    keys = zip(objects["tile"].astype(str), objects["t"], objects[number], strict=True)
    return objects.assign(origin=[known.get(key, "found") for key in keys])


def repair_movie(
    movie: MovieToTrack, alternatives: Alternatives, shifts: Floats
) -> tuple[MovieToTrack, DataFrame]:
    """Choose the masks of each frame that go on best over time.

    Parameters
    ----------
    movie : MovieToTrack
        With label images.
    alternatives : Alternatives
    shifts : (T - 1, 2) float64
        Motion of the stage, px.

    Returns
    -------
    movie : MovieToTrack
        With the label images that were chosen. Objects that stay have the same ids.
    changes : DataFrame
        One row for each object that was changed; see `list_changes`.
    """
    import pandas as pd

    stack = movie.labels
    assert stack is not None

    def read(t: int) -> list[NDArray[np.int32]]:
        plane = Plane(t)
        images = [image.read_labels(plane=plane) for image in (stack, *alternatives.images)]
        return images + (vary_shapes(images[0]) if alternatives.shapes else [])

    frames = []
    rows: list[dict[str, Any]] = []
    for t, (regions, chosen) in enumerate(choose_regions(read, movie.frames, shifts)):
        ids = _number(regions, chosen)
        frames.append(_pack(_paint(regions, chosen, ids)))
        names = {"movie": movie.name, "tile": movie.tile, "t": t}
        rows += [{**names, **row} for row in list_changes(regions, chosen, ids)]
    packed, rows = _unite_halves(movie, frames, shifts, rows)
    source = f"repaired {stack.source}"
    labels = Image(packed, "TYX", stack.pixel_size, source=source)
    return replace(movie, labels=labels), pd.DataFrame(rows, columns=list(COLUMNS))


def _unite_halves(
    movie: MovieToTrack, frames: list[bytes], shifts: Floats, rows: list[dict[str, Any]]
) -> tuple[PackedLabels, list[dict[str, Any]]]:
    """Join the halves of dividing cells in packed label images, and in the list of changes."""
    import pandas as pd

    from sparcell.measurement import object_table

    assert movie.labels is not None
    shape = movie.labels.shape
    packed = PackedLabels(tuple(frames), (len(frames), *shape))

    @lru_cache(maxsize=LATEST)
    def read(t: int) -> NDArray[np.int32]:
        return packed[t, :, :]

    tables = [object_table(packed[t, :, :], plane=(t, 0)) for t in range(len(frames))]
    objects = MovieObjects.of_table(pd.concat(tables, ignore_index=True), len(frames), shape)
    halves = find_halves(objects, link_objects(objects, shifts, read), read)
    for t, some in groupby(halves, key=lambda half: half.frame):
        labels = packed[t, :, :]
        for _, one, other in some:
            labels = unite(labels, one, other)
            both = [row for row in rows if row["t"] == t and row["id"] in (one, other)]
            rows = [row for row in rows if row not in both]
            rows.append({**_join_rows(both, (one, other), labels), "t": t,
                         "movie": movie.name, "tile": movie.tile})  # fmt: skip
        frames[t] = _pack(labels)
    return replace(packed, frames=tuple(frames)), sorted(rows, key=lambda row: int(row["t"]))


def _join_rows(
    rows: list[dict[str, Any]], ids: tuple[int, int], labels: NDArray[np.int32]
) -> dict[str, Any]:
    """Describe what two objects are together, from the rows of those that had been changed."""
    known = {row["id"]: row["found_ids"] for row in rows}
    # An object that was not changed is a found one, and has its id.
    found = {one for each in ids for one in str(known.get(each, each)).split()}
    place = np.argwhere(labels == ids[0])
    y, x = place.mean(axis=0).round(2).tolist()
    return {
        "change": "joined" if len(found) > 1 else "outline",
        "id": ids[0],
        "found_ids": " ".join(sorted(found, key=int)),
        "y": y,
        "x": x,
        "area_px": len(place),
    }


def _pack(labels: NDArray[np.int32]) -> bytes:
    return zlib.compress(np.ascontiguousarray(labels).tobytes(), 1)


@dataclass(frozen=True)
class PackedLabels:
    """Label images in memory, compressed frame by frame."""

    frames: tuple[bytes, ...]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the ids."""
        return np.dtype(np.int32)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.int32]:
        frame, y, x = index
        pixels = np.frombuffer(zlib.decompress(self.frames[frame]), np.int32)
        labels: NDArray[np.int32] = pixels.reshape(self.shape[1:])[y, x]
        return labels


def _number(regions: FrameRegions, chosen: Integers) -> Integers:
    """Id of each chosen region: what was found keeps its own, others have the next free ones."""
    ids = regions.found[chosen].copy()
    new = np.flatnonzero(ids == 0)
    ids[new] = int(regions.found.max(initial=0)) + 1 + np.arange(len(new))
    return ids


def _paint(regions: FrameRegions, chosen: Integers, ids: Integers) -> NDArray[np.int32]:
    """Label image of the chosen regions, (Y, X); an atom of two belongs to the larger one."""
    of_atom = np.zeros(regions.members.shape[1] + 1, np.int32)
    for k in np.argsort(regions.areas[chosen], kind="stable"):
        start, stop = regions.members.indptr[chosen[k] : chosen[k] + 2]
        of_atom[regions.members.indices[start:stop] + 1] = ids[k]
    return np.asarray(of_atom[regions.atoms])


def list_changes(
    regions: FrameRegions, chosen: Integers, ids: Integers
) -> Sequence[dict[str, Any]]:
    """List the objects of a frame that were changed.

    Returns
    -------
    list of dict
        ``change`` is joined (of several found objects), split (one of several parts of a found
        object), outline (another outline), added (nothing was found there) or removed; ``id`` of
        the new object, 0 if removed; ``found_ids`` of the found ones; y, x and area_px.
    """
    found = np.flatnonzero(regions.found)
    shared = regions.shared(chosen, found)
    least = np.minimum(regions.areas[chosen][:, None], regions.areas[found][None, :])
    touches = shared > SHARED * least
    rows = []
    for k in np.flatnonzero(regions.found[chosen] == 0):
        partners = np.flatnonzero(touches[k])
        change = "joined" if len(partners) > 1 else "outline"
        if not len(partners):
            change = "added"
        elif len(partners) == 1 and touches[:, partners[0]].sum() > 1:
            change = "split"
        rows.append(_row(regions, chosen[k], change, int(ids[k]), regions.found[found[partners]]))
    for k in np.flatnonzero(~touches.any(axis=0)):
        rows.append(_row(regions, found[k], "removed", 0, regions.found[found[[k]]]))
    return rows


def _row(
    regions: FrameRegions, region: int, change: str, number: int, found: Integers
) -> dict[str, Any]:
    y, x = regions.places[region].round(2).tolist()
    return {
        "change": change,
        "id": number,
        "found_ids": " ".join(map(str, found.tolist())),
        "y": y,
        "x": x,
        "area_px": int(regions.areas[region]),
    }
