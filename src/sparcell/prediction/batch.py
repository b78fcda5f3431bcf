"""Many images, each in one go or in blocks, in this process or on workers."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from sparcell.core.errors import first_line
from sparcell.core.files import input_error
from sparcell.core.image import Image
from sparcell.core.progress import track
from sparcell.io import keep_planes
from sparcell.io.chunks import warn_missing_chunks
from sparcell.models.domain import DomainFit
from sparcell.prediction.items import Item
from sparcell.prediction.loaded_model import RuntimeSpec
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.size import Scale
from sparcell.prediction.tasks import PredictionTask, task_of
from sparcell.system.cluster import ClusterLost, run_jobs

logger = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """The outcome of the prediction of one image.

    Attributes
    ----------
    scale : Scale, optional
        By how much it was resized; None where there is no result.
    failure : str
        Why there is none.
    in_blocks : bool
        The image is to be predicted in blocks.
    seconds : float
    megapixels : float
    skipped : tuple of str
        Constant planes, one sentence each.
    empty : bool
        Nothing in it stands out from the noise.
    fit : DomainFit, optional
        How well the image fits the model, if that is known.
    trace : str
        Traceback of a failure that is no fault of the input.
    """

    scale: Scale | None = None
    failure: str = ""
    in_blocks: bool = False
    seconds: float = 0.0
    megapixels: float = 0.0
    skipped: tuple[str, ...] = ()
    empty: bool = False
    fit: DomainFit | None = None
    trace: str = ""

    @classmethod
    def of(cls, prepared: PreparedImage, item: Item, began: float) -> Outcome:
        """Outcome of an image whose results are written."""
        fit = task_of(prepared.model).judge(prepared, item)
        seconds = time.perf_counter() - began
        image = prepared.image
        pixels = image.shape[0] * image.shape[1] * len(list(image.planes()))
        skipped = tuple(
            f"time point {plane.t}, depth {plane.z} is constant and was skipped"
            for plane in prepared.blank
        )
        empty = prepared.empty
        return cls(prepared.scale, "", False, seconds, pixels / 1e6, skipped, empty, fit)

    @classmethod
    def failed(cls, error: Exception) -> Outcome:
        """Outcome of an image that has no result, whatever the error: the others go on."""
        if plain := input_error(error):
            return cls(failure=str(plain))
        why = f"a fault of Sparcell's: {type(error).__name__}: {first_line(error)}; see failure.txt"
        return cls(failure=why, trace="".join(traceback.format_exception(error)))


def predict_items(
    runtime_spec: RuntimeSpec, items: Sequence[Item], client: Any = None
) -> Iterator[tuple[Item, Outcome]]:
    """Predict images, small ones first, and yield the outcome of each.

    Parameters
    ----------
    runtime_spec : RuntimeSpec
    items : sequence of Item
    client : distributed.Client, optional
        Its workers do images and blocks; without, this process does.

    Raises
    ------
    ClusterLost
        If no worker is left.
    """
    large = []
    ended = run_jobs(client, partial(predict_item, runtime_spec), items)
    for number, outcome in track(ended, "predicting", len(items), "images"):
        if outcome.in_blocks:
            large.append(items[number])
        else:
            yield items[number], outcome
    for item in large:
        yield item, _predict_in_blocks(runtime_spec, item, client)


def predict_item(runtime_spec: RuntimeSpec, item: Item) -> Outcome:
    """Predict one image, unless it is one for blocks."""
    loaded = runtime_spec.open()
    task = task_of(loaded.model)
    try:
        began = time.perf_counter()
        image = item.open_checked()
        warn_missing_chunks(image)
        if task.in_blocks(item.settings, image):
            return Outcome(in_blocks=True)
        prepared = PreparedImage.of(keep_planes(image, item.path), loaded, item.settings)
        prepared.log_size()
        prepared = task.predict(prepared, item, runtime_spec.threads)
        draw_item(task, item, prepared.image)
        return Outcome.of(prepared, item, began)
    except Exception as error:
        return Outcome.failed(error)


def draw_item(task: PredictionTask, item: Item, image: Image) -> None:
    """Draw an image with its results; without a picture the results still count."""
    if not item.settings.pictures:
        return
    try:
        task.draw(image, item)
    except Exception as error:
        logger.warning(f"{item.image}: no picture of the result: {first_line(error)}")


def _predict_in_blocks(runtime_spec: RuntimeSpec, item: Item, client: Any) -> Outcome:
    loaded = runtime_spec.open()
    try:
        began = time.perf_counter()
        prepared = PreparedImage.of(item.open(), loaded, item.settings)
        task = task_of(loaded.model)
        prepared = task.predict_in_blocks(prepared, item, runtime_spec, client)
        draw_item(task, item, prepared.image)
        return Outcome.of(prepared, item, began)
    except ClusterLost:
        raise
    except Exception as error:
        return Outcome.failed(error)
