"""Fields without annotation, labelled by a finished model: pseudo-labels.

The model predicts each field four times, mirrored. Objects that all four predictions share are
learned from; where predictions differ, the pixel is ignored. After Lee (2013, ICML workshop on
challenges in representation learning), who took the most probable class of each unlabelled image.
Here an object is confident if mirroring does not change it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.core.annotation import Kind
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_ref import ImageRef
from sparcell.core.progress import track
from sparcell.core.text import counted
from sparcell.io import open_image, open_sample, write_image
from sparcell.models import load_model
from sparcell.models.model import Model
from sparcell.models.runtime import Runtime
from sparcell.prediction.predict_instances import label_axes
from sparcell.prediction.views import MIRRORED, agree, predict_mirrored
from sparcell.training.data.annotations import is_pseudo_labelled
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.recipe_parts import DataConfig

logger = logging.getLogger(__name__)

OUTLINES: frozenset[Kind] = frozenset({"outlines"})


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
            f"no training image without annotation, for data.teacher={config.teacher}",
            "images beside the annotated ones",
            "add some, or leave data.teacher out",
        )
    if twice := [name for name, n in Counter(s.name for s in unlabelled).items() if n > 1]:
        raise InputError(
            f"several images called {twice[0]}", "different names", "rename one of them"
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
    for sample in track(fields, f"labelling by {teacher.name}", len(fields), "images"):
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
        f"{counted(len(fields), 'image')} without annotation; "
        f"{summary['doubtful_share']:.1%} of the pixels differ between mirrored predictions and "
        "are ignored"
    )
    if teacher.seen:
        logger.warning(
            f"{teacher.name} was trained on {len(teacher.seen)} images that are validation or "
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
    found = [predict_mirrored(model, runtime, image, mirrored) for mirrored in MIRRORED]
    labels = np.zeros_like(found[0])
    ignore = np.zeros(labels.shape, np.uint8)
    # All axes but Y and X: planes agree one by one.
    for plane in np.ndindex(labels.shape[:-2]):
        labels[plane], ignore[plane] = agree([prediction[plane] for prediction in found])
    axes = label_axes(image)
    write_image(paths["labels"], labels, axes, image.pixel_size, labels=True)
    write_image(paths["ignore"], ignore, axes, image.pixel_size)


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
