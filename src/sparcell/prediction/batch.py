"""Many images, each in one go or in blocks, here or on workers."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sparcell.core.errors import InputError
from sparcell.core.files import size_and_mtime
from sparcell.core.image_files import stem
from sparcell.core.progress import track
from sparcell.io import PlateField, find_plate_field, locate_labels, open_image, unique_names
from sparcell.models.runtime import default_threads
from sparcell.prediction.blocks.plan import BlockPlan
from sparcell.prediction.blocks.predict_blocks import predict_large
from sparcell.prediction.loaded_model import RuntimeSpec
from sparcell.prediction.planning.input_checks import (
    check_chunk_size,
    check_declared_size,
    say_missing,
)
from sparcell.prediction.predict_image import plan_tiles, predict_image
from sparcell.prediction.prepared_image import PreparedImage, choose_channels
from sparcell.prediction.settings import BLOCK, PredictSettings
from sparcell.prediction.size import Scale
from sparcell.prediction.stain import predict_stain
from sparcell.system.cluster import ClusterLost, run_jobs

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Item:
    """One input and where its results go.

    Attributes
    ----------
    path : Path
    name : str
        Of the results.
    out : Path
        Folder of all results.
    settings : PredictSettings
    place : PlateField, optional
        Where on its plate the image was taken.
    gives_stain : bool
        The result is an image of stains, not objects.
    """

    path: Path
    name: str
    out: Path
    settings: PredictSettings
    place: PlateField | None = None
    gives_stain: bool = False

    @property
    def result(self) -> Path:
        """The file that is written last: where it is there the others are too."""
        return self.stain if self.gives_stain else self.objects

    @property
    def stain(self) -> Path:
        """The image of predicted stains."""
        return self.out / "stain" / (self.name + self.settings.format)

    @property
    def objects(self) -> Path:
        """The object table."""
        return self.out / "objects" / f"{self.name}.csv"

    @property
    def written(self) -> Path:
        """The labels that have been written, in one go or in blocks."""
        whole = self.labels(in_blocks=False)
        return whole if whole.exists() else self.labels(in_blocks=True)

    @property
    def scratch(self) -> Path:
        """What is kept between the steps of a prediction in blocks."""
        return self.out / "unfinished" / self.name

    def labels(self, in_blocks: bool) -> Path:
        """Where labels go; those of blocks must be OME-Zarr."""
        if self.settings.into_image:
            return locate_labels(self.path, self.settings.into_image)[0]
        suffix = ".ome.zarr" if in_blocks else self.settings.format
        return self.out / "labels" / (self.name + suffix)


def list_items(
    paths: Mapping[Path, str],
    out: Path,
    settings: PredictSettings,
    resume: bool,
    gives_stain: bool = False,
) -> list[Item]:
    """Name the results after the inputs, or as `paths` says for each.

    Raises
    ------
    InputError
        If names repeat, or labels of this name are in an image already.
    """
    places = [find_plate_field(path) for path in paths]
    names = _names(paths, places)
    items = [
        Item(path, name, out, settings, place, gives_stain)
        for path, name, place in zip(paths, names, places, strict=True)
    ]
    if settings.into_image and not resume:
        for item in items:
            if item.written.exists():
                raise InputError(
                    f"labels {settings.into_image} in {item.path}",
                    "a new name",
                    "choose another for --into-image",
                )
    return items


def _names(paths: Mapping[Path, str], places: Sequence[PlateField | None]) -> list[str]:
    """Name inputs; their folders are added where names repeat, or folders carry meaning."""
    names = [
        given or (f"{stem(place.plate)}_{place.well}_f{place.field}" if place else stem(path))
        for (path, given), place in zip(paths.items(), places, strict=True)
    ]
    if all(paths.values()) and len(set(names)) == len(names):
        # Names of a dataset's fields stay as they are, whatever its folders are called.
        return names
    folders = [
        place.plate.parent if place else path.parent
        for path, place in zip(paths, places, strict=True)
    ]
    return names if all(paths.values()) else unique_names(names, folders)


class Outcome(NamedTuple):
    """What has become of an image.

    Attributes
    ----------
    scale : Scale, optional
        By how much it was resized; None where there is no result.
    failure : str
        Why there is none.
    in_blocks : bool
        It is to be predicted in blocks.
    seconds : float
    megapixels : float
    skipped : tuple of str
        Planes in which nothing was looked for, and why.
    trace : str
        Traceback of a failure that is no fault of the input.
    """

    scale: Scale | None = None
    failure: str = ""
    in_blocks: bool = False
    seconds: float = 0.0
    megapixels: float = 0.0
    skipped: tuple[str, ...] = ()
    trace: str = ""

    @classmethod
    def of(cls, view: PreparedImage, seconds: float) -> Outcome:
        """Tell of an image whose results are written."""
        image = view.image
        pixels = image.shape[0] * image.shape[1] * len(list(image.planes()))
        skipped = tuple(
            f"time point {plane.t}, depth {plane.z} is constant: nothing was looked for"
            for plane in view.blank
        )
        return cls(view.scale, "", False, seconds, pixels / 1e6, skipped)

    @classmethod
    def failed(cls, error: Exception) -> Outcome:
        """Tell of an image that has no result; whatever it is, it must not cost the others."""
        if isinstance(error, InputError):
            return cls(failure=str(error))
        first = " ".join(str(error).split())[:200]
        why = f"a fault of Sparcell's: {type(error).__name__} {first}; see failure.txt"
        return cls(failure=why, trace="".join(traceback.format_exception(error)))


def predict_items(
    engine: RuntimeSpec, items: Sequence[Item], client: Any = None
) -> Iterator[tuple[Item, Outcome]]:
    """Predict images, small ones first, and tell what has become of each.

    Parameters
    ----------
    engine : Engine
    items : sequence of Item
    client : distributed.Client, optional
        Its workers do images and blocks; without, this process does.

    Raises
    ------
    ClusterLost
        If nobody is left to go on.
    """
    large = []
    ended = run_jobs(client, partial(predict_item, engine), items)
    for number, outcome in track(ended, "predict", len(items), "images"):
        if outcome.in_blocks:
            large.append(items[number])
        else:
            yield items[number], outcome
    for item in large:
        yield item, _predict_in_blocks(engine, item, client)


def predict_item(engine: RuntimeSpec, item: Item) -> Outcome:
    """Predict one image, unless it is one for blocks."""
    opened, settings = engine.open(), item.settings
    try:
        began = time.perf_counter()
        image = open_image(item.path, settings.axes)
        check_declared_size(image, item.path, settings.max_pixels)
        check_chunk_size(image)
        say_missing(image)
        if settings.in_blocks(image) and not item.gives_stain:
            return Outcome(in_blocks=True)
        view = PreparedImage.of(image, opened.model, opened.runtime, settings)
        view.say_size()
        if item.gives_stain:
            predict_stain(view, item.stain)
        else:
            labels, threads = item.labels(in_blocks=False), engine.threads or default_threads()
            predict_image(view, labels, item.objects, item.name, threads)
    except Exception as error:
        return Outcome.failed(error)
    return Outcome.of(view, time.perf_counter() - began)


def _predict_in_blocks(engine: RuntimeSpec, item: Item, client: Any) -> Outcome:
    opened, settings = engine.open(), item.settings
    model = opened.model
    try:
        began = time.perf_counter()
        file = open_image(item.path, settings.axes)
        view = PreparedImage.of(file, model, opened.runtime, settings)
        image, shown, scale = view.image, view.shown, view.scale
        grids, halo = plan_tiles(image, shown, model, settings)
        mosaic = BlockPlan(
            source=str(item.path),
            axes=settings.axes,
            selection=choose_channels(file, model, settings.channels),
            frames=model.spec.frames,
            factor=scale.factor,
            name=item.name,
            folder=item.scratch,
            shape=shown.shape,
            grids=grids,
            halo=halo,
            block=settings.block or BLOCK,
            state=size_and_mtime(item.path),
            blank=view.blank,
        )
        count = len(mosaic.blocks) * len(list(image.planes()))
        resized = f", resized by {scale.factor:.3g}, {scale.found}" if scale.factor != 1 else ""
        logger.info(f"{item.path}: {count} blocks{resized}")
        predict_large(mosaic, engine, item.labels(in_blocks=True), item.objects, client)
    except ClusterLost:
        raise
    except Exception as error:
        return Outcome.failed(error)
    return Outcome.of(view, time.perf_counter() - began)
