"""The steps from a large image to its labels, block by block.

1. `infer_tile`: run the network on every tile.
2. `decode_tile`: decode each tile's maps within its halo; its candidates are the objects that begin
   in its core.
3. `resolve_tile`: pixels of several candidates go to the first tile; objects are measured.
4. `write_block`: number all objects and write each block of the label image from the tiles that
   reach into it. Coarser levels follow.

Each step reads what the step before has left of the block and its neighbours, and leaves files
of its own; it skips what is there already and whole. So blocks of one step can be done in any
order, at the same time, twice, or again after a crash, and the result is the same. The objects are
those of the image in one go, where tiles may lie elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.files import plain_os_errors
from sparcell.core.image import Plane
from sparcell.core.labels import largest_pieces
from sparcell.io.ngff_writer import Region, coarsen
from sparcell.measurement.objects import Window, object_table
from sparcell.methods.base import DecodedObjects
from sparcell.methods.detections import Detections, NetworkOutput, join
from sparcell.prediction.blocks.cache import load, require, save
from sparcell.prediction.blocks.plan import Area, BlockPlan, Job, TilePosition
from sparcell.prediction.loaded_model import LoadedModel, RuntimeSpec
from sparcell.prediction.tiling import tiles
from sparcell.prediction.tiling.rescale import restore_labels

if TYPE_CHECKING:
    import pandas as pd


def infer_tile(engine: RuntimeSpec, job: Job) -> None:
    """Run the network on the tiles of a block."""
    for _ in tiles_to_infer(engine, job):
        pass


def tiles_to_infer(engine: RuntimeSpec, job: Job) -> Iterator[TilePosition]:
    """Run the network on the tiles of a block, and tell when each is done."""
    mosaic, plane, block = job
    missing = [tile for tile in block if load(mosaic.file("look", plane, tile)) is None]
    if not missing:
        return
    opened = engine.open()
    image = mosaic.open()[1]
    scaling = _scaling(opened, mosaic, plane)
    output = opened.model.method.output

    def answers() -> Iterator[NetworkOutput]:
        for tile in missing:
            one = (_only(mosaic.cuts[0], tile.row), _only(mosaic.cuts[1], tile.column))
            for _, reading in tiles.map_rows(image, plane, scaling, opened.runtime, one, output):
                yield reading

    # The next tile is computed while this one is compressed.
    for tile, reading in zip(missing, tiles.ahead(answers()), strict=True):
        save(mosaic.file("look", plane, tile), **_pack(reading))
        yield tile


def decode_tile(engine: RuntimeSpec, job: Job) -> None:
    """Decode the tiles of a block, each with its halo."""
    mosaic, plane, block = job
    model = engine.open().model
    decode: Callable[[Any, Any], DecodedObjects] = model.method.decode
    load_tile = _loader(mosaic, plane, "look", len({tile.column for tile in block}))
    for tile in block:
        if load(mosaic.file("claim", plane, tile)) is not None:
            continue
        y, x = window = mosaic.window(tile)
        rows = []
        # Detections lie on both sides of a cut if they are near it: one pixel beyond is asked too.
        for _, near in groupby(mosaic.touching(window, 1), lambda other: other.row):
            parts = [(mosaic.core(other), _unpack(load_tile(other))) for other in near]
            rows.append(join([part[_inside(window, core)] for core, part in parts], axis=2))
        found = decode(join(rows, axis=1), model.decode_settings)
        height, width = mosaic.shape
        inner = (y.start > 0, y.stop < height, x.start > 0, x.stop < width)
        core = _inside(mosaic.core(tile), window)[1:]
        mine = tiles.claim_objects(found, core, inner)
        arrays = {"labels": mine.labels, "scores": mine.scores, "cut": np.array(mine.cut)}
        save(mosaic.file("claim", plane, tile), **arrays)


class TileResult(NamedTuple):
    """What a tile has come to.

    Attributes
    ----------
    tile : TilePosition
    area : Area
        Where its objects may lie, px of the image.
    objects : int
        How many they are.
    cut : int
        How many may be cut by the halo.
    """

    tile: TilePosition
    area: Area
    objects: int
    cut: int


def resolve_tile(job: Job) -> None:
    """Decide between the claims on the tiles of a block, and measure the objects."""
    mosaic, plane, block = job
    load_tile = _loader(mosaic, plane, "claim", len({tile.column for tile in block}))
    for tile in block:
        files = (mosaic.file(step, plane, tile) for step in ("settle", "table"))
        if any(load(file) is None for file in files):
            _settle_tile(mosaic, plane, tile, load_tile)


def resolved_tile(mosaic: BlockPlan, plane: Plane, tile: TilePosition) -> TileResult:
    """Tell what a tile has come to."""
    kept = require(mosaic.file("table", plane, tile))
    (top, left, height, width), count, cut = kept["area"].tolist(), len(kept["table"]), kept["cut"]
    return TileResult(tile, (slice(top, top + height), slice(left, left + width)), count, int(cut))


def table_of(mosaic: BlockPlan, plane: Plane, tile: TilePosition) -> pd.DataFrame:
    """Table of a tile's objects without the column image; ids count within the tile."""
    import pandas as pd

    return pd.DataFrame.from_records(require(mosaic.file("table", plane, tile))["table"])


def _settle_tile(
    mosaic: BlockPlan,
    plane: Plane,
    tile: TilePosition,
    load_tile: Callable[[TilePosition], dict[str, NDArray[Any]]],
) -> None:
    """Keep a tile's objects and their table."""
    own, seen = mosaic.open()
    window = mosaic.window(tile)
    mine = load_tile(tile)
    taken = np.zeros(mine["labels"].shape, np.bool_)
    for other in mosaic.touching(window, mosaic.halo):
        if other < tile:
            theirs = mosaic.window(other)
            shared = load_tile(other)["labels"][_inside(window, theirs)[1:]]
            taken[_inside(theirs, window)[1:]] |= shared > 0
    own_claim = tiles.CandidateObjects(mine["labels"], mine["scores"], int(mine["cut"]))
    labels, scores = tiles.resolve_candidates(own_claim, taken)
    offset = (window[0].start, window[1].start)
    if seen.shape != own.shape:
        labels, offset = restore_labels(labels, offset, seen.shape, own.shape)
        labels, ids = largest_pieces(labels)
        scores = scores[ids - 1]
    table = object_table(
        labels,
        pixel_size=own.pixel_size,
        scores=scores,
        plane=plane,
        window=Window(offset, own.shape),
    )
    save(mosaic.file("settle", plane, tile), labels=labels)
    save(
        mosaic.file("table", plane, tile),
        table=table.drop(columns="image").to_records(index=False),
        area=np.array([*offset, *labels.shape]),
        cut=mine["cut"],
    )


class TilePart(NamedTuple):
    """A tile's share in a block of the label image."""

    tile: TilePosition
    area: Area
    first_id: int


class WriteJob(NamedTuple):
    """A block of one level of the label image.

    Attributes
    ----------
    mosaic : Mosaic
    plane : Plane
    target : Path
        The OME-Zarr that is filled.
    level : int
        0 = full resolution.
    region : Region
        A part of the level that shares no chunk with another one.
    pieces : list of Piece
        Of level 0: the tiles that reach into it.
    """

    mosaic: BlockPlan
    plane: Plane
    target: Path
    level: int
    region: Region
    pieces: list[TilePart]

    @property
    def mark(self) -> Path:
        """File with the checksum of the pixels that were written."""
        y, x = self._area
        name = f"l{self.level}-y{y.start}-x{x.start}"
        return self.mosaic.part("written", self.plane) / name

    @property
    def _area(self) -> Area:
        y, x = self.region[-2:]
        assert isinstance(y, slice) and isinstance(x, slice)
        return y, x

    def put_together(self) -> NDArray[np.uint32]:
        """Number the objects of the tiles and put them in their places."""
        y, x = self._area
        pixels = np.zeros((y.stop - y.start, x.stop - x.start), np.uint32)
        for tile, area, first_id in self.pieces:
            labels = require(self.mosaic.file("settle", self.plane, tile))["labels"]
            labels = labels[_inside(self._area, area)[1:]]
            ids = labels.astype(np.uint32) + np.uint32(first_id - 1)
            np.copyto(pixels[_inside(area, self._area)[1:]], ids, where=labels > 0)
        return pixels


def write_block(job: WriteJob) -> None:
    """Write one block of the label image, unless it is there as it was written."""
    if is_written(job):
        return
    with plain_os_errors(job.target):
        if job.level:
            pixels = coarsen(_level(job, job.level - 1), _level(job), job.region, labels=True)
        else:
            pixels = job.put_together()
            _level(job)[job.region] = pixels
    save(job.mark, digest=_digest(pixels))


def is_written(job: WriteJob) -> bool:
    """Compare the pixels that are there with the checksum of those that were written."""
    mark = load(job.mark)
    if mark is None:
        return False
    try:
        pixels = np.asarray(_level(job)[job.region])
    except Exception:
        # Codecs raise whatever they like on a damaged chunk.
        return False
    return np.array_equal(_digest(pixels), mark["digest"])


def _level(job: WriteJob, level: int | None = None) -> Any:
    import zarr

    return zarr.open_array(job.target / str(job.level if level is None else level), mode="r+")


def _digest(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(hashlib.sha256(np.ascontiguousarray(pixels).data).digest(), np.uint8)


@lru_cache(maxsize=8)
def _scaling(opened: LoadedModel, mosaic: BlockPlan, plane: Plane) -> Callable[[Any], Any]:
    return opened.model.scaling(mosaic.open()[1], plane)


def _only(cut: tiles.TileWindows, number: int) -> tiles.TileWindows:
    return tiles.TileWindows([cut.cores[number]], [cut.starts[number]], cut.size)


def _inside(area: Area, other: Area) -> tuple[slice, slice, slice]:
    """Everything along the first axis, and the part of `other` that `area` shares, in `other`."""
    y, x = (
        slice(max(a.start - b.start, 0), max(min(a.stop, b.stop) - b.start, 0))
        for a, b in zip(area, other, strict=True)
    )
    return slice(None), y, x


def _loader(
    mosaic: BlockPlan, plane: Plane, step: str, columns: int
) -> Callable[[TilePosition], dict[str, NDArray[Any]]]:
    """Read what a step kept of tiles; those of the last rows are remembered."""

    @lru_cache(maxsize=3 * (columns + 2))
    def load_tile(tile: TilePosition) -> dict[str, NDArray[Any]]:
        return require(mosaic.file(step, plane, tile))

    return load_tile


def _pack(reading: NetworkOutput) -> dict[str, NDArray[Any]]:
    if isinstance(reading, Detections):
        return {
            "boxes": reading.boxes,
            "scores": reading.scores,
            "masks": reading.masks,
            "shape": np.array(reading.shape),
        }
    return {"maps": np.asarray(reading)}


def _unpack(arrays: dict[str, NDArray[Any]]) -> NetworkOutput:
    if "maps" in arrays:
        return arrays["maps"]
    _, height, width = arrays["shape"].tolist()
    parts = (arrays["boxes"], arrays["scores"], arrays["masks"])
    return Detections(*parts, (1, height, width))
