"""Calibrate a model for 8-bit integers, and accept it only without loss of accuracy."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.progress import track
from sparcell.core.text import counted
from sparcell.evaluation import evaluate
from sparcell.io import open_image
from sparcell.models.int8 import Int8, has_int8, measure_ranges
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.predict import predict
from sparcell.prediction.prepared_image import fit_channels
from sparcell.preprocessing.padding import pad_to

logger = logging.getLogger(__name__)

MOST_IMAGES = 100
"""Training images that ranges are measured on."""
WINDOW = 512
LARGEST_LOSS = 0.005
"""Of AP50 on the validation images."""
REPEATS = 5


def quantise(model: Model, data: Path | str) -> Model:
    """Calibrate a model for computing in 8 bits, and refuse it if it is worse.

    Ranges are measured on training images. The validation images are predicted as files, in float32
    and in 8 bits, and scored together.

    Parameters
    ----------
    model : Model
        One of Sparcell's own.
    data : Path or str
        Dataset folder with the images that the model was trained and validated on, or others like
        them with a ``split.csv``.

    Returns
    -------
    Model
        The same network with `ModelSpec.int8`.

    Raises
    ------
    InputError
        If the dataset lacks a part, the network has nothing to gain, or AP50 falls by more than
        `LARGEST_LOSS`.
    """
    if model.spec.layout:
        raise InputError(
            f"{model.source}, a package of another tool", "a model of Sparcell", "use it as it is"
        )
    if not model.method.task.finds_objects:
        raise InputError(
            f"{model.source}, which predicts {model.method.task.result}",
            "a model that finds objects, by which the loss is judged",
            "use it as it is",
        )
    dataset = Dataset.open(Path(data))
    train = _part(dataset, "train", model)
    train = train[:: -(-len(train) // MOST_IMAGES)]
    val = [sample for sample in _part(dataset, "val", model) if "labels" in sample.files]
    if not val:
        raise InputError(f"no labels of validation images in {data}", "some", "add labels/")
    images = track(train, "measuring", len(train), "images")
    ranges = measure_ranges(model.onnx, (_window(model, sample) for sample in images))
    if not ranges:
        raise InputError(
            "a network without convolutions that 8-bit arithmetic makes faster",
            "a larger one",
            "keep it",
        )
    plain = _with(model, None)
    full = plain.open("openvino")
    # A tolerance of 1 accepts any output until the difference is measured.
    trial = _with(model, Int8(ranges=ranges, off=1, ap50=(0, 0)))
    rounded = trial.open("openvino-int8")
    off = _difference(model, full, rounded)
    before, after = _score(plain, "openvino", val), _score(trial, "openvino-int8", val)
    comparison = (
        f"AP50 of {len(val)} validation images {before:.4f} in float32, {after:.4f} in 8 bits"
    )
    if not before - after <= LARGEST_LOSS:
        raise InputError(comparison, f"a loss of at most {LARGEST_LOSS}", "keep the model as it is")
    logger.info(f"{comparison}; {counted(len(ranges), 'input')} of convolutions")
    _compare_speed(model, plain.open("auto"), rounded)
    return _with(model, Int8(ranges=ranges, off=off, ap50=(before, after)))


def _with(model: Model, int8: Int8 | None) -> Model:
    return replace(model, spec=model.spec.model_copy(update={"int8": int8}))


def _part(dataset: Dataset, part: str, model: Model) -> list[Sample]:
    """Fields of a part by the model's record, or else by the dataset's split."""
    named = set(model.spec.record.get("fields", {}).get(part, ()))
    found = [sample for sample in dataset.samples if sample.name in named]
    found = found or list(dataset.split(part).samples)
    if not found:
        raise InputError(
            f"no {part} images of this model in {dataset.root}",
            "the dataset that it was trained on, or one with a split.csv",
            "check `data`",
        )
    return found


def _window(model: Model, sample: Sample) -> NDArray[np.float32]:
    """Middle of an image as the network's input, at most about `WINDOW` px wide."""
    image = fit_channels(open_image(sample.image), model)
    most = model.spec.window or WINDOW
    starts = [max(0, (length - most) // 2) for length in image.shape]
    rows, columns = (slice(start, start + most) for start in starts)
    pixels = model.scaling(image)(image.read(rows, columns))
    multiple = model.spec.multiple
    height, width = (-(-edge // multiple) * multiple for edge in pixels.shape[1:])
    return pad_to(pixels, (height, width))


def _difference(model: Model, full: Runtime, rounded: Runtime) -> float:
    """99th percentile of the difference of two runtimes' outputs for the golden input."""
    shape = (model.golden_input.shape[1], model.golden_input.shape[2])
    draw = model.method.output.reference_image
    before, after = (draw(runtime(model.golden_input), shape) for runtime in (full, rounded))
    return float(np.percentile(np.abs(before - after), 99))


def _score(model: Model, runtime: str, samples: Sequence[Sample]) -> float:
    """AP at IoU 0.5 of all images together, predicted and scored from files."""
    with TemporaryDirectory(prefix="sparcell-") as folder:
        out = Path(folder) / "out"
        summary = predict(
            model, {sample.name: sample.whole_image for sample in samples}, out, runtime=runtime
        )
        if summary.failures:
            path, reason = next(iter(summary.failures.items()))
            raise InputError(f"{path}: {reason}", "images that can be predicted", "correct it")
        truth = {sample.name: sample.files["labels"] for sample in samples}
        scores = evaluate(truth, out / "labels").to_json()
    return float(scores["matching"][0]["ap"])


def _compare_speed(model: Model, before: Runtime, after: Runtime) -> None:
    """Log the processor time of both runtimes; refuse 8 bits that are not faster."""
    edge = -(-WINDOW // model.spec.multiple) * model.spec.multiple
    window = np.resize(model.golden_input, (len(model.golden_input), edge, edge))
    slow, fast = (_seconds(runtime, window) * 1e6 / edge**2 for runtime in (before, after))
    logger.info(f"network: {slow:.3f} s per megapixel on {before.name}, {fast:.3f} on {after.name}")
    if not has_int8():
        logger.warning(
            "this processor is not known to be faster in 8 bits; the file is for those that are"
        )
    elif fast >= slow:
        raise InputError(
            f"{fast:.3f} s per megapixel in 8 bits, {slow:.3f} without",
            "a faster network",
            "keep the model as it is",
        )


def _seconds(runtime: Runtime, window: NDArray[np.float32]) -> float:
    runtime(window)
    seconds = []
    for _ in range(REPEATS):
        began = time.process_time()
        runtime(window)
        seconds.append(time.process_time() - began)
    return min(seconds)
