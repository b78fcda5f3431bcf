"""The steps from a large image to its labels, block by block.

1. `infer_tile`: run the network on every tile.
2. `decode_tile`: decode each tile's maps within its halo; its candidates are the objects that begin
   in its core.
3. `resolve_tile`: pixels of several tiles' candidates go to the first tile; objects are measured.
4. `write_block`: number all objects and write each block of the label image from the tiles that
   reach into it. Coarser levels follow.

Each step reads the files of the step before, of its block and the neighbours, and writes its own.
Files that exist and are whole are skipped. So blocks of one step can be done in any order, at the
same time, twice, or again after a crash, and the result is the same. The objects are those of the
image in one go, whose tiles may lie elsewhere.
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
from sparcell.methods.base import DecodedObjects
from sparcell.methods.detections import Detections, NetworkOutput, join
from sparcell.prediction.blocks.cache import load, require, save
from sparcell.prediction.blocks.plan import Area, BlockPlan, Job, TilePosition
from sparcell.prediction.loaded_model import LoadedModel, RuntimeSpec
from sparcell.prediction.predict_instances import measure_tile
from sparcell.prediction.tiling import tiles
from sparcell.prediction.tiling.restore import restore_labels

if TYPE_CHECKING:
    import pandas as pd


def infer_tile(runtime_spec: RuntimeSpec, job: Job) -> None:
    """Run the network on the tiles of a block."""
    for _ in tiles_to_infer(runtime_spec, job):
        pass


def tiles_to_infer(runtime_spec: RuntimeSpec, job: Job) -> Iterator[TilePosition]:
    """Run the network on the tiles of a block, and yield each when it is done."""
    plan, plane, block = job
    missing = [tile for tile in block if load(plan.file("infer", plane, tile)) is None]
    if not missing:
        return
    loaded = runtime_spec.open()
    image = plan.open()[1]
    scaling = _scaling(loaded, plan, plane)
    output = loaded.model.method.output

    def outputs() -> Iterator[NetworkOutput]:
        for tile in missing:
            cuts = (_only(plan.cuts[0], tile.row), _only(plan.cuts[1], tile.column))
            rows = tiles.map_rows(image, plane, scaling, loaded.runtime, cuts, output)
            yield from (network_output for _, network_output in rows)

    # The next tile is computed while this one is compressed.
    for tile, network_output in zip(missing, tiles.run_ahead(outputs()), strict=True):
        save(plan.file("infer", plane, tile), **_pack(network_output))
        yield tile


def decode_tile(runtime_spec: RuntimeSpec, job: Job) -> None:
    """Decode the tiles of a block, each with its halo."""
    plan, plane, block = job
    model = runtime_spec.open().model
    decode: Callable[[Any, Any], DecodedObjects] = model.method.decode
    settings = model.decode_settings.resized(plan.image.factor)
    load_tile = _loader(plan, plane, "infer", len({tile.column for tile in block}))
    for tile in block:
        if load(plan.file("decode", plane, tile)) is not None:
            continue
        y, x = window = plan.window(tile)
        rows = []
        # Detections near a cut are on both sides of it, so tiles one pixel beyond the window count.
        for _, near in groupby(plan.touching(window, 1), lambda other: other.row):
            parts = [(plan.core(other), _unpack(load_tile(other))) for other in near]
            rows.append(join([part[_inside(window, core)] for core, part in parts], axis=2))
        found = decode(join(rows, axis=1), settings)
        height, width = plan.shape
        inner = (y.start > 0, y.stop < height, x.start > 0, x.stop < width)
        core = _inside(plan.core(tile), window)[1:]
        objects = tiles.select_candidates(found, core, inner)
        arrays = {"labels": objects.labels, "scores": objects.scores, "cut": np.array(objects.cut)}
        save(plan.file("decode", plane, tile), **arrays)


class TileResult(NamedTuple):
    """The objects of a tile after all steps but the last.

    Attributes
    ----------
    tile : TilePosition
    area : Area
        Region that contains its objects, px of the image.
    objects : int
        Number of objects.
    cut : int
        Number of objects that the halo may cut.
    """

    tile: TilePosition
    area: Area
    objects: int
    cut: int


def resolve_tile(job: Job) -> None:
    """Resolve overlaps between the tiles of a block and others, and measure the objects."""
    plan, plane, block = job
    load_tile = _loader(plan, plane, "decode", len({tile.column for tile in block}))
    for tile in block:
        files = (plan.file(step, plane, tile) for step in ("resolve", "table"))
        if any(load(file) is None for file in files):
            _resolve_tile(plan, plane, tile, load_tile)


def tile_result(plan: BlockPlan, plane: Plane, tile: TilePosition) -> TileResult:
    """Read area and number of the objects of a tile."""
    arrays = require(plan.file("table", plane, tile))
    top, left, height, width = arrays["area"].tolist()
    area = (slice(top, top + height), slice(left, left + width))
    return TileResult(tile, area, len(arrays["table"]), int(arrays["cut"]))


def table_of(plan: BlockPlan, plane: Plane, tile: TilePosition) -> pd.DataFrame:
    """Table of a tile's objects without the column image; ids count within the tile."""
    import pandas as pd

    return pd.DataFrame.from_records(require(plan.file("table", plane, tile))["table"])


def _resolve_tile(
    plan: BlockPlan,
    plane: Plane,
    tile: TilePosition,
    load_tile: Callable[[TilePosition], dict[str, NDArray[Any]]],
) -> None:
    """Save the objects that a tile gets, in the size of the image, and their table."""
    image, network_image = plan.open()
    window = plan.window(tile)
    decoded = load_tile(tile)
    taken = np.zeros(decoded["labels"].shape, np.bool_)
    for other in plan.touching(window, plan.halo):
        if other < tile:
            other_window = plan.window(other)
            shared = load_tile(other)["labels"][_inside(window, other_window)[1:]]
            taken[_inside(other_window, window)[1:]] |= shared > 0
    candidates = tiles.CandidateObjects(decoded["labels"], decoded["scores"], int(decoded["cut"]))
    labels, scores = tiles.resolve_candidates(candidates, taken)
    offset = (window[0].start, window[1].start)
    if network_image.shape != image.shape:
        labels, offset = restore_labels(labels, offset, network_image.shape, image.shape)
        labels, ids = largest_pieces(labels)
        scores = scores[ids - 1]
    table = measure_tile(image, plane, tiles.TileObjects(labels, scores, offset, 1))
    save(plan.file("resolve", plane, tile), labels=labels)
    save(
        plan.file("table", plane, tile),
        table=table.frame().drop(columns="image").to_records(index=False),
        area=np.array([*offset, *labels.shape]),
        cut=decoded["cut"],
    )


class TilePart(NamedTuple):
    """The objects of one tile in a block of the label image."""

    tile: TilePosition
    area: Area
    first_id: int


class WriteJob(NamedTuple):
    """A block of one level of the label image.

    Attributes
    ----------
    plan : BlockPlan
    plane : Plane
    target : Path
        The OME-Zarr that is filled.
    level : int
        0 = full resolution.
    region : Region
        A part of the level that shares no chunk with another one.
    parts : list of TilePart
        Of level 0: the tiles that reach into it.
    """

    plan: BlockPlan
    plane: Plane
    target: Path
    level: int
    region: Region
    parts: list[TilePart]

    @property
    def checksum_file(self) -> Path:
        """File with the checksum of the pixels that were written."""
        y, x = self._area
        name = f"l{self.level}-y{y.start}-x{x.start}"
        return self.plan.step_folder("written", self.plane) / name

    @property
    def _area(self) -> Area:
        y, x = self.region[-2:]
        assert isinstance(y, slice) and isinstance(x, slice)
        return y, x

    def assemble(self) -> NDArray[np.uint32]:
        """Draw the objects of all tiles that reach into the block, with their ids in the image."""
        y, x = self._area
        pixels = np.zeros((y.stop - y.start, x.stop - x.start), np.uint32)
        for tile, area, first_id in self.parts:
            labels = require(self.plan.file("resolve", self.plane, tile))["labels"]
            labels = labels[_inside(self._area, area)[1:]]
            ids = labels.astype(np.uint32) + np.uint32(first_id - 1)
            np.copyto(pixels[_inside(area, self._area)[1:]], ids, where=labels > 0)
        return pixels


def write_block(job: WriteJob) -> None:
    """Write one block of the label image, unless it is written already and whole."""
    if is_written(job):
        return
    with plain_os_errors(job.target):
        if job.level:
            pixels = coarsen(_level(job, job.level - 1), _level(job), job.region, labels=True)
        else:
            pixels = job.assemble()
            _level(job)[job.region] = pixels
    save(job.checksum_file, digest=_digest(pixels))


def is_written(job: WriteJob) -> bool:
    """Whether the pixels in the file have the checksum of those that were written."""
    checksum = load(job.checksum_file)
    if checksum is None:
        return False
    try:
        pixels = np.asarray(_level(job)[job.region])
    except Exception:
        # Codecs raise errors of many kinds on a damaged chunk.
        return False
    return np.array_equal(_digest(pixels), checksum["digest"])


def _level(job: WriteJob, level: int | None = None) -> Any:
    import zarr

    return zarr.open_array(job.target / str(job.level if level is None else level), mode="r+")


def _digest(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(hashlib.sha256(np.ascontiguousarray(pixels).data).digest(), np.uint8)


@lru_cache(maxsize=8)
def _scaling(loaded: LoadedModel, plan: BlockPlan, plane: Plane) -> Callable[[Any], Any]:
    return loaded.model.scaling(plan.open()[1], plane)


def _only(cut: tiles.TileWindows, number: int) -> tiles.TileWindows:
    return tiles.TileWindows([cut.cores[number]], [cut.starts[number]], cut.size)


def _inside(area: Area, other: Area) -> tuple[slice, slice, slice]:
    """Index of the pixels of `other` that `area` shares, from the first pixel of `other`.

    The first of the three slices takes all channels.
    """
    y, x = (
        slice(max(a.start - b.start, 0), max(min(a.stop, b.stop) - b.start, 0))
        for a, b in zip(area, other, strict=True)
    )
    return slice(None), y, x


def _loader(
    plan: BlockPlan, plane: Plane, step: str, columns: int
) -> Callable[[TilePosition], dict[str, NDArray[Any]]]:
    """Read a step's results of tiles; those of the last rows of tiles are cached."""

    @lru_cache(maxsize=3 * (columns + 2))
    def load_tile(tile: TilePosition) -> dict[str, NDArray[Any]]:
        return require(plan.file(step, plane, tile))

    return load_tile


def _pack(network_output: NetworkOutput) -> dict[str, NDArray[Any]]:
    if isinstance(network_output, Detections):
        return {
            "boxes": network_output.boxes,
            "scores": network_output.scores,
            "masks": network_output.masks,
            "shape": np.array(network_output.shape),
        }
    return {"maps": np.asarray(network_output)}


def _unpack(arrays: dict[str, NDArray[Any]]) -> NetworkOutput:
    if "maps" in arrays:
        return arrays["maps"]
    _, height, width = arrays["shape"].tolist()
    parts = (arrays["boxes"], arrays["scores"], arrays["masks"])
    return Detections(*parts, (1, height, width))
