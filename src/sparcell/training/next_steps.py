"""Next steps with a dataset folder, the recommended one first."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.label_kinds import separate_objects
from sparcell.core.record import read_record
from sparcell.core.text import counted
from sparcell.io import open_sample
from sparcell.io.ngff import is_zarr
from sparcell.measurement.counts import median_diameter
from sparcell.models.catalogue import entries
from sparcell.models.loading import read_spec
from sparcell.models.model import ModelSpec
from sparcell.prediction.domain_check import features_of_labels, judge_features, middle_of_plane
from sparcell.prediction.overwrite import is_prediction
from sparcell.prediction.size import ENOUGH, known_diameters
from sparcell.reports.verdict import SMALL_DIAMETER
from sparcell.training.recipe import load_recipe
from sparcell.training.training_options import TrainingOption, TrainingOptions

SAMPLED, EDGE = 6, 1024
"""Labelled fields that are measured, and largest edge of the part of each, px."""
MEGAPIXELS_A_MINUTE = 60.0
"""Pixels that `predict` and `label` work through on two cores, roughly."""
TRAINING_MINUTES = 10.0
"""Longest training by a recipe that sets no limit of its own, roughly, on two cores."""


class NextStep(NamedTuple):
    """One thing to do with a dataset.

    Attributes
    ----------
    what : str
        What it gives, in a few words.
    command : str
        What to type.
    minutes : float
        How long it takes on two cores, roughly.
    blocked : str
        What stands in its way; empty where nothing does.
    """

    what: str
    command: str
    minutes: float
    blocked: str = ""


class Advice(NamedTuple):
    """Next steps with a dataset, and what to know before.

    Attributes
    ----------
    steps : list of NextStep
        The recommended one first.
    notes : list of str
        What to know before.
    """

    steps: list[NextStep]
    notes: list[str]


class FieldSample(NamedTuple):
    """A sample of the labelled fields.

    Attributes
    ----------
    diameter : float or None
        Median diameter of the objects, px; None where there are too few.
    images, labels : list of Image
        Images and labels of the sampled parts.
    """

    diameter: float | None
    images: list[Image]
    labels: list[Image]


def advise(dataset: Dataset, options: TrainingOptions) -> Advice:
    """Advise on the next steps with a dataset.

    A bundled model comes first where the labelled images are of the kind it learned and their
    objects of a size it knows. Without outlines to learn from, labels from a stain come first, then
    outlines from points. Outlines of particles get a recipe for these.

    Parameters
    ----------
    dataset : Dataset
    options : TrainingOptions
        What the dataset allows, see `find_options`.
    """
    if is_prediction(read_record(dataset.root)):
        return _of_prediction(dataset.root)
    sampled = _sample_fields(dataset)
    trainings = {option.command.split()[2]: option for option in options.training}
    labels = {option.what: option for option in options.labels}
    minutes = _megapixels(dataset) / MEGAPIXELS_A_MINUTE
    steps = [
        NextStep(
            f"Count with the bundled model {name}, which knows such images",
            _predict_command(name, dataset),
            minutes,
        )
        for name in _fitting_models(sampled)
    ]
    outlined = trainings.get("nuclei-light")
    if outlined:
        steps.append(_train(dataset, outlined, _recipe_for(sampled.diameter)))
    is_labelled = (dataset.root / "quality.csv").exists()
    if not is_labelled and (stain := labels.get("labels from the stain")):
        has_labels = bool(dataset.having("labels").samples)
        command = stain.command
        if has_labels:
            command = f"sparcell label {dataset.root} -o from-stain"
        step = NextStep(
            f"Make outlines from the stain of {counted(len(stain.names), 'image')}",
            command,
            minutes,
        )
        trainable = outlined and outlined.names and not (outlined.stop or outlined.faults)
        steps.insert(len(steps) if trainable else 0, step)
    if points := labels.get("outlines from points"):
        steps.append(
            NextStep(
                f"Propose outlines from the points of {counted(len(points.names), 'image')}, to "
                "be corrected",
                points.command,
                minutes,
            )
        )
    if option := trainings.get("points-light"):
        steps.append(_train(dataset, option, "points-light"))
    if option := trainings.get("bonte2023-light/stain"):
        steps.append(_train(dataset, option, "bonte2023-light/stain"))
    # What cannot be done yet comes last.
    steps.sort(key=lambda step: bool(step.blocked))
    if not steps:
        steps.append(_compare_models(dataset.root))
    return Advice(steps, [])


def advise_on_folder(folder: Path) -> Advice | None:
    """Advise on a folder that is no dataset: a prediction, labels alone, or images.

    Returns
    -------
    Advice or None
        None for an image: a file or an OME-Zarr.
    """
    if not folder.is_dir() or is_zarr(folder):
        return None
    if is_prediction(read_record(folder)):
        return _of_prediction(folder)
    if (folder / "labels").is_dir():
        steps = [
            NextStep("Measure the labelled objects", f"sparcell measure {folder}", 1),
            NextStep("Follow them, if these are movies", f"sparcell track {folder}", 1),
        ]
        return Advice(steps, [f"{folder} has labels and no images."])
    return Advice([_compare_models(folder)], [])


def _compare_models(root: Path) -> NextStep:
    what = "Compare the bundled models on your images"
    return NextStep(what, f"sparcell models try {root}", 1)


def _of_prediction(root: Path) -> Advice:
    """Advise on a folder that `predict` wrote: its labels are no truth."""
    model = read_record(root).get("settings", {}).get("model", "a model")
    return Advice(
        [
            NextStep("Look at the outlines", f"open {root / 'overview.html'}", 1),
            NextStep("Measure the objects", f"sparcell measure {root}", 1),
            NextStep(
                "Correct the outlines in QuPath or Fiji, import them, and train on these",
                f"sparcell export {root} --format geojson -o to-correct",
                1,
            ),
        ],
        [
            f"sparcell predict wrote these labels with {model}. They are no truth: a training on "
            "them repeats its mistakes."
        ],
    )


def _train(dataset: Dataset, option: TrainingOption, recipe: str) -> NextStep:
    """Describe a training, and what stands in its way."""
    what = {
        "points-light": "Train on the points, outlines or stain",
        "bonte2023-light/stain": "Train to predict the stain",
        "particles-light": "Train on the outlined particles",
    }.get(recipe, "Train on the outlines")
    blocked = option.stop
    if option.faults:
        wrong = [*option.faults][:3]
        more = len(option.faults) - len(wrong)
        listed = ", ".join(wrong) + (f" and {more} more" if more else "")
        blocked = f"first correct {listed}, see below"
    return NextStep(
        f"{what} of {counted(len(option.names), 'image')}",
        f"sparcell train {recipe} --data {dataset.root}",
        load_recipe(recipe).fit.minutes or TRAINING_MINUTES,
        blocked,
    )


def _recipe_for(diameter: float | None) -> str:
    """Recipe that learns outlines of objects of this diameter, px."""
    small = diameter is not None and diameter < SMALL_DIAMETER
    return "particles-light" if small else "nuclei-light"


def _sample_fields(dataset: Dataset) -> FieldSample:
    """Read the middle of some labelled fields; what cannot be read is reported elsewhere."""
    labelled = [one for one in dataset.having("labels").samples if not one.refused]
    chosen = np.linspace(0, len(labelled) - 1, min(len(labelled), SAMPLED)).astype(int)
    images, labels, areas = [], [], []
    for number in chosen:
        with suppress(InputError):
            image, found = _middle(labelled[number])
            areas.append(np.bincount(found.read_labels().ravel())[1:])
            images.append(image)
            labels.append(found)
    every = np.concatenate([*areas, np.zeros(0, np.int64)])
    every = every[every > 0]
    return FieldSample(median_diameter(every) if len(every) else None, images, labels)


def _middle(sample: Sample) -> tuple[Image, Image]:
    """Read the middle of the middle plane of an image, and its objects."""
    image, labels = open_sample(sample), separate_objects(open_sample(sample, "labels"))
    planes = list(image.planes())
    plane = planes[len(planes) // 2]
    part = middle_of_plane(image, plane, 1, EDGE)
    corner = [(whole - edge) // 2 for whole, edge in zip(image.shape, part.shape, strict=True)]
    y, x = (slice(at, at + edge) for at, edge in zip(corner, part.shape, strict=True))
    return part, Image(labels.read_labels(y, x, plane), "YX")


def _fitting_models(sampled: FieldSample) -> list[str]:
    """Names of the bundled models that know such images and objects, the best first."""
    fits: dict[str, float] = {}
    for name, entry in entries().items():
        spec = read_spec(entry.path) if entry.where == "bundled" else None
        if spec is not None and (distance := _distance(spec, sampled)) is not None:
            fits[name] = distance
    return sorted(fits, key=lambda name: fits[name])


def _distance(spec: ModelSpec, sampled: FieldSample) -> float | None:
    """Median distance of the fields from a model's training images; None where they do not fit."""
    known = known_diameters(spec)
    if spec.domain is None or spec.general or known is None or sampled.diameter is None:
        return None
    if not known[0] <= sampled.diameter <= known[1]:
        return None
    distances = []
    for image, labels in zip(sampled.images, sampled.labels, strict=True):
        if image.size("C") != spec.channels or len(np.unique(labels.read_labels())) <= ENOUGH:
            return None
        fit = judge_features(spec.domain, features_of_labels(image, labels, spec))
        if fit is not None:
            distances.append(fit.distance)
    middle = median(distances) if distances else None
    return middle if middle is not None and middle <= 1 else None


def _predict_command(model: str, dataset: Dataset) -> str:
    """Count the images of a dataset; of a stack each nucleus once."""
    image = open_sample(dataset.samples[0])
    if image.size("Z") > 1 and image.size("T") == 1:
        return f"sparcell predict {model} {dataset.root} -o counted --project max"
    return f"sparcell predict {model} {dataset.root} -o counted"


def _megapixels(dataset: Dataset) -> float:
    """Pixels of all images, as if they were like the first one."""
    with suppress(InputError):
        return len(dataset) * float(np.prod(open_sample(dataset.samples[0]).tzyx)) / 1e6
    return float(len(dataset))
