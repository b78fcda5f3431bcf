"""How long a whole experiment takes: images from phase contrast to counts and growth curves.

    python benchmarks/experiment.py MODEL DATASET [--fields 20000] [--slice 8 24] [--json FILE]

The experiment of the thesis (Salomon 2023): 20,000 fields of 1408 x 1040 px, in wells over time.
Two slices of it are predicted and measured by the command line, as a user would. The difference
between them is the time of a field, the rest that of a start. Both are extrapolated to the whole
experiment, on all cores: processor time by the number of cores, which other programs on the machine
change little, and time on the wall. The fields are cut from the dataset's test images, mirrored
where these are smaller.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from arrays import Seconds
from numpy.typing import NDArray

from sparcell.core.dataset import Dataset
from sparcell.core.files import write_json
from sparcell.core.record import start_record
from sparcell.io import open_sample, write_image
from sparcell.system.machine import cores

SHAPE = (1040, 1408)
WELLS = [f"{row}{column}" for row in "BCDEFG" for column in range(2, 12)]
FIELDS_OF_WELL = 4
HOURS_BETWEEN = 4
STEPS = ("predict", "measure")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--fields", type=int, default=20_000, help="of the whole experiment")
    parser.add_argument("--slice", type=int, nargs=2, default=[8, 24], help="fields")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    pixels = list(read_test_images(options.dataset))
    with tempfile.TemporaryDirectory() as name:
        # The first start on a machine compiles the network.
        run(options, pixels, 1, Path(name))
        slices = {count: run(options, pixels, count, Path(name)) for count in options.slice}
    rows = {step: extrapolate(options, step, slices) for step in STEPS}
    for kind in ("cpu", "wall"):
        hours = sum(row[f"{kind}_hours"] for row in rows.values())
        print(f"{options.fields} fields, {kind}: {hours:.2f} h on {cores().usable} cores")
    if options.json:
        settings = {key: str(value) for key, value in vars(options).items()}
        write_json(options.json, start_record(settings) | rows | {"load": os.getloadavg()[0]})


def read_test_images(folder: Path) -> Iterator[NDArray[Any]]:
    """Read the test images of a dataset, each in the size of a field."""
    for sample in Dataset.open(folder).split("test").samples:
        image = open_sample(sample)
        plane = image.read()[0].astype(image.data.dtype)
        missing = [max(wanted - edge, 0) for wanted, edge in zip(SHAPE, plane.shape, strict=True)]
        padded = np.pad(plane, [(0, missing[0]), (0, missing[1])], mode="symmetric")
        yield padded[: SHAPE[0], : SHAPE[1]]


def field_names() -> Iterator[str]:
    """Names as IncuCyte gives them, all fields of a time before the next."""
    for step in itertools.count():
        days, hours = divmod(step * HOURS_BETWEEN, 24)
        for well, field in itertools.product(WELLS, range(1, FIELDS_OF_WELL + 1)):
            yield f"EXPT_{well}_{field}_{days:02d}d{hours:02d}h00m"


def run(
    options: argparse.Namespace, pixels: list[NDArray[Any]], count: int, folder: Path
) -> dict[str, Seconds]:
    """Write, predict and measure some fields; give the time of each step."""
    images, counted, tables = (folder / f"{name}{count}" for name in ("images", "counts", "tables"))
    names = itertools.islice(field_names(), count)
    for name, plane in zip(names, itertools.cycle(pixels), strict=False):
        write_image(images / f"{name}.tif", plane, "YX")
    taken = {
        "predict": command("predict", options.model, images, "-o", counted),
        "measure": command("measure", counted, "-o", tables),
    }
    for step, seconds in taken.items():
        print(
            f"{count} fields, {step}: {seconds.wall:.1f} s, processor {seconds.cpu:.1f} s;"
            f" load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    return taken


def command(*words: Any) -> Seconds:
    """Run the command line; give its time, and that of its processes."""
    before, began = _children(), time.perf_counter()
    call = [sys.executable, "-m", "sparcell", *map(str, words)]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return Seconds(time.perf_counter() - began, _children() - before)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def extrapolate(
    options: argparse.Namespace, step: str, slices: dict[int, dict[str, Seconds]]
) -> dict[str, float]:
    """Give seconds of a field and of a start, and hours of the whole experiment."""
    (few, first), (many, second) = ((count, taken[step]) for count, taken in slices.items())
    row: dict[str, float] = {}
    for kind, share in (("wall", 1), ("cpu", cores().usable)):
        low, high = getattr(first, kind), getattr(second, kind)
        each = (high - low) / (many - few)
        start = low - few * each
        row |= {f"{kind}_s_a_field": each, f"{kind}_s_a_start": start}
        row[f"{kind}_hours"] = (start + each * options.fields) / share / 3600
        print(f"{step}, {kind}: {each:.3f} s a field, {start:.2f} s a start")
    return row


if __name__ == "__main__":
    main()
