"""Score what the rivals handed in, in the columns of a study's results.csv and images.csv.

    python score.py WORK

scores every run that is not scored yet and joins the rows of all into WORK/results.csv and
WORK/images.csv, which `sparcell study` takes under `external`.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from task import read_plan

from sparcell.core.files import whole_file
from sparcell.evaluation import evaluate
from sparcell.io import open_image
from sparcell.studies.rows import ImageScores, as_columns, image_columns, run_columns, set_columns

TABLES = {"results.csv": run_columns(), "images.csv": image_columns()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    collect(parser.parse_args().work)


def collect(work: Path) -> None:
    """Score the runs that lack it and join the tables of all."""
    runs = sorted(path.parent for path in work.glob("runs/*/run.json"))
    if not runs:
        raise SystemExit(f"no finished run below {work / 'runs'}")
    for run in runs:
        if not all((run / table).exists() for table in TABLES):
            score_run(work, run)
    for table in TABLES:
        rows = pd.concat([pd.read_csv(run / table) for run in runs], ignore_index=True)
        rows = rows.sort_values(["recipe", "budget", "seed"], kind="stable")
        write_table(work / table, rows)
    shown = ["recipe", "budget", "seed", "f1", "ap50", "ap75", "map", "train_cpu_s", "steps"]
    results = pd.read_csv(work / "results.csv")
    print(results[shown].to_string(index=False, float_format="{:.3f}".format))


def score_run(work: Path, run: Path) -> None:
    """Write results.csv and images.csv of one run."""
    plan = read_plan(work)
    about: dict[str, Any] = json.loads((run / "run.json").read_text("utf8"))
    predictions = {name: run / "predictions" / f"{name}.tif" for name in plan["test"]}
    truth = {name: work / "labels" / f"{name}.tif" for name in plan["test"]}
    everything = evaluate(truth, predictions).images
    large = {}
    if plan["min_size"]:
        large = evaluate(truth, predictions, objects="ids", min_size=plan["min_size"]).images
    images = {name: ImageScores(everything[name], large.get(name)) for name in everything}
    by_image = [{"image": name, **as_columns([image])} for name, image in images.items()]
    pixels = sum(math.prod(open_image(path).shape) for path in truth.values())
    total = set_columns(list(images.values())) | {
        "n_train": len(about["train"]) or None,
        "n_val": len(plan["tune"]),
        "n_test": len(plan["test"]),
        "objects_train": sum(count_objects(work / "labels" / f"{n}.tif") for n in about["train"]),
        "predict_s_per_mpx": about["predict_s"] / pixels * 1e6,
        "decode": json.dumps(about["decode"]),
        **{name: about[name] for name in ("steps", "train_cpu_s", "train_s", "peak_mib")},
        "parameters_m": about["parameters"] / 1e6,
    }
    # What learns from no training image scores the same at every budget.
    untrained = dict.fromkeys(training["budget"] for training in plan["trainings"])
    for table, rows in (("images.csv", by_image), ("results.csv", [total])):
        keyed = [
            {"recipe": about["recipe"], "budget": budget, "fold": 0, "seed": about["seed"], **row}
            for budget in ([about["budget"]] if about["train"] else untrained)
            for row in rows
        ]
        write_table(run / table, pd.DataFrame(keyed).reindex(columns=list(TABLES[table])))


def count_objects(path: Path) -> int:
    return int(np.count_nonzero(np.unique(open_image(path).read_labels())))


def write_table(path: Path, rows: pd.DataFrame) -> None:
    with whole_file(path) as partial:
        rows.to_csv(partial, index=False)


if __name__ == "__main__":
    main()
