"""Which annotations a training uses of which field, and how that is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sparcell.core.annotation import TEACHING, Kind, given_kinds
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.progress import say
from sparcell.io import open_sample
from sparcell.io.points import read_points
from sparcell.training.recipe import DataConfig

if TYPE_CHECKING:
    from sparcell.training.fields import FieldPlace

NO_KINDS: frozenset[Kind] = frozenset()


def usable_samples(
    datasets: Sequence[Dataset], config: DataConfig, learns_from: str
) -> list[tuple[Sample, frozenset[Kind]]]:
    """Find the samples that have what is learned from, and say what is left out.

    With each come the annotations to use, for a method that learns from any. What `config.teacher`
    is to label is neither found here nor left out.
    """
    usable: list[tuple[Sample, frozenset[Kind]]] = []
    refused, lacking = [], []
    for sample in (s for dataset in datasets for s in dataset.where(**config.where).samples):
        if is_taught(sample, config, learns_from):
            continue
        kinds, wanted = NO_KINDS, learns_from in sample.files
        if learns_from == "any":
            if sample.refused and not config.use_refused and "points" in sample.files:
                # What the quality gate refused is the stain and the labels from it.
                left = {k: v for k, v in sample.files.items() if k not in ("labels", "stain")}
                sample = replace(sample, files=left, refused="")
            kinds = given_kinds(sample, frozenset(config.annotations))
            wanted = bool(kinds & TEACHING)
        if not wanted:
            lacking.append(kinds)
        elif sample.refused and not config.use_refused:
            refused.append(f"{sample.name} ({sample.refused})")
        else:
            usable.append((sample, kinds))
    if refused:
        say(f"left out, labels refused: {', '.join(refused)}")
    if masked := sum("mask" in kinds for kinds in lacking):
        say(f"left out, a mask but no points: {masked} fields; set a point in each object")
    if rest := len(lacking) - masked:
        what = "annotation that can be used" if learns_from == "any" else learns_from
        say(f"left out, no {what}: {rest} fields")
    return usable


def is_taught(sample: Sample, config: DataConfig, learns_from: str) -> bool:
    """Whether `config.teacher` is to label a sample: it is for training and has no annotation."""
    if not config.teacher or sample.split not in ("", "train"):
        return False
    if learns_from == "any":
        return not given_kinds(sample) & TEACHING
    return learns_from not in sample.files


def tell_annotations(places: Iterable[FieldPlace]) -> None:
    """Say what is learned from, and what of it is derived from what."""
    counts = Counter(_source(place) for place in places if place.kinds)
    for source, count in counts.most_common():
        say(f"{count} fields: {source}")


def check_points(places: Iterable[FieldPlace]) -> None:
    """Read the tables of points before training, which else would end at the first that is wrong.

    Raises
    ------
    InputError
        If one cannot be used.
    """
    for place in places:
        kinds, files = place.kinds, place.sample.files
        if "points" in kinds and "outlines" not in kinds and "points" in files:
            read_points(files["points"], open_sample(place.sample), place.plane)


def _source(place: FieldPlace) -> str:
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
