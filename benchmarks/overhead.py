"""What a prediction costs beside its network, and whether its memory follows the image.

    python benchmarks/overhead.py MODEL DATASET [--sizes 2048 8192] [--zarr 32768] [--threads 2]
        [--repeats 3] [--work FOLDER] [--json FILE]

Time: squares of pieces of the dataset's test images (`mosaic.py`), array in to labels out, beside
the network alone on the same windows, which overlap, and on windows that show every pixel once.
No image is resized (`diameter="none"`), so that both see the same pixels.
They take turns in one warm process; ratios are of medians, on the wall and of the processor.

Memory: `sparcell.predict` from a TIFF, in a process of its own for every size; the most that it
held, and how much of that is more than a process held which only loads the model and starts its
network. `--zarr` adds sizes that are read from OME-Zarr, written band by band into FOLDER (a
temporary one if not given; 32768 px take about a gigabyte).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arrays import Seconds, find_objects, time_network
from mosaic import Mosaic

from sparcell import load_model, predict
from sparcell.core.files import write_json
from sparcell.core.record import peak_memory, start_record


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2048, 8192], help="px")
    parser.add_argument("--zarr", type=int, nargs="*", default=[], help="px")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", type=Path, help="where large images are written")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--predict", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.predict:
        print(json.dumps(run_once(options)))
        return
    mosaic = Mosaic(options.dataset)
    times = [compare(options, mosaic, size) for size in options.sizes]
    memory = measure_memory(options, mosaic)
    if options.json:
        settings = {key: str(value) for key, value in vars(options).items()}
        digest = load_model(options.model).digest
        record = start_record(settings | {"digest": digest})
        write_json(options.json, record | {"time": times, "memory": memory})


def compare(options: argparse.Namespace, mosaic: Mosaic, size: int) -> dict[str, Any]:
    """Take the time of the whole way and of the network alone."""
    model = load_model(options.model)
    network = model.open("auto", options.threads)
    pixels, _ = mosaic.square(size)

    def whole() -> Seconds:
        began = Seconds.now()
        find_objects(pixels, model, network, options.threads)
        return began.since()

    ways: dict[str, Callable[[], Seconds]] = {
        "whole": whole,
        "same windows": lambda: time_network(pixels, model, network, surroundings=True),
        "bare pixels": lambda: time_network(pixels, model, network, surroundings=False),
    }
    taken: dict[str, list[Seconds]] = {way: [] for way in ways}
    # The first round compiles the network for these windows.
    for number in range(options.repeats + 1):
        for way, run in ways.items():
            seconds = run()
            taken[way] += [seconds] if number else []
    middle = {
        way: Seconds(*(statistics.median(part) for part in zip(*all_of_it, strict=True)))
        for way, all_of_it in taken.items()
    }
    for way, seconds in middle.items():
        print(
            f"{size} px, {way}: {seconds.wall:.2f} s, processor {seconds.cpu:.2f} s;"
            f" whole by this {middle['whole'].wall / seconds.wall:.2f},"
            f" processor {middle['whole'].cpu / seconds.cpu:.2f}; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    by_way = {way: seconds._asdict() for way, seconds in middle.items()}
    return {"px": size, "runtime": network.name, **by_way, "load": os.getloadavg()[0]}


def measure_memory(options: argparse.Namespace, mosaic: Mosaic) -> list[dict[str, Any]]:
    """Predict images of growing size, each in a process of its own."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        folder = Path(name)
        rows.append({"px": 0, **in_process(options, "nothing", folder / "out0")})
        images = [(size, ".tif") for size in options.sizes]
        images += [(size, ".ome.zarr") for size in options.zarr]
        for number, (size, suffix) in enumerate(images, 1):
            image = folder / f"image{number}{suffix}"
            mosaic.write(image, size)
            result = in_process(options, str(image), folder / f"out{number}")
            rows.append({"px": size, "format": suffix, "true": mosaic.count(size), **result})
            rows[-1]["more_mib"] = rows[-1]["peak_mib"] - rows[0]["peak_mib"]
            show(rows[-1], rows[1])
    return rows


def show(row: dict[str, Any], first: dict[str, Any]) -> None:
    """Print one size, and its memory by that of the first."""
    print(
        f"{row['px']} px, {row['format']}: {row['s']:.1f} s,"
        f" {row['px'] ** 2 / 1e6 / row['s']:.1f} Mpx/s, {row['objects']} objects of {row['true']};"
        f" peak {row['peak_mib']:.0f} MiB, {row['more_mib']:.0f} more than loaded;"
        f" by {first['px']} px {row['peak_mib'] / first['peak_mib']:.2f},"
        f" {row['more_mib'] / first['more_mib']:.2f}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def in_process(options: argparse.Namespace, image: str, out: Path) -> dict[str, Any]:
    call = [sys.executable, __file__, options.model, str(options.dataset)]
    call += ["--threads", str(options.threads), "--predict", image, str(out)]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def run_once(options: argparse.Namespace) -> dict[str, Any]:
    """Predict one image, or only start the network; say how long it took and the peak of memory."""
    image, out = options.predict
    began = time.perf_counter()
    objects = 0
    if image == "nothing":
        load_model(options.model).open("auto", options.threads)
    else:
        summary = predict(options.model, image, out, threads=options.threads)
        if summary.failures:
            raise SystemExit(str(summary.failures))
        objects = int(summary.counts["count"].sum())
    return {
        "s": time.perf_counter() - began,
        "objects": objects,
        "peak_mib": peak_memory(),
    }


if __name__ == "__main__":
    main()
