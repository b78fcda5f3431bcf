"""Start a correction: copy the labels, and put their objects in the order of uncertainty."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sparcell.annotations.derive import find_points
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.field_tables import SPLITS
from sparcell.core.files import sha256, whole_file, write_json
from sparcell.core.image import FIRST_PLANE, Image
from sparcell.core.label_kinds import separate_objects
from sparcell.core.labels import Labels, connected_labels
from sparcell.core.progress import track
from sparcell.core.record import now
from sparcell.core.text import counted
from sparcell.evaluation.pairs import ImageSource, images_by_name
from sparcell.io import open_image, open_sample, write_image, write_table
from sparcell.models import load_model
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.views import ViewCandidate, find_candidates, mean_ious, predict_views
from sparcell.review.correction import (
    CORRECTION_FILE,
    QUEUE_FILE,
    CorrectedImage,
    Correction,
)
from sparcell.review.queue import Queued, order_queue
from sparcell.review.session import diameters
from sparcell.system.lock import is_unused

logger = logging.getLogger(__name__)

MOST_PIXELS = 1 << 26
"""Of an image that is corrected."""
UNKNOWN = -1.0
"""Uncertainty of an object of which no model has another view."""


class _Start(NamedTuple):
    """Where a correction begins: images, their labels, and the model that found these."""

    data: Dataset
    samples: list[Sample]
    labels: dict[str, ImageSource]
    model: str
    predicted: dict[str, Any]


def new_correction(
    folder: Path | str,
    out: Path | str,
    *,
    data: Path | str | None = None,
    model: str | None = None,
    split: str | None = None,
    seed: int = 0,
) -> Correction:
    """Start the correction of labels, the most uncertain objects first.

    The uncertainty of an object is 1 - the mean IoU with its like when the model sees the image
    mirrored, and in two other sizes.

    Parameters
    ----------
    folder : Path or str
        What `predict` wrote, or a dataset folder with labels, or with images alone.
    out : Path or str
        New folder.
    data : Path or str, optional
        Dataset folder of the images, where `folder` does not name it.
    model : str, optional
        File or name of a model; by default the one that predicted the labels. ``none`` for no
        model, and a random order.
    split : str, optional
        Only images of this part of the dataset: ``train``, ``val`` or ``test``.
    seed : int
        Of the random draws.

    Returns
    -------
    Correction

    Raises
    ------
    InputError
        If images, labels or model cannot be used. Nothing is written then.
    """
    root = Path(out)
    if not is_unused(root):
        raise InputError(f"{root}, which holds files", "a new folder", "choose another `out`")
    start = _find_start(Path(folder), Path(data) if data else None, model, split)
    network = _open_model(start.model)
    with whole_file(root) as partial:
        (partial / "start").mkdir(parents=True)
        images, found, sizes = [], [], []
        for sample in track(start.samples, "comparing views", len(start.samples), "images"):
            image = open_sample(sample)
            labels = _read_labels(start.labels.get(sample.name), sample, image)
            views = _views(network, image, start.predicted)
            candidates = find_candidates(labels, views) if views else []
            images.append(_write_image(partial, sample, labels, candidates))
            found += _queue_image(sample.name, labels, views, candidates)
            sizes.append(diameters(labels))
        correction = Correction(
            root=partial,
            dataset=_relative(start.data.root, root),
            labels_of=_relative(Path(folder), root),
            # A name or a relative path means something else in another folder.
            model=str(Path(network[0].source).resolve()) if network else "",
            predicted=start.predicted,
            diameter=float(np.median(np.concatenate(sizes))) if any(map(len, sizes)) else 0.0,
            seed=seed,
            created=now(),
            images=tuple(images),
        )
        rows = pd.DataFrame(order_queue(found, seed), columns=list(Queued._fields))
        write_table(rows, partial / QUEUE_FILE)
        write_json(partial / CORRECTION_FILE, correction.model_dump(mode="json"))
    doubtful = sum(one.uncertainty > 0.5 for one in found)
    logger.info(
        f"{counted(len(found), 'object')} in {counted(len(images), 'image')} to look at, "
        f"{doubtful} of them with an uncertainty over 0.5: {root}"
    )
    return correction.model_copy(update={"root": root})


def _find_start(folder: Path, data: Path | None, model: str | None, split: str | None) -> _Start:
    """Find images, labels and model of a folder."""
    dataset = Dataset.open(data or folder)
    samples = [sample for sample in dataset.samples if split in (None, sample.split)]
    if split is not None and split not in SPLITS:
        raise InputError(f"split '{split}'", ", ".join(SPLITS), "choose one")
    if not samples:
        raise InputError(f"no {split} image in {dataset.root}", "some", "choose another split")
    has_labels = (folder / "labels").is_dir()
    labels = dict(images_by_name(folder)) if has_labels else {}
    if has_labels and not any(sample.name in labels for sample in samples):
        raise InputError(
            f"no labels in {folder} of the images of {dataset.root}",
            "labels with the images' names",
            "name the images with `data`",
        )
    if left := [sample.name for sample in samples if has_labels and sample.name not in labels]:
        logger.info(f"Left out, without labels: {counted(len(left), 'image')}")
    kept = [sample for sample in samples if not has_labels or sample.name in labels]
    settings = _read_settings(folder)
    chosen = str(settings.get("model", "")) if model is None else model
    if chosen and chosen != "none" and not Path(chosen).exists() and model is None:
        logger.warning(f"no model {chosen}: the order is random; name the model with `model`")
        chosen = ""
    # Records of earlier versions call the channel "channels".
    channel = settings.get("channel", settings.get("channels"))
    known = {
        name: value
        for name, value in (("diameter", settings.get("diameter")), ("channel", channel))
        if value is not None
    }
    return _Start(dataset, kept, labels, "" if chosen == "none" else chosen, known)


def _read_settings(folder: Path) -> dict[str, Any]:
    """Settings of the prediction that wrote a folder; none if it was another command."""
    path = folder / "record.json"
    try:
        settings = json.loads(path.read_text("utf8")).get("settings", {}) if path.is_file() else {}
    except (ValueError, AttributeError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _open_model(name: str) -> tuple[Model, Runtime] | None:
    if not name:
        return None
    model = load_model(name)
    if not model.method.task.finds_objects:
        raise InputError(
            f"the model {name}, which predicts {model.method.task.result}",
            "a model that finds objects",
            "choose another",
        )
    return model, model.open()


def prediction_settings(predicted: dict[str, Any]) -> PredictSettings:
    """Settings with which a correction predicts again what was predicted."""
    channel = predicted.get("channel", predicted.get("channels"))
    return PredictSettings(
        diameter=predicted.get("diameter"),
        channel=tuple(channel) if isinstance(channel, list) else channel,
    )


def _views(
    network: tuple[Model, Runtime] | None, image: Image, predicted: dict[str, Any]
) -> list[Labels]:
    if network is None:
        return []
    with _without_warnings():
        views = predict_views(*network, image, prediction_settings(predicted))
    return [view.reshape(image.shape) for view in views]


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence what `predict` has said of the images already, and would say of each view anew."""
    prediction = logging.getLogger("sparcell.prediction")
    level = prediction.level
    prediction.setLevel(logging.ERROR)
    try:
        yield
    finally:
        prediction.setLevel(level)


def _read_labels(place: ImageSource | None, sample: Sample, image: Image) -> Labels:
    """Read the labels of an image under the label contract; none where there is no file."""
    if image.tzyx[:2] != (1, 1) or np.prod(image.shape) > MOST_PIXELS:
        raise InputError(
            f"{sample.name} of T, Z, Y, X = {image.tzyx}",
            f"single images of at most {MOST_PIXELS} px",
            "correct movies and stacks as single images, and crop large ones",
        )
    if place is None:
        return np.zeros(image.shape, np.int32)
    labels = separate_objects(place if isinstance(place, Image) else open_image(place))
    if labels.tzyx != (1, 1, *image.shape):
        raise InputError(
            f"{labels.source} of T, Z, Y, X = {labels.tzyx} for the image {sample.name} of "
            f"{image.tzyx}",
            "labels of the image's size",
            "predict the image again",
        )
    return connected_labels(labels.read_labels(plane=FIRST_PLANE))


def _write_image(
    root: Path, sample: Sample, labels: Labels, candidates: list[ViewCandidate]
) -> CorrectedImage:
    path = root / "start" / f"{sample.name}.tif"
    write_image(path, labels, "YX", labels=True)
    if candidates:
        drawn = np.zeros_like(labels)
        for number, candidate in enumerate(candidates, 1):
            drawn[tuple(candidate.pixels.T)] = number
        write_image(root / "candidates" / f"{sample.name}.tif", drawn, "YX", labels=True)
    return CorrectedImage(
        name=sample.name,
        split=sample.split,
        sha256=sha256(sample.image.path) if sample.image.path.is_file() else "",
        start_sha256=sha256(path),
        objects=int(labels.max(initial=0)),
        candidates=len(candidates),
        shape=labels.shape,
    )


def _queue_image(
    name: str, labels: Labels, views: list[Labels], candidates: list[ViewCandidate]
) -> list[Queued]:
    """Objects and candidates of one image, each with its uncertainty."""
    sizes, points = diameters(labels), find_points(labels)
    doubt = 1 - mean_ious(labels, views) if views else np.full(len(sizes) + 1, UNKNOWN)
    found = [
        Queued(
            name, n, False, *_place(points[n - 1]), _tenths(sizes[n - 1]), round(float(doubt[n]), 4)
        )
        for n in range(1, len(sizes) + 1)
    ]
    for number, candidate in enumerate(candidates, 1):
        size = float(np.sqrt(len(candidate.pixels) * 4 / np.pi))
        share = round(candidate.views / len(views), 4)
        place = _place(candidate.pixels.mean(0))
        found.append(Queued(name, number, True, *place, _tenths(size), share))
    return found


def _place(point: Any) -> tuple[float, float]:
    return _tenths(point[0]), _tenths(point[1])


def _tenths(value: float) -> float:
    return round(float(value), 1)


def _relative(dataset: Path, root: Path) -> str:
    try:
        return os.path.relpath(dataset.resolve(), root.resolve())
    except ValueError:
        # Another drive on Windows.
        return str(dataset.resolve())
