"""What a prediction would take and where it would fail, from headers and a few timed windows."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.progress import track
from sparcell.core.record import peak_memory, read_record
from sparcell.io import open_image
from sparcell.methods.base import DENSE_MAPS
from sparcell.models.loading import load_model
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime, read_uint8
from sparcell.prediction.batch import Item, list_items
from sparcell.prediction.inputs import Inputs, find_inputs
from sparcell.prediction.planning.input_checks import check_chunk_size, check_declared_size
from sparcell.prediction.planning.resources import (
    ResourceEstimate,
    estimate_image,
    estimate_instances,
)
from sparcell.prediction.prepared_image import fit_channels
from sparcell.prediction.results import Results
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.size import Scale, check_diameter, choose_scale
from sparcell.prediction.stain import check_stain_settings
from sparcell.prediction.tiling.rescale import rescaled
from sparcell.prediction.tiling.tta import TTARuntime
from sparcell.system.machine import GIB, memory

TIMED_SIZES = 2
"""Sizes of window that are timed; the time of others goes by their area."""
BESIDE_NETWORK = 1.25
"""Time of reading, decoding, stitching and writing, as a factor of the network's."""
SECONDS_PER_PIXEL = 5e-8
"""The same where the network is next to nothing, per pixel of the image."""
NOTHING = ResourceEstimate()


@dataclass(frozen=True)
class ImageEstimate:
    """What is foreseen of one image.

    Attributes
    ----------
    name : str
        Of its results.
    path : Path
    problem : str
        Why there would be no result; empty where there would be one.
    image : Image, optional
        As the model takes it; its header has been read.
    scale : Scale, optional
        By how much it would be resized; None where that is estimated from its pixels.
    result : Path, optional
        Where its labels or stains would go.
    needs : Needs
        Windows, memory and disk.
    seconds : float
    """

    name: str
    path: Path
    problem: str = ""
    image: Image | None = None
    scale: Scale | None = None
    result: Path | None = None
    needs: ResourceEstimate = NOTHING
    seconds: float = 0.0

    @property
    def planes(self) -> int:
        """Time points times depths."""
        return self.image.size("T") * self.image.size("Z") if self.image else 0


@dataclass(frozen=True)
class PredictionEstimate:
    """What is foreseen of a prediction.

    Attributes
    ----------
    images : list of ImageEstimate
        Those that have no results yet.
    finished : int
        Images that have.
    runtime : str
        What the network would run on.
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
) -> PredictionEstimate:
    """Foresee a prediction by its inputs' headers; nothing is written.

    The network is timed on windows of noise. Parameters are those of `predict`; the time is that
    of one process.

    Raises
    ------
    InputError
        If the model, the settings or the list of inputs cannot be used.
    """
    out = Path(out)
    model = model if isinstance(model, Model) else load_model(model)
    check_diameter(settings.diameter)
    settings = replace(settings, tta=settings.tta or model.spec.tta)
    paths = find_inputs(inputs, out)
    gives_stain = model.spec.stain is not None
    if gives_stain:
        check_stain_settings(settings)
    items = list_items(paths, out, settings, resume, gives_stain)
    results = Results(out, read_record(out) if resume else {})
    left = [item for item in items if not (resume and results.is_finished(item))]
    network = model.open(runtime, threads)
    engine = TTARuntime.of(network, model, str(settings.tta))
    seen = [_foresee(item, model) for item in track(left, "headers", len(left), "images")]
    timed, preparing = _time_windows(engine, model, seen)
    seen = [replace(one, seconds=_seconds(one, timed)) for one in seen]
    # What the process has held by now is the program and the network at work.
    held = int((peak_memory() or 0) * 2**20)
    needed = held + max((one.needs.memory for one in seen), default=0)
    disk = sum(one.needs.disk for one in seen)
    smaller = "smaller --tile" if gives_stain else "--block 2048"
    problems = _problems_of_all(out, resume, needed, disk, smaller)
    problems += [f"{one.path}: {one.problem}" for one in seen if one.problem]
    sizes = {one.needs.window for one in seen if one.needs.windows}
    seconds = preparing * len(sizes) + sum(one.seconds for one in seen)
    done = len(items) - len(left)
    return PredictionEstimate(
        seen, done, engine.name, timed, preparing, seconds, needed, disk, problems
    )


def _foresee(item: Item, model: Model) -> ImageEstimate:
    """Look at one image's header; times come later."""
    settings = item.settings
    try:
        image = open_image(item.path, settings.axes)
        check_declared_size(image, item.path, settings.max_pixels)
        check_chunk_size(image)
        in_blocks = settings.in_blocks(image) and not item.gives_stain
        result = item.stain if item.gives_stain else item.labels(in_blocks)
        image = fit_channels(image, model, settings.channels)
        scale = None
        if settings.diameter != "auto":
            scale = choose_scale(image, model, settings.diameter)
    except InputError as error:
        return ImageEstimate(item.name, item.path, str(error))
    shown = rescaled(image, scale.factor if scale else 1.0)
    if item.gives_stain:
        needs = estimate_image(image, shown, model, settings)
    else:
        needs = estimate_instances(image, shown, model, settings, in_blocks)
    return ImageEstimate(item.name, item.path, "", image, scale, result, needs)


def _time_windows(
    runtime: Runtime, model: Model, seen: Sequence[ImageEstimate]
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
    for needs in (one.needs for one in seen):
        work[needs.window] += needs.windows * needs.window[0] * needs.window[1]
    channels = model.spec.channels * model.spec.frames
    rounded = model.method.output is DENSE_MAPS and model.spec.stain is None
    look = partial(read_uint8, runtime) if rounded else runtime
    timed: dict[tuple[int, int], float] = {}
    preparing = 0.0
    for size, _ in work.most_common(TIMED_SIZES):
        if not min(size):
            continue
        noise = np.random.default_rng(0).standard_normal((channels, *size)).astype(np.float32)
        began = time.perf_counter()
        look(noise)
        again = time.perf_counter()
        look(noise)
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


def _problems_of_all(out: Path, resume: bool, needed: int, disk: int, smaller: str) -> list[str]:
    """What would stop the whole prediction, or leave it no room."""
    problems = []
    if (out / "record.json").exists() and not resume:
        problems.append(f"{out} holds results: add --resume to go on, or choose another -o")
    place = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        problems.append(f"{place} cannot be written: choose another -o")
        return problems
    room = shutil.disk_usage(place).free
    if disk > room:
        problems.append(
            f"results take about {disk / GIB:.1f} GiB, {room / GIB:.1f} are free in {place}: "
            "free some, or choose another -o"
        )
    free = memory().free
    if free is not None and needed > free:
        problems.append(
            f"about {needed / GIB:.1f} GiB of memory are needed, {free / GIB:.1f} are free: "
            f"close programs, or predict in {smaller}"
        )
    return problems
