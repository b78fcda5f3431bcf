"""Find the objects of one image in one go: labels and object table."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.core.columns import Columns
from sparcell.core.image import Image, Plane
from sparcell.io import create_labels, write_columns
from sparcell.measurement.objects import Window, object_columns
from sparcell.models.model import Model
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tiling.restore import Restore
from sparcell.prediction.tiling.tiles import (
    CONTEXT,
    Grid,
    RowBand,
    Stitcher,
    TileObjects,
    TileWindows,
    cut_plane,
    map_rows,
    run_ahead,
)

logger = logging.getLogger(__name__)

MOST_TILES = 4
"""Most tiles that are decoded at the same time: each takes memory."""
SMALL = 512
"""Largest edge of planes that are predicted in the thread of the call, px."""
MIN_DECODED = 1024
"""Fewest columns that are decoded as a tile of their own, px."""


def predict_instances(
    prepared: PreparedImage, labels: Path, objects: Path, name: str = "", threads: int = 1
) -> Columns:
    """Find the objects of one image, plane by plane, with memory bounded by the tile.

    Parameters
    ----------
    prepared : PreparedImage
    labels : Path
        Where the label image goes: the image's axes but C, ids 1..n in every plane.
    objects : Path
        Where the object table goes.
    name : str
        Of the image, in the table.
    threads : int
        Tiles that are decoded and measured at the same time, but no more than `MOST_TILES`.

    Returns
    -------
    Columns
        The object table.

    Raises
    ------
    InputError
        If the image cannot be read, or the results cannot be written.
    """
    image = prepared.image
    axes = label_axes(image)
    shape = [image.size(a) for a in axes]
    # Few programs show 32-bit labels, so they are used only where ids need them.
    for dtype in (np.uint16, np.uint32):
        try:
            with create_labels(labels, axes, shape, dtype, image.pixel_size) as target:
                table = predict_planes(prepared, target, name, threads)
            break
        except _TooManyIds:
            continue
    write_columns(table, objects)
    return table


def label_axes(image: Image) -> str:
    """Axes of the labels of an image: its own but C."""
    return "".join(a for a in "TZYX" if a in image.axes)


def predict_planes(prepared: PreparedImage, target: Any, name: str, threads: int) -> Columns:
    """Find the objects of all planes; constant planes have none.

    Parameters
    ----------
    prepared : PreparedImage
    target : array-like
        Filled with labels; of the axes `label_axes`.
    name, threads
        As for `predict_instances`.

    Returns
    -------
    Columns
        The object tables of all planes.

    Raises
    ------
    _TooManyIds
        If the dtype of `target` cannot number the objects.
    """
    tables: list[Future[Columns]] = []
    with _pool(prepared, threads) as pool:

        def measure(plane: Plane, found: TileObjects) -> None:
            tables.append(pool.submit(measure_numbered, prepared.image, plane, found, name))

        _find_planes(prepared, target, measure, pool)
    return join_tables([table.result() for table in tables])


def find_planes(
    prepared: PreparedImage, target: Any, threads: int
) -> list[tuple[Plane, TileObjects]]:
    """Find the objects of all planes, as `predict_planes` does, without measuring them.

    Returns
    -------
    list of (Plane, TileObjects)
        The objects of each tile, for `measure_numbered`.
    """
    tiles: list[tuple[Plane, TileObjects]] = []
    with _pool(prepared, threads) as pool:
        _find_planes(prepared, target, lambda plane, found: tiles.append((plane, found)), pool)
    return tiles


def _find_planes(
    prepared: PreparedImage,
    target: Any,
    on_found: Callable[[Plane, TileObjects], None],
    pool: Executor,
) -> None:
    """Write the labels of all planes, and call `on_found` with the objects of each tile."""
    write = _into(target, label_axes(prepared.image))
    for plane in prepared.planes:
        _find_plane(prepared, plane, partial(write, plane), partial(on_found, plane), pool)


def _find_plane(
    prepared: PreparedImage,
    plane: Plane,
    write: Callable[[RowBand], None],
    on_found: Callable[[TileObjects], None],
    pool: Executor,
) -> None:
    image = prepared.image
    cuts, halo = plan_cuts(prepared)
    rows = predict_rows(prepared, plane, cuts)
    if not isinstance(pool, _InThisThread):
        rows = run_ahead(rows)
    tiling = cuts, halo
    settings = prepared.decode_settings
    cut = decode_rows(prepared, settings, rows, tiling, on_found, write, pool.map)
    if cut:
        scale = image.shape[0] / prepared.network_image.shape[0]
        logger.warning(
            f"{image.source}: {cut} objects may be cut at tiles; give `halo` over "
            f"{ceil(halo * scale)}"
        )


def join_tables(tables: Sequence[Columns]) -> Columns:
    """Put the tables of tiles, at least one, below each other."""
    # Without objects, one empty table still has the columns.
    return Columns.join([table for table in tables if len(table)] or tables[:1])


def plan_cuts(prepared: PreparedImage) -> tuple[tuple[TileWindows, TileWindows], int]:
    """Windows along rows and columns of a plane, and the halo of its tiles."""
    network_image = prepared.network_image
    grids, halo = plan_tiles(prepared.image, network_image, prepared.model, prepared.settings)
    return cut_plane(network_image.shape, grids), halo


def predict_rows(
    prepared: PreparedImage, plane: Plane, cuts: tuple[TileWindows, TileWindows]
) -> Iterator[tuple[slice, Any]]:
    """Yield what the network predicts of a plane, a row of windows at a time."""
    output = prepared.model.method.output
    scaling = prepared.scaling(plane)
    return map_rows(prepared.network_image, plane, scaling, prepared.runtime, cuts, output)


def decode_rows(
    prepared: PreparedImage,
    decode_settings: Any,
    rows: Iterator[tuple[slice, Any]],
    tiling: tuple[tuple[TileWindows, TileWindows], int],
    on_found: Callable[[TileObjects], None],
    write: Callable[[RowBand], None],
    map_tiles: Callable[..., Any] = map,
) -> int:
    """Find the objects in the maps of a plane, and write its labels.

    Parameters
    ----------
    prepared : PreparedImage
    decode_settings : DecodeSettings
    rows : iterator
        As `predict_rows` yields them.
    tiling : tuple
        As `plan_cuts` returns it.
    on_found : callable
        Called with the objects of each tile.
    write : callable
        Called with finished rows of labels.
    map_tiles : callable
        ``map``, or the same in several threads.

    Returns
    -------
    int
        How many objects may be cut at tiles.
    """
    image, network_image = prepared.image, prepared.network_image
    decode: Callable[..., Any] = prepared.model.method.decode
    cuts, halo = tiling
    stitcher = Stitcher(
        lambda maps: decode(maps, decode_settings),
        split_columns(cuts[1].cores, halo),
        halo,
        map_tiles,
    )
    if network_image.shape == image.shape:
        bands = stitcher.run(rows, on_found)
    else:
        restore = Restore(image.shape, network_image.shape, on_found)
        bands = restore.bands(stitcher.run(rows, restore.take))
    for band in bands:
        write(band)
    return stitcher.cut


def measure_tile(image: Image, plane: Plane, found: TileObjects, name: str = "") -> Columns:
    """Measure the objects of a tile: size, shape and intensities; ids count within the tile.

    Of frames that are read together, the last one is measured.
    """
    frame = replace(image, frames=1)
    y, x = (
        slice(start, start + length)
        for start, length in zip(found.offset, found.labels.shape, strict=True)
    )
    return object_columns(
        found.labels,
        frame.read(y, x, plane),
        pixel_size=image.pixel_size,
        scores=found.scores,
        image_name=name,
        plane=plane,
        channels=frame.channels,
        window=Window(found.offset, image.shape),
    )


def measure_numbered(image: Image, plane: Plane, found: TileObjects, name: str = "") -> Columns:
    """Measure the objects of a tile as `measure_tile` does, with their ids in the image."""
    table = measure_tile(image, plane, found, name)
    # Of the first tile they count from 1 as they are.
    before = found.first_id - 1
    return table.assign(id=table["id"] + before) if before else table


def _into(target: Any, axes: str) -> Callable[[Plane, RowBand], None]:
    """Write bands of planes into a label image, as long as its dtype can number the objects."""
    largest = np.iinfo(target.dtype).max

    def write(plane: Plane, band: RowBand) -> None:
        if band.labels.max(initial=0) > largest:
            raise _TooManyIds
        rows = slice(band.top, band.top + len(band.labels))
        index = {"T": plane.t, "Z": plane.z, "Y": rows, "X": slice(None)}
        target[tuple(index[a] for a in axes)] = band.labels.astype(target.dtype, copy=False)

    return write


class _InThisThread(Executor):
    """Runs each call at once: a small plane takes less time than threads take to start."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(call(*args, **kwargs))
        return done


def _pool(prepared: PreparedImage, threads: int) -> Executor:
    """Threads that decode and measure tiles; none for one tile, which would wait for itself."""
    if max(prepared.network_image.shape) <= SMALL:
        return _InThisThread()
    return ThreadPoolExecutor(min(threads, MOST_TILES))


class _TooManyIds(Exception):
    """More objects than the label image's dtype can number."""


def plan_tiles(
    image: Image, network_image: Image, model: Model, settings: PredictSettings
) -> tuple[tuple[Grid, Grid], int]:
    """Choose the tiles of a plane.

    Returns
    -------
    grids : (Grid, Grid)
        How rows and columns are cut.
    halo : int
        Pixels that a tile sees around its core, for objects that reach beyond it; not more than its
        neighbours have.
    """
    factor = network_image.shape[0] / image.shape[0]
    rows, columns = settings.tile_of(image)
    if settings.halo is None:
        halo = int(np.clip(2 * model.spec.largest_diameter, 32, columns // 2))
    else:
        halo = ceil(settings.halo * factor)
    if not settings.tile:
        # Large objects need high tiles, or most pixels would be in several halos.
        rows = min(max(rows, 2 * halo), columns)
    # Where the image is shrunk for the network, a band of tiles stays the same part of it.
    vertical, horizontal = (
        model.grid(min(tile, max(int(tile * factor), 2 * halo)), CONTEXT, factor != 1)
        for tile in (rows, columns)
    )
    for cut in cut_plane(network_image.shape, (vertical, horizontal)):
        if len(cut.cores) > 1:
            halo = min(halo, *(core.stop - core.start - 1 for core in cut.cores))
    return (vertical, horizontal), halo


def split_columns(cores: list[slice], halo: int) -> list[slice]:
    """Split tiles for decoding, which has one thread for each, until there are `MOST_TILES`.

    The number of threads does not count, or the ids would depend on the machine.
    """
    columns = []
    for core in cores:
        width = core.stop - core.start
        # Parts that are small beside their halos would be decoded almost twice.
        most = width // max(MIN_DECODED, 4 * halo)
        count = max(1, min(ceil(MOST_TILES / len(cores)), most))
        edges = [core.start + width * number // count for number in range(count + 1)]
        columns += [slice(*pair) for pair in itertools.pairwise(edges)]
    return columns
