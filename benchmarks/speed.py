"""How fast an array becomes labels, beside StarDist and Cellpose 3, in one run on the same cores.

    python benchmarks/speed.py MODEL DATASET \
        --stardist PYTHON --stardist-run WORK/runs/stardist-100-0 \
        --cellpose PYTHON --cellpose-run WORK/runs/cellpose3-100-0 \
        [--sizes 512 2048 8192] [--threads 2] [--repeats 3] [--limit 300] [--json FILE]

PYTHON is the interpreter of the environment that a rival is installed in (`rivals/README.md`), the
run a folder in which it was trained; without one it has random weights, and the table says so. The
images are squares of pieces of the dataset's test images (`mosaic.py`). Every tool is a process of
its own with so many threads, kept to so many cores, for every size. All are warmed up first, then
they take turns, so that other work on the machine hits them alike; times are medians. A tool that
needs longer than the limit (seconds) once, or to start and warm up, is given up at that size.
Memory is the most that a process held, and what it held before the first image; AP50 is TP / (TP +
FP + FN) at IoU 0.5 on the same image. `sparcell, files` reads a TIFF and writes OME-Zarr labels
with a pyramid and a table of objects.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from mosaic import Mosaic

from sparcell.core.files import write_json
from sparcell.core.labels import Labels
from sparcell.core.record import start_record
from sparcell.evaluation import count_overlaps, match_objects
from sparcell.io import write_image
from sparcell.models import load_model
from sparcell.prediction.size import median_diameter

HERE = Path(__file__).parent
OURS = "sparcell"
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)


def main() -> None:
    options = read_options()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    mosaic = Mosaic(options.dataset)
    settings = {key: str(value) for key, value in vars(options).items()}
    report = start_record(settings | {"digest": load_model(options.model).digest})
    report["rows"] = []
    for size in options.sizes:
        report["rows"] += compare(options, mosaic, size)
        if options.json:
            write_json(options.json, report)
    print(table(report["rows"]))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("dataset", type=Path)
    for rival in ("stardist", "cellpose"):
        parser.add_argument(f"--{rival}", metavar="PYTHON")
        parser.add_argument(f"--{rival}-run", metavar="FOLDER", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 2048, 8192], help="px")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=300, help="of one repeat, s")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def commands(options: argparse.Namespace, folder: Path, diameter: float) -> dict[str, list[str]]:
    """How each tool is started on the image in a folder, whose objects have this diameter, px."""
    pixels, image = str(folder / "image.npy"), str(folder / "image.tif")
    ours = [sys.executable, str(HERE / "sparcell_speed.py"), pixels, "--model", options.model]
    started = {
        OURS: ours,
        f"{OURS}, not resized": [*ours, "--as-is"],
        f"{OURS}, files": [*ours, "--files", image],
    }
    # Without a run Cellpose does not know how large its objects are.
    untrained = {"stardist": [], "cellpose": ["--diameter", str(diameter)]}
    for rival, name in (("stardist", "StarDist"), ("cellpose", "Cellpose 3")):
        python, run = getattr(options, rival), getattr(options, f"{rival}_run")
        if python:
            call = [python, str(HERE / "rivals" / f"{rival}_speed.py"), pixels]
            call += ["--run", str(run)] if run else untrained[rival]
            started[name if run else f"{name}, random weights"] = call
    return {name: [*call, "--threads", str(options.threads)] for name, call in started.items()}


def compare(options: argparse.Namespace, mosaic: Mosaic, size: int) -> list[dict[str, Any]]:
    """Let all tools take turns at one square."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image, truth = mosaic.square(size)
        np.save(folder / "image.npy", image)
        write_image(folder / "image.tif", image, "YX")
        calls = commands(options, folder, median_diameter(np.bincount(truth.ravel())[1:]))
        tools: list[Tool] = []
        try:
            for tool, call in calls.items():
                tools.append(Tool(tool, call, options, folder))
            for _ in range(options.repeats):
                for one in tools:
                    one.take_turn()
                    print(f"{size} px, {one.name}: {one.last}, load {load()}", flush=True)
        finally:
            for one in tools:
                one.end()
        rows = [one.row(truth) for one in tools]
    ours = next((row["s"] for row in rows if row["tool"] == OURS), None)
    cpu = next((row["cpu_s"] for row in rows if row["tool"] == OURS and row["s"]), None)
    for row in rows:
        row["times_ours"] = row["s"] / ours if row["s"] and ours else None
        row["cpu_times_ours"] = row["cpu_s"] / cpu if row["s"] and cpu else None
    return rows


class Tool:
    """A process that predicts the image when it is asked; see `rivals/turns.py`."""

    def __init__(
        self, name: str, call: list[str], options: argparse.Namespace, folder: Path
    ) -> None:
        self.name, self.limit = name, options.limit
        self.labels = folder / f"{name}.npy"
        self.log = folder / f"{name}.log"
        self.answers: list[dict[str, float]] = []
        self.ready: dict[str, float] | None = None
        self.loads: list[float] = []
        environment = dict.fromkeys(THREADS, str(options.threads)) | {"TF_CPP_MIN_LOG_LEVEL": "2"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                call,
                env=os.environ | environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.ready = self._read()
        self.loaded_mib = self.ready["loaded_mib"] if self.ready else None

    def take_turn(self) -> None:
        """Predict once more, unless an earlier turn took too long."""
        if self.process.poll() is not None:
            return
        self.loads.append(load())
        self.process.stdin.write(f"{self.labels}\n".encode())
        self.process.stdin.flush()
        answer = self._read()
        if answer:
            self.answers.append(answer)

    @property
    def last(self) -> str:
        """What came of the last turn."""
        if self.process.poll() is not None:
            return f"nothing within {self.limit:g} s"
        return f"{self.answers[-1]['s']:.2f} s"

    def row(self, truth: Labels) -> dict[str, Any]:
        """Give the medians of all turns."""
        row: dict[str, Any] = {
            "tool": self.name,
            "px": len(truth),
            "limit_s": self.limit,
            "loads": self.loads,
            "objects_true": int(truth.max()),
            "s": None,
        }
        if not self.answers:
            return row
        middle = {key: statistics.median(a[key] for a in self.answers) for key in self.answers[0]}
        found = np.load(self.labels, mmap_mode="r")
        overlaps = count_overlaps(truth, found)
        return row | {
            "s": middle["s"],
            "all_s": [answer["s"] for answer in self.answers],
            "cpu_s": middle["cpu_s"],
            "mpx_per_s": truth.size / 1e6 / middle["s"],
            # Later on it holds what handing the labels over took.
            "peak_mib": self.answers[0]["peak_mib"],
            "loaded_mib": self.loaded_mib,
            "objects": len(overlaps.pred_ids),
            "ap50": match_objects(overlaps, (0.5,))[0].ap,
        }

    def end(self) -> None:
        """Let the process go."""
        self.process.kill()
        self.process.communicate()

    def _read(self) -> dict[str, float] | None:
        """Wait for a line; if none comes in time give None, and the tool up."""
        if select.select([self.process.stdout], [], [], self.limit)[0]:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"{self.name} broke off:\n{self.log.read_text()[-2000:]}")
            answer: dict[str, float] = json.loads(line)
            return answer
        self.end()
        self.answers.clear()
        return None


def load() -> float:
    """Give the load average of the last minute."""
    return round(os.getloadavg()[0], 1)


def table(rows: list[dict[str, Any]]) -> str:
    """Lay out as Markdown."""
    columns = (
        "px, tool, s, times ours, CPU s, times ours, Mpx/s, peak MiB (loaded), objects / true, AP50"
    )
    lines = [f"| {columns.replace(', ', ' | ')} |", "|---" * 10 + "|"]
    for row in rows:
        cells = [f"{row['px']}", row["tool"]]
        if row["s"] is None:
            cells += [f"nothing within {row['limit_s']:g}", *[""] * 7]
        else:
            cells += [
                f"{row['s']:.3g}",
                f"{row['times_ours']:.1f}" if row["times_ours"] else "",
                f"{row['cpu_s']:.3g}",
                f"{row['cpu_times_ours']:.1f}" if row["cpu_times_ours"] else "",
                f"{row['mpx_per_s']:.3g}",
                f"{row['peak_mib']} ({row['loaded_mib']})",
                f"{row['objects']} / {row['objects_true']}",
                f"{row['ap50']:.3f}",
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
