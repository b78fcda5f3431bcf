"""The part of a run's report that depends on what its model predicts.

A further kind of result is one more class here, under the name of its `sparcell.methods.task.Task`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.max_projection import project
from sparcell.drawing.rendering import embed
from sparcell.evaluation.in_words import main_match
from sparcell.io import open_image
from sparcell.measurement.count_table import read_counts
from sparcell.methods.task import IMAGE, INSTANCES
from sparcell.reports.clicks import clicked_pictures, read_clicks
from sparcell.reports.fields import OVERLAYS, open_part
from sparcell.reports.pictures import (
    draw_agreement,
    draw_comparison,
    draw_sizes,
    draw_stains,
    png,
)
from sparcell.reports.verdict import Verdict, judge_clicks, judge_counts

logger = logging.getLogger(__name__)

COMPARISONS = 3
"""Test images of which rows of pictures are drawn."""


class Row(NamedTuple):
    """Scores of one field or group (Salomon-Sörensen 2023, tables 6.1, 6.2 and 6.7)."""

    name: str
    pixel: dict[str, float]
    overlap: dict[str, float]
    f1: float
    mean_ap: float


class TaskReport(ABC):
    """Scores and pictures of test fields, as the page's template takes them."""

    @abstractmethod
    def parts(self, run: Path, record: dict[str, Any], scores: dict[str, Any]) -> dict[str, Any]:
        """Variables of ``report.html``.

        Parameters
        ----------
        run : Path
            The run folder.
        record : dict
            Of the run.
        scores : dict
            The content of ``evaluation.json``; empty where there is none.
        """


class InstanceReport(TaskReport):
    """Scores by pixel, overlap and matching; objects drawn on the images; counts."""

    def parts(self, run: Path, record: dict[str, Any], scores: dict[str, Any]) -> dict[str, Any]:
        """Variables of ``report.html``."""
        clicks = read_clicks(run) if not scores else {}
        return {
            "evaluation": scores,
            "clicks": clicks,
            "rows": _rows(scores, record),
            "notes": _notes(scores),
            "overlays": (
                clicked_pictures(run, record, clicks) if clicks else _overlays(run, record, scores)
            ),
            "verdict": (
                judge_clicks(clicks, record["evaluated_part"])
                if clicks
                else _verdict(run, record, scores)
            ),
            "comparisons": _comparisons(run, record),
            "counts": _counts(run, scores),
            "sizes": _sizes(run, record),
        }


class ImageReport(TaskReport):
    """Correlations, and true and predicted images side by side."""

    def parts(self, run: Path, record: dict[str, Any], scores: dict[str, Any]) -> dict[str, Any]:
        """Variables of ``report.html``."""
        return {"stains": scores, "stain_pictures": _stain_pictures(run, record)}


REPORTS: dict[str, TaskReport] = {INSTANCES.name: InstanceReport(), IMAGE.name: ImageReport()}
"""Reports by the name of the task."""
EMPTY: dict[str, Any] = {
    "evaluation": {},
    "clicks": {},
    "rows": [],
    "notes": [],
    "overlays": [],
    "verdict": None,
    "comparisons": [],
    "counts": [],
    "sizes": None,
    "stains": {},
    "stain_pictures": [],
}
"""Variables of the template for what a task has nothing of."""


def _rows(evaluation: dict[str, Any], record: dict[str, Any]) -> list[Row]:
    """All test fields, each group of them, then each field, marked with its group."""
    if not evaluation:
        return []
    groups = evaluation.get("groups", {"values": {}})["values"]
    rows = []
    for name, scores in [("all", evaluation), *groups.items()]:
        means = scores.get("mean_of_images")
        if means and means["n_images"] == 1:
            rows.append(_row(f"{name}, 1 image", scores))
            continue
        rows.append(_row(f"{name}, pooled", scores))
        if means:
            rows.append(_row(f"{name}, mean over {means['n_images']} images", means))
    kinds = {name: field.get("kind", "") for name, field in record.get("evaluated", {}).items()}
    for name, scores in evaluation["images"].items():
        kind = kinds.get(name, "")
        rows.append(_row(f"{name} ({kind})" if kind else name, scores))
    return rows


def _row(name: str, scores: dict[str, Any]) -> Row:
    """Take the ratios from pooled scores, whose F1 stands by threshold, or from means."""
    f1 = scores["matching"][0]["f1"] if "matching" in scores else scores["f1"]
    return Row(name, scores["pixel"], scores["overlap"], f1, scores["map"])


def _notes(evaluation: dict[str, Any]) -> list[str]:
    """Say in sentences what the rows of means and of groups are."""
    means = evaluation.get("mean_of_images")
    if not means:
        return []
    sentences = []
    if not evaluation.get("count", {}).get("truth", 1):
        sentences.append("No object in the labels of these images: the ratios are no score.")
    sentences += [
        "Mean over images: ratios are taken for each image, then averaged, as in the tables of "
        "Salomon-Sörensen 2023."
    ]
    if count := means["n_undefined"]:
        sentences.append(
            f"Labels or prediction of {count} images are empty: a ratio without a denominator "
            "counts as 1 if both are, else as 0."
        )
    groups = evaluation.get("groups", {"values": {}})["values"].values()
    if any(scores["n_images"] == 1 for scores in groups):
        sentences.append("A group of one image has no spread.")
    return sentences


def _overlays(run: Path, record: dict[str, Any], scores: dict[str, Any]) -> list[dict[str, Any]]:
    """Pictures of the worst test fields: the image, and matched, extra and missed objects on it."""
    images = scores.get("images", {})
    f1 = {name: main_match(one)["f1"] for name, one in images.items()}
    within = scores.get("detection", {}).get("radius", 0.0)
    fields = sorted(record.get("evaluated", {}).items(), key=lambda field: f1.get(field[0], 0.0))
    pictures = []
    for name, field in fields[:OVERLAYS]:
        found = run / "predictions" / "labels" / f"{name}.tif"
        try:
            image, truth = open_part(field, "image"), open_image(field["labels"])
            planes = image.read()
            picture = draw_agreement(
                planes[len(planes) // 2],
                truth.read_labels(),
                open_image(found).read_labels(),
                image.pixel_size,
                within,
            )
        except InputError as error:
            logger.warning(f"no picture of {name} in the report: {error}")
            continue
        pictures.append(
            {"name": name, "picture": embed(png(picture)), "errors": _describe(images.get(name))}
        )
    return pictures


def _sizes(run: Path, record: dict[str, Any]) -> str | None:
    """Histogram of the diameters of labelled and found objects; um where all pixel sizes are known.

    None where either side has no object.
    """
    sides: tuple[list[Any], list[Any]] = ([], [])
    pixel_sizes = []
    for name, field in record.get("evaluated", {}).items():
        found = run / "predictions" / "labels" / f"{name}.tif"
        try:
            truth, prediction = open_image(field["labels"]), open_image(found)
            both = [_diameters(one) for one in (truth, prediction)]
        except InputError as error:
            logger.warning(f"no sizes of {name} in the report: {error}")
            continue
        pixel_sizes.append(prediction.pixel_size)
        for side, diameters in zip(sides, both, strict=True):
            side.append(diameters)
    if not pixel_sizes:
        return None
    known = None not in pixel_sizes
    scales = [size or 1.0 if known else 1.0 for size in pixel_sizes]
    in_labels, in_results = (
        np.concatenate([one * scale for one, scale in zip(side, scales, strict=True)])
        for side in sides
    )
    if not len(in_labels) or not len(in_results):
        return None
    return embed(png(draw_sizes(in_labels, in_results, "um" if known else "px")))


def _diameters(labels: Image) -> NDArray[np.float64]:
    """Diameters of circles of the objects' areas in all planes, px."""
    areas = [np.bincount(labels.read_labels(plane=p).ravel())[1:] for p in labels.planes()]
    area = np.concatenate(areas)
    diameters: NDArray[np.float64] = 2 * np.sqrt(area[area > 0] / np.pi)
    return diameters


def _describe(scores: dict[str, Any] | None) -> str:
    """Matched, missed and extra objects of a field in words; empty without scores."""
    if scores is None:
        return ""
    match = main_match(scores)
    return f"{match['tp']} found, {match['fn']} missed, {match['fp']} extra"


def _verdict(run: Path, record: dict[str, Any], scores: dict[str, Any]) -> Verdict:
    """Judge the counts of a run by its scores."""
    automatic = any((Path(root) / "quality.csv").exists() for root in record.get("datasets", []))
    areas = record.get("typical_area")
    diameter = 2 * np.sqrt(areas / np.pi) if areas else None
    return judge_counts(scores, record.get("evaluated_part", "test"), automatic, diameter)


def _comparisons(run: Path, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Pictures of the first test fields with a stain: stain, labels and prediction in a row."""
    fields = [item for item in record.get("evaluated", {}).items() if "stain" in item[1]]
    pictures = []
    for name, field in fields[:COMPARISONS]:
        found = run / "predictions" / "labels" / f"{name}.tif"
        try:
            stain, image = (project(open_part(field, kind)).read() for kind in ("stain", "image"))
            truth, predicted = (open_image(path).read_labels() for path in (field["labels"], found))
            if stain.shape[-2:] != truth.shape:
                raise InputError(
                    "a stain of {} x {} px beside labels of {} x {}".format(
                        *stain.shape[-2:], *truth.shape
                    ),
                    "the same size",
                    "check the stain",
                )
            picture = draw_comparison(stain[0], truth, predicted, image[len(image) // 2])
        except InputError as error:
            logger.warning(f"no row of pictures of {name} in the report: {error}")
            continue
        pictures.append({"name": name, "picture": embed(png(picture))})
    return pictures


def _stain_pictures(run: Path, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Pictures of the first test fields: image, then each stain, true and predicted."""
    pictures = []
    for name, field in list(record.get("evaluated", {}).items())[:OVERLAYS]:
        found = run / "predictions" / "stain" / f"{name}.tif"
        try:
            image = project(open_part(field, "image")).read()
            kinds = [kind for kind in field if kind.partition(":")[0] == "stain"]
            true = [project(open_part(field, kind)).read() for kind in kinds]
            predicted = project(open_image(found)).read()
            picture = draw_stains(image[len(image) // 2], np.concatenate(true), predicted)
        except InputError as error:
            logger.warning(f"no picture of {name} in the report: {error}")
            continue
        pictures.append({"name": name, "picture": embed(png(picture))})
    return pictures


def _counts(run: Path, evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Objects of every predicted field counted in two ways, and the labels' count.

    Salomon-Sörensen 2023, 8.6.
    """
    path = run / "tables" / "counts.csv"
    if not path.exists():
        return []
    table = read_counts(path)
    table["note"] = table["note"].astype(object).where(table["note"].notna(), "")
    rows: list[dict[str, Any]] = [
        dict(zip(map(str, table.columns), row, strict=True)) for row in table.to_numpy()
    ]
    images = evaluation.get("images", {})
    for row in rows:
        row["in_labels"] = images.get(row["image"], {}).get("count", {}).get("truth", "")
        row["difference"] = row["count"] - row["in_labels"] if row["in_labels"] != "" else ""
    return rows
