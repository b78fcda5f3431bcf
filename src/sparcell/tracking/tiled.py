"""Wells that were imaged tile by tile: from label images of tiles to one movie of the well."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.rows import LabelPlane
from sparcell.core.text import counted
from sparcell.tracking.layout import Layout
from sparcell.tracking.mosaic import Mosaic
from sparcell.tracking.movies import MovieToTrack
from sparcell.tracking.objects import MovieObjects
from sparcell.tracking.placing import PlacedTiles, Placing
from sparcell.tracking.stage import StagePath
from sparcell.tracking.tables import shift_rows

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
PathFinder = Callable[[MovieToTrack], tuple[StagePath, float]]


@dataclass(frozen=True)
class TiledWell:
    """Movies of the tiles of one well.

    Attributes
    ----------
    name : str
    tiles : tuple of MovieToTrack
    layout : (K, 2) float64
        Rows and columns of a grid, or places in px.
    is_grid : bool
    """

    name: str
    tiles: tuple[MovieToTrack, ...]
    layout: Floats
    is_grid: bool

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files of all tiles."""
        return tuple(path for tile in self.tiles for path in tile.paths)

    @property
    def times(self) -> tuple[float, ...]:
        """All times at which a tile was imaged."""
        return tuple(sorted({time for tile in self.tiles for time in _times(tile)}))


@dataclass(frozen=True)
class WellMovie:
    """A well as one movie.

    Attributes
    ----------
    movie : MovieToTrack
        Its label images are painted when they are read.
    mosaic : Mosaic
    placed : PlacedTiles
    paths : tuple of StagePath
        Of each tile, in the frames of the well.
    well : TiledWell
    frame_of : (K, T) int64
        Frame of each tile's movie at each frame of the well; -1 for none.
    """

    movie: MovieToTrack
    mosaic: Mosaic
    placed: PlacedTiles
    paths: tuple[StagePath, ...]
    well: TiledWell
    frame_of: NDArray[np.int64]

    def measure(self) -> tuple[DataFrame, MovieObjects]:
        """Measure the objects of all frames.

        Returns
        -------
        table : DataFrame
            Ids, and places in px, are those in the picture of the well. Columns tile, tile_id,
            y_tile and x_tile say which object of which tile's label image that is: the largest part
            where several tiles show some.
        objects : MovieObjects
            The same, where objects that touch a gap between tiles count as cut, too.
        """
        import pandas as pd

        from sparcell.measurement import object_table

        assert self.movie.labels is not None
        parts, cuts = [], []
        for t in range(self.movie.frames):
            plane = Plane(t)
            rows = object_table(
                LabelPlane(self.movie.labels, plane),
                pixel_size=self.movie.labels.pixel_size,
                plane=plane,
            )
            frame = self.mosaic.frame(t)
            corners = self.mosaic.corners[frame.tiles, t]
            own = [self._file(k, t) for k in frame.tiles.tolist()]
            rows["image"], rows["touches_border"] = own, frame.at_border
            rows.insert(0, "tile", [self.well.tiles[k].tile for k in frame.tiles.tolist()])
            rows = rows.assign(tile_id=frame.ids)
            rows[["y_tile", "x_tile"]] = rows[["y", "x"]].to_numpy() - corners
            parts.append(rows)
            cuts.append(frame.is_cut)
        table = pd.concat(parts, ignore_index=True)
        whole = table.assign(touches_border=np.concatenate(cuts))
        return table, MovieObjects.of_table(whole, self.movie.frames, self.movie.labels.shape)

    def completed(self, objects: MovieObjects) -> MovieObjects:
        """Return the objects at the probable centres of whole cells, to be linked."""
        frames = range(self.movie.frames)
        centres = np.concatenate([self.mosaic.frame(t).centres for t in frames])
        return replace(
            objects, places=np.where(objects.at_border[:, None], centres, objects.places)
        )

    def in_view(self, t: int, places: Floats) -> NDArray[np.bool_]:
        """Tell which places, (N, 2) px, a tile shows in a frame, (N,)."""
        low = self.mosaic.corners[self.frame_of[:, t] >= 0, t]
        beyond = places[:, None] - low
        return np.asarray(((beyond >= 0) & (beyond < self.mosaic.tile)).all(axis=2).any(axis=1))

    def _file(self, tile: int, t: int) -> str:
        """Name of the label image of a tile in a frame of the well."""
        names = self.well.tiles[tile].names
        return names[self.frame_of[tile, t] if len(names) > 1 else 0]

    def tile_rows(self) -> DataFrame:
        """One row per tile and frame: place of its first pixel in the picture of the well."""
        import pandas as pd

        low = np.floor(self.placed.origins.min(axis=(0, 1)))
        parts = []
        for k, tile in enumerate(self.well.tiles):
            frames = np.flatnonzero(self.frame_of[k] >= 0)
            known = np.concatenate([[True], self.paths[k].certain])
            y, x = (self.placed.origins[k] - low)[frames].round(2).T + 0.0
            parts.append(
                pd.DataFrame(
                    {
                        "movie": self.well.name,
                        "tile": tile.tile,
                        "t": frames,
                        "y_well": y,
                        "x_well": x,
                        "certain": known[frames],
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def coverage(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tiles of each frame, and px that they show, (T,) each."""
        frames = range(self.movie.frames)
        covered = np.array([self.mosaic.frame(t).covered for t in frames], np.int64)
        return (self.frame_of >= 0).sum(axis=0), covered

    def shift_rows(self) -> DataFrame:
        """One row per tile and frame: how its picture moved, and the evidence for that."""
        import pandas as pd

        parts = []
        for k, tile in enumerate(self.well.tiles):
            rows = shift_rows(self.well.name, tile.tile, self.paths[k])
            parts.append(rows[self.frame_of[k] >= 0])
        shifts: DataFrame = pd.concat(parts, ignore_index=True)
        return shifts


def group_tiles(movies: list[MovieToTrack], layout: Layout) -> list[TiledWell]:
    """Group movies by well.

    Raises
    ------
    InputError
        If names tell no tile, a tile has no place, or tiles have different sizes.
    """
    groups: dict[str, list[MovieToTrack]] = {}
    for movie in movies:
        if not movie.tile or movie.labels is None:
            raise InputError(
                f"{movie.name}, whose name tells no well and tile",
                "names with well and tile, such as B03_1_00d04h00m",
                "describe the names with `wells`, or leave out the grid of tiles",
            )
        groups.setdefault(movie.group, []).append(movie)
    wells = []
    for name, tiles in groups.items():
        shapes = {tile.labels.shape for tile in tiles if tile.labels is not None}
        if len(shapes) > 1:
            raise InputError(
                f"tiles of {' and '.join(map(str, sorted(shapes)))} px in {name}",
                "one size",
                "leave out the others",
            )
        places = layout.of([tile.tile for tile in tiles], name)
        if layout.unit == "um":
            size = tiles[0].labels.pixel_size if tiles[0].labels is not None else None
            if size is None:
                raise InputError(
                    f"places in um, and {name} without a pixel size",
                    "label images that tell their pixel size",
                    "give the places in px",
                )
            places = places / size
        if layout.overlap is not None:
            places = places * _pitch(shapes.pop(), layout.overlap)
        is_grid = layout.unit == "grid" and layout.overlap is None
        wells.append(TiledWell(name, tuple(tiles), places, is_grid))
    return wells


def _pitch(shape: tuple[int, ...], overlap: float) -> Floats:
    """Distance of neighbours in a grid, (2,) px."""
    pitch = np.array(shape) - overlap
    if not (0.5 * np.array(shape) <= pitch).all() or not (pitch <= 1.25 * np.array(shape)).all():
        raise InputError(
            f"an overlap of {overlap:g} px of tiles of {shape[0]} x {shape[1]} px",
            "half of a tile at most, and a gap of a quarter at most",
            "give the overlap in px",
        )
    return pitch


def warn_of_tiles(movies: list[MovieToTrack]) -> None:
    """Say so where tiles of a well are tracked one by one."""
    counts: dict[str, int] = {}
    for movie in movies:
        counts[movie.group] = counts.get(movie.group, 0) + bool(movie.group)
    most = max(counts, key=lambda group: counts[group])
    if counts[most] > 1:
        logger.warning(
            f"{counted(counts[most], 'tile')} of {most} without places: each is tracked alone; "
            "to follow cells from tile to tile, give `grid` or `tiles`"
        )


def join_tiles(well: TiledWell, follow: PathFinder) -> WellMovie:
    """Find the place of each tile in each frame, and open the well as one movie.

    Parameters
    ----------
    well : TiledWell
    follow : callable
        Returns the path of the stage of a tile's movie, and the diameter of its objects in px.
    """
    times = well.times
    number: Mapping[float, int] = {time: t for t, time in enumerate(times)}
    frame_of = np.full((len(well.tiles), len(times)), -1, np.int64)
    paths, diameters = [], []
    for k, tile in enumerate(well.tiles):
        at = np.array([number[time] for time in _times(tile)])
        frame_of[k, at] = np.arange(tile.frames)
        path, diameter = follow(tile)
        paths.append(path.spread(at, len(times)))
        diameters.append(diameter)
    diameter = float(np.median(diameters))
    first = well.tiles[0].labels
    assert first is not None
    placing = Placing(paths, well.layout, well.is_grid, first.shape, diameter, frame_of >= 0)

    def read(tile: int, frame: int) -> NDArray[np.int32] | None:
        labels, own = well.tiles[tile].labels, int(frame_of[tile, frame])
        return None if own < 0 or labels is None else labels.read_labels(plane=Plane(own))

    def mask(tile: int, frame: int) -> NDArray[np.bool_]:
        labels = read(tile, frame)
        assert labels is not None
        return labels > 0

    placed = placing.place(mask)
    _say(well, placed)
    corners = np.rint(placed.origins - np.floor(placed.origins.min(axis=(0, 1)))).astype(np.int64)
    height, width = corners.max(axis=(0, 1)) + first.shape
    mosaic = Mosaic(read, corners, first.shape, (len(times), int(height), int(width)), diameter)
    labels = Image(mosaic, "TYX", first.pixel_size, source=f"the tiles of {well.name}")
    given = well.tiles[0]
    known = bool(given.hours)
    interval = float(np.median(np.diff(times))) if known else given.interval
    hours = tuple((np.array(times) - times[0]).round(6).tolist()) if known else ()
    movie = replace(
        given,
        name=well.name,
        frames=len(times),
        labels=labels,
        names=(),
        paths=(),
        interval=interval,
        tile="",
        hours=hours,
        times=times,
    )
    return WellMovie(movie, mosaic, placed, tuple(paths), well, frame_of)


def _times(tile: MovieToTrack) -> tuple[float, ...]:
    return tile.times or tuple(map(float, range(tile.frames)))


def _say(well: TiledWell, placed: PlacedTiles) -> None:
    if placed.seams and not placed.found:
        logger.warning(
            f"{well.name}: no seam shows the same cells on both sides, so tiles lie as "
            + ("the grid says, without overlap or gap" if well.is_grid else "they were given")
        )
    elif placed.seams:
        logger.info(f"{well.name}: {placed.found} of {len(placed.seams)} seams found")
