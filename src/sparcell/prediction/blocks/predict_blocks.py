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

from sparcell.core.files import plain_os_errors, whole_file
from sparcell.core.image import Plane
from sparcell.core.progress import track
from sparcell.core.tiles import tiles
from sparcell.io.label_group import labels_version, list_label
from sparcell.io.layout import PixelLayout
from sparcell.io.ngff_writer import CHUNK, Region, create_levels
from sparcell.measurement.objects import object_table
from sparcell.models.runtime import default_threads
from sparcell.prediction.blocks import steps
from sparcell.prediction.blocks.cache import load
from sparcell.prediction.blocks.plan import BlockPlan, Job
from sparcell.prediction.blocks.steps import TilePart, TileResult, WriteJob
from sparcell.prediction.loaded_model import RuntimeSpec
from sparcell.prediction.tiling.tiles import ahead
from sparcell.system.cluster import run_jobs

logger = logging.getLogger(__name__)

BLOCKS_AT_ONCE = 64
"""Planes of a movie are done together until there are so many blocks to share out."""
MOST_BLOCKS = 4
"""Blocks that one process has in hand at the same time, at most: each takes memory."""


def predict_large(
    mosaic: BlockPlan, engine: RuntimeSpec, labels: Path, objects: Path, client: Any = None
) -> None:
    """Find the objects of an image block by block, with memory bounded by the block.

    What is finished stays in ``mosaic.folder``, and a later call goes on from there.

    Parameters
    ----------
    mosaic : Mosaic
    engine : Engine
    labels : Path
        OME-Zarr for the labels: the axes of the image but C, uint32, the objects of
        `predict_image`; those of wide tiles may be numbered in another order.
    objects : Path
        Where the object table goes, in the order of the ids.
    client : distributed.Client, optional
        Its workers do the blocks; without, this process does.

    Raises
    ------
    InputError
        If the image cannot be read, a place cannot be written, or the cluster is lost.
    """
    run = _Run(mosaic, engine, labels.with_name(f".{labels.name}.unfinished"), client)
    finished = mosaic.folder / "finished"
    if not finished.exists():
        run.prepare(labels)
        run.fill()
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
    shutil.rmtree(mosaic.folder, ignore_errors=True)


@dataclass(frozen=True)
class _Run:
    """One large image on its way.

    Attributes
    ----------
    mosaic : Mosaic
    engine : Engine
    target : Path
        The labels until they are finished.
    client : distributed.Client or None
    """

    mosaic: BlockPlan
    engine: RuntimeSpec
    target: Path
    client: Any

    @property
    def axes(self) -> str:
        """Axes of the labels."""
        return "".join(letter for letter in "TZYX" if letter in self.mosaic.open()[0].axes)

    @property
    def planes(self) -> list[Plane]:
        """All planes of the image that show something; labels of the others stay empty."""
        return [p for p in self.mosaic.open()[0].planes() if p not in self.mosaic.blank]

    def prepare(self, labels: Path) -> None:
        """Make the pyramid that is filled, or tidy up the one that an earlier run left."""
        image = self.mosaic.open()[0]
        shape = tuple(map(image.size, self.axes))
        if not self.mosaic.folder.exists():
            shutil.rmtree(self.target, ignore_errors=True)
        if self.target.exists():
            for torn in self.target.rglob("*.partial"):
                torn.unlink()
            return
        layout = PixelLayout(
            self.axes, shape, np.dtype(np.uint32), image.pixel_size, (), str(labels)
        )
        version = labels_version(labels)
        with whole_file(self.target) as empty:
            create_levels(empty, layout, True, version or "0.5", beside_image=bool(version))

    def fill(self) -> None:
        """Find all objects and write the whole pyramid."""
        together = max(1, BLOCKS_AT_ONCE // len(self.mosaic.blocks))
        planes = self.planes
        cut = 0
        for start in range(0, len(planes), together):
            cut += self._fill_planes(planes[start : start + together])
        level = 1
        while (self.target / str(level)).exists():
            jobs = [job for plane in planes for job in self._writes(plane, level, [])]
            self._do(steps.write_block, jobs, f"level {level}")
            level += 1
        if cut:
            halo = ceil(self.mosaic.halo * self.mosaic.open()[0].shape[0] / self.mosaic.shape[0])
            logger.warning(
                f"{self.mosaic.source}: {cut} objects may be cut at tiles; give --halo over {halo}"
            )

    def _fill_planes(self, planes: Sequence[Plane]) -> int:
        """Write full resolution, and tell how many objects may be cut."""
        left = [plane for plane in planes if not self._is_finished(plane)]
        jobs = [Job(self.mosaic, plane, block) for plane in left for block in self.mosaic.blocks]
        self._look_and_claim(jobs)
        self._do(steps.resolve_tile, jobs, "objects")
        settled = {plane: self._settled(plane) for plane in planes}
        writes = [job for plane in left for job in self._writes(plane, 0, settled[plane])]
        self._do(steps.write_block, writes, "labels")
        for plane in left:
            # The tables are still needed; the rest of many planes would fill a disk.
            for step in ("settle", "claim", "look"):
                shutil.rmtree(self.mosaic.part(step, plane), ignore_errors=True)
        return sum(one.cut for plane in planes for one in settled[plane])

    def _is_finished(self, plane: Plane) -> bool:
        """Tell whether an earlier run has finished a plane and what it wrote is whole."""
        if not self.mosaic.part("written", plane).exists():
            return False
        if any(
            load(self.mosaic.file("table", plane, tile)) is None for tile in self.mosaic.tiles()
        ):
            return False
        writes = list(self._writes(plane, 0, self._settled(plane)))
        return all(self._do(steps.is_written, writes, "checking"))

    def _settled(self, plane: Plane) -> list[TileResult]:
        """What the tiles of a plane have come to, in raster order."""
        return [steps.resolved_tile(self.mosaic, plane, tile) for tile in self.mosaic.tiles()]

    def _look_and_claim(self, jobs: list[Job]) -> None:
        if self.client is not None:
            self._do(partial(steps.infer_tile, self.engine), jobs, "network")
            self._do(partial(steps.decode_tile, self.engine), jobs, "decoding")
            return
        # A block is decoded as soon as its neighbours are looked at, the last of them below it to
        # the right; meanwhile the network is at the next ones.
        count, across = len(self.mosaic.blocks), self.mosaic.blocks_across
        first = [number - number % count for number in range(len(jobs))]
        last = [min(n + across + 1, f + count - 1) for n, f in enumerate(first)]
        waiting = deque(zip(last, jobs, strict=True))

        def looked() -> Iterator[int]:
            for number, job in enumerate(jobs):
                for _ in steps.tiles_to_infer(self.engine, job):
                    yield number - 1
                yield number

        def decoded() -> Iterator[Job]:
            for number in ahead(looked()):
                while waiting and waiting[0][0] <= number:
                    _, job = waiting.popleft()
                    steps.decode_tile(self.engine, job)
                    yield job

        for _ in track(decoded(), "network and decoding", len(jobs), "blocks"):
            pass

    def _do(self, work: Callable[[Any], Any], jobs: Sequence[Any], what: str) -> list[Any]:
        """Do jobs wherever they are done; their results in the order of the jobs."""
        results = [None] * len(jobs)
        threads = min(self.engine.threads or default_threads(), MOST_BLOCKS)
        ended = run_jobs(self.client, work, jobs, threads)
        for number, result in track(ended, what, len(jobs), "blocks"):
            results[number] = result
        return results

    def _writes(
        self, plane: Plane, level: int, settled: Sequence[TileResult]
    ) -> Iterator[WriteJob]:
        """Cut one level of a plane into regions that share no chunk."""
        where = {"T": plane.t, "Z": plane.z}
        lead: Region = tuple(where[letter] for letter in self.axes[:-2])
        edge = max(1, self.mosaic.block // (CHUNK * (2 if level else 1))) * CHUNK
        pieces: dict[tuple[int, ...], list[TilePart]] = {}
        first_id = 1
        for one in settled:
            for place in product(*(range(a.start // edge, -(-a.stop // edge)) for a in one.area)):
                pieces.setdefault(place, []).append(TilePart(one.tile, one.area, first_id))
            first_id += one.objects
        height, width = self.mosaic.open()[0].shape
        shape = (-(-height // 2**level), -(-width // 2**level))
        for part in tiles(shape, edge, 0):
            here = pieces.get(tuple(side.start // edge for side in part.core), [])
            yield WriteJob(self.mosaic, plane, self.target, level, lead + part.core, here)

    def write_table(self, path: Path) -> None:
        """Write the tables of all tiles one after the other, with ids as in the labels."""
        nothing = np.zeros((1, 1), np.int32)
        pixel_size = self.mosaic.open()[0].pixel_size
        empty = object_table(nothing, pixel_size=pixel_size, image_name=self.mosaic.name)
        empty.to_csv(path, index=False)
        with path.open("a", encoding="utf8", newline="") as stream:
            for plane in self.planes:
                first_id = 1
                for tile in self.mosaic.tiles():
                    table = steps.table_of(self.mosaic, plane, tile)
                    table["id"] += first_id - 1
                    first_id += len(table)
                    table.insert(0, "image", self.mosaic.name)
                    table.to_csv(stream, index=False, header=False)
