"""Comparison of pretraining that costs no annotation, on one's own images.

Scores are drawn as in Bonte et al. 2023, figures 7b and 9b.

::

    OUT/
      stain/            the run that learned to predict the stain, once
      study/            from scratch, ImageNet, the stain, and further runs; few and more labels
      pretraining.csv   a row per pretraining and number of fields: scores, intervals, gains
      pretraining.png   scores against labelled fields
      spread.png        scores of all test images and seeds with the fewest labels
      pipeline.png      one test field: image, predicted stain, mask, distance map, objects
      pictures.png      test fields: true and predicted stain, true and predicted objects
      pretraining.html  these pictures and the gains on one page
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.record import read_record
from sparcell.methods import METHODS
from sparcell.studies.config import Budget, Candidate, Limit, Study, as_overrides
from sparcell.training.initialise import start_from
from sparcell.training.recipe import Recipe, load_recipe

logger = logging.getLogger(__name__)

SCRATCH, IMAGENET, STAIN = "scratch", "imagenet", "stain"
OF_A_RUN = ("network.head", "fit.freeze_batchnorm")
"""Settings that have an effect only where weights come from a run."""
BUDGETS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Labelled fields that are tried, as far as there are so many."""


def pretraining_study(
    data: Path,
    runs: Mapping[str, Path],
    recipe: str = "bonte2023-light/nuclei",
    *,
    labels: str = "labels",
    budgets: Sequence[int] | None = None,
    seeds: int = 3,
    limit: Limit | None = None,
    settings: dict[str, Any] | None = None,
) -> Study:
    """Make the study that compares initial weights of one recipe.

    What the recipe says of `optimiser.pretrained_lr` and `fit.freeze_fraction` holds for the runs
    alone; the others move all weights from the beginning, as `nuclei-light` does. Validation fields
    come from the budget, so its size is all the labels that a run uses.

    Parameters
    ----------
    data : Path
        Dataset folder with labels, of which some are marked test.
    runs : dict of str to Path
        Runs whose weights are used, by name. Scratch and ImageNet have the network of
        the first, which learned to predict the stain.
    recipe : str
        A recipe's name or path.
    labels : str
        Folder of the labels in the dataset.
    budgets : sequence of int, optional
        Numbers of labelled fields; 1, 2, 5, 10, ... and all by default.
    seeds : int
        Repetitions, each with its own order of the fields.
    limit : Limit, optional
        Length of every run instead of that of the recipe.
    settings : dict, optional
        Other values for settings of the recipe, by dotted name.

    Raises
    ------
    InputError
        If no labelled field is marked test, or there is none to train on, or the recipe finds no
        objects.
    """
    settings = settings or {}
    count = count_fields(data, labels)
    chosen: tuple[Budget, ...] = tuple(budgets or ())
    if not chosen:
        chosen = (*(number for number in BUDGETS if number < count), "all")
    # The plan chooses fields; a published row of one image would leave too few.
    settings = {"data.images": 0, **settings}
    task = METHODS[load_recipe(recipe, as_overrides(settings), pretrained=True).method.name].task
    if not task.finds_objects:
        raise InputError(
            f"the recipe {recipe}, which predicts {task.result}",
            "one that finds objects",
            "try the recipe bonte2023-light/nuclei",
        )
    from_runs = {label: network_settings(run, recipe, settings) for label, run in runs.items()}
    first = next(iter(from_runs.values()))
    shared = {key: value for key, value in first.items() if not key.startswith("method.")}
    # Scratch and ImageNet have no last convolution to keep, and no statistics.
    for_all = {key: value for key, value in settings.items() if key not in OF_A_RUN}
    plain = (
        for_all
        | shared
        | {
            "optimiser.pretrained_lr": 1.0,
            "fit.freeze_fraction": 0.0,
            "network.stacked_head": False,
        }
    )
    return Study(
        name=f"How many labels after learning the stain? {data.resolve().name}",
        recipes=tuple(
            Candidate(recipe=recipe, label=label, set=own)
            for label, own in (
                (SCRATCH, plain | {"network.weights": "none"}),
                (IMAGENET, plain | {"network.weights": "imagenet"}),
                *((label, settings | own) for label, own in from_runs.items()),
            )
        ),
        budgets=chosen,
        seeds=tuple(range(seeds)),
        val=0,
        labels=labels,
        limit=limit,
        metric="map",
    )


def count_fields(data: Path, labels: str) -> int:
    """Count the labelled fields to train on; some others must be marked test.

    Raises
    ------
    InputError
        If there are none of either.
    """
    dataset = Dataset.open(data, labels=labels).having("labels")
    usable = [sample for sample in dataset.samples if not sample.refused]
    tested = sum(sample.split == "test" for sample in usable)
    if not tested or tested == len(usable):
        raise InputError(
            f"{tested} of {len(usable)} labelled images marked test in {data / 'split.csv'}",
            "some, which neither the stain nor the objects are learned from, and others",
            "mark images in the column split",
        )
    return len(usable) - tested


def network_settings(stain: Path, recipe: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a recipe that starts from a run sets otherwise, by dotted name."""
    overrides = as_overrides(settings)
    before = load_recipe(recipe, overrides, pretrained=True)
    after = start_from(stain.resolve(), before, overrides)
    return {
        f"{part}.{key}": value
        for part in ("network", "normalise", "method")
        for key, value in after.model_dump(mode="json")[part].items()
        if value != before.model_dump(mode="json")[part][key]
    }


def learn_stain(
    recipe: str, data: Path, out: Path, overrides: Sequence[str] = (), resume: bool = False
) -> Path:
    """Train the model that predicts the stain, or go on with it; see `sparcell.training.train`."""
    loaded: Recipe = load_recipe(recipe, list(overrides))
    if METHODS[loaded.method.name].task.finds_objects:
        raise InputError(
            f"the recipe {recipe} of the method {loaded.method.name}",
            "one that predicts a stain",
            "try the recipe bonte2023-light/stain",
        )
    from sparcell.training import train

    folder: Path = train(loaded, data, out, resume=resume)
    return folder


def name_runs(stain: Path, others: Sequence[Path]) -> dict[str, Path]:
    """Name runs after their folders, the first one ``stain``.

    Raises
    ------
    InputError
        If two of them would have one name.
    """
    runs = {STAIN: stain}
    for run in others:
        name = run.resolve().name
        if name in (SCRATCH, IMAGENET, *runs):
            raise InputError(
                f"the run {run} to start from, though another is called {name}",
                "folders of different names",
                "rename the folder of the run",
            )
        runs[name] = run
    return runs


def check_runs(runs: Mapping[str, Path], study: Study, data: Path) -> None:
    """Check that runs are finished, have not seen the test fields, and the stain's predicts one.

    Raises
    ------
    InputError
        If not.
    """
    for label, run in runs.items():
        method = _check_unseen(run, study, data)
        if label == STAIN and METHODS[method].task.finds_objects:
            raise InputError(
                f"{run}, a run of the method {method}",
                "one that predicts a stain",
                "name another run",
            )


def _check_unseen(run: Path, study: Study, data: Path) -> str:
    """Check that a run is finished and has not seen the test fields; return its method."""
    record = run / "record.json"
    if not (run / "model.zip").exists() or not record.exists():
        raise InputError(f"no finished run in {run}", "a run to start from", "train it first")
    record_of_run = read_record(run)
    dataset = Dataset.open(data, labels=study.labels).having("labels")
    tested = {sample.name for sample in dataset.samples if sample.split == "test"}
    # What it learned from labels that no hand made, it has seen too.
    seen = {
        name for part, names in record_of_run["fields"].items() if part != "test" for name in names
    }
    if both := sorted(tested & seen):
        raise InputError(
            f"{run}, which was trained on the test image {both[0]}",
            "a run that was not trained on test images",
            "leave that run out, or correct split.csv",
        )
    method: str = record_of_run["settings"]["method"]["name"]
    return method


def write_pretraining(out: Path, stain: Path) -> Path:
    """Write tables, pictures and page of a pretraining study: ``pretraining.*`` and other PNGs.

    Returns
    -------
    Path
        ``pretraining.csv``.

    Raises
    ------
    InputError
        If its study has no results.
    """
    from sparcell.drawing.rendering import embed, render
    from sparcell.io import read_table, write_table
    from sparcell.reports.pictures import png
    from sparcell.studies.example_fields import draw_fields
    from sparcell.studies.pretraining_figures import draw_pipeline, draw_spread
    from sparcell.studies.pretraining_table import (
        compare_pretraining,
        describe_pretraining,
        draw_pretraining,
    )
    from sparcell.studies.result_tables import tidy

    folder = out / "study"
    if not (folder / "images.csv").exists():
        raise InputError(f"no images.csv in {folder}", "a pretraining study", "check the path")
    runs, images = (tidy(read_table(folder / f"{name}.csv")) for name in ("results", "images"))
    table = compare_pretraining(runs, images)
    write_table(table, out / "pretraining.csv")
    drawn = {
        "pretraining": draw_pretraining(table),
        "spread": draw_spread(images),
        "pipeline": draw_pipeline(folder, stain),
        "pictures": draw_fields(folder, stain, images),
    }
    pictures = {name: png(figure) for name, figure in drawn.items() if figure is not None}
    for name, picture in pictures.items():
        with whole_file(out / f"{name}.png") as partial:
            partial.write_bytes(picture)
    sentences = describe_pretraining(table)
    for line in sentences:
        logger.info(line)
    embedded = {name: embed(pictures[name]) if name in pictures else None for name in drawn}
    with whole_file(out / "pretraining.html") as partial:
        partial.write_text(
            render("pretraining.html", name=out.resolve().name, sentences=sentences, **embedded),
            "utf8",
        )
    return out / "pretraining.csv"
