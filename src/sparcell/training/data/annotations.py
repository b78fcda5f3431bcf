"""Choice of the annotations of each field, and reports of what is used and left out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sparcell.annotations.labelled_dataset import check_finished
from sparcell.annotations.resolve import check_annotation
from sparcell.core.annotation import INSTANCE_ANNOTATIONS, Kind, available_annotations
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.text import counted
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.recipe_parts import DataConfig

logger = logging.getLogger(__name__)

NO_KINDS: frozenset[Kind] = frozenset()


class Sorted(NamedTuple):
    """Samples by whether they can be trained on, each with the annotations to use.

    Attributes
    ----------
    usable : list
        Samples to train on.
    refused : list
        Samples that the quality gate rejected.
    lacking : list
        Samples without an annotation of the positions of objects.
    """

    usable: list[tuple[Sample, frozenset[Kind]]]
    refused: list[tuple[Sample, frozenset[Kind]]]
    lacking: list[tuple[Sample, frozenset[Kind]]]


def sort_samples(datasets: Sequence[Dataset], config: DataConfig, learns_from: str) -> Sorted:
    """Sort samples by whether they have what the method learns from.

    Annotations are chosen for methods that learn from any. Samples for pseudo-labels by
    `config.teacher` are in none of the lists.
    """
    found = Sorted([], [], [])
    for sample in (s for dataset in datasets for s in dataset.where(**config.where).samples):
        if is_pseudo_labelled(sample, config, learns_from):
            continue
        kinds, wanted = NO_KINDS, learns_from in sample.files
        if learns_from == "any":
            if sample.refused and not config.use_rejected and "points" in sample.files:
                # What the quality gate refused is the stain and the labels from it.
                left = {k: v for k, v in sample.files.items() if k not in ("labels", "stain")}
                sample = replace(sample, files=left, refused="")
            kinds = available_annotations(sample, frozenset(config.annotations))
            wanted = bool(kinds & INSTANCE_ANNOTATIONS)
        if not wanted:
            found.lacking.append((sample, kinds))
        elif sample.refused and not config.use_rejected:
            found.refused.append((sample, kinds))
        else:
            found.usable.append((sample, kinds))
    return found


def report_left_out(found: Sorted, config: DataConfig, learns_from: str) -> None:
    """Report samples that are left out, and why; those with automatic labels are not."""
    auto = {sample.name for sample in auto_samples(config)}
    refused = [f"{s.name} ({s.refused})" for s, _ in found.refused if s.name not in auto]
    lacking = [kinds for sample, kinds in found.lacking if sample.name not in auto]
    if refused:
        logger.warning(f"left out, labels refused: {', '.join(refused)}")
    if masked := sum("mask" in kinds for kinds in lacking):
        logger.warning(
            f"left out, a mask but no points: {counted(masked, 'image')}; set a point in each "
            "object"
        )
    if rest := len(lacking) - masked:
        what = "annotation that can be used" if learns_from == "any" else learns_from
        logger.warning(f"left out, no {what}: {counted(rest, 'image')}")


def auto_samples(config: DataConfig) -> list[Sample]:
    """Samples with usable automatic labels in the folder `config.auto`, if it is set.

    Raises
    ------
    InputError
        If the folder is no dataset.
    """
    if not config.auto:
        return []
    dataset = Dataset.open(Path(config.auto)).having("labels")
    check_finished(dataset)
    return [
        sample
        for sample in dataset.samples
        if sample.split in ("", "train") and (config.use_rejected or not sample.refused)
    ]


def is_pseudo_labelled(sample: Sample, config: DataConfig, learns_from: str) -> bool:
    """Whether `config.teacher` is to label a sample: it is for training and has no annotation."""
    if not config.teacher or sample.split not in ("", "train"):
        return False
    if learns_from == "any":
        return not available_annotations(sample) & INSTANCE_ANNOTATIONS
    return learns_from not in sample.files


def report_annotations(places: Iterable[FieldRef]) -> None:
    """Report the annotations that are used, and which are derived from others."""
    counts = Counter(_source(place) for place in places if place.kinds)
    for source, count in counts.most_common():
        logger.info(f"{counted(count, 'image')}: {source}")


def check_fields(places: Iterable[FieldRef]) -> bool:
    """Check the files of all fields before training.

    Returns whether any field may have an object, see `check_annotation`.

    Raises
    ------
    InputError
        If one cannot be used.
    """
    found = {(place.sample.image, place.kinds): place for place in places}.values()
    # A list, so that all are checked though the first may suffice.
    return any([check_annotation(place.sample, place.kinds) for place in found])


def _source(place: FieldRef) -> str:
    kinds, files = place.kinds, place.sample.files
    if "outlines" in kinds:
        return "outlines"
    points = "points" if "points" in files else "points in the middle of outlines"
    mask = "mask" if "masks" in files else "mask from outlines"
    if "points" not in kinds:
        points = "points from the stain"
    if "mask" not in kinds:
        mask = "mask from the stain" if "stain" in kinds else "mask from the image"
    return f"{points}, {mask}"
