"""Fields without annotation, labelled by a finished model: pseudo-labels.

The model predicts each field four times, mirrored. Objects that all four predictions share are
learned from; where predictions differ, the pixel is ignored. After Lee (2013, ICML workshop on
challenges in representation learning), who took the most probable class of each unlabelled image.
Here an object is confident if mirroring does not change it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.annotation import Kind
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_ref import ImageRef
from sparcell.core.labels import Labels, connected_labels
from sparcell.core.progress import track
from sparcell.core.text import counted
from sparcell.evaluation import count_overlaps
from sparcell.io import open_image, open_sample, write_image
from sparcell.models import load_model
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.array import predict_array
from sparcell.prediction.predict_instances import label_axes
from sparcell.prediction.settings import PredictSettings
from sparcell.training.data.annotations import is_pseudo_labelled
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.recipe_parts import DataConfig

logger = logging.getLogger(__name__)

VIEWS: tuple[tuple[str, ...], ...] = ((), ("Y",), ("X",), ("Y", "X"))
"""Axes along which the field is mirrored for each prediction."""
OUTLINES: frozenset[Kind] = frozenset({"outlines"})
AGREE = 0.8
"""Least IoU of a confident object with an object of every other prediction."""


@dataclass(frozen=True)
class Teacher:
    """A finished model and the fields that it labels.

    Attributes
    ----------
    model : Model
    name : str
        As the recipe has it.
    unlabelled : tuple of Sample
        Training fields without annotation.
    seen : tuple of str
        Validation and test fields of this run that the model itself has learned from.
    """

    model: Model
    name: str
    unlabelled: tuple[Sample, ...]
    seen: tuple[str, ...] = ()


def find_teacher(
    datasets: Sequence[Dataset],
    config: DataConfig,
    learns_from: str,
    places: dict[str, list[FieldRef]],
) -> Teacher | None:
    """Open the model of `config.teacher` and find the fields that it labels.

    These are training fields without usable annotation. Validation and test fields are never among
    them, nor are annotated fields that `config.images` leaves out.

    Parameters
    ----------
    places : dict
        The fields of every part that are used already.

    Raises
    ------
    InputError
        If there is no such model, it finds no objects, or there is no such field.
    """
    if not config.teacher:
        return None
    model = load_model(config.teacher)
    if not model.method.task.finds_objects:
        raise InputError(
            f"data.teacher={config.teacher}, which predicts {model.method.task.result}",
            "a model that finds objects",
            "choose another",
        )
    taken = {place.sample.name for refs in places.values() for place in refs}
    unlabelled = [
        sample
        for dataset in datasets
        for sample in dataset.where(**config.where).samples
        if is_pseudo_labelled(sample, config, learns_from) and sample.name not in taken
    ]
    if not unlabelled:
        raise InputError(
            f"no training field without annotation, for data.teacher={config.teacher}",
            "images beside the annotated ones",
            "add some, or leave data.teacher out",
        )
    if twice := [name for name, n in Counter(s.name for s in unlabelled).items() if n > 1]:
        raise InputError(
            f"several fields called {twice[0]}", "different names", "rename one of them"
        )
    learned = model.spec.record.get("fields", {})
    # Records of earlier versions say "taught".
    trained = ("train", "auto", "pseudo_labelled", "taught")
    own = {name for part in trained for name in learned.get(part, [])}
    judged = {place.name for part in ("val", "test") for place in places[part]}
    # Of a single field, one part is learned from and the other judged.
    judged -= {place.name for place in places["train"]}
    return Teacher(model, config.teacher, tuple(unlabelled), tuple(sorted(own & judged)))


def add_pseudo_labels(teacher: Teacher, out: Path) -> tuple[list[FieldRef], dict[str, Any]]:
    """Write pseudo-labels of all unlabelled fields to ``labels/`` and ``ignore/`` of `out`.

    Fields with files there already are not predicted again.

    Returns
    -------
    places : list of FieldRef
        The fields with a confident object.
    summary : dict
        Model, numbers of fields and objects, and ignored pixels, for ``record.json``.
    """
    runtime = teacher.model.open()
    places: list[FieldRef] = []
    totals: Counter[str] = Counter()
    fields = teacher.unlabelled
    for sample in track(fields, f"labelling by {teacher.name}", len(fields), "fields"):
        kinds = {kind: out / kind / f"{sample.name}.tif" for kind in ("labels", "ignore")}
        image = open_sample(sample)
        # The ignore mask is written last, so a field that has one is complete.
        if not kinds["ignore"].exists():
            label_field(teacher.model, runtime, image, kinds)
        objects = _count(kinds, totals, image)
        if objects:
            made = {kind: ImageRef(path) for kind, path in kinds.items()}
            labelled = replace(sample, files={"images": sample.image, **made}, refused="")
            places += [FieldRef(labelled, plane, kinds=OUTLINES) for plane in image.planes()]
    summary = {
        "model": teacher.name,
        "network_sha256": teacher.model.digest,
        "fields": len({place.sample.name for place in places}),
        "fields_without_annotation": len(fields),
        "objects": totals["objects"],
        "doubtful_share": round(totals["ignored"] / max(totals["pixels"], 1), 4),
        "has_learned_from_judged_fields": list(teacher.seen),
    }
    logger.info(
        f"pseudo-labels by {teacher.name}: {summary['objects']} objects of {summary['fields']} of "
        f"{counted(len(fields), 'field')} without annotation; "
        f"{summary['doubtful_share']:.1%} of the pixels differ between mirrored predictions and "
        "are ignored"
    )
    if teacher.seen:
        logger.warning(
            f"{teacher.name} was trained on {len(teacher.seen)} fields that are validation or "
            f"test here, such as {teacher.seen[0]}: scores on them are too high"
        )
    return places, summary


def label_field(model: Model, runtime: Runtime, image: Image, paths: dict[str, Path]) -> None:
    """Write pseudo-labels and ignore mask of one image.

    Parameters
    ----------
    model : Model
    runtime : Runtime
        Its network.
    image : Image
    paths : dict
        Files of ``labels`` and ``ignore``.
    """
    found = [predict_symmetric(model, runtime, image, mirrored) for mirrored in VIEWS]
    labels = np.zeros_like(found[0])
    ignore = np.zeros(labels.shape, np.uint8)
    # All axes but Y and X: planes agree one by one.
    for plane in np.ndindex(labels.shape[:-2]):
        labels[plane], ignore[plane] = agree([prediction[plane] for prediction in found])
    axes = label_axes(image)
    write_image(paths["labels"], labels, axes, image.pixel_size, labels=True)
    write_image(paths["ignore"], ignore, axes, image.pixel_size)


def predict_symmetric(
    model: Model, runtime: Runtime, image: Image, mirrored: Iterable[str]
) -> Labels:
    """Predict a mirrored image; return labels mirrored back, with the axes of `label_axes`."""
    pixels = np.asarray(image.data[tuple(slice(None) for _ in image.axes)])
    pixels = np.flip(pixels, tuple(image.axes.index(axis) for axis in mirrored))
    # Test-time augmentation averages mirrored predictions, whose difference is needed here.
    settings = PredictSettings(tta="none")
    labels = predict_array(
        model,
        pixels,
        image.axes,
        settings=settings,
        runtime=runtime,
        pixel_size=image.pixel_size,
    ).labels
    back: Labels = np.flip(labels, tuple({"Y": -2, "X": -1}[axis] for axis in mirrored))
    return back


def agree(predictions: Sequence[Labels]) -> tuple[Labels, NDArray[np.bool_]]:
    """Keep the confident objects: those of the first prediction that all others share.

    Parameters
    ----------
    predictions : sequence of (Y, X) int32
        Labels of the same image.

    Returns
    -------
    labels : (Y, X) int32
        Under the label contract.
    ignore : (Y, X) bool
        Pixels of objects that are not confident, and pixels at the outline of a confident object
        on which predictions differ.
    """
    first, *others = predictions
    confident = np.ones(int(first.max(initial=0)) + 1, bool)
    for other in others:
        overlaps = count_overlaps(first, other)
        # Largest IoU of each object of the first prediction with any object of this one.
        best = np.zeros(len(confident))
        np.maximum.at(best, overlaps.truth_ids[overlaps.pair_truth], overlaps.iou)
        confident &= best >= AGREE
    confident_ids = np.where(confident[first], first, 0)
    anywhere = reduce(np.logical_or, (labels > 0 for labels in predictions))
    everywhere = reduce(np.logical_and, (labels > 0 for labels in predictions))
    ignore = np.where(confident_ids > 0, ~everywhere, anywhere)
    return connected_labels(confident_ids), ignore


def _count(paths: dict[str, Path], totals: Counter[str], image: Image) -> int:
    """Add objects, ignored pixels and pixels of a field to the totals; return its objects."""
    labels, ignore_masks = open_image(paths["labels"]), open_image(paths["ignore"])
    objects = 0
    for plane in image.planes():
        objects += int(labels.read_labels(plane=plane).max(initial=0))
        ignore = ignore_masks.read_labels(plane=plane)
        totals.update(ignored=int(np.count_nonzero(ignore)), pixels=ignore.size)
    totals["objects"] += objects
    return objects
