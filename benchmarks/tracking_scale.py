"""Seconds, memory and right links of a million objects, tables in hand: Sparcell and laptrack.

    python benchmarks/tracking_scale.py [--frames 1000] [--cells 1000] [--laptrack-python PATH]

The movie is simulated: cells keep their direction for some frames, divide, die, and are missed in
1 % of their frames; the stage jumps in 3 % of the frames. Each linker runs in a process of its own.
Seconds are those of the processor, memory is the peak of the whole process, and both leave out what
making the table took. laptrack runs in the Python that has it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DIAMETER, SPACING = 14.0, 50.0
SPEED, KEPT = 2.5, 0.8
"""Px per frame, and the share of a velocity that the next frame keeps."""
TURNOVER, MISSED = 0.002, 0.01
"""Share of cells that divide, and that die, in a frame; and that are not found."""
JUMP, JUMP_RATE = 30.0, 0.03
LINKERS = ("Sparcell, fast", "Sparcell", "laptrack")
CUT_OFF = 1.5


class Movie(NamedTuple):
    """Objects by frame, and the true link into each (-1 for none)."""

    frames: Integers
    places: Floats
    before: Integers
    size: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--linkers", nargs="+", default=list(LINKERS), choices=LINKERS)
    parser.add_argument("--laptrack-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--run", choices=LINKERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(measure(options.run, options.frames, options.cells)))
        return
    print(f"load before: {os.getloadavg()[0]:.1f}")
    print("| linker | objects | CPU s | peak, MB | of which linking, MB | links found | right |")
    print("|---|---|---|---|---|---|---|")
    seconds = {}
    for linker in options.linkers:
        python = options.laptrack_python if linker == "laptrack" else sys.executable
        arguments = ["--run", linker, "--frames", options.frames, "--cells", options.cells]
        command = [python, __file__, *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            print(f"| {linker} | did not run | | | | | |")
            continue
        row = json.loads(done.stdout.splitlines()[-1])
        seconds[linker] = row["seconds"]
        print(
            f"| {linker} | {row['objects']} | {row['seconds']:.1f} | {row['peak']:.0f} "
            f"| {row['grown']:.0f} | {row['recall']:.4f} | {row['precision']:.4f} |",
            flush=True,
        )
    if "laptrack" in seconds:
        for linker in LINKERS[:2]:
            if linker in seconds:
                print(f"laptrack takes {seconds['laptrack'] / seconds[linker]:.0f} x {linker}")


def measure(linker: str, frames: int, cells: int) -> dict[str, Any]:
    movie = simulate(frames, cells)
    link = {"laptrack": by_laptrack}.get(linker) or by_sparcell(fast=linker.endswith("fast"))
    before, start = peak(), time.process_time()
    first, second = link(movie)
    seconds = time.process_time() - start
    right = movie.before[second] == first
    known = int((movie.before >= 0).sum())
    return {
        "objects": len(movie.frames),
        "seconds": seconds,
        "peak": peak(),
        "grown": peak() - before,
        "recall": float(right.sum() / known),
        "precision": float(right.mean()),
    }


def peak() -> float:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def simulate(frames: int, cells: int, seed: int = 0) -> Movie:
    rng = np.random.default_rng(seed)
    size = SPACING * np.sqrt(cells)
    places, velocity = rng.uniform(0, size, (cells, 2)), rng.normal(0, SPEED, (cells, 2))
    last = np.full(cells, -1)
    stage, count = np.zeros(2), 0
    parts: list[tuple[Integers, Floats, Integers]] = []
    for t in range(frames):
        if t:
            velocity = KEPT * velocity + rng.normal(0, SPEED * np.sqrt(1 - KEPT**2), (cells, 2))
            places = places + velocity
            # As many die as divide; the second daughter takes the row of a dead cell.
            changed = rng.permutation(cells)[: 2 * rng.binomial(cells, TURNOVER)]
            mothers, dead = np.split(changed, 2)
            angle = rng.uniform(0, 2 * np.pi, len(mothers))
            half = 0.45 * DIAMETER * np.column_stack([np.sin(angle), np.cos(angle)])
            places[dead], places[mothers] = places[mothers] - half, places[mothers] + half
            last[dead] = last[mothers]
            out = ((places < 0) | (places > size)).any(axis=1)
            velocity[out] *= -1
            places = places.clip(0, size)
            if rng.random() < JUMP_RATE:
                stage = rng.uniform(-JUMP, JUMP, 2)
        found = np.flatnonzero(rng.random(cells) >= MISSED)
        parts.append((np.full(len(found), t), places[found] + stage, last[found].copy()))
        last[found] = np.arange(count, count + len(found))
        count += len(found)
    columns = [np.concatenate(one) for one in zip(*parts, strict=True)]
    return Movie(*columns, size)


def by_sparcell(fast: bool):
    # Before the clock: what a program loads once.
    from sparcell.tracking import MovieObjects, build_tracks, follow_stage, link_objects

    def link(movie: Movie) -> tuple[Integers, Integers]:
        count = int(movie.frames[-1]) + 1
        bounds = np.searchsorted(movie.frames, np.arange(count + 1))
        ids = np.arange(len(movie.frames)) - bounds[movie.frames] + 1
        nothing, inside = np.full(len(ids), np.nan), np.zeros(len(ids), np.bool_)
        shape = (movie.size, movie.size)
        objects = MovieObjects(movie.frames, ids, movie.places, nothing, inside, count, shape)
        links = link_objects(objects, follow_stage(objects).shifts, fast=fast)
        build_tracks(objects, links)
        return links.first, links.second

    return link


def by_laptrack(movie: Movie) -> tuple[Integers, Integers]:
    import pandas as pd
    from laptrack import LapTrack

    squared = (CUT_OFF * DIAMETER) ** 2
    tracker = LapTrack(
        cutoff=squared,
        gap_closing_cutoff=squared,
        gap_closing_max_frame_count=2,
        splitting_cutoff=squared,
    )
    table = pd.DataFrame({"frame": movie.frames, "number": np.arange(len(movie.frames))})
    table[["y", "x"]] = movie.places
    tracks, splits, _ = tracker.predict_dataframe(
        table, ["y", "x"], frame_col="frame", only_coordinate_cols=False
    )
    tracks = tracks.reset_index(drop=True).rename(columns={"frame_y": "frame"})
    edges, ends = [], {}
    for track, group in tracks.groupby("track_id"):
        numbers = group.sort_values("frame")["number"].astype(int).tolist()
        edges += list(pairwise(numbers))
        ends[track] = (numbers[0], numbers[-1])
    for row in splits.itertuples():
        edges.append((ends[row.parent_track_id][1], ends[row.child_track_id][0]))
    first, second = np.array(edges, np.int64).T
    return first, second


if __name__ == "__main__":
    main()
