"""Outlines of whole cells in phase contrast, from a nuclear stain and no annotation at all.

    python benchmarks/cells_from_stain.py DATASET -o FOLDER [--stain RUN] [--steps 500]
        [--only points outlines cells again] [--set key=value ...]

DATASET has phase contrast in `images`, the stain in `stain`, and in `labels` whole cells by hand,
which are used for nothing but the scores. `sparcell label` finds a point for each nucleus in the
stain; from the points and the phase contrast image alone it proposes outlines. Then learn:

- points: the recipe points-light, from the points, without the proposals;
- outlines: the recipe nuclei-light, from the proposals, after ImageNet;
- cells: the recipe bonte2023-light/cells, from the proposals, after the stain (of `--stain`, a
  run of bonte2023-light/stain on DATASET, which is trained first where none is named);
- again: the same network goes on, from the outlines that `cells` finds in the training fields.

Prediction sees phase contrast alone. All fields with labels by hand are scored, those of `train`
and `val` too, as no label of theirs was ever used; `proposed` are the proposals themselves, which
need the stain. FOLDER gets the data, the runs and `cells.csv`; a call that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
from functools import reduce
from operator import add
from pathlib import Path

from trainings import Row, show, train_run, write_rows

from sparcell.classical.auto import AutoSettings
from sparcell.core.dataset import Dataset, Sample, write_layout
from sparcell.evaluation import Scores, evaluate
from sparcell.labeling import label
from sparcell.labeling.points_to_outlines import ProposalSettings
from sparcell.models import load_model
from sparcell.prediction.predict import predict

POINTS = ["data.annotations=[points]", "method.level=3", "method.auxnet=true"]
WAYS = ("points", "outlines", "cells", "again")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET")
    parser.add_argument("-o", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--stain", type=Path, metavar="RUN")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    options = parser.parse_args()
    out, limit = options.o, [f"fit.max_steps={options.steps}", *options.set]
    propose(options.dataset, out)
    samples = Dataset.open(options.dataset).having("labels").samples
    images = [sample.image.path for sample in Dataset.open(options.dataset).samples]
    rows = report(samples, out / "proposed" / "labels", "proposed")
    show(rows)
    stain = options.stain or out / "stain"
    if {"cells", "again"} & {*options.only} and not options.stain:
        train_run("bonte2023-light/stain", options.dataset, stain, [])
    runs = {way: out / f"run-{way}" for way in WAYS}
    for way in (way for way in WAYS if way in options.only):
        if way == "points":
            train_run("points-light", out / "counted", runs[way], [*POINTS, *limit])
        elif way == "outlines":
            imagenet = [*limit, "network.weights=imagenet"]
            train_run("nuclei-light", out / "proposed", runs[way], imagenet)
        elif way == "cells":
            train_run("bonte2023-light/cells", out / "proposed", runs[way], limit, stain)
        else:
            data = out / "again"
            data.mkdir(exist_ok=True)
            found = out / "predicted-cells" / "labels"
            write_layout(data, {"images": images[0].parent, "labels": found})
            shutil.copy(options.dataset / "split.csv", data)
            train_run("bonte2023-light/cells", data, runs[way], limit, runs["cells"])
        predict(load_model(str(runs[way])), images, out / f"predicted-{way}", resume=True)
        cost = json.loads((runs[way] / "record.json").read_text())["training"]
        scored = report(samples, out / f"predicted-{way}" / "labels", way)
        rows += [row | {"steps": cost["steps"], "CPU s": cost["cpu_seconds"]} for row in scored]
        write_rows(rows, out / "cells.csv")
        show(rows)


def propose(dataset: Path, out: Path) -> None:
    """Let the stain say where cells are, and their images what they cover."""
    if not (out / "counted" / "quality.csv").exists():
        label(dataset, out / "counted", settings=AutoSettings(to="points"))
    if not (out / "proposed" / "quality.csv").exists():
        asked = ProposalSettings(mask="image")
        label(out / "counted", out / "proposed", source="points", settings=asked)


def report(samples: tuple[Sample, ...], predicted: Path, what: str) -> list[Row]:
    """Score by part and cell line, each pooled over its fields."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.split, sample.info.get("cell", "")), []).append(sample)
    rows: list[Row] = []
    for (part, cell), held in sorted(groups.items()):
        truth = {sample.name: sample.files["labels"] for sample in held}
        found = {sample.name: predicted / f"{sample.name}.tif" for sample in held}
        scores: Scores = reduce(add, evaluate(truth, found).images.values())
        level = scores.matching.levels
        rows.append(
            {"from": what, "part": part, "cell": cell, "fields": len(held)}
            | {"cells": scores.count.truth, "found": scores.count.pred}
            | {"AP50": level[0].ap, "F1": level[0].confusion.dice, "mean AP": scores.map}
            | {"pixel F1": scores.pixel.confusion.dice}
            | {"outlines, px": evaluate(truth, found, metric="boundary").total.mean}
        )
    return rows


if __name__ == "__main__":
    main()
