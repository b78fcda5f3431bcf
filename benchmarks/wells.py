"""Tracks over the seams of simulated wells of 3 x 3 tiles, whose stage misses its places.

    python benchmarks/wells.py [--seeds N] [--overlaps PX ...] [--merged SHARE]
    python benchmarks/wells.py --faults [--seeds N]

An overlap below 0 is a gap, which is given to `track`. With `--faults`, the stage that misses its
places, the tiles and the touching cells come one by one, and all together.

A cell crosses a seam where its centre is well inside one tile, and later well inside the next. It
is kept if it has one track in both frames. These are frames in which the tiles show more than half
of it, by their true places: gaps hide cells for a while. The second column of kept tracks takes all
frames, and counts a cell that no tile shows as lost. Tiles tracked one by one keep none.

`--merged` is the chance that the masks of two touching cells are one.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

import sparcell
from sparcell.core.image import Image
from sparcell.core.tracks import Track, TrackedMovie
from sparcell.evaluation.tracks import score_tracks
from sparcell.io import write_image
from sparcell.simulation import (
    MotionSettings,
    SimulatedWell,
    SimulationSettings,
    WellSettings,
    add_faults,
    simulate_well,
)

SIZE, DIAMETER, FRAMES, GRID = 256, 20.0, 20, (3, 3)
REVISIT = 15.0
SPEED = 3.0
TOUCHING = 0.05
MERGED = 0.05
FAULTY_OVERLAP = 26
INSIDE = 0.25
"""Diameters between the centre of a cell and a seam from which it is well inside a tile."""


class Outcome(NamedTuple):
    """What became of one well."""

    crossings: int
    kept: int
    crossings_hidden: int
    kept_hidden: int
    lnk: float
    chota: float
    complete: float
    miss: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--overlaps", type=int, nargs="+", default=[26, 13, 0])
    parser.add_argument("--merged", type=float, default=MERGED)
    parser.add_argument("--faults", action="store_true")
    options = parser.parse_args()
    if options.faults:
        print_faults(options.seeds)
        return
    print(
        "| overlap, px | cells over seams | kept | kept, hidden cells too | LNK | CHOTA "
        "| complete tracks | places, px | s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for overlap in options.overlaps:
        found = [try_well(overlap, seed, merged=options.merged) for seed in range(options.seeds)]
        crossings, kept, all_crossings, all_kept = np.sum([one[:4] for one in found], axis=0)
        means = np.mean([one[4:] for one in found], axis=0)
        shares = kept / max(crossings, 1), all_kept / max(all_crossings, 1)
        values = " | ".join(f"{value:.3f}" for value in (*shares, *means[:3]))
        print(
            f"| {overlap} | {crossings:.0f} | {values} | {means[3]:.1f} | {means[4]:.0f} |",
            flush=True,
        )


def print_faults(seeds: int) -> None:
    """The faults of a microscope one by one; without tiles, one field is as large as the well."""
    print("| stage misses by 15 px | tiles | touching cells | LNK | CHOTA | complete tracks | s |")
    print("|---|---|---|---|---|---|---|")
    for shifts, tiles, touching in (
        (False, False, False), (True, False, False), (False, True, False), (False, False, True),
        (True, True, True),
    ):  # fmt: skip
        found = [
            try_well(
                FAULTY_OVERLAP,
                seed,
                GRID if tiles else (1, 1),
                REVISIT * shifts,
                TOUCHING * touching,
            )
            for seed in range(seeds)
        ]
        means = np.mean([one[4:] for one in found], axis=0)
        names = " | ".join("on" if one else "off" for one in (shifts, tiles, touching))
        values = " | ".join(f"{value:.3f}" for value in means[:3])
        print(f"| {names} | {values} | {means[4]:.0f} |", flush=True)


def try_well(
    overlap: int,
    seed: int,
    grid: tuple[int, int] = GRID,
    revisit: float = REVISIT,
    touching: float = TOUCHING,
    merged: float = MERGED,
) -> Outcome:
    whole = GRID[0] * (SIZE - overlap) + overlap
    size = SIZE if grid == GRID else whole
    settings = SimulationSettings(
        size=(size, size), touching=touching, density=400, nucleus_diameter=DIAMETER
    )
    plan = WellSettings(tiles=grid, overlap=overlap if grid == GRID else 0, revisit=revisit)
    motion = MotionSettings(speed=SPEED)
    well = simulate_well(settings, FRAMES, seed, plan, motion, images=False)
    rng = np.random.default_rng(seed)
    with TemporaryDirectory() as name:
        root = Path(name)
        for number, tile in enumerate(well.tiles, 1):
            labels = add_faults(tile.nuclei, rng, merged=merged if touching else 0)
            for t, frame in enumerate(labels):
                write_image(root / "labels" / f"B03_{number}_{t:02d}d00h00m.tif", frame, axes="YX")
        start = time.process_time()
        gap = overlap if overlap < 0 else None
        found = sparcell.track(
            root / "labels", root / "out", grid=f"{grid[0]}x{grid[1]}", overlap=gap
        )
        seconds = time.process_time() - start
        tracked = tifffile.imread(root / "out" / "labels" / "B03.tif").astype(np.int32)
    offset, miss = compare_places(found.tiles, well)
    tracked = crop(tracked, offset, well.nuclei.shape[1:])
    truth = TrackedMovie(Image(well.nuclei, "TYX"), present(well.tracks, well.nuclei))
    rows = [Track(*row) for row in found.tracks[["track", "first", "last", "parent"]].to_numpy()]
    pred = TrackedMovie(Image(tracked, "TYX"), present(tuple(rows), tracked))
    scores = score_tracks(truth, pred)
    pitch = SIZE - overlap
    counts = (
        *count_crossings(well.nuclei, tracked, shown_part(well, size), pitch, overlap),
        *count_crossings(well.nuclei, tracked, np.ones_like(tracked, np.bool_), pitch, overlap),
    )
    return Outcome(*counts, scores.lnk, scores.chota, scores.complete_tracks, miss, seconds)


def shown_part(well: SimulatedWell, size: int) -> NDArray[np.bool_]:
    """Pixels of the well that some tile shows in each frame, (T, Y, X), by their true places."""
    shown = np.zeros(well.nuclei.shape, np.bool_)
    for tile in well.tiles:
        for t, corner in enumerate(np.rint(tile.origins).astype(np.int64)):
            low, high = np.maximum(corner, 0), np.maximum(corner + size, 0)
            shown[t, low[0] : high[0], low[1] : high[1]] = True
    return shown


def compare_places(tiles: pd.DataFrame, well: SimulatedWell) -> tuple[NDArray[np.int64], float]:
    """Place of the found picture of the well in the true one, and the error of a tile's place."""
    true = np.concatenate([tile.origins for tile in well.tiles])
    found = tiles.assign(number=tiles["tile"].astype(int)).sort_values(["number", "t"])
    error = true - found[["y_well", "x_well"]].to_numpy()
    offset = error.mean(axis=0)
    return np.rint(offset).astype(np.int64), float(np.sqrt(((error - offset) ** 2).mean()))


def crop(
    movie: NDArray[np.int32], offset: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.int32]:
    """The part of a movie that begins at -offset, of a given shape; 0 outside."""
    result = np.zeros((len(movie), *shape), np.int32)
    low = np.maximum(offset, 0)
    high = np.minimum(offset + movie.shape[1:], shape)
    source = [slice(a - o, b - o) for a, b, o in zip(low, high, offset, strict=True)]
    target = [slice(a, b) for a, b in zip(low, high, strict=True)]
    result[:, target[0], target[1]] = movie[:, source[0], source[1]]
    return result


def present(tracks: tuple[Track, ...], labels: NDArray[np.int32]) -> tuple[Track, ...]:
    """Tracks that the labels show, from their first to their last frame."""
    frames: dict[int, list[int]] = {}
    for t, frame in enumerate(labels):
        for one in np.unique(frame[frame > 0]).tolist():
            frames.setdefault(one, []).append(t)
    parents = {track.id: track.parent for track in tracks}
    return tuple(
        Track(one, seen[0], seen[-1], mother if (mother := parents[one]) in frames else 0)
        for one, seen in frames.items()
    )


def count_crossings(
    truth: NDArray[np.int32],
    found: NDArray[np.int32],
    shown: NDArray[np.bool_],
    pitch: int,
    overlap: int,
) -> tuple[int, int]:
    """Cells that cross a seam, and those that keep their track, where more than half is shown."""
    seams = [np.arange(1, count) * pitch + overlap / 2 for count in GRID]
    seen: dict[int, list[tuple[tuple[int, int], int]]] = {}
    for true, pred, visible in zip(truth, found, shown, strict=True):
        ids = np.unique(true[true > 0])
        centres = ndimage.center_of_mass(true > 0, true, ids)
        for one, centre in zip(ids.tolist(), centres, strict=True):
            depth = min(np.abs(s - at).min() for s, at in zip(seams, centre, strict=True))
            if depth < INSIDE * DIAMETER or visible[true == one].mean() <= 0.5:
                continue
            tile = tuple(int(np.searchsorted(s, at)) for s, at in zip(seams, centre, strict=True))
            covering = np.bincount(pred[true == one])
            seen.setdefault(one, []).append((tile, int(covering.argmax())))
    crossings = kept = 0
    for places in seen.values():
        for (tile, track), (next_tile, next_track) in pairwise(places):
            if tile != next_tile:
                crossings += 1
                kept += track == next_track > 0
    return crossings, kept


if __name__ == "__main__":
    main()
