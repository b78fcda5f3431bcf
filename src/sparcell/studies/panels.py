"""Test fields as pictures: what is there and what two starts find (isl figures 8 and 10)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.dataset import Dataset, stem
from sparcell.core.image import Image
from sparcell.core.labels import Labels
from sparcell.core.projection import project
from sparcell.io import open_image
from sparcell.reports.pictures import stretch
from sparcell.studies.design import Plan, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIELDS = 4
EDGE = 400
"""Part of each field that is shown, px: the middle."""
STARTS = {"imagenet": "after ImageNet", "stain": "after the stain"}


def draw_fields(study: Path, stain: Path) -> Figure | None:
    """Draw image, stain, predicted stain, truth and the objects of two starts.

    The runs are those of the smallest number of labels and the first seed.

    Parameters
    ----------
    study : Path
        Folder of a study of starts.
    stain : Path
        The run that predicts the stain; its predictions of test fields are shown.

    Returns
    -------
    Figure or None
        None where no run is there yet.
    """
    from matplotlib.figure import Figure

    plan = Plan.model_validate_json((study / "plan.json").read_text("utf8"))
    runs = {
        run.recipe: run
        for run in reversed(plan.runs)
        if run.recipe in STARTS and (study / "runs" / run.key / "predictions" / "labels").is_dir()
        if run.budget == plan.study.budgets[0]
    }
    if not runs:
        return None
    dataset = Dataset.open(plan.data, labels=plan.study.labels)
    samples = {sample.name: sample for sample in dataset.samples}
    names = next(iter(runs.values())).test[:FIELDS]
    rows = []
    for name in names:
        files = samples[name].files
        predicted = stain / "predictions" / "stain" / f"{stem(samples[name].image)}.tif"
        pictures: dict[str, Any] = {"image": stretch(_middle(open_image(files["images"])))}
        # Each between its own grey values: exposures differ, and what is predicted is typical.
        if "stain" in files:
            pictures["stain"] = stretch(_middle(open_image(files["stain"])))
        if predicted.exists():
            pictures["predicted stain"] = stretch(_middle(open_image(predicted)))
        pictures["truth"] = _painted(files["labels"])
        for start in STARTS:
            if start in runs:
                found = _found(study, runs[start], samples[name].image)
                pictures[STARTS[start]] = _painted(found)
        rows.append(pictures)
    titles = list(dict.fromkeys(title for pictures in rows for title in pictures))
    figure = Figure(figsize=(2.1 * len(titles), 2.15 * len(rows) + 0.3), layout="constrained")
    axes = np.atleast_2d(figure.subplots(len(rows), len(titles)))
    for name, line, pictures in zip(names, axes, rows, strict=True):
        for title, axis in zip(titles, line, strict=True):
            axis.set_xticks([])
            axis.set_yticks([])
            if title in pictures:
                axis.imshow(pictures[title], cmap="gray", vmin=0, vmax=255)
        line[0].set_ylabel(name, fontsize=8)
    for title, axis in zip(titles, axes[0], strict=True):
        axis.set_title(title, fontsize=9)
    return figure


def _found(study: Path, run: Run, image: Path) -> Path:
    return study / "runs" / run.key / "predictions" / "labels" / f"{stem(image)}.tif"


def _window(image: Image) -> tuple[slice, slice]:
    starts = [max(0, (edge - EDGE) // 2) for edge in image.shape]
    y, x = (slice(start, start + EDGE) for start in starts)
    return y, x


def _middle(image: Image) -> NDArray[np.float32]:
    """Read the middle of the first channel."""
    middle: NDArray[np.float32] = project(image).read(*_window(image))[0]
    return middle


def _painted(path: Path) -> NDArray[np.uint8]:
    """Paint each object of a label image in a colour of its own."""
    image = open_image(path)
    labels: Labels = image.read_ids(*_window(image))
    colours = np.random.default_rng(0).integers(70, 256, (int(labels.max(initial=0)) + 1, 3))
    colours[0] = 0
    painted: NDArray[np.uint8] = colours.astype(np.uint8)[labels]
    return painted
