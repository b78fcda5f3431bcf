"""Fields without annotation, labelled by a finished model: pseudo-labels.

The model looks at each field four times, mirrored. What it finds alike each time is learned from;
where the views differ, the pixel is in doubt and weighs nothing. After Lee (2013, ICML workshop on
challenges in representation learning), who kept the surest class of each unlabelled image; here
objects are kept, by whether they survive a change that should not matter.
"""

from __future__ import annotations

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
from sparcell.core.labels import Labels, connected_labels
from sparcell.core.progress import say, track
from sparcell.evaluation import count_overlaps
from sparcell.io import open_image, open_sample, write_image
from sparcell.models import load_model
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.array import predict_array
from sparcell.prediction.predict_image import label_axes
from sparcell.prediction.settings import PredictSettings
from sparcell.training.data.annotations import is_pseudo_labelled
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.recipe_parts import DataConfig

VIEWS: tuple[tuple[str, ...], ...] = ((), ("Y",), ("X",), ("Y", "X"))
"""Axes along which each view is mirrored."""
OUTLINES: frozenset[Kind] = frozenset({"outlines"})
AGREE = 0.8
"""IoU of an object with its like in every other view, from which on it is learned from."""


@dataclass(frozen=True)
class Teacher:
    """A finished model, and what it labels.

    Attributes
    ----------
    model : Model
    name : str
        As the recipe has it.
    pupils : tuple of Sample
        Training fields without annotation.
    seen : tuple of str
        Validation and test fields of this run that the model itself has learned from.
    """

    model: Model
    name: str
    pupils: tuple[Sample, ...]
    seen: tuple[str, ...] = ()


def find_teacher(
    datasets: Sequence[Dataset],
    config: DataConfig,
    learns_from: str,
    places: dict[str, list[FieldRef]],
) -> Teacher | None:
    """Open the model of `config.teacher`, and find the fields that it shall label.

    These are fields for training that have no annotation that could be learned from. Fields of
    validation and test are never among them, nor is what `config.images` leaves out of the
    annotated ones.

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
    if model.spec.stain:
        raise InputError(
            f"data.teacher={config.teacher}, which predicts stains",
            "a model that finds objects",
            "choose another",
        )
    taken = {place.sample.name for held in places.values() for place in held}
    pupils = [
        sample
        for dataset in datasets
        for sample in dataset.where(**config.where).samples
        if is_pseudo_labelled(sample, config, learns_from) and sample.name not in taken
    ]
    if not pupils:
        raise InputError(
            f"no training field without annotation, for data.teacher={config.teacher}",
            "images beside the annotated ones",
            "add some, or leave data.teacher out",
        )
    if twice := [name for name, n in Counter(s.name for s in pupils).items() if n > 1]:
        raise InputError(
            f"several fields called {twice[0]}", "different names", "rename one of them"
        )
    learned = model.spec.record.get("fields", {})
    own = {name for part in ("train", "auto", "taught") for name in learned.get(part, [])}
    judged = {place.name for part in ("val", "test") for place in places[part]}
    # Of a single field, one part is learned from and the other judged.
    judged -= {place.name for place in places["train"]}
    return Teacher(model, config.teacher, tuple(pupils), tuple(sorted(own & judged)))


def add_pseudo_labels(teacher: Teacher, out: Path) -> tuple[list[FieldRef], dict[str, Any]]:
    """Label the fields of a teacher into ``labels/`` and ``ignore/`` of `out`.

    Fields that are labelled there already are taken as they are.

    Returns
    -------
    places : list of FieldRef
        The fields in which it was sure of an object.
    lesson : dict
        What was learned from, for the record.
    """
    runtime = teacher.model.open()
    places: list[FieldRef] = []
    totals: Counter[str] = Counter()
    pupils = teacher.pupils
    for sample in track(pupils, f"labelling by {teacher.name}", len(pupils), "fields"):
        kinds = {kind: out / kind / f"{sample.name}.tif" for kind in ("labels", "ignore")}
        image = open_sample(sample)
        # The ignore mask comes last.
        if not kinds["ignore"].exists():
            write_summary(teacher.model, runtime, image, kinds)
        objects = _count(kinds, totals, image)
        if objects:
            taught = replace(sample, files={"images": sample.image, **kinds}, refused="")
            places += [FieldRef(taught, plane, kinds=OUTLINES) for plane in image.planes()]
    lesson = {
        "model": teacher.name,
        "network_sha256": teacher.model.digest,
        "fields": len({place.sample.name for place in places}),
        "fields_without_annotation": len(pupils),
        "objects": totals["objects"],
        "doubtful_share": round(totals["doubt"] / max(totals["pixels"], 1), 4),
        "has_learned_from_judged_fields": list(teacher.seen),
    }
    say(
        f"pseudo-labels by {teacher.name}: {lesson['objects']} objects of {lesson['fields']} of "
        f"{len(pupils)} fields without annotation; {lesson['doubtful_share']:.1%} of the pixels "
        "are in doubt and left out"
    )
    if teacher.seen:
        say(
            f"{teacher.name} has learned from {len(teacher.seen)} fields that are validation or "
            f"test here, such as {teacher.seen[0]}: scores on them will be too good"
        )
    return places, lesson


def write_summary(model: Model, runtime: Runtime, image: Image, paths: dict[str, Path]) -> None:
    """Label one image, and mark what is in doubt.

    Parameters
    ----------
    model : Model
    runtime : Runtime
        Its network.
    image : Image
    paths : dict
        Where ``labels`` and ``ignore`` go.
    """
    found = [predict_symmetric(model, runtime, image, mirrored) for mirrored in VIEWS]
    labels = np.zeros_like(found[0])
    doubt = np.zeros(labels.shape, np.uint8)
    for plane in np.ndindex(labels.shape[:-2]):
        labels[plane], doubt[plane] = agree([view[plane] for view in found])
    axes = label_axes(image)
    write_image(paths["labels"], labels, axes, image.pixel_size, labels=True)
    write_image(paths["ignore"], doubt, axes, image.pixel_size)


def predict_symmetric(
    model: Model, runtime: Runtime, image: Image, mirrored: Iterable[str]
) -> Labels:
    """Predict a mirrored image; its labels, mirrored back, have the axes of `label_axes`."""
    pixels = np.asarray(image.data[tuple(slice(None) for _ in image.axes)])
    pixels = np.flip(pixels, tuple(image.axes.index(axis) for axis in mirrored))
    # Averaging over mirrored views would hide what this asks.
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


def agree(views: Sequence[Labels]) -> tuple[Labels, NDArray[np.bool_]]:
    """Keep the objects of the first view that every other shows alike.

    Parameters
    ----------
    views : sequence of (Y, X) int32
        Objects of the same image, found several times.

    Returns
    -------
    labels : (Y, X) int32
        Under the label contract.
    doubt : (Y, X) bool
        Where an object was found but not kept, and where views differ about the rim of one that is.
    """
    first, *others = views
    sure = np.ones(int(first.max(initial=0)) + 1, bool)
    for other in others:
        overlaps = count_overlaps(first, other)
        best = np.zeros(len(sure))
        np.maximum.at(best, overlaps.truth_ids[overlaps.pair_truth], overlaps.iou)
        sure &= best >= AGREE
    kept = np.where(sure[first], first, 0)
    anywhere = reduce(np.logical_or, (view > 0 for view in views))
    everywhere = reduce(np.logical_and, (view > 0 for view in views))
    doubt = np.where(kept > 0, ~everywhere, anywhere)
    return connected_labels(kept), doubt


def _count(paths: dict[str, Path], totals: Counter[str], image: Image) -> int:
    """Add what a labelled field holds to the totals; its objects."""
    labels, ignore = open_image(paths["labels"]), open_image(paths["ignore"])
    objects = 0
    for plane in image.planes():
        objects += int(labels.read_labels(plane=plane).max(initial=0))
        doubt = ignore.read_labels(plane=plane)
        totals.update(doubt=int(np.count_nonzero(doubt)), pixels=doubt.size)
    totals["objects"] += objects
    return objects
