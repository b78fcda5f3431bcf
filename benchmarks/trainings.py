"""Runs `sparcell train`, scores it, and shows rows; what is done stays done.

Not run by itself: `weak_supervision.py`, `annotation_cost.py`, `transfer.py` and
`cells_from_stain.py` stand on it.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparcell.core.files import whole_file, write_json
from sparcell.evaluation import evaluate

Row = dict[str, Any]


def train(
    recipe: str, data: Path, out: Path, settings: Sequence[str], pretrained: Path | None = None
) -> Row:
    """Train as `train_run` does, and score the result.

    Returns
    -------
    dict
        AP at IoU 0.5 and 0.75, its mean from 0.50 to 0.95, F1 at 0.5, all pooled over the test
        fields; mean distance of matched outlines in px; steps and processor seconds.
    """
    scores = out / "scores.json"
    if not scores.exists():
        train_run(recipe, data, out, settings, pretrained)
        write_json(scores, score(out))
    row: Row = json.loads(scores.read_text())
    return row


def train_run(
    recipe: str, data: Path, out: Path, settings: Sequence[str], pretrained: Path | None = None
) -> None:
    """Train by the command line, going on where a call before was stopped."""
    if (out / "report.html").exists():
        return
    changes = [part for setting in settings for part in ("--set", setting)]
    command = ["train", recipe, "--data", str(data), "-o", str(out), *changes]
    if pretrained:
        command += ["--pretrained", str(pretrained)]
    if (out / "recipe.yaml").exists():
        command.append("--resume")
    print(f"{out.name} ...", file=sys.stderr, flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    with (out.parent / f"{out.name}.log").open("a") as log:
        subprocess.run(
            [sys.executable, "-m", "sparcell", *command],
            check=True,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def score(run: Path) -> Row:
    """Read what a finished run says of its test fields, and add how close its outlines are."""
    evaluation = json.loads((run / "evaluation.json").read_text())
    record = json.loads((run / "record.json").read_text())
    truth = {name: field["labels"] for name, field in record["evaluated"].items()}
    cost = record["training"]
    summary = summarize(evaluation, truth, run / "predictions" / "labels")
    return summary | {"steps": cost["steps"], "CPU s": cost["cpu_seconds"]}


def summarize(evaluation: Row, truth: Mapping[str, Path | str], predicted: Path) -> Row:
    """Take what is shown from what `sparcell evaluate` says, and add how close outlines are."""
    level = {one["threshold"]: one for one in evaluation["matching"]}
    return {
        "AP50": level[0.5]["ap"],
        "AP75": level[0.75]["ap"],
        "mean AP": evaluation["map"],
        "F1": level[0.5]["f1"],
        "outlines, px": evaluate(truth, predicted, metric="boundary").total.mean,
    }


def show(rows: Sequence[Row]) -> None:
    """Print rows as Markdown."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    print("\n| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for row in rows:
        print("| " + " | ".join(_text(row.get(column, "")) for column in columns) + " |")
    sys.stdout.flush()


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write rows as CSV."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with whole_file(path) as partial, partial.open("w", newline="") as stream:
        table = csv.DictWriter(stream, columns, restval="")
        table.writeheader()
        table.writerows(rows)


def _text(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"
