"""Seconds per megapixel and peak memory of label, predict and evaluate, for growing images.

    python benchmarks/pipeline.py MODEL [--sizes 1024 4096 8192] [--csv FILE]

Every figure comes from a process of its own, so peak memory is that of one step on one image. The
images are mosaics of one simulated field, so that objects per megapixel stay the same. The load of
the machine is printed beside. What predict costs beside its network says `overhead.py`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sparcell.core.record import peak_memory

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
    from sparcell.simulation import SimulationSettings, simulate_field

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
    began, cpu = time.perf_counter(), time.process_time()
    if step == "import":
        import sparcell.evaluation
        import sparcell.labeling
        import sparcell.prediction.predict  # noqa: F401
    elif step == "label":
        from sparcell.labeling import label

        label(folder, folder / "made")
    elif step == "predict":
        from sparcell.prediction.predict import predict

        predict(model, folder / "images", folder / "predicted")
    else:
        from sparcell.evaluation import evaluate

        evaluate(folder / "truth", folder / "predicted" / "labels")
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    megapixels = size * size / 1e6
    return {
        "s": round(seconds, 2),
        "s_per_mpx": round(seconds / megapixels, 4),
        "cpu_s_per_mpx": round(cpu / megapixels, 4),
        "peak_mib": round(peak_memory() or 0),
    }


def show(row: dict[str, object]) -> None:
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
