"""Speed of one, two and more workers on one image in blocks, and of blocks beside one go.

    python benchmarks/workers.py MODEL DATASET [--size 16384] [--workers 1 2] [--workers-only]
        [--csv FILE]

The image is a square of pieces of the dataset's test images (`mosaic.py`). Every worker has one
thread of the network, and all of them together have as many cores as they are. The first lines are
the same image in one process on one core, in one go (up to 134 megapixels) and in blocks. Times are
those of the whole command, start of workers included; ratios are against one worker. The tables of
objects in blocks are compared byte for byte. Linux only.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mosaic import Mosaic

from sparcell.io import write_image

BLOCK = 2048


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--size", type=int, default=16384)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--workers-only", action="store_true")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = folder / "mosaic.tif"
        write_image(image, Mosaic(options.dataset).square(options.size)[0], "YX")
        blocks = ["--block", str(BLOCK)]
        ways = {"one go": (1, ["--threads", "1"]), "blocks, here": (1, [*blocks, "--threads", "1"])}
        if options.workers_only:
            ways.clear()
        ways |= {f"workers {n}": (n, [*blocks, "--workers", str(n)]) for n in options.workers}
        tables = set()
        for number, (way, (cores, more)) in enumerate(ways.items()):
            out = folder / str(number)
            call = [sys.executable, "-m", "sparcell", "predict", options.model, str(image)]
            call += ["-o", str(out), "--runtime", options.runtime, *more]
            began = time.perf_counter()
            with kept_to(cores):
                subprocess.run(call, check=True, capture_output=True)
            seconds = time.perf_counter() - began
            if way != "one go":
                tables.add((out / "objects" / "mosaic.csv").read_bytes())
            speed = options.size**2 / 1e6 / seconds
            rows.append({"way": way, "s": round(seconds, 1), "mpx_per_s": round(speed, 2)})
        one = next((row["s"] for row in rows if row["way"] == "workers 1"), rows[0]["s"])
        for row in rows:
            row |= {"ratio": round(one / row["s"], 2), "load": round(os.getloadavg()[0], 1)}
            print(" ".join(f"{key} {value}" for key, value in row.items()))
        if len(tables) > 1:
            raise SystemExit("the tables differ")
    if options.csv:
        with options.csv.open("w", newline="") as stream:
            table = csv.DictWriter(stream, list(rows[0]))
            table.writeheader()
            table.writerows(rows)


@contextmanager
def kept_to(cores: int) -> Iterator[None]:
    """Keep this process, and those it starts, to so many cores."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_cores)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


if __name__ == "__main__":
    main()
