"""report.html: what was trained, on what labels, how good it is, and what it counts."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from sparcell.core.channel_selection import ChannelSelection
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.image import Image
from sparcell.core.max_projection import project
from sparcell.core.record import read_record
from sparcell.io import open_image, read_table
from sparcell.reports.pictures import draw_comparison, draw_curves, draw_overlay, draw_stains, png
from sparcell.reports.rendering import embed, render

logger = logging.getLogger(__name__)

OVERLAYS = 6
COMPARISONS = 3


class Row(NamedTuple):
    """One row of the thesis's tables 6.1 and 6.2, or of 6.7 for a single field."""

    name: str
    pixel: dict[str, float]
    overlap: dict[str, float]
    f1: float
    mean_ap: float


def write_report(run: Path | str) -> Path:
    """Write ``report.html`` and ``curves.png`` of a run.

    Parameters
    ----------
    run : Path or str
        A run folder with metrics; what else is missing is left out of the page.

    Raises
    ------
    InputError
        If the folder holds no run.
    """
    run = Path(run)
    if not (run / "metrics.csv").exists():
        raise InputError(f"no metrics.csv in {run}", "a run folder", "name one that train wrote")
    recipe = yaml.safe_load((run / "recipe.yaml").read_text("utf8"))
    record = read_record(run)
    scores = _read_json(run / "evaluation.json")
    stains = scores if "stains" in scores else {}
    evaluation = {} if stains else scores
    metrics = read_table(run / "metrics.csv")
    curves = png(draw_curves(metrics))
    with whole_file(run / "curves.png") as partial:
        partial.write_bytes(curves)
    page = render(
        "report.html",
        run=run.resolve().name,
        recipe=recipe,
        record=record,
        settings=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True),
        curves=embed(curves),
        metrics=metrics.to_dict("records"),
        quality=_label_quality(record),
        evaluation=evaluation,
        rows=_rows(evaluation, record),
        notes=_notes(evaluation),
        stains=stains,
        stain_pictures=_stain_pictures(run, record) if stains else [],
        overlays=[] if stains else _overlays(run, record),
        comparisons=[] if stains else _comparisons(run, record),
        counts=_counts(run, evaluation),
    )
    with whole_file(run / "report.html") as partial:
        partial.write_text(page, "utf8")
    return run / "report.html"


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf8")) if path.exists() else {}
    return content


def _rows(evaluation: dict[str, Any], record: dict[str, Any]) -> list[Row]:
    """All test fields, each group of them, then each field, marked with its group."""
    if not evaluation:
        return []
    groups = evaluation.get("groups", {"values": {}})["values"]
    rows = []
    for name, scores in [("all", evaluation), *groups.items()]:
        means = scores.get("mean_of_images")
        if means and means["n_images"] == 1:
            rows.append(_row(f"{name}, 1 field", scores))
            continue
        rows.append(_row(f"{name}, pooled", scores))
        if means:
            rows.append(_row(f"{name}, mean over {means['n_images']} fields", means))
    kinds = {name: held.get("kind", "") for name, held in record.get("evaluated", {}).items()}
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
    said = []
    if not evaluation.get("count", {}).get("truth", 1):
        said.append("No object in the labels of these fields: the ratios are no score.")
    said += [
        "Mean over fields: ratios are taken for each field, then averaged, as in the tables of the "
        "thesis."
    ]
    if count := means["n_undefined"]:
        said.append(
            f"Labels or prediction of {count} fields are empty: a ratio without a denominator "
            "counts as 1 if both are, else as 0."
        )
    groups = evaluation.get("groups", {"values": {}})["values"].values()
    if any(scores["n_images"] == 1 for scores in groups):
        said.append("A group of one field has no spread.")
    return said


def _label_quality(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The verdicts and contact sheets of the label step, where there was one."""
    found = []
    for root in map(Path, record.get("datasets", [])):
        if not (root / "quality.csv").exists():
            continue
        table = read_table(root / "quality.csv")
        columns = [
            c
            for c in (
                "name",
                "accepted",
                "reason",
                "strategy",
                "n_objects",
                "median_diameter",
                "coverage",
            )
            if c in table
        ]
        sheets = sorted(root.glob("contact_sheet*.png"))
        found.append(
            {
                "root": str(root),
                "columns": columns,
                "rows": table[columns]
                .astype(object)
                .where(table[columns].notna(), "")
                .values.tolist(),
                "sheets": [embed(sheet.read_bytes()) for sheet in sheets[:2]],
            }
        )
    return found


def _overlays(run: Path, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Pictures of the first test fields: the image, and hits, misses and extras on it."""
    pictures = []
    for name, held in list(record.get("evaluated", {}).items())[:OVERLAYS]:
        found = run / "predictions" / "labels" / f"{name}.tif"
        try:
            image, truth = _open(held, "image"), open_image(held["labels"])
            planes = image.read()
            shown = planes[len(planes) // 2]
            picture = draw_overlay(shown, truth.read_labels(), open_image(found).read_labels())
        except InputError as error:
            logger.warning(f"no picture of {name} in the report: {error}")
            continue
        pictures.append({"name": name, "picture": embed(png(picture))})
    return pictures


def _comparisons(run: Path, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Pictures of the first test fields with a stain: stain, labels and prediction in a row."""
    fields = [item for item in record.get("evaluated", {}).items() if "stain" in item[1]]
    pictures = []
    for name, held in fields[:COMPARISONS]:
        found = run / "predictions" / "labels" / f"{name}.tif"
        try:
            stain, image = (project(_open(held, kind)).read() for kind in ("stain", "image"))
            truth, predicted = (open_image(path).read_labels() for path in (held["labels"], found))
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
    """Pictures of the first test fields: image, then each stain, real and predicted."""
    pictures = []
    for name, held in list(record.get("evaluated", {}).items())[:OVERLAYS]:
        found = run / "predictions" / "stain" / f"{name}.tif"
        try:
            image = project(_open(held, "image")).read()
            kinds = [kind for kind in held if kind.partition(":")[0] == "stain"]
            real = [project(_open(held, kind)).read() for kind in kinds]
            predicted = project(open_image(found)).read()
            picture = draw_stains(image[len(image) // 2], np.concatenate(real), predicted)
        except InputError as error:
            logger.warning(f"no picture of {name} in the report: {error}")
            continue
        pictures.append({"name": name, "picture": embed(png(picture))})
    return pictures


def _open(held: dict[str, Any], kind: str) -> Image:
    """Open image or stain of a field as the record names it."""
    cut = _selections(held).get({"image": "images"}.get(kind, kind), {})
    return ChannelSelection.model_validate(cut).of(open_image(held[kind]))


def _selections(held: dict[str, Any]) -> dict[str, Any]:
    """Channel selections of a field by kind; runs of versions before 0.2 call them excerpts."""
    selections: dict[str, Any] = held.get("selections", held.get("excerpts", {}))
    return selections


def _counts(run: Path, evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Objects of every predicted field counted in two ways (thesis 8.6), and the labels' count."""
    path = run / "tables" / "counts.csv"
    if not path.exists():
        return []
    table = read_table(path)
    table["note"] = table["note"].astype(object).where(table["note"].notna(), "")
    rows: list[dict[str, Any]] = [
        dict(zip(map(str, table.columns), row, strict=True)) for row in table.to_numpy()
    ]
    images = evaluation.get("images", {})
    for row in rows:
        row["in_labels"] = images.get(row["image"], {}).get("count", {}).get("truth", "")
    return rows
