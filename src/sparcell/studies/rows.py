"""A finished run as rows of tables: one for the run, one for each group, one for each image."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.labels import connected_labels
from sparcell.core.record import read_record
from sparcell.evaluation import METRICS, Detection, Scores, evaluate, mean_of_images
from sparcell.evaluation.metric import WITHOUT_SMALL, columns_of, metrics_of_objects
from sparcell.io import open_image
from sparcell.models import load_model
from sparcell.studies.design import Plan, Run, find_groups

Row = dict[str, Any]

KEYS = ("recipe", "budget", "fold", "seed")
DETECTION = "detection"
FIELDS = ("n_train", "n_val", "n_test", "objects_train")
COSTS = (
    "steps", "train_cpu_s", "train_s", "predict_s_per_mpx", "peak_mib", "gpu_mib", "parameters_m",
)  # fmt: skip


def score_columns() -> tuple[str, ...]:
    """Return the columns of pooled scores, those without small objects beside them."""
    columns = columns_of([*metrics_of_objects(), METRICS[DETECTION]])
    return tuple(
        column.name + ending
        for column in columns
        for ending in ("", *[WITHOUT_SMALL] * column.without_small)
    )


def mean_columns() -> tuple[str, ...]:
    """Return the columns of means over test images."""
    columns = columns_of(metrics_of_objects())
    return tuple(f"mean_{column.name}" for column in columns if column.averaged)


def run_columns() -> tuple[str, ...]:
    """Return the columns of ``results.csv``."""
    return (*KEYS, *FIELDS, *score_columns(), *mean_columns(), *COSTS, "decode", "error")


def group_columns() -> tuple[str, ...]:
    """Return the columns of ``groups.csv``."""
    return (*KEYS, "group_by", "group", "n_test", *score_columns(), *mean_columns())


def image_columns() -> tuple[str, ...]:
    """Return the columns of ``images.csv``."""
    return (*KEYS, "image", *score_columns())


def key_row(run: Run) -> Row:
    """Return what names a run in a table, and the fields it was given."""
    return {
        "recipe": run.recipe,
        "budget": run.budget,
        "fold": run.fold,
        "seed": run.seed,
        "n_train": len(run.train),
        "n_val": len(run.val),
        "n_test": len(run.test),
    }


class ScoredRows(NamedTuple):
    """Scores of a run: rows of the tables of a study.

    Attributes
    ----------
    row : dict
        Scores pooled over the test images: counts are summed first, ratios are taken then.
        `count_error` is the mean absolute difference of the counts of an image, relative to the
        mean true count. Columns that begin with ``mean_`` are means over the images.
    groups : list of dict
        The same scores of every group of test images; none without a column of groups.
    images : list of dict
        The same scores of every test image, without means.
    """

    row: Row
    groups: list[Row]
    images: list[Row]


def read_rows(plan: Plan, run: Run, folder: Path) -> ScoredRows:
    """Score the predictions of a finished run and read what it cost.

    Parameters
    ----------
    plan : Plan
    run : Run
    folder : Path
        The run folder, with ``model.zip`` and ``predictions/``.
    """
    dataset = Dataset.open(plan.data, labels=plan.study.labels)
    samples = {sample.name: sample for sample in dataset.samples}
    images = score_images(plan, [samples[name] for name in run.test], folder)
    named = {key: value for key, value in key_row(run).items() if key in KEYS}
    by_image = [named | {"image": name} | as_columns([one]) for name, one in images.items()]
    by_group = []
    if groups := find_groups(plan.study, samples):
        for group, names in groups.split(images).items():
            about = {"group_by": groups.column, "group": group, "n_test": len(names)}
            by_group.append(named | about | set_columns([images[name] for name in names]))
    total = key_row(run) | set_columns(list(images.values())) | read_costs(folder)
    total["objects_train"] = count_objects(samples[name] for name in run.train)
    total["decode"] = json.dumps(load_model(folder).spec.decode)
    return ScoredRows(total, by_group, by_image)


@dataclass(frozen=True)
class ImageScores:
    """All scores of one test image.

    Attributes
    ----------
    scores : Scores
        Of all objects.
    without_small : Scores, optional
        Of those that are not small, where asked for.
    detection : Detection, optional
        Of particles within a distance, where asked for.
    """

    scores: Scores
    without_small: Scores | None = None
    detection: Detection | None = None


def score_images(plan: Plan, tested: list[Sample], folder: Path) -> dict[str, ImageScores]:
    """Score the predictions of a run folder, image by image."""
    truth = {sample.name: sample.files["labels"] for sample in tested}
    ignore = {sample.name: sample.files["ignore"] for sample in tested if "ignore" in sample.files}
    found = {
        sample.name: folder / "predictions" / "labels" / f"{sample.name}.tif" for sample in tested
    }
    study = plan.study
    scores = evaluate(truth, found, ignore=ignore or None, rules=study.rules).images
    without_small: Mapping[str, Scores] = {}
    if study.min_size:
        without_small = evaluate(
            truth,
            found,
            ignore=ignore or None,
            objects="ids",
            rules=study.rules,
            min_size=study.min_size,
        ).images
    detections: Mapping[str, Detection] = {}
    if study.detection_radius is not None:
        detections = evaluate(truth, found, metric=DETECTION, radius=study.detection_radius).images
    return {
        name: ImageScores(scores[name], without_small.get(name), detections.get(name))
        for name in scores
    }


def set_columns(images: list[ImageScores]) -> Row:
    """Return pooled scores of a set of images, and means over them."""
    means = mean_of_images(image.scores for image in images).ratios
    return as_columns(images) | {f"mean_{name}": value for name, value in means.items()}


def as_columns(images: list[ImageScores]) -> Row:
    """Pool the scores of images into the columns `score_columns`."""
    row: Row = reduce(add, (image.scores for image in images)).values()
    if large := [image.without_small for image in images if image.without_small]:
        values = reduce(add, large).values()
        columns = columns_of(metrics_of_objects())
        row |= {
            column.name + WITHOUT_SMALL: values[column.name]
            for column in columns
            if column.without_small
        }
    if particles := [image.detection for image in images if image.detection]:
        row |= METRICS[DETECTION].values(reduce(add, particles))
    return row


def read_costs(folder: Path) -> Row:
    """Read what training and prediction took from the records of a run folder."""
    training = read_record(folder)["training"]
    predicted = read_record(folder / "predictions")
    # A run that was stopped after its predictions has made none in its last call.
    megapixels = predicted["megapixels"]
    return {
        "steps": training["steps"],
        "train_cpu_s": training["cpu_seconds"],
        "train_s": training["seconds"],
        "predict_s_per_mpx": predicted["seconds"] / megapixels if megapixels else None,
        "peak_mib": training["peak_mib"],
        "gpu_mib": training["gpu_mib"],
        "parameters_m": training["parameters"] / 1e6,
    }


def count_objects(samples: Iterable[Sample]) -> int:
    """Count the labelled objects of fields, all planes together."""
    total = 0
    for sample in samples:
        labels = open_image(sample.files["labels"])
        for plane in labels.planes():
            total += int(np.max(connected_labels(labels.read_labels(plane=plane)), initial=0))
    return total
