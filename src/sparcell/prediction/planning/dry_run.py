"""Estimate time, memory and problems of a prediction from headers and a few timed windows."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.progress import track
from sparcell.core.record import peak_memory
from sparcell.models.model import Model
from sparcell.prediction.found_size import may_resize
from sparcell.prediction.inputs import Inputs
from sparcell.prediction.items import Item
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.planning.prediction_plan import PredictionPlan, plan_prediction
from sparcell.prediction.planning.resources import ResourceEstimate
from sparcell.prediction.prepared_image import fit_channels
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.size import Scale, choose_scale
from sparcell.prediction.tiling.rescale import rescaled
from sparcell.system.machine import GIB, memory

TIMED_SIZES = 2
"""Sizes of window that are timed; the time of others goes by their area."""
BESIDE_NETWORK = 2.3
"""Time of a whole prediction as a factor of the network's: reading, decoding, stitching, writing
and drawing too. Measured with `nuclei` on 105 megapixels with 41,450 nuclei."""
SECONDS_PER_PIXEL = 5e-8
"""The same where the network is next to nothing, per pixel of the image."""
NOTHING = ResourceEstimate()


@dataclass(frozen=True)
class ImageEstimate:
    """Estimate for one image.

    Attributes
    ----------
    name : str
        Of its results.
    path : Path
    problem : str
        Why there would be no result; empty where there would be one.
    image : Image, optional
        With the channels that the model takes; its header has been read.
    scale : Scale, optional
        By how much it would be resized; None where that is estimated from its pixels.
    result : Path, optional
        Where its labels or stains would go.
    needs : ResourceEstimate
        Windows, memory and disk.
    seconds : float
    by_found : bool
        Whether it is resized if its objects turn out to be small or large; the estimate is that
        of the image as it is.
    """

    name: str
    path: Path
    problem: str = ""
    image: Image | None = None
    scale: Scale | None = None
    result: Path | None = None
    needs: ResourceEstimate = NOTHING
    seconds: float = 0.0
    by_found: bool = False

    @property
    def planes(self) -> int:
        """Time points times depths."""
        return self.image.size("T") * self.image.size("Z") if self.image else 0


@dataclass(frozen=True)
class PredictionEstimate:
    """Estimate for a whole prediction.

    Attributes
    ----------
    images : list of ImageEstimate
        Those without results.
    finished : int
        Number of images that have results.
    runtime : str
        Name of the runtime.
    timed : dict
        Height and width of a window, px, to the seconds that the network takes.
    preparing : float
        Seconds that the network is prepared for a new size of window.
    seconds : float
        Of all images, one after the other.
    memory, disk : int
        Bytes at most at a time.
    problems : list of str
        What would stop the whole, then what would stop single images.
    """

    images: list[ImageEstimate]
    finished: int
    runtime: str
    timed: dict[tuple[int, int], float]
    preparing: float
    seconds: float
    memory: int
    disk: int
    problems: list[str]


def estimate_prediction(
    model: Model | Path | str,
    inputs: Inputs,
    out: Path | str,
    *,
    settings: PredictSettings = DEFAULTS,
    runtime: str = "auto",
    threads: int = 0,
    resume: bool = False,
    overwrite: bool = False,
) -> PredictionEstimate:
    """Estimate a prediction by its inputs' headers; nothing is written.

    The network is timed on windows of noise. Parameters are those of `predict`; the time is that
    of one process.

    Raises
    ------
    InputError
        If the model, the settings or the list of inputs cannot be used.
    """
    plan = plan_prediction(model, inputs, out, settings, resume=resume, overwrite=overwrite)
    loaded = LoadedModel(plan.model, runtime, threads, plan.settings.tta)
    total = len(plan.remaining)
    images = [
        _estimate_item(item, plan)
        for item in track(plan.remaining, "reading headers", total, "images")
    ]
    timed, preparing = _time_windows(loaded, plan, images)
    images = [replace(one, seconds=_seconds(one, timed)) for one in images]
    # The peak so far is that of the program with the network at work.
    base = int((peak_memory() or 0) * 2**20)
    needed = base + max((one.needs.memory for one in images), default=0)
    disk = sum(one.needs.disk for one in images)
    problems = _problems_of_all(plan, needed, disk)
    problems += [f"{one.path}: {one.problem}" for one in images if one.problem]
    sizes = {one.needs.window for one in images if one.needs.windows}
    seconds = preparing * len(sizes) + sum(one.seconds for one in images)
    finished = len(plan.items) - total
    return PredictionEstimate(
        images, finished, loaded.runtime.name, timed, preparing, seconds, needed, disk, problems
    )


def _estimate_item(item: Item, plan: PredictionPlan) -> ImageEstimate:
    """Estimate one image by its header, without its time."""
    settings, model, task = item.settings, plan.model, plan.task
    try:
        image = item.open_checked()
        result = task.result(item, task.in_blocks(settings, image))
        image = fit_channels(image, model, settings)
        scale = None
        if settings.diameter != "auto":
            scale = choose_scale(image, model, settings.diameter)
    except InputError as error:
        return ImageEstimate(item.name, item.path, str(error))
    network_image = rescaled(image, scale.factor if scale else 1.0)
    needs = task.estimate(image, network_image, model, settings)
    by_found = scale is not None and scale.factor == 1
    by_found &= may_resize(image, model.spec, settings.diameter)
    return ImageEstimate(item.name, item.path, "", image, scale, result, needs, by_found=by_found)


def _time_windows(
    loaded: LoadedModel, plan: PredictionPlan, images: Sequence[ImageEstimate]
) -> tuple[dict[tuple[int, int], float], float]:
    """Time the network on the sizes of window that are most of the work.

    Returns
    -------
    timed : dict
        Height and width of a window, px, to seconds.
    preparing : float
        Seconds that the first window of a size takes more.
    """
    work: Counter[tuple[int, int]] = Counter()
    for needs in (one.needs for one in images):
        work[needs.window] += needs.windows * needs.window[0] * needs.window[1]
    channels = plan.model.spec.channels * plan.model.spec.frames
    run_window = plan.task.window_function(plan.model, loaded.runtime)
    timed: dict[tuple[int, int], float] = {}
    preparing = 0.0
    for size, _ in work.most_common(TIMED_SIZES):
        if not min(size):
            continue
        noise = np.random.default_rng(0).standard_normal((channels, *size)).astype(np.float32)
        began = time.perf_counter()
        run_window(noise)
        again = time.perf_counter()
        run_window(noise)
        timed[size] = time.perf_counter() - again
        preparing = max(preparing, again - began - timed[size])
    return timed, preparing


def _seconds(one: ImageEstimate, timed: dict[tuple[int, int], float]) -> float:
    if one.image is None:
        return 0.0
    area = one.needs.window[0] * one.needs.window[1]
    nearest = min(timed, key=lambda size: abs(np.log(size[0] * size[1] / area)))
    network = timed[nearest] * area / (nearest[0] * nearest[1]) * one.needs.windows
    pixels = one.image.shape[0] * one.image.shape[1] * one.planes
    return BESIDE_NETWORK * network + SECONDS_PER_PIXEL * pixels


def _problems_of_all(plan: PredictionPlan, needed: int, disk: int) -> list[str]:
    """Reasons that stop the whole prediction, or exceed the memory or the disk."""
    out, problems = plan.out, [str(plan.conflict)] if plan.conflict else []
    place = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        problems.append(f"{place} cannot be written: choose another `out`")
        return problems
    room = shutil.disk_usage(place).free
    if disk > room:
        problems.append(
            f"results take about {disk / GIB:.1f} GiB, {room / GIB:.1f} are free in {place}: "
            "free some, or choose another `out`"
        )
    free = memory().free
    if needed > free:
        problems.append(
            f"about {needed / GIB:.1f} GiB of memory are needed, {free / GIB:.1f} are free: "
            f"close programs, or {plan.task.memory_advice}"
        )
    return problems
