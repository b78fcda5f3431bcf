"""Pictures of test fields, true and predicted (Bonte et al. 2023, figures 8 and 10)."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparcell.core.dataset import Dataset
from sparcell.core.image import Image
from sparcell.core.labels import Labels
from sparcell.core.max_projection import project
from sparcell.drawing.picture import stretch
from sparcell.io import open_image, open_sample
from sparcell.studies.design import Run, read_plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIELDS = 4
ACROSS = 14
"""The width that is drawn of the middle of a field, in typical object diameters,"""
EDGES = 400, 1200
"""but at least and at most so much, px."""
LETTERS = 20
"""Longer names of fields are broken into lines."""
LEFT_OUT = "scratch"
"""The pretraining that finds too few objects to be drawn."""
TITLES = {"imagenet": "after ImageNet", "stain": "after the stain"}
Window = tuple[slice, slice]


class Panel(NamedTuple):
    """A picture and what stands below it.

    Attributes
    ----------
    pixels : (Y, X) or (Y, X, 3) uint8
    below : str
    """

    pixels: NDArray[np.uint8]
    below: str = ""


def draw_fields(study: Path, stain: Path, images: pd.DataFrame) -> Figure | None:
    """Draw image, stain, predicted stain, truth, and the objects after each pretraining.

    The runs are those of the smallest number of labels and the first seed. Of a stack of focal
    planes the middle one is shown; of stains the first, its square root, since nuclei differ many
    times in brightness.

    Parameters
    ----------
    study : Path
        Folder of a pretraining study.
    stain : Path
        The run that predicts the stain; its predictions of test fields are shown.
    images : DataFrame
        Tidy ``images.csv`` of the study.

    Returns
    -------
    Figure or None
        None where no run is there yet.
    """
    plan = read_plan(study)
    runs = {
        run.recipe: run
        for run in reversed(plan.runs)
        if run.recipe != LEFT_OUT and (study / "runs" / run.key / "predictions" / "labels").is_dir()
        if run.budget == plan.study.budgets[0]
    }
    if not runs:
        return None
    dataset = Dataset.open(plan.data, labels=plan.study.labels)
    samples = {sample.name: sample for sample in dataset.samples}
    order = [one.label for one in plan.study.recipes if one.label in runs]
    names = runs[order[0]].test[:FIELDS]
    rows = []
    for name in names:
        sample, files = samples[name], samples[name].files
        file = f"{sample.name}.tif"
        window = window_of(open_image(files["labels"]))
        # Each between its own grey values: exposures differ, and what is predicted is typical.
        planes = read_window(open_sample(sample), window)
        panels = {"image": Panel(stretch(planes[len(planes) // 2]))}
        predicted = stain / "predictions" / "stain" / file
        for title, opened in (
            ("stain", open_sample(sample, "stain") if "stain" in files else None),
            ("predicted stain", open_image(predicted) if predicted.exists() else None),
        ):
            if opened:
                panels[title] = Panel(brighten(stretch(read_window(opened, window)[0])))
        panels["truth"] = Panel(paint_objects(files["labels"].path, window))
        for label in order:
            found = study / "runs" / runs[label].key / "predictions" / "labels" / file
            title = TITLES.get(label, f"after {label}")
            panels[title] = Panel(
                paint_objects(found, window), score_below(images, runs[label], name)
            )
        rows.append(panels)
    budget = plan.study.budgets[0]
    number = "all labelled images" if budget == "all" else f"labelled images: {budget}"
    return lay_out(names, rows, f"{number}, seed {runs[order[0]].seed}")


def lay_out(names: tuple[str, ...], rows: list[dict[str, Panel]], caption: str) -> Figure:
    """Put the panels of a field into a row, those of one kind below each other."""
    from matplotlib.figure import Figure

    titles = list(dict.fromkeys(title for panels in rows for title in panels))
    figure = Figure(figsize=(2.1 * len(titles), 2.3 * len(rows) + 0.3), layout="constrained")
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for name, line, panels in zip(names, axes, rows, strict=True):
        for title, axis in zip(titles, line, strict=True):
            axis.set_xticks([])
            axis.set_yticks([])
            if title in panels:
                axis.imshow(panels[title].pixels, cmap="gray", vmin=0, vmax=255)
                axis.set_xlabel(panels[title].below, fontsize=8)
        line[0].set_ylabel("\n".join(textwrap.wrap(name, LETTERS)), fontsize=8)
    for title, axis in zip(titles, axes[0], strict=True):
        axis.set_title(title, fontsize=9)
    figure.supxlabel(caption, fontsize=8, x=1, ha="right")
    return figure


def score_below(images: pd.DataFrame, run: Run, name: str) -> str:
    """Write the scores of a run on one image; empty where they are not known."""
    if not {"pixel_iou", "map"} <= set(images):
        return ""
    keys = ["recipe", "budget", "fold", "seed", "image"]
    wanted = [run.recipe, str(run.budget), run.fold, run.seed, name]
    own = images[(images[keys] == wanted).all(axis=1)]
    return " ".join(f"IoU {row.pixel_iou:.2f}, mAP {row.map:.2f}" for row in own.itertuples())


def window_of(labels: Image) -> Window:
    """Choose the middle of a field, the larger the larger its objects are."""
    areas = np.bincount(labels.read_labels().ravel())[1:]
    areas = areas[areas > 0]
    width = 2 * np.sqrt(np.median(areas) / np.pi) if len(areas) else 0
    edge = int(np.clip(ACROSS * width, *EDGES))
    starts = [max(0, (whole - edge) // 2) for whole in labels.shape]
    y, x = (slice(start, start + edge) for start in starts)
    return y, x


def read_window(image: Image, window: Window) -> NDArray[np.float32]:
    """Read all channels, (C, Y, X)."""
    return project(image).read(*window)


def brighten(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brighten what is dim."""
    brighter: NDArray[np.uint8] = np.rint(np.sqrt(picture * np.float32(255))).astype(np.uint8)
    return brighter


def paint_objects(path: Path, window: Window) -> NDArray[np.uint8]:
    """Paint each object of a label image in a colour of its own."""
    labels: Labels = open_image(path).read_labels(*window)
    colours = np.random.default_rng(0).integers(70, 256, (int(labels.max(initial=0)) + 1, 3))
    colours[0] = 0
    painted: NDArray[np.uint8] = colours.astype(np.uint8)[labels]
    return painted
