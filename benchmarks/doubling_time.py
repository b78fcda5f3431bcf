"""Doubling times of simulated wells: error, and how often the 95 % interval covers the truth.

    python benchmarks/doubling_time.py [--wells 20] [--frames 72] [--masks]

The truth is the slope of the logarithm of the mean number of cells of many simulated dishes, which
are counted whole: without field, border and tracks. The wells have other seeds. By default their
cells are tracked as points; with `--masks`, label images of a field whose stage drifts and jumps.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import sparcell
from sparcell.io import write_image
from sparcell.simulation import SimulationSettings, WellSettings, simulate_well
from sparcell.simulation.cells import populate, reach
from sparcell.simulation.dish import Dish
from sparcell.simulation.settings import MotionSettings

CELLS = SimulationSettings(
    size=(384, 384), density=250, nucleus_diameter=14, nucleus_diameter_sd=1.5
)
MOTION = MotionSettings()
TRUTH_SEED = 10_000
WAYS = ("counting", "events", "cycles")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wells", type=int, default=20)
    parser.add_argument("--frames", type=int, default=72)
    parser.add_argument("--dishes", type=int, default=60, help="for the truth")
    parser.add_argument("--masks", action="store_true")
    options = parser.parse_args()
    truth = true_doubling(options.dishes, options.frames)
    print(f"truth: {truth:.2f} frames")
    rows = []
    for seed in range(options.wells):
        with tempfile.TemporaryDirectory() as folder:
            write = write_masks if options.masks else write_points
            rates = sparcell.track(write(Path(folder), seed, options.frames)).rates
        rates = rates.set_index("quantity")
        for way in WAYS:
            value, low, high = rates.loc[f"doubling_{way}", ["value", "low", "high"]].astype(float)
            rows.append((way, value / truth - 1, low <= truth <= high))
            print(seed, way, f"{value / truth - 1:+.1%}", low <= truth <= high)
    table = pd.DataFrame(rows, columns=["way", "error", "covers"])
    for way, part in table.groupby("way", sort=False):
        known = part["error"].dropna()
        print(
            f"{way}: known {len(known)}/{len(part)}, covers {part['covers'].mean():.0%}, "
            f"mean error {known.mean():+.1%}, median absolute error {known.abs().median():.1%}"
        )


def dish(seed: int, frames: int) -> Iterator[Dish]:
    """Give a dish about the field, frame by frame."""
    rng = np.random.default_rng(seed)
    margin = reach(CELLS)
    bounds = (-margin, -margin, CELLS.size[0] + margin, CELLS.size[1] + margin)
    cells = Dish(populate(CELLS, rng, bounds), MOTION, bounds, rng)
    for frame in range(frames):
        if frame:
            cells.step(frame)
        yield cells


def true_doubling(dishes: int, frames: int) -> float:
    counts = [[len(cells.lives) for cells in dish(TRUTH_SEED + k, frames)] for k in range(dishes)]
    slope = np.polyfit(np.arange(frames), np.log(np.mean(counts, axis=0)), 1)[0]
    return float(np.log(2) / slope)


def write_points(folder: Path, seed: int, frames: int) -> Path:
    """Write the centres of the cells in the field, and return the table."""
    places = [
        (t, life.cell.y, life.cell.x)
        for t, cells in enumerate(dish(seed, frames))
        for life in cells.lives
        if 0 <= life.cell.y < CELLS.size[0] and 0 <= life.cell.x < CELLS.size[1]
    ]
    pd.DataFrame(places, columns=["t", "y", "x"]).to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def write_masks(folder: Path, seed: int, frames: int) -> Path:
    """Write the label images of a field, and return their folder."""
    well = simulate_well(CELLS, frames, seed, WellSettings(tiles=(1, 1)), MOTION, images=False)
    write_image(folder / "labels" / "a.tif", well.tiles[0].nuclei, axes="TYX")
    return folder / "labels"


if __name__ == "__main__":
    main()
