"""Trainings and label steps that a dataset folder allows."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import NamedTuple

from sparcell.annotations.resolve import check_annotation
from sparcell.core.annotation import Kind, available_annotations
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.dataset_layout import KINDS, FileLocation, read_layout
from sparcell.core.errors import InputError
from sparcell.core.progress import track
from sparcell.io import open_sample
from sparcell.methods import METHODS
from sparcell.training.data.annotations import NO_KINDS, sort_samples
from sparcell.training.data.field_refs import count_channels
from sparcell.training.data.stain_scaling import open_stains
from sparcell.training.recipe import load_recipe

RECIPES = {"nuclei-light": "outlines", "points-light": "any of these"}
"""Recipes that are offered, and what they learn from."""
SWAP_TEST_PIXELS = 1 << 25
"""Larger images, px, are not read to find out whether y and x of points are swapped."""

Used = tuple[Sample, frozenset[Kind]]
Key = tuple[str, ...]


class TrainingOption(NamedTuple):
    """One use of a dataset.

    Attributes
    ----------
    what : str
        What is learned from or made, in a few words.
    command : str
        What to type.
    names : list of str
        Fields that would be used.
    faults : dict
        Other fields, whose files cannot be used, and why. A training stops at them, a label step
        goes on.
    stop : str
        Why it would not work even so; empty where it would.
    """

    what: str
    command: str
    names: list[str]
    faults: dict[str, str]
    stop: str = ""


class TrainingOptions(NamedTuple):
    """Possible uses of a dataset folder.

    Attributes
    ----------
    training, labels : list of TrainingOption
        Trainings and label steps for which at least one field has the files.
    faults : list of (str, str)
        Names of fields, and what is wrong with their files.
    """

    training: list[TrainingOption]
    labels: list[TrainingOption]
    faults: list[tuple[str, str]]


def find_options(dataset: Dataset) -> TrainingOptions:
    """Find what each field can be used for, by the checks that training and label step make.

    Images are opened; they are read only where points stand alone, see `check_annotation`.
    """
    uses: dict[str, list[Used]] = {"": [(sample, NO_KINDS) for sample in dataset.samples]}
    for name in RECIPES:
        recipe = load_recipe(name)
        learns_from = METHODS[recipe.method.name].learns_from
        uses[name] = sort_samples([dataset], recipe.data, learns_from).usable
    bare = [_without(sample, "labels", "ignore") for sample in dataset.samples]
    uses["stain"] = [(s, frozenset({"stain"})) for s in bare if "stain" in s.files]
    uses["points"] = [(s, available_annotations(s)) for s in bare if "points" in s.files]
    faults, without = _check_all([used for each in uses.values() for used in each])
    known = {(name, text): None for (name, *_), text in faults.items()}

    def option(use: str, what: str, command: str) -> TrainingOption:
        wrong = {s.name: faults[key] for s, k in uses[use] if (key := _key(s, k)) in faults}
        fine = [sample for sample, _ in uses[use] if sample.name not in wrong]
        empty = {sample.name for sample, kinds in uses[use] if _key(sample, kinds) in without}
        if use in RECIPES:
            stop = _find_stop(fine, empty)
        else:
            # The label step refuses a field without points.
            stop, fine = "", [sample for sample in fine if sample.name not in empty]
        return TrainingOption(what, command, [sample.name for sample in fine], wrong, stop)

    root = dataset.root
    training = [
        option(name, what, f"sparcell train {name} --data {root}") for name, what in RECIPES.items()
    ]
    stain = _stain_option(dataset)
    known |= dict.fromkeys(stain.faults.items())
    labels = [
        option("stain", "labels from the stain", f"sparcell label {root}"),
        option("points", "outlines from points", f"sparcell label {root} --from points -o NEW"),
    ]
    if len(uses["points-light"]) == len(uses["nuclei-light"]):
        del training[1]
    return TrainingOptions(
        [each for each in (*training, stain) if each.names or each.faults],
        [each for each in labels if each.names],
        list(known),
    )


def _stain_option(dataset: Dataset) -> TrainingOption:
    """Offer to learn what the stains of a dataset show; they may be several."""
    stained = dataset.having("stain").samples
    faults = {}
    for sample in stained:
        try:
            open_stains(sample, open_sample(sample))
        except InputError as error:
            faults[sample.name] = str(error)
    fine = [sample for sample in stained if sample.name not in faults]
    command = f"sparcell train bonte2023-light/stain --data {dataset.root}"
    names = [sample.name for sample in fine]
    return TrainingOption(
        "the stain of unstained images", command, names, faults, _find_stop(fine, set())
    )


def _check_all(used: Iterable[Used]) -> tuple[dict[Key, str], set[Key]]:
    """Check each field once for each set of annotations that is used of it.

    Returns what is wrong, and which are right but can hold no object.
    """
    every = {_key(sample, kinds): (sample, kinds) for sample, kinds in used}
    faults, without = {}, set()
    for key, (sample, kinds) in track(
        every.items(), "checking what can be learned", len(every), "checks"
    ):
        try:
            if not check_annotation(sample, kinds, swap_test_pixels=SWAP_TEST_PIXELS):
                without.add(key)
        except InputError as error:
            faults[key] = str(error)
    return faults, without


def _find_stop(samples: list[Sample], empty: AbstractSet[str] = frozenset()) -> str:
    """Say why a training on fields that can be used, each by itself, would not begin."""
    if not samples:
        return ""
    training = [sample for sample in samples if sample.split in ("", "train")]
    if not training:
        return "none of them is for training: mark some train in split.csv"
    if {sample.name for sample in training} <= empty:
        return "no table of those for training has a point: set one in each cell"
    try:
        count_channels(open_sample(sample) for sample in samples)
    except InputError as error:
        return str(error)
    return ""


def find_unused(dataset: Dataset) -> dict[str, list[str]]:
    """List the files in the folders of a dataset that belong to no field, by kind.

    They have another suffix, or are called as no image is. Patterns of ``dataset.yaml`` choose
    among files on purpose, so their folders are left out.
    """
    used = {file.path for sample in dataset.samples for file in sample.files.values()}
    places = {kind: FileLocation(kind) for kind in KINDS} | read_layout(dataset.root)
    found = {}
    for kind, place in places.items():
        folder = dataset.root / place.files
        if "{name}" in place.files or not folder.is_dir():
            continue
        # Tables beside labels hold the classes of objects.
        found[kind] = [
            path.name
            for path in sorted(folder.iterdir())
            if path not in used
            and path.name[0] != "."
            and not (kind == "labels" and path.suffix == ".csv")
        ]
    return {kind: names for kind, names in found.items() if names}


def _key(sample: Sample, kinds: frozenset[Kind]) -> Key:
    return (sample.name, *sorted(kinds), *sorted(sample.files))


def _without(sample: Sample, *kinds: str) -> Sample:
    files = {kind: file for kind, file in sample.files.items() if kind not in kinds}
    return replace(sample, files=files)
