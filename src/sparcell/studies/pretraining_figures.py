"""Spread of scores after few labels, and the way from image to objects.

Bonte et al. 2023, figures 6, 7a and 9a.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sparcell.core.dataset import Dataset
from sparcell.drawing.picture import stretch
from sparcell.evaluation import score_title
from sparcell.io import open_image, open_sample
from sparcell.models import load_model
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.maps import predict_maps
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.studies.design import Plan, Run, read_plan
from sparcell.studies.example_fields import (
    Panel,
    Window,
    brighten,
    lay_out,
    paint_objects,
    read_window,
    window_of,
)
from sparcell.studies.pictures import COLOURS
from sparcell.studies.pretraining_table import METRICS, ORDER
from sparcell.studies.result_tables import finished, ordered_budgets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STAIN = "stain"
MAPS = {
    "foreground": "mask",
    "distance": "distance map",
    "inner": "inner distance",
    "outer": "outer distance",
}
"""How maps are called in figure 6 of Bonte et al. 2023, and those of the watershed."""


def draw_spread(images: pd.DataFrame) -> Figure | None:
    """Draw the scores of all test images and seeds after the fewest labels (figures 7a and 9a).

    Parameters
    ----------
    images : DataFrame
        Tidy ``images.csv`` of a pretraining study.

    Returns
    -------
    Figure or None
        A box for each pretraining: median, quartiles, and whiskers to the farthest score within 1.5
        times the distance of the quartiles; a dot for each image and seed. None without any score.
    """
    from matplotlib.figure import Figure

    if not len(images):
        return None
    budget = ordered_budgets(images)[0]
    figure = Figure(figsize=(8.5, 3.6), layout="constrained")
    for axis, metric in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
        good = finished(images, metric)
        _draw_boxes(axis, good[good["budget"] == budget], metric)
    number = "all labelled images" if budget == "all" else f"labelled images: {budget}"
    figure.supxlabel(f"{number}; a dot is one test image after one training", fontsize=8)
    return figure


def _draw_boxes(axis: Axes, good: pd.DataFrame, metric: str) -> None:
    found = list(dict.fromkeys(good["recipe"]))
    labels = [name for name in dict.fromkeys((*ORDER, *found)) if name in found]
    colours = dict(zip(dict.fromkeys((*ORDER, *found)), ("#808080", *COLOURS), strict=False))
    random = np.random.default_rng(0)
    for position, label in enumerate(labels):
        scores = good.loc[good["recipe"] == label, metric].to_numpy(float)
        colour = colours[label]
        axis.boxplot(
            scores,
            positions=[position],
            widths=0.5,
            # All scores are dots already.
            showfliers=False,
            boxprops={"color": colour},
            whiskerprops={"color": colour},
            capprops={"color": colour},
            medianprops={"color": colour, "linewidth": 2},
        )
        beside = position + random.uniform(-0.15, 0.15, len(scores))
        axis.plot(beside, scores, "o", color=colour, alpha=0.4, markersize=3)
    axis.set_xticks(range(len(labels)), [ORDER.get(label, label) for label in labels])
    axis.set(ylabel=score_title(metric), ylim=(-0.03, 1.03))
    axis.spines[["top", "right"]].set_visible(False)


def draw_pipeline(study: Path, stain: Path) -> Figure | None:
    """Draw the way of one test field from image to objects, after the stain (figure 6).

    Parameters
    ----------
    study : Path
        Folder of a pretraining study. Of its runs after the stain the one with the most labels is
        shown, of the first seed.
    stain : Path
        The run that predicts the stain.

    Returns
    -------
    Figure or None
        Image, predicted stain, mask and, where the method has one, distance map, objects. None
        where no such run is there.
    """
    plan = read_plan(study)
    run = _shown_run(plan, study)
    if run is None:
        return None
    dataset = Dataset.open(plan.data, labels=plan.study.labels)
    sample = next(one for one in dataset.samples if one.name == run.test[0])
    folder, file = study / "runs" / run.key, f"{sample.name}.tif"
    window = window_of(open_image(sample.files["labels"]))
    planes = read_window(open_sample(sample), window)
    panels = {"image": Panel(stretch(planes[len(planes) // 2]))}
    predicted = stain / "predictions" / "stain" / file
    if predicted.exists():
        pixels = read_window(open_image(predicted), window)[0]
        panels["predicted stain"] = Panel(brighten(stretch(pixels)))
    model = load_model(folder)
    maps = predict_maps(PreparedImage.of(open_sample(sample), LoadedModel(model)))
    if maps is not None:
        region = _scaled(window, maps.shape[1] / open_image(sample.files["labels"]).shape[0])
        for name, values in zip(model.maps, maps, strict=True):
            panels[MAPS.get(name, name)] = Panel(values[region])
    found = folder / "predictions" / "labels" / file
    panels["objects"] = Panel(paint_objects(found, window))
    budget = "all" if run.budget == "all" else run.budget
    return lay_out((sample.name,), [panels], f"labelled images: {budget}, seed {run.seed}")


def _shown_run(plan: Plan, study: Path) -> Run | None:
    runs = [
        run
        for run in plan.runs
        if run.recipe == STAIN and (study / "runs" / run.key / "model.zip").exists()
        if (study / "runs" / run.key / "predictions" / "labels").is_dir()
    ]
    order = list(plan.study.budgets)
    return max(runs, key=lambda run: (order.index(run.budget), -run.seed), default=None)


def _scaled(window: Window, factor: float) -> Window:
    """Return the same window in an image that is `factor` times as large."""
    y, x = (slice(round(part.start * factor), round(part.stop * factor)) for part in window)
    return y, x
