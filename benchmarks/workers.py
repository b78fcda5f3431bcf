"""Speed of one, two and more workers on one image in blocks, and of blocks beside one go.

    python benchmarks/workers.py MODEL [--size 8192] [--workers 1 2] [--csv FILE]

Every worker has one thread of the network. The first line is the same image in one go in one
process with one thread. Times are those of the whole command, start of workers included, and the
first column of the ratios is against one worker. All results are compared byte for byte.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline import write_mosaic

BLOCK = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runtime", default="openvino")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_mosaic(folder, options.size)
        ways = {"one go": ["--threads", "1"]}
        blocks = ["--block", str(BLOCK)]
        ways["blocks, here"] = [*blocks, "--threads", "1"]
        ways |= {f"workers {n}": [*blocks, "--workers", str(n)] for n in options.workers}
        tables = set()
        for number, (way, more) in enumerate(ways.items()):
            out = folder / str(number)
            call = [sys.executable, "-m", "sparcell", "predict", options.model]
            call += [str(folder / "images"), "-o", str(out), "--runtime", options.runtime, *more]
            began = time.perf_counter()
            subprocess.run(call, check=True, capture_output=True)
            seconds = time.perf_counter() - began
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


if __name__ == "__main__":
    main()
