"""Choice of training, validation and test fields from the datasets."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sparcell.annotations.labelled_dataset import check_finished, no_pairs
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.text import counted, listed
from sparcell.evaluation import Groups, usual_groups
from sparcell.io import open_sample
from sparcell.methods.stain.config import StainConfig
from sparcell.training.data.annotations import (
    auto_samples,
    check_fields,
    report_annotations,
    report_left_out,
    sort_samples,
)
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.data.stain_scaling import Stains, add_stains, measure_stains
from sparcell.training.recipe_parts import DataConfig

logger = logging.getLogger(__name__)


class Target(NamedTuple):
    """Annotation that a method learns from, for checks and messages.

    Attributes
    ----------
    name : str
    first_step : str
        What to do where no field has it.
    are_objects : bool
        A field may show none.
    in_pairs : bool
        Every image needs one of its own.
    """

    name: str
    first_step: str
    are_objects: bool
    in_pairs: bool


TARGETS = {
    "labels": Target("labels", "run `sparcell label` first", True, False),
    "any": Target("outlines, points or a stain", "run `sparcell label` first", True, False),
    "stain": Target("stain", "mark some train", False, True),
}
"""By `sparcell.methods.base.Method.learns_from`."""


def open_datasets(roots: Sequence[Path], config: DataConfig) -> list[Dataset]:
    """Open dataset folders, with labels where the settings or else the folders say, if any.

    Raises
    ------
    InputError
        If one is no dataset, lacks the folder of labels that the settings name, or has labels of
        a `sparcell label` that was stopped.
    """
    named = config.labels != DataConfig.model_fields["labels"].default
    folders = {"labels": config.labels} if named else {}
    datasets = [Dataset.open(root, **folders) for root in roots]
    for dataset in datasets:
        check_finished(dataset)
    return [add_stains(dataset, config.stains) for dataset in datasets]


def find_groups(samples: Iterable[Sample], config: DataConfig) -> Groups | None:
    """Return the groups that test fields are scored in: the column `by`, else cell if there is one.

    Raises
    ------
    InputError
        If the settings name a column that no dataset has.
    """
    rows = {sample.name: sample.info for sample in samples}
    return usual_groups(config.by, rows, "split.csv, the setting data.by")


def find_fields(
    datasets: Sequence[Dataset], config: DataConfig, seed: int, learns_from: str = "labels"
) -> dict[str, list[FieldRef]]:
    """Sort the usable fields of all datasets into train, val and test.

    If no field is marked ``val``, `config.val_fraction` of the training fields is drawn; of a
    single field the right part is used for validation. With a fraction of 0 the validation fields
    are the training fields: they give the curves, and nothing is selected by them.

    Raises
    ------
    InputError
        If no labelled field is left to train on, files of one do not fit each other, no training
        field has an object, or there is no column `config.by`.
    """
    places: dict[str, list[FieldRef]] = {"train": [], "val": [], "test": []}
    wanted = {name: part for part, names in (config.parts or {}).items() for name in names}
    find_groups((sample for dataset in datasets for sample in dataset.samples), config)
    found = sort_samples(datasets, config, learns_from)
    report_left_out(found, config, learns_from)
    for sample, kinds in found.usable:
        part = wanted.pop(sample.name, "") if config.parts else sample.split or "train"
        if part:
            planes = open_sample(sample).planes()
            places[part] += [FieldRef(sample, plane, kinds=kinds) for plane in planes]
    if wanted:
        raise InputError(
            f"no labelled image {next(iter(wanted))} in the data",
            "the names of data.parts",
            "check the names and the dataset folder",
        )
    if not places["train"]:
        raise _nothing_to_train(datasets, config, learns_from)
    if not places["val"] and not config.val_fraction:
        logger.warning("No image is kept aside to check progress: all are learned from.")
        places["train"] = _subset(places["train"], config, seed)
        places["val"] = list(places["train"])
    elif not places["val"]:
        places["train"], places["val"] = _hold_out(places["train"], config.val_fraction, seed)
        _report_held_out(places)
    places["train"] = _subset(places["train"], config, seed)
    report_annotations(places["train"])
    check_fields(places["val"] + places["test"])
    if not check_fields(places["train"]):
        raise InputError(
            f"no point in any of {len(places['train'])} training images",
            "a place in each cell",
            "add points, or images with some",
        )
    if TARGETS[learns_from].are_objects:
        _check_objects(places)
    return places


def _report_held_out(places: dict[str, list[FieldRef]]) -> None:
    """Say which images are kept aside to check progress."""
    if any(place.x != slice(None) for place in places["val"]):
        logger.info("The right part of the only image is kept aside to check progress.")
        return
    names = sorted({place.sample.name for place in places["val"]})
    total = len(names) + len({place.sample.name for place in places["train"]})
    verb = "is" if len(names) == 1 else "are"
    logger.info(
        f"{len(names)} of {counted(total, 'image')} ({listed(names)}) {verb} kept aside to check "
        "progress; split.csv decides otherwise."
    )


def _check_objects(places: dict[str, list[FieldRef]]) -> None:
    """Check that training fields have objects, and report validation or test parts without."""
    if not contain_objects(places["train"]):
        raise InputError(
            f"no object in the labels of {len(places['train'])} training images",
            "at least one that is outlined",
            "outline some, or check that these are the right label images",
        )
    for part, name in (("val", "validation"), ("test", "test")):
        if places[part] and not contain_objects(places[part]):
            logger.warning(
                f"no object in the labels of {counted(len(places[part]), name + ' image')}: no "
                "score on these"
            )


def contain_objects(places: Iterable[FieldRef]) -> bool:
    """Whether there may be an object in some field; outlines are read until the first is found."""
    for place in places:
        if "labels" not in place.sample.files or (place.kinds and "outlines" not in place.kinds):
            return True
        labels = open_sample(place.sample, "labels").read_labels(plane=place.plane)
        if labels[:, place.x].any():
            return True
    return False


def _nothing_to_train(
    datasets: Sequence[Dataset], config: DataConfig, learns_from: str
) -> InputError:
    """Error about missing annotation, with how to get some."""
    target = TARGETS[learns_from]
    if target.in_pairs and not any(d.having(learns_from).samples for d in datasets):
        return no_pairs(datasets[0])
    if config.auto:
        # These stand beside outlined fields: validation and scores need some of those.
        first = f"annotate some, train on {config.auto} without data.auto"
    else:
        first = target.first_step
    return InputError(
        f"no training image with {target.name} in " + ", ".join(str(d.root) for d in datasets),
        f"images with {target.name}",
        f"{first}, or check split.csv and data.where",
    )


def find_auto(config: DataConfig, places: dict[str, list[FieldRef]]) -> list[FieldRef]:
    """Find the fields with automatic labels that may be trained on beside those of `places`.

    A field is left out that is outlined, validated or tested on, or that the quality gate refused.

    Raises
    ------
    InputError
        If the folder is no dataset, none of its fields is left, or one cannot be used.
    """
    if not config.auto:
        return []
    taken = {place.sample.name for part in places.values() for place in part}
    found = [
        FieldRef(sample, plane, kinds=frozenset({"outlines"}))
        for sample in auto_samples(config)
        if sample.name not in taken
        for plane in open_sample(sample).planes()
    ]
    if not found:
        raise InputError(
            f"no further training image with labels in {config.auto}",
            "a dataset folder that `sparcell label` wrote",
            "set data.auto to it, or to nothing",
        )
    check_fields(found)
    logger.info(f"{counted(len(found), 'image')} with automatic labels")
    return found


def nested_order(names: Sequence[str], seed: int) -> list[str]:
    """Shuffle names, so that the first n of a seed are among its first n + 1.

    A smaller training set is thus contained in a larger one (Cui 2020, 2.1).
    """
    ordered = sorted(names)
    return [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]


def _subset(places: list[FieldRef], config: DataConfig, seed: int) -> list[FieldRef]:
    """Keep the first samples of a shuffled order; all planes of a sample stay together."""
    names = {place.sample.name for place in places}
    count = config.images or max(1, round(len(names) * config.fraction))
    if count > len(names):
        raise InputError(
            f"{len(names)} training images",
            f"{count}, as data.images says",
            "lower data.images or label more images",
        )
    subset = set(nested_order(sorted(names), seed)[:count])
    return [place for place in places if place.sample.name in subset]


def _hold_out(
    places: list[FieldRef], fraction: float, seed: int
) -> tuple[list[FieldRef], list[FieldRef]]:
    """Split off validation fields; all planes of a sample stay together."""
    names = sorted({place.sample.name for place in places})
    if len(names) == 1:
        width = open_sample(places[0].sample).size("X")
        at = max(1, min(width - 1, round(width * (1 - fraction))))
        left = [replace(place, x=slice(0, at)) for place in places]
        return left, [replace(place, x=slice(at, None)) for place in places]
    order = np.random.default_rng(seed).permutation(len(names))
    validation = {names[i] for i in order[: max(1, round(len(names) * fraction))]}
    return (
        [place for place in places if place.sample.name not in validation],
        [place for place in places if place.sample.name in validation],
    )


def choose_stains(
    places: dict[str, list[FieldRef]], config: StainConfig
) -> tuple[Stains, dict[str, list[FieldRef]]]:
    """Measure the stains of all fields, and leave out, with its reason, what cannot be used.

    Raises
    ------
    InputError
        If fields differ in their stains, or none is left of a part.
    """
    refs = {part: [place.plane_ref() for place in fields] for part, fields in places.items()}
    stains = measure_stains(refs["train"], refs["val"] + refs["test"], config)
    left: dict[str, list[FieldRef]] = {part: [] for part in places}
    for part, fields in places.items():
        for place, ref in zip(fields, refs[part], strict=True):
            if fault := stains.levels[ref.key].fault:
                logger.warning(f"left out, stain of {place.name} {fault}")
            else:
                left[part].append(place)
    if not left["val"]:
        raise InputError(
            "no validation image with a usable stain", "one or more", "mark others val in split.csv"
        )
    return stains, left
