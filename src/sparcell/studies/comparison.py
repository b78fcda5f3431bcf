"""The same fields by several predictions, side by side.

Agreement pixel by pixel, as in Salomon-Sörensen 2023, figure 7.2, or outlines over the image, as
in Shrestha et al. 2023, figure S1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.labels import Labels
from sparcell.drawing.palette import MATCHED, MISSED
from sparcell.drawing.picture import stretch
from sparcell.evaluation import draw_overlay
from sparcell.io import open_image, open_sample
from sparcell.studies.design import Plan, Run, read_plan
from sparcell.studies.example_fields import (
    Panel,
    Window,
    lay_out,
    read_window,
    score_below,
    window_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Paint = Literal["agreement", "outlines"]
FIELDS = 3
MOST = 6
"""Recipes that are shown of a study, at most."""
TRUE, FOUND = MISSED, MATCHED
"""Outlines of true and of predicted objects."""


def draw_comparison(
    samples: Sequence[Sample],
    predictions: Mapping[str, Path],
    paint: Paint = "agreement",
    caption: str = "",
    below: Mapping[tuple[str, str], str] | None = None,
) -> Figure:
    """Draw image, truth and each prediction of the same fields.

    Parameters
    ----------
    samples : sequence of Sample
        Fields with labels; a row each.
    predictions : mapping from title to Path
        Folders of label images ``NAME.tif``; a column each.
    paint : {"agreement", "outlines"}
        Pixels in blue where both are, vermilion where only the prediction is, yellow where only
        the truth is; or outlines over the image.
    caption : str
    below : mapping from (title, field) to str, optional
        What stands below a prediction, its score for example.

    Raises
    ------
    InputError
        If there are no fields, or a prediction of a field is missing or of another size.
    """
    if not samples or not predictions:
        raise InputError("nothing to draw", "images with labels and predictions", "check the paths")
    rows = []
    for sample in samples:
        labels = open_image(sample.files["labels"])
        window = window_of(labels)
        truth: Labels = labels.read_labels(*window)
        planes = read_window(open_sample(sample), window)
        image = stretch(planes[len(planes) // 2])
        panels = {"image": Panel(image)}
        panels["truth"] = Panel(_paint(paint, image, truth, truth, TRUE))
        for title, folder in predictions.items():
            found = _read_prediction(folder, sample, labels.shape, window)
            note = (below or {}).get((title, sample.name), "")
            panels[title] = Panel(_paint(paint, image, truth, found, FOUND), note)
        rows.append(panels)
    return lay_out(tuple(sample.name for sample in samples), rows, caption)


def _read_prediction(
    folder: Path, sample: Sample, shape: tuple[int, ...], window: Window
) -> Labels:
    path = folder / f"{sample.name}.tif"
    if not path.exists():
        raise InputError(
            f"no prediction {path}", "one of every image that is drawn", "predict it first"
        )
    opened = open_image(path)
    if opened.shape != shape:
        raise InputError(
            f"{path} of {' x '.join(map(str, opened.shape))} px",
            f"{' x '.join(map(str, shape))} px, as the labels of {sample.name}",
            "compare predictions of the same image",
        )
    found: Labels = opened.read_labels(*window)
    return found


def _paint(
    paint: Paint,
    image: NDArray[np.uint8],
    truth: Labels,
    found: Labels,
    colour: tuple[int, int, int],
) -> NDArray[np.uint8]:
    if paint == "agreement":
        return draw_overlay(truth, found)
    return outline(image, found, colour)


def outline(
    image: NDArray[np.uint8], labels: Labels, colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Draw the outlines of objects, 1 px inside of each, over a grey image.

    Parameters
    ----------
    image : (Y, X) uint8
    labels : (Y, X) int32
    colour : (R, G, B)

    Returns
    -------
    (Y, X, 3) uint8
    """
    from skimage.segmentation import find_boundaries

    picture = np.repeat(image[:, :, None], 3, axis=2)
    picture[find_boundaries(labels, mode="inner")] = colour
    return picture


def draw_recipes(study: Path, images: pd.DataFrame | None) -> Figure | None:
    """Draw test fields by the recipes of a study, of its largest budget, first fold and seed.

    Parameters
    ----------
    study : Path
        Folder of a study.
    images : DataFrame, optional
        Tidy ``images.csv``, for the scores below the pictures.

    Returns
    -------
    Figure or None
        None where no two recipes have predictions of a common field, or the data is not there.
    """
    if not (study / "plan.json").exists():
        return None
    plan = read_plan(study)
    runs = _last_runs(plan, study)
    common = set.intersection(*(set(run.test) for run in runs.values())) if runs else set()
    if len(runs) < 2 or not common or not plan.data.is_dir():
        return None
    dataset = Dataset.open(plan.data, labels=plan.study.labels)
    chosen = [sample for sample in dataset.samples if sample.name in common][:FIELDS]
    folders = {label: _predictions(study, run) for label, run in runs.items()}
    below = {
        (label, sample.name): score_below(images, run, sample.name)
        for label, run in runs.items()
        for sample in chosen
        if images is not None
    }
    first = next(iter(runs.values()))
    budget = "all labelled images" if first.budget == "all" else f"labelled images: {first.budget}"
    try:
        return draw_comparison(chosen, folders, caption=f"{budget}, seed {first.seed}", below=below)
    except InputError:
        # Pictures are an extra: a page is written though the data has moved since.
        return None


def _last_runs(plan: Plan, study: Path) -> dict[str, Run]:
    """One run of the largest budget of each recipe that has predictions, up to `MOST`."""
    largest = max(plan.study.budgets, key=lambda budget: (budget == "all", budget))
    # Runs of one fold and seed alone: others were trained on other fields.
    by_fold_and_seed: dict[tuple[int, int], dict[str, Run]] = {}
    for run in plan.runs:
        if run.budget == largest and _predictions(study, run).is_dir():
            by_fold_and_seed.setdefault((run.fold, run.seed), {})[run.recipe] = run
    runs = max(by_fold_and_seed.values(), key=len, default={})
    ordered = [one.label for one in plan.study.recipes if one.label in runs]
    return {label: runs[label] for label in ordered[:MOST]}


def _predictions(study: Path, run: Run) -> Path:
    return study / "runs" / run.key / "predictions" / "labels"
