"""A large image from its first block to its label pyramid, here or on many machines."""

from __future__ import annotations

import logging
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.core.files import flush, plain_os_errors, whole_file
from sparcell.core.image import Plane
from sparcell.core.progress import track
from sparcell.core.tables import escape_formula
from sparcell.core.text import counted
from sparcell.core.tiles import tiles
from sparcell.io.label_group import labels_version, list_label
from sparcell.io.layout import PixelLayout
from sparcell.io.ngff_writer import CHUNK, Region, create_levels
from sparcell.prediction.blocks import steps
from sparcell.prediction.blocks.cache import load
from sparcell.prediction.blocks.plan import BlockPlan, Job
from sparcell.prediction.blocks.steps import TilePart, TileResult, WriteJob
from sparcell.prediction.items import Item
from sparcell.prediction.loaded_model import RuntimeSpec
from sparcell.prediction.predict_instances import measure_tile
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.tiling.tiles import TileObjects, run_ahead
from sparcell.system.cluster import run_jobs
from sparcell.system.machine import cores

logger = logging.getLogger(__name__)

BLOCKS_AT_ONCE = 64
"""Planes of a movie are predicted together until there are so many blocks to share out."""
MOST_BLOCKS = 4
"""Most blocks that one process works on at the same time: each takes memory."""


def predict_in_blocks(
    prepared: PreparedImage, item: Item, runtime_spec: RuntimeSpec, client: Any = None
) -> None:
    """Find the objects of an image block by block, with memory bounded by the block.

    Intermediate results stay in ``item.unfinished``, and a later call goes on from there. Labels
    are OME-Zarr with the axes of the image but C, uint32, the objects of `predict_instances`; those
    of wide tiles may be numbered in another order. The object table is in the order of the ids.

    Parameters
    ----------
    prepared : PreparedImage
    item : Item
    runtime_spec : RuntimeSpec
    client : distributed.Client, optional
        Its workers predict the blocks; without, this process does.

    Raises
    ------
    InputError
        If the image cannot be read, a place cannot be written, or the cluster is lost.
    """
    plan = BlockPlan.of(prepared, item)
    labels, objects = item.labels(in_blocks=True), item.objects
    count = len(plan.blocks) * len(list(prepared.image.planes()))
    scale = prepared.scale
    resized = f", resized by {scale.factor:.3g}, {scale.found}" if scale.factor != 1 else ""
    logger.info(f"{item.path}: {counted(count, 'block')}{resized}")
    run = _Run(plan, runtime_spec, labels.with_name(f".{labels.name}.unfinished"), client)
    finished = plan.folder / "finished"
    if not finished.exists():
        run.prepare(labels)
        run.fill()
        with plain_os_errors(labels):
            flush(run.target)
        with whole_file(finished) as partial_file:
            partial_file.touch()
    with whole_file(objects) as partial_file:
        run.write_table(partial_file)
        if run.target.exists():
            with plain_os_errors(labels):
                shutil.rmtree(labels, ignore_errors=True)
                run.target.replace(labels)
        if version := labels_version(labels):
            list_label(labels, version)
    shutil.rmtree(plan.folder, ignore_errors=True)


@dataclass(frozen=True)
class _Run:
    """The prediction of one large image.

    Attributes
    ----------
    plan : BlockPlan
    runtime_spec : RuntimeSpec
    target : Path
        The labels until they are finished.
    client : distributed.Client or None
    """

    plan: BlockPlan
    runtime_spec: RuntimeSpec
    target: Path
    client: Any

    @property
    def axes(self) -> str:
        """Axes of the labels."""
        return "".join(letter for letter in "TZYX" if letter in self.plan.open()[0].axes)

    @property
    def planes(self) -> list[Plane]:
        """Planes that are predicted; labels of constant planes stay empty."""
        return [p for p in self.plan.open()[0].planes() if p not in self.plan.blank]

    def prepare(self, labels: Path) -> None:
        """Create the empty label pyramid, or tidy up the one that an earlier run left."""
        image = self.plan.open()[0]
        shape = tuple(map(image.size, self.axes))
        if not self.plan.folder.exists():
            shutil.rmtree(self.target, ignore_errors=True)
        if self.target.exists():
            for partial_file in self.target.rglob("*.partial"):
                partial_file.unlink()
            return
        layout = PixelLayout(
            self.axes, shape, np.dtype(np.uint32), image.pixel_size, (), str(labels)
        )
        version = labels_version(labels)
        with whole_file(self.target) as empty:
            create_levels(empty, layout, True, version or "0.5", beside_image=bool(version))

    def fill(self) -> None:
        """Find all objects and write the whole pyramid."""
        together = max(1, BLOCKS_AT_ONCE // len(self.plan.blocks))
        planes = self.planes
        cut = 0
        for start in range(0, len(planes), together):
            cut += self._fill_planes(planes[start : start + together])
        level = 1
        while (self.target / str(level)).exists():
            jobs = [job for plane in planes for job in self._write_jobs(plane, level, [])]
            self._run_jobs(steps.write_block, jobs, f"level {level}")
            level += 1
        if cut:
            halo = ceil(self.plan.halo * self.plan.open()[0].shape[0] / self.plan.shape[0])
            logger.warning(
                f"{self.plan.source}: {counted(cut, 'object')} may be cut at tiles; give `halo` "
                f"over {halo}"
            )

    def _fill_planes(self, planes: Sequence[Plane]) -> int:
        """Write labels in full resolution; return how many objects may be cut by the halo."""
        unfinished = [plane for plane in planes if not self._is_finished(plane)]
        jobs = [Job(self.plan, plane, block) for plane in unfinished for block in self.plan.blocks]
        self._infer_and_decode(jobs)
        self._run_jobs(steps.resolve_tile, jobs, "objects")
        results = {plane: self._tile_results(plane) for plane in planes}
        writes = [job for plane in unfinished for job in self._write_jobs(plane, 0, results[plane])]
        self._run_jobs(steps.write_block, writes, "labels")
        for plane in unfinished:
            # The tables are still needed; the rest of many planes would fill a disk.
            for step in ("resolve", "decode", "infer"):
                shutil.rmtree(self.plan.step_folder(step, plane), ignore_errors=True)
        return sum(one.cut for plane in planes for one in results[plane])

    def _is_finished(self, plane: Plane) -> bool:
        """Whether an earlier run has finished a plane, and its files are whole."""
        if not self.plan.step_folder("written", plane).exists():
            return False
        if any(load(self.plan.file("table", plane, tile)) is None for tile in self.plan.tiles()):
            return False
        writes = list(self._write_jobs(plane, 0, self._tile_results(plane)))
        return all(self._run_jobs(steps.is_written, writes, "checking"))

    def _tile_results(self, plane: Plane) -> list[TileResult]:
        """Results of the tiles of a plane, in raster order."""
        return [steps.tile_result(self.plan, plane, tile) for tile in self.plan.tiles()]

    def _infer_and_decode(self, jobs: list[Job]) -> None:
        """Run the network and decode its output; a single process does both at the same time."""
        if self.client is not None:
            self._run_jobs(partial(steps.infer_tile, self.runtime_spec), jobs, "network")
            self._run_jobs(partial(steps.decode_tile, self.runtime_spec), jobs, "decoding")
            return
        # A block is decoded once the network has run on all its neighbours, the last of them below
        # it to the right. Meanwhile the network runs on the next blocks.
        count, across = len(self.plan.blocks), self.plan.blocks_across
        first_of_plane = [number - number % count for number in range(len(jobs))]
        last_neighbour = [
            min(number + across + 1, first + count - 1)
            for number, first in enumerate(first_of_plane)
        ]
        waiting = deque(zip(last_neighbour, jobs, strict=True))

        def inferred() -> Iterator[int]:
            """Number of the last block on which the network has run, after each tile."""
            for number, job in enumerate(jobs):
                for _ in steps.tiles_to_infer(self.runtime_spec, job):
                    yield number - 1
                yield number

        def decoded() -> Iterator[Job]:
            for number in run_ahead(inferred()):
                while waiting and waiting[0][0] <= number:
                    _, job = waiting.popleft()
                    steps.decode_tile(self.runtime_spec, job)
                    yield job

        for _ in track(decoded(), "network and decoding", len(jobs), "blocks"):
            pass

    def _run_jobs(self, work: Callable[[Any], Any], jobs: Sequence[Any], what: str) -> list[Any]:
        """Run jobs here or on the workers; results are in the order of the jobs."""
        results = [None] * len(jobs)
        threads = min(self.runtime_spec.threads or cores().usable, MOST_BLOCKS)
        finished = run_jobs(self.client, work, jobs, threads)
        for number, result in track(finished, what, len(jobs), "blocks"):
            results[number] = result
        return results

    def _write_jobs(
        self, plane: Plane, level: int, results: Sequence[TileResult]
    ) -> Iterator[WriteJob]:
        """Cut one level of a plane into regions that share no chunk."""
        where = {"T": plane.t, "Z": plane.z}
        leading: Region = tuple(where[letter] for letter in self.axes[:-2])
        edge = max(1, self.plan.block // (CHUNK * (2 if level else 1))) * CHUNK
        parts: dict[tuple[int, ...], list[TilePart]] = {}
        first_id = 1
        for result in results:
            # Regions of `edge` px that the tile's objects reach into, by row and column.
            reached = (range(a.start // edge, -(-a.stop // edge)) for a in result.area)
            for position in product(*reached):
                part = TilePart(result.tile, result.area, first_id)
                parts.setdefault(position, []).append(part)
            first_id += result.objects
        height, width = self.plan.open()[0].shape
        shape = (-(-height // 2**level), -(-width // 2**level))
        for region in tiles(shape, edge, 0):
            position = tuple(side.start // edge for side in region.core)
            inside = parts.get(position, [])
            yield WriteJob(self.plan, plane, self.target, level, leading + region.core, inside)

    def write_table(self, path: Path) -> None:
        """Write the tables of all tiles one after the other, with ids as in the labels."""
        image = self.plan.open()[0]
        nothing = TileObjects(np.zeros((1, 1), np.int32), np.zeros(0, np.float32), (0, 0), 1)
        empty = measure_tile(image, next(image.planes()), nothing, self.plan.name)
        empty.frame().to_csv(path, index=False)
        with path.open("a", encoding="utf8", newline="") as stream:
            for plane in self.planes:
                first_id = 1
                for tile in self.plan.tiles():
                    table = steps.table_of(self.plan, plane, tile)
                    table["id"] += first_id - 1
                    first_id += len(table)
                    table.insert(0, "image", escape_formula(self.plan.name))
                    table.to_csv(stream, index=False, header=False)
