"""Find the objects of one image in one go: labels and object table."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.core.image import Image, Plane
from sparcell.io import create_labels, write_table
from sparcell.measurement.objects import Window, object_table
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

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

MOST_TILES = 4
"""Most tiles that are decoded at the same time: each takes memory."""
SMALL = 512
"""Largest edge of planes that are predicted in the thread of the call, px."""
MIN_DECODED = 1024
"""Fewest columns that are decoded as a tile of their own, px."""


def predict_instances(
    prepared: PreparedImage, labels: Path, objects: Path, name: str = "", threads: int = 1
) -> pd.DataFrame:
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
    DataFrame
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
    write_table(table, objects)
    return table


def label_axes(image: Image) -> str:
    """Axes of the labels of an image: its own but C."""
    return "".join(a for a in "TZYX" if a in image.axes)


def predict_planes(prepared: PreparedImage, target: Any, name: str, threads: int) -> pd.DataFrame:
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
    DataFrame
        The object tables of all planes.

    Raises
    ------
    _TooManyIds
        If the dtype of `target` cannot number the objects.
    """
    write = _into(target, label_axes(prepared.image))
    tables: list[pd.DataFrame] = []
    threads = min(threads, MOST_TILES)
    with _InThisThread() if _is_small(prepared) else ThreadPoolExecutor(threads) as pool:
        for plane in prepared.planes:
            tables += _predict_plane(prepared, plane, write, name, pool)
    if len(tables) == 1:
        return tables[0]
    import pandas as pd

    return pd.concat(tables, ignore_index=True)


def _predict_plane(
    prepared: PreparedImage,
    plane: Plane,
    write: Callable[[Plane, RowBand], None],
    name: str,
    pool: Executor,
) -> list[pd.DataFrame]:
    """Write the labels of one plane; return its object tables."""
    image = prepared.image
    cuts, halo = plan_cuts(prepared)
    tables: list[Future[pd.DataFrame]] = []

    def measure(found: TileObjects) -> pd.DataFrame:
        table = measure_tile(image, plane, found, name)
        # Of the first tile they count from 1 as they are.
        if found.first_id > 1:
            table["id"] += found.first_id - 1
        return table

    def submit(found: TileObjects) -> None:
        tables.append(pool.submit(measure, found))

    rows = predict_rows(prepared, plane, cuts)
    if not isinstance(pool, _InThisThread):
        rows = run_ahead(rows)
        # The network opens in the thread of `run_ahead`; the import takes as long.
        import pandas  # noqa: F401

    cut = decode_rows(
        prepared,
        prepared.decode_settings,
        rows,
        (cuts, halo),
        submit,
        partial(write, plane),
        pool.map,
    )
    if cut:
        scale = image.shape[0] / prepared.network_image.shape[0]
        logger.warning(
            f"{image.source}: {cut} objects may be cut at tiles; give `halo` over "
            f"{ceil(halo * scale)}"
        )
    measured = [table.result() for table in tables]
    # Without objects, one empty table still has the columns.
    return [table for table in measured if len(table)] or measured[:1]


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


def measure_tile(image: Image, plane: Plane, found: TileObjects, name: str = "") -> pd.DataFrame:
    """Measure the objects of a tile: size, shape and intensities; ids count within the tile.

    Of frames that are read together, the last one is measured.
    """
    frame = replace(image, frames=1)
    y, x = (
        slice(start, start + length)
        for start, length in zip(found.offset, found.labels.shape, strict=True)
    )
    return object_table(
        found.labels,
        frame.read(y, x, plane),
        pixel_size=image.pixel_size,
        scores=found.scores,
        image_name=name,
        plane=plane,
        channels=frame.channels,
        window=Window(found.offset, image.shape),
    )


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


def _is_small(prepared: PreparedImage) -> bool:
    """Whether a plane is one tile, so that threads would wait for each other."""
    # The first plane in a process opens the network in a thread.
    return max(prepared.network_image.shape) <= SMALL and "pandas" in sys.modules


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
