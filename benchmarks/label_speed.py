"""What `sparcell label` costs, and how good its labels are: this version beside earlier ones.

    SPARCELL_DATA=... python benchmarks/label_speed.py [--against SRC ...] [--split test]

SRC is the folder ``src`` of another version, such as that of a git worktree. Each version runs the
command line on the same fields, one after the other, as a user would. Seconds of the processor
count all of its processes, also those that end after it, and the start. F1 is that of one-to-one
matching at IoU 0.5, as a mean over fields and pooled over objects. `same` is the part of the first
version's objects for which the others have one at IoU 0.99 or more.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.core.dataset import Dataset
from sparcell.core.files import write_json
from sparcell.core.labels import connected_labels
from sparcell.core.record import start_record
from sparcell.evaluation import count_overlaps, match_objects
from sparcell.io import open_image

HERE = Path(__file__).resolve().parents[1] / "src"
# Folder with the stains and folder with the outlined nuclei, by dataset.
DATASETS = {
    "aits-u2os-nuclei": ("images", "labels"),
    "dsb2018-fluo": ("images", "labels"),
    "dc16-phase-nuclear": ("stain", "labels_nuclei"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, nargs="*", default=[], metavar="SRC")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    parser.add_argument("--split", nargs="+", help="parts of split.csv; all by default")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for name in options.datasets:
        with tempfile.TemporaryDirectory() as folder:
            fields = write_dataset(name, options.split, Path(folder) / "fields")
            reference = None
            for number, source in enumerate([*options.against, HERE]):
                out = Path(folder) / str(number)
                row = {"dataset": name, "source": str(source), "fields": len(fields)}
                row |= run(source, Path(folder) / "fields", out)
                row |= judge(name, fields, out, reference)
                reference = reference or out
                rows.append(row)
                print(
                    "  ".join(
                        f"{k} {v:.4g}" if isinstance(v, float) else f"{v}" for k, v in row.items()
                    ),
                    flush=True,
                )
    if options.json:
        write_json(options.json, start_record({"split": options.split}) | {"rows": rows})


def write_dataset(name: str, splits: list[str] | None, folder: Path) -> list[str]:
    """Link the stains of a dataset as images and stains of a new one; return their names."""
    root = Path(os.environ["SPARCELL_DATA"]) / name
    samples = Dataset.open(root).samples
    fields = [s.name for s in samples if not splits or s.split in splits]
    for kind in ("images", "stain"):
        (folder / kind).mkdir(parents=True)
        for field in fields:
            (folder / kind / f"{field}.tif").symlink_to(root / DATASETS[name][0] / f"{field}.tif")
    return fields


def run(source: Path, dataset: Path, out: Path) -> dict[str, float]:
    """Label a dataset by one version; give its times for each megapixel."""
    environment = os.environ | {"PYTHONPATH": str(source)}
    # Installed programs have their byte code.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    adopt_orphans()
    before, began = children(), time.perf_counter()
    call = [sys.executable, "-m", "sparcell", "label", str(dataset), "-o", str(out)]
    done = subprocess.run(call, env=environment, capture_output=True, text=True)
    wall = time.perf_counter() - began
    wait_for_orphans()
    cpu = children() - before
    if not (out / "quality.csv").exists():
        raise SystemExit(done.stderr)
    pixels = sum(np.prod(open_image(path).shape) for path in (dataset / "stain").iterdir())
    return {"cpu_s_mp": cpu / pixels * 1e6, "wall_s_mp": wall / pixels * 1e6}


def adopt_orphans() -> None:
    """Become the parent of processes whose own has ended, so that their time counts."""
    if sys.platform == "linux":
        subreaper = 36
        ctypes.CDLL(None).prctl(subreaper, 1, 0, 0, 0)


def wait_for_orphans() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def judge(name: str, fields: list[str], out: Path, reference: Path | None) -> dict[str, Any]:
    """F1 of the labels of all fields that have outlines, and how many objects are the same."""
    truths = Path(os.environ["SPARCELL_DATA"]) / name / DATASETS[name][1]
    scores, pooled, same, objects = [], None, 0, 0
    for field in fields:
        found = open_image(out / "labels" / f"{field}.tif").read_labels()
        if reference:
            earlier = open_image(reference / "labels" / f"{field}.tif").read_labels()
            match = match_objects(count_overlaps(earlier, found), (0.99,))[0]
            same += match.confusion.tp
            objects += int(earlier.max())
        if (truths / f"{field}.tif").exists():
            truth = connected_labels(open_image(truths / f"{field}.tif").read_labels())
            match = match_objects(count_overlaps(truth, found), (0.5,))[0]
            scores.append(match.confusion.dice)
            pooled = match if pooled is None else pooled + match
    row = {"f1": float(np.mean(scores)), "pooled": pooled.confusion.dice if pooled else 0.0}
    return row | ({"same": same / max(objects, 1)} if reference else {})


if __name__ == "__main__":
    main()
