"""Seconds per megapixel and peak memory of label, predict and evaluate, for growing images.

    python benchmarks/pipeline.py MODEL [--sizes 1024 4096 8192] [--csv FILE]

Every figure comes from a process of its own, so peak memory is that of one step on one image.
`network` is the network alone on the image's pixels, no windows, in the same process and with the
same runtime: predict's overhead is measured against that. The images are mosaics of one simulated
field, so that objects per megapixel stay the same. The load of the machine is printed beside.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIELD = 1024
STEPS = ("import", "label", "predict", "evaluate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 4096, 8192])
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(run_step(options.step, options.model, options.folder, options.sizes[0])))
        return
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for size in options.sizes:
            folder = Path(name) / str(size)
            write_mosaic(folder, size)
            for step in STEPS:
                rows.append({"step": step, "px": size, **in_process(step, options, folder, size)})
                show(rows[-1])
    for step in STEPS[1:]:
        peaks = [row["peak_mib"] for row in rows if row["step"] == step]
        print(
            f"{step}: peak memory {peaks[-1] / peaks[0]:.2f} times from the smallest to the largest"
        )
    if options.csv:
        with options.csv.open("w", newline="") as stream:
            table = csv.DictWriter(stream, list(dict.fromkeys(k for row in rows for k in row)))
            table.writeheader()
            table.writerows(rows)


def write_mosaic(folder: Path, size: int) -> None:
    """Write one field again and again until `size` px are filled, band by band."""
    import numpy as np

    from sparcell.io import create_image
    from sparcell.labeling.simulate import SimulationSettings, simulate_field

    field = simulate_field(SimulationSettings(size=(FIELD, FIELD)), seed=1)
    for kind, tile in (("images", field.phase), ("stain", field.stain), ("truth", field.nuclei)):
        dtype = np.uint32 if kind == "truth" else tile.dtype
        with create_image(folder / kind / "mosaic.tif", "YX", (size, size), dtype, 0.65) as target:
            for number, (y, x) in enumerate(np.ndindex(size // FIELD, size // FIELD)):
                part = tile
                if kind == "truth":
                    part = np.where(tile > 0, tile + number * int(tile.max()), 0).astype(np.uint32)
                place = np.s_[y * FIELD : (y + 1) * FIELD, x * FIELD : (x + 1) * FIELD]
                target[place] = part


def in_process(step: str, options: argparse.Namespace, folder: Path, size: int) -> dict[str, float]:
    call = [sys.executable, __file__, str(options.model), "--step", step]
    call += ["--folder", str(folder), "--sizes", str(size)]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result | {"load": round(os.getloadavg()[0], 1)}


def run_step(step: str, model: Path, folder: Path, size: int) -> dict[str, float]:
    extra: dict[str, float] = {}
    began, cpu = time.perf_counter(), time.process_time()
    if step == "import":
        import sparcell.evaluation
        import sparcell.labeling
        import sparcell.prediction.predict  # noqa: F401
    elif step == "label":
        from sparcell.labeling import label

        label(folder, folder / "made")
    elif step == "predict":
        from sparcell.models import load_model
        from sparcell.prediction.predict import predict

        network = time_network(load_model(model), folder / "images" / "mosaic.tif")
        began, cpu = time.perf_counter(), time.process_time()
        predict(model, folder / "images", folder / "predicted")
        extra = {"network_s_per_mpx": network / (size * size / 1e6)}
    else:
        from sparcell.evaluation import evaluate

        evaluate(folder / "truth", folder / "predicted" / "labels")
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    megapixels = size * size / 1e6
    result = {
        "s": round(seconds, 2),
        "s_per_mpx": round(seconds / megapixels, 4),
        "cpu_s_per_mpx": round(cpu / megapixels, 4),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if extra:
        network = extra["network_s_per_mpx"]
        result |= {
            "network_s_per_mpx": round(network, 4),
            "rest_share": round(seconds / megapixels / network - 1, 2),
        }
    return result


def time_network(model: object, path: Path) -> float:
    """Seconds of the network alone over all pixels of the image, 1024 px squares, no overlap."""
    from sparcell.io import open_image
    from sparcell.models import Scaling

    image = open_image(path)
    engine = model.open()  # type: ignore[attr-defined]
    scaling = Scaling.measure(image, model.card.normalise)  # type: ignore[attr-defined]
    squares = [
        (slice(y, y + FIELD), slice(x, x + FIELD))
        for y in range(0, image.shape[0], FIELD)
        for x in range(0, image.shape[1], FIELD)
    ]
    total = 0.0
    engine(scaling(image.read(*squares[0])))
    for square in squares:
        pixels = scaling(image.read(*square))
        began = time.perf_counter()
        engine(pixels)
        total += time.perf_counter() - began
    return total


def show(row: dict[str, object]) -> None:
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
