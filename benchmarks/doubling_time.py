"""Doubling times of simulated wells: error, and how often the 95 % interval covers the truth.

    python benchmarks/doubling_time.py [--wells 20] [--frames 72] [--masks | --true]

The truth is the slope of the logarithm of the mean number of cells of many simulated dishes, which
are counted whole: without field, border and tracks. The wells have other seeds. By default their
cells are tracked as points; with `--masks`, label images of a field whose stage drifts and jumps.
With `--true`, rates follow from the true tracks, which tells how good the intervals themselves are.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

import sparcell
from sparcell.io import write_image
from sparcell.simulation import SimulationSettings, WellSettings, simulate_well
from sparcell.simulation.cells import populate, reach
from sparcell.simulation.dish import Dish, Life
from sparcell.simulation.settings import MotionSettings
from sparcell.tracking.rates.estimates import doubling_time
from sparcell.tracking.rates.growth import growth_by_counting, growth_by_cycles, growth_by_events
from sparcell.tracking.rates.lives import Lives

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
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--masks", action="store_true")
    kind.add_argument("--true", action="store_true")
    options = parser.parse_args()
    truth = true_doubling(options.dishes, options.frames)
    print(f"truth: {truth:.2f} frames")
    rows = []
    for seed in range(options.wells):
        found = by_truth if options.true else partial(by_tracking, masks=options.masks)
        for way, (value, low, high) in found(seed, options.frames).items():
            rows.append((way, value / truth - 1, low <= truth <= high))
            print(seed, way, f"{value / truth - 1:+.1%}", low <= truth <= high)
    table = pd.DataFrame(rows, columns=["way", "error", "covers"])
    for way, part in table.groupby("way", sort=False):
        known = part["error"].dropna()
        print(
            f"{way}: known {len(known)}/{len(part)}, covers {part['covers'].mean():.0%}, "
            f"mean error {known.mean():+.1%}, median absolute error {known.abs().median():.1%}"
        )


def by_tracking(seed: int, frames: int, masks: bool) -> dict[str, tuple[float, float, float]]:
    """Doubling times of a tracked well and their intervals, by the way that they are found."""
    with tempfile.TemporaryDirectory() as folder:
        write = write_masks if masks else write_points
        rates = sparcell.track(write(Path(folder), seed, frames)).rates
    rates = rates.set_index("quantity")[["value", "low", "high"]].astype(float)
    return {way: tuple(rates.loc[f"doubling_{way}"]) for way in WAYS}


def by_truth(seed: int, frames: int) -> dict[str, tuple[float, float, float]]:
    """Doubling times that follow from the true tracks of the cells in the field."""
    lives = true_lives(seed, frames)
    growth = growth_by_counting(lives), growth_by_events(lives), growth_by_cycles(lives)
    return {way: doubling_time(one)[:3] for way, one in zip(WAYS, growth, strict=True)}


def true_lives(seed: int, frames: int) -> Lives:
    """Follow the cells in the field; one that leaves and comes back is another one."""
    families = count()
    rows: list[tuple[int, float, float, str, str]] = []
    # Of each cell in the field: its family, when and how its track began.
    tracks: dict[Life, tuple[int, float, str]] = {}
    for t, cells in enumerate(dish(seed, frames)):
        inside = [life for life in cells.lives if in_field(life)]
        alive, dividing = set(cells.lives), {life.mother for life in inside if life.born == t}
        ended = {life: one for life, one in tracks.items() if life not in inside}
        for life, (family, start, birth) in ended.items():
            fate = "divided" if life in dividing else "left" if life in alive else "died"
            rows.append((family, start, t - 0.5, birth, fate))
            del tracks[life]
        for life in inside:
            if life in tracks:
                continue
            mother = ended.get(life.mother) if life.born == t else None
            if mother is not None:
                tracks[life] = (mother[0], t - 0.5, "divided")
            else:
                tracks[life] = (next(families), max(t - 0.5, 0), "entered" if t else "start")
    last = frames - 1
    rows += [(family, start, last, birth, "end") for family, start, birth in tracks.values()]
    family, start, end, birth, fate = map(np.array, zip(*rows, strict=True))
    same, number = np.ones(len(rows)), next(families)
    guarded = same > 0
    return Lives(family, start, end, birth, fate, same, guarded, guarded, number, number,
                 np.arange(frames, dtype=float))  # fmt: skip


def in_field(life: Life) -> bool:
    return 0 <= life.cell.y < CELLS.size[0] and 0 <= life.cell.x < CELLS.size[1]


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
        if in_field(life)
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
