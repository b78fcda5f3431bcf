"""How fast calls are as people type them, beside StarDist and Cellpose 3, in one run.

    python benchmarks/calls.py MODEL DATASET \
        --stardist PYTHON --stardist-run WORK/runs/stardist-100-0 \
        --cellpose PYTHON --cellpose-run WORK/runs/cellpose3-100-0 \
        [--loop 40] [--sizes 512 2048] [--threads 2] [--repeats 5] [--json FILE]

Three questions, the tools in turns:

- a loop over images of 256 px, one call for each: time for each call;
- one array of 512 and of 2048 px;
- from nothing to the first mask of 512 px: Sparcell by its command line, from a TIFF to labels,
  table and pictures; the rivals by a Python program that loads the network and predicts an array.

Sparcell is called by the model's name, without an open network. Times are medians, of the wall and
of the processor in all threads. `speed.py` describes PYTHON, the runs and the images.
Without a run a rival has random weights and finds no object: a lower limit of its time.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from mosaic import EDGE, Mosaic
from numpy.typing import NDArray
from speed import OURS, THREADS, Tool, commands, load

from sparcell.core.files import write_json
from sparcell.core.record import start_record
from sparcell.io import write_image
from sparcell.models import load_model

FIRST = 512
"""Edge of the image whose first mask is waited for, px."""

DIAMETER = 17
"""At which Cellpose without a run does not resize, px."""


def main() -> None:
    options = read_options()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    # Installed programs have their byte code.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    mosaic = Mosaic(options.dataset)
    rows = [measure_array(options, f"loop, {EDGE} px", mosaic.images[: options.loop])]
    rows += [measure_array(options, f"{s} px", mosaic.square(s)[0]) for s in options.sizes]
    rows.append(measure_start(options, mosaic.square(FIRST)[0]))
    print(table(rows))
    if options.json:
        settings = {key: str(value) for key, value in vars(options).items()}
        settings["digest"] = load_model(options.model).digest
        write_json(options.json, start_record(settings) | {"rows": rows})


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("dataset", type=Path)
    for rival in ("stardist", "cellpose"):
        parser.add_argument(f"--{rival}", metavar="PYTHON")
        parser.add_argument(f"--{rival}-run", metavar="FOLDER", type=Path)
    parser.add_argument("--loop", type=int, default=40, help="images")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 2048], help="px")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=300, help="of one repeat, s")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def measure_array(
    options: argparse.Namespace, what: str, image: NDArray[np.uint8]
) -> dict[str, Any]:
    """Let the tools take turns at an array, or at each image of a loop; times of one call."""
    calls = len(image) if image.ndim == 3 else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "image.npy", image)
        tools = [
            Tool(tool, call, options, folder)
            for tool, call in commands(options, folder, DIAMETER).items()
            if "files" not in tool
        ]
        try:
            for _ in range(options.repeats):
                for tool in tools:
                    tool.take_turn()
        finally:
            for tool in tools:
                tool.end()
    times = {
        tool.name: [(answer["s"] / calls, answer["cpu_s"] / calls) for answer in tool.answers]
        for tool in tools
    }
    return report(what, times)


def measure_start(options: argparse.Namespace, image: NDArray[np.uint8]) -> dict[str, Any]:
    """Take the time from the start of a process to the first mask."""
    times: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "image.npy", image)
        write_image(folder / "image.tif", image, "YX")
        rivals = {
            tool: call
            for tool, call in commands(options, folder, DIAMETER).items()
            if not tool.startswith(OURS)
        }
        # The first start on a machine compiles the network.
        for turn in range(options.repeats + 1):
            ours = first_mask(options, folder / "image.tif", folder / f"out{turn}")
            if turn:
                times.setdefault(OURS, []).append(ours)
            for rival, call in rivals.items():
                began = time.perf_counter()
                tool = Tool(rival, call, options, folder)
                wall = time.perf_counter() - began
                tool.end()
                if turn and tool.ready:
                    times.setdefault(rival, []).append((wall, tool.ready["cpu_s"]))
    return report(f"first mask, {FIRST} px", times)


def first_mask(options: argparse.Namespace, image: Path, out: Path) -> tuple[float, float]:
    """Predict a file by the command line; give the time on the wall and of the processor."""
    call = [sys.executable, "-m", "sparcell", "predict", options.model, str(image), "-o", str(out)]
    environment = os.environ | dict.fromkeys(THREADS, str(options.threads))
    before, began = children(), time.perf_counter()
    subprocess.run(call, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began, children() - before


def children() -> float:
    """Give the processor time of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(what: str, times: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Give the medians of each tool, and print them."""
    row: dict[str, Any] = {"what": what, "load": load(), "tools": {}}
    for tool, turns in times.items():
        if not turns:
            print(f"{what}, {tool}: given up; load {load()}", flush=True)
            continue
        wall, cpu = (statistics.median(one[kind] for one in turns) for kind in (0, 1))
        row["tools"][tool] = {"s": wall, "cpu_s": cpu, "turns": turns}
        print(f"{what}, {tool}: {wall:.4g} s, processor {cpu:.4g} s; load {load()}", flush=True)
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Lay out as Markdown: seconds, and how many times ours, on the wall and of the processor."""
    lines = ["| call | tool | s | times | CPU s | times | load |", "|---" * 7 + "|"]
    for row in rows:
        ours = row["tools"][OURS]
        for tool, one in row["tools"].items():
            cells = [row["what"], tool]
            for kind in ("s", "cpu_s"):
                cells += [f"{one[kind]:.3g}", f"{one[kind] / ours[kind]:.1f}"]
            lines.append(f"| {' | '.join(cells)} | {row['load']} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
