"""Tracks by Sparcell, laptrack and nearest neighbour on the same masks, in one run.

    python benchmarks/tracking.py DATA [--half N] [--only NAME ...] [--linkers NAME ...]

DATA holds folders with `labels/NAME.tif` (ids are tracks) and `tracks/NAME.txt` (L B E P), perhaps
`found/NAME.tif` (masks that a model predicted), and `c2c12-points/points.csv`. Ids are shuffled in
each frame first. laptrack (`pip install laptrack`) is left out where it is not installed; its
cut-off is 1.5 median diameters, with gaps of two frames and splits on. The oracle links predicted
objects by the truth: the limit for those masks. "Sparcell, repair" also corrects predicted masks,
as `sparcell track --repair` does. Each movie is run with every 1st, 2nd, 4th and 8th frame.
Coefficients of divisions were chosen with halves of the movies (`--half 0`); the others judge.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from sparcell.core.image import Image, Plane
from sparcell.core.tracks import Track, TrackedMovie, TrackedPoints
from sparcell.evaluation.tracks import score_tracks
from sparcell.io.ctc import read_tracks
from sparcell.measurement import object_table
from sparcell.tracking import Links, MovieObjects, build_tracks, follow_stage, link_objects
from sparcell.tracking.movies import MovieToTrack
from sparcell.tracking.repair import Alternatives, repair_movie

FOLDERS = {
    "psc_left": "timelapse-ctc",
    "simplus_top": "timelapse-ctc",
    "yeast_bottom": "timelapse-yeast",
    "epidermis_1": "epidermis-labels",
    "migration_early": "cellmigration-labels",
}
JUMP, JUMP_RATE = 40, 0.3
STEPS = (2, 4, 8)
CUT_OFF = 1.5
Edges = list[tuple[int, int]]


class Case(NamedTuple):
    """A movie to track: what is given, and the truth."""

    name: str
    labels: Image | None
    objects: MovieObjects
    truth: TrackedMovie


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="part of a name")
    parser.add_argument("--linkers", nargs="+", default=[], metavar="NAME", help="part of a name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--half", type=int, choices=(0, 1), help="0: for choosing; 1: for judging")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    print(
        "| movie | linker | DET | LNK | CHOTA | division F1 (1 frame) | (2 frames) "
        "| complete tracks | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for case in cases(options.data, options.seed, options.only, options.half):
        chosen = {n: one for n, one in linkers().items() if _wanted(n, options.linkers)}
        for name, linker in chosen.items():
            start = time.process_time()
            linked = repair(case) if name == "Sparcell, repair" else case
            edges = linker(linked) if linked is not None else None
            seconds = time.process_time() - start
            if edges is None:
                continue
            scores = score_tracks(case.truth, as_movie(linked, edges))
            row = {
                "movie": case.name,
                "linker": name,
                "det": scores.det,
                "lnk": scores.lnk,
                "chota": scores.chota,
                "division_f1": scores.divisions[1].dice,
                "division_f1_2": scores.divisions[2].dice,
                "complete_tracks": scores.complete_tracks,
                "seconds": seconds,
            }
            rows.append(row)
            values = [f"{value:.3f}" for value in list(row.values())[2:-1]]
            print(f"| {case.name} | {name} | {' | '.join(values)} | {seconds:.1f} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def cases(data: Path, seed: int, only: list[str], half: int | None = None) -> Iterator[Case]:
    plan = [(name, masks, jump, 1) for name in FOLDERS for masks in ("true", "found")
            for jump in (0, JUMP)]  # fmt: skip
    plan += [(name, masks, 0, step) for name in FOLDERS for masks in ("true", "found")
             for step in STEPS]  # fmt: skip
    for name, masks, jump, step in plan:
        folder = data / FOLDERS[name]
        path = folder / ("labels" if masks == "true" else "found") / f"{name}.tif"
        title = f"{name}, {masks} masks" + ", jumps" * bool(jump)
        title += every(step)
        if path.exists() and _wanted(title, only):
            yield label_case(title, folder, name, path, jump, step, seed, half)
    points = data / "c2c12-points"
    for step in (1, *STEPS):
        title = f"c2c12 points{every(step)}"
        if points.is_dir() and _wanted(title, only):
            yield point_case(title, points, step, half)


def every(step: int) -> str:
    return {1: "", 2: ", every 2nd frame"}.get(step, f", every {step}th frame")


def _wanted(title: str, only: list[str]) -> bool:
    return not only or any(part in title for part in only)


def label_case(
    title: str,
    folder: Path,
    name: str,
    path: Path,
    jump: int,
    step: int,
    seed: int,
    half: int | None = None,
) -> Case:
    rng = np.random.default_rng(seed)
    stacks = [tifffile.imread(one) for one in (folder / "labels" / f"{name}.tif", path)]
    part = half_of(name, stacks[0].shape, half)
    truth, labels = (stack.astype(np.int32)[part][::step].copy() for stack in stacks)
    tracks = read_tracks(folder / "tracks" / f"{name}.txt")
    for t in range(len(labels)):
        ids = np.unique(labels[t][labels[t] > 0])
        numbers = np.zeros(int(labels[t].max()) + 1, np.int32)
        numbers[ids] = rng.permutation(len(ids)) + 1
        labels[t] = numbers[labels[t]]
        if jump and t and rng.random() < JUMP_RATE:
            shift = rng.integers(-jump, jump + 1, 2)
            # The truth moves with the camera.
            labels[t], truth[t] = move(labels[t], *shift), move(truth[t], *shift)
    found = measure(labels)
    movie = TrackedMovie(Image(truth, "TYX"), present(tracks, truth))
    return Case(title, Image(labels, "TYX"), found, movie)


def half_of(name: str, shape: tuple[int, ...], half: int | None) -> tuple[slice, ...]:
    """Part of a movie: half of the frames where cells are few and large, else half of the field."""
    if half is None:
        return (slice(None),)
    axis = {"simplus_top": 0, "yeast_bottom": 0, "psc_left": 1}.get(name, 2)
    middle = shape[axis] // 2
    part = slice(0, middle) if half == 0 else slice(middle, None)
    return (*[slice(None)] * axis, part)


def move(frame: NDArray[np.int32], dy: int, dx: int) -> NDArray[np.int32]:
    moved = np.zeros_like(frame)
    height, width = frame.shape
    moved[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = frame[
        max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return moved


def present(tracks: tuple[Track, ...], truth: NDArray[np.int32]) -> tuple[Track, ...]:
    """Tracks that some frame has; a mother who is in none gives way to her own."""
    frames: dict[int, list[int]] = {}
    for t, frame in enumerate(truth):
        for one in np.unique(frame[frame > 0]).tolist():
            frames.setdefault(one, []).append(t)
    parents = {track.id: track.parent for track in tracks}
    kept = []
    for one, seen in frames.items():
        mother = parents[one]
        while mother and mother not in frames:
            mother = parents[mother]
        kept.append(Track(one, seen[0], seen[-1], mother))
    return tuple(kept)


def point_case(title: str, folder: Path, step: int, half: int | None = None) -> Case:
    table = pd.read_csv(folder / "points.csv")
    if half is not None:
        left = table["x"] < table["x"].median()
        table = table[left if half == 0 else ~left]
    table = table[table["frame"] % step == 0]
    table = table.assign(t=table["frame"] // step).sort_values(["t", "track"], ignore_index=True)
    table["id"] = np.arange(1, len(table) + 1)
    shape = (float(table["y"].max()) + 1, float(table["x"].max()) + 1)
    found = MovieObjects.of_table(table, int(table["t"].max()) + 1, shape)
    # Ids begin at 0 there, and a parent of 0 is none.
    lines = np.loadtxt(folder / "tracks.txt", np.int64, ndmin=2)
    parents = {int(one) + 1: int(mother) + 1 if mother > 0 else 0 for one, _, _, mother in lines}
    ids = table["track"].to_numpy(np.int64) + 1
    rows = []
    for one in np.unique(ids).tolist():
        seen = found.frames[ids == one]
        mother = parents.get(one, 0)
        while mother and mother not in ids:
            mother = parents.get(mother, 0)
        rows.append(Track(one, int(seen[0]), int(seen[-1]), mother))
    points = TrackedPoints(found.frames, ids, found.places)
    return Case(title, None, found, TrackedMovie(points, tuple(rows)))


def linkers() -> dict[str, Callable[[Case], Edges | None]]:
    return {
        "Sparcell": by_sparcell,
        "Sparcell, repair": by_sparcell,
        "nearest": by_nearest,
        "laptrack, centroid": by_laptrack,
        "laptrack, overlap": by_laptrack_overlap,
        "oracle": by_oracle,
    }


def by_sparcell(case: Case) -> Edges:
    labels = None
    if case.labels is not None:
        pixels = case.labels.data

        def labels(t: int) -> NDArray[np.int32]:
            return pixels[t]

    links = link_objects(case.objects, follow_stage(case.objects).shifts, labels)
    return list(zip(links.first.tolist(), links.second.tolist(), strict=True))


def repair(case: Case) -> Case | None:
    """The same movie with corrected masks; None without predicted masks."""
    if case.labels is None or "found masks" not in case.name:
        return None
    shifts = follow_stage(case.objects).shifts
    movie = MovieToTrack(case.name, case.objects.count, labels=case.labels)
    repaired, _ = repair_movie(movie, Alternatives(shapes=True), shifts)
    frames = [repaired.labels.read_labels(plane=Plane(t)) for t in range(movie.frames)]
    return case._replace(labels=Image(np.stack(frames), "TYX"), objects=measure(frames))


def measure(frames: Sequence[NDArray[np.int32]]) -> MovieObjects:
    parts = [object_table(frame, plane=(t, 0)) for t, frame in enumerate(frames)]
    table = pd.concat(parts, ignore_index=True)
    return MovieObjects.of_table(table, len(frames), frames[0].shape)


def by_nearest(case: Case) -> Edges:
    """Frame by frame, Hungarian algorithm on distance, no gaps and no divisions."""
    found, edges = case.objects, []
    cut_off = CUT_OFF * found.diameter
    for t in range(found.count - 1):
        a, b = found.of_frame(t), found.of_frame(t + 1)
        distance = cdist(found.places[a], found.places[b])
        rows, columns = linear_sum_assignment(np.where(distance <= cut_off, distance, 1e6))
        close = distance[rows, columns] <= cut_off
        ends = (a.start + rows[close]).tolist(), (b.start + columns[close]).tolist()
        edges += zip(*ends, strict=True)
    return edges


def by_laptrack(case: Case) -> Edges | None:
    try:
        from laptrack import LapTrack
    except ImportError:
        return None
    found = case.objects
    squared = (CUT_OFF * found.diameter) ** 2
    tracker = LapTrack(
        cutoff=squared,
        gap_closing_cutoff=squared,
        gap_closing_max_frame_count=2,
        splitting_cutoff=squared,
    )
    table = pd.DataFrame({"frame": found.frames, "number": np.arange(len(found))})
    table[["y", "x"]] = found.places
    tracks, splits, _ = tracker.predict_dataframe(
        table, ["y", "x"], frame_col="frame", only_coordinate_cols=False
    )
    tracks = tracks.reset_index(drop=True).rename(columns={"frame_y": "frame"})
    return from_laptrack(tracks, splits)


def by_laptrack_overlap(case: Case) -> Edges | None:
    if case.labels is None:
        return None
    try:
        from laptrack import OverLapTrack
    except ImportError:
        return None
    tracker = OverLapTrack(
        metric_coefs=(1, 0, -1, 0, 0),
        gap_closing_metric_coefs=(1, 0, -1, 0, 0),
        splitting_metric_coefs=(1, 0, 0, 0, -1),
        cutoff=0.95,
        gap_closing_cutoff=0.9,
        gap_closing_max_frame_count=1,
        splitting_cutoff=0.9,
    )
    tracks, splits, _ = tracker.predict_overlap_dataframe(np.asarray(case.labels.data))
    tracks = tracks.reset_index()
    found = case.objects
    numbers = {
        key: number
        for number, key in enumerate(zip(found.frames.tolist(), found.ids.tolist(), strict=True))
    }
    keys = zip(tracks["frame"], tracks["label"], strict=True)
    return from_laptrack(tracks.assign(number=[numbers[int(t), int(i)] for t, i in keys]), splits)


def from_laptrack(tracks: pd.DataFrame, splits: pd.DataFrame) -> Edges:
    edges, ends = [], {}
    for track, group in tracks.groupby("track_id"):
        numbers = group.sort_values("frame")["number"].astype(int).tolist()
        edges += list(pairwise(numbers))
        ends[track] = (numbers[0], numbers[-1])
    for row in splits.itertuples():
        edges.append((ends[row.parent_track_id][1], ends[row.child_track_id][0]))
    return edges


def by_oracle(case: Case) -> Edges | None:
    """The truth's links between the objects that cover most of each true one."""
    if case.labels is None:
        return None
    found, labels, truth = case.objects, case.labels.data, case.truth.objects.data
    covering: dict[tuple[int, int], int] = {}
    for t, (frame, true) in enumerate(zip(labels, truth, strict=True)):
        start = found.of_frame(t)
        for one in np.unique(true[true > 0]).tolist():
            ids, counts = np.unique(frame[true == one], return_counts=True)
            best = int(ids[counts.argmax()])
            if best and counts.max() > counts.sum() / 2:
                place = np.searchsorted(found.ids[start], best)
                covering[one, t] = start.start + int(place)
    edges = set()
    spans = {track.id: track for track in case.truth.tracks}
    for one, track in spans.items():
        steps = [((one, t), (one, t + 1)) for t in range(track.first, track.last)]
        if track.parent:
            steps.append(((track.parent, spans[track.parent].last), (one, track.first)))
        edges |= {(covering[a], covering[b]) for a, b in steps if a in covering and b in covering}
    return sorted(edge for edge in edges if edge[0] != edge[1])


def as_movie(case: Case, edges: Edges) -> TrackedMovie:
    """The objects with the tracks that follow from the edges; two successors are a division."""
    found = case.objects
    first, second = np.array(sorted(edges), np.int64).reshape(-1, 2).T
    # Of several predecessors, which no linker but the oracle gives, the first counts.
    _, kept = np.unique(second, return_index=True)
    kept.sort()
    first, second = first[kept], second[kept]
    divides = np.bincount(first, minlength=len(found))[first] > 1
    zeros = np.zeros(len(first))
    of_object, tracks = build_tracks(found, Links(first, second, zeros, zeros, divides))
    if case.labels is None:
        return TrackedMovie(TrackedPoints(found.frames, of_object, found.places), tracks)
    tracked = np.zeros_like(case.labels.data)
    for t, frame in enumerate(case.labels.data):
        members = found.of_frame(t)
        ids = np.zeros(int(frame.max(initial=0)) + 1, np.int32)
        ids[found.ids[members]] = of_object[members]
        tracked[t] = ids[frame]
    return TrackedMovie(Image(tracked, "TYX"), tracks)


if __name__ == "__main__":
    main()
