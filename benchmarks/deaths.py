"""How many deaths are told from lost tracks, in simulated movies with true masks.

python benchmarks/deaths.py [--movies 2] [--frames 60]
"""

from __future__ import annotations

import argparse

import numpy as np
from tracking import measure

from sparcell.simulation import MotionSettings, SimulationSettings, simulate_movie
from sparcell.tracking import build_tracks, follow_stage, link_objects
from sparcell.tracking.tables import track_rows

CELLS = SimulationSettings(
    size=(384, 384), density=250, nucleus_diameter=16, nucleus_diameter_sd=2
)  # fmt: skip
MOTION = MotionSettings(death=0.006)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", type=int, default=2)
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args()
    print("| movie | fates of tracks that end in a death | died, and did not |")
    print("|---|---|---|")
    for seed in range(options.movies):
        movie = simulate_movie(CELLS, options.frames, seed, MOTION)
        labels = np.asarray(movie.nuclei, np.int32)
        objects = measure(labels)
        links = link_objects(objects, follow_stage(objects).shifts, lambda t, one=labels: one[t])
        of_object, tracks = build_tracks(objects, links)
        rows = track_rows("movie", objects, of_object, tracks, links).set_index("track")
        last = {track.id: track.last for track in movie.tracks}
        ends = {(last[one], one) for one in movie.deaths}
        keys = zip(objects.frames.tolist(), objects.ids.tolist(), of_object.tolist(), strict=True)
        dead = [track for t, one, track in keys if (t, one) in ends]
        false = set(rows.index[rows["fate"] == "died"]) - set(dead)
        fates = rows.loc[dead, "fate"].value_counts()
        text = ", ".join(f"{fate} {number}" for fate, number in fates.items())
        print(f"| {seed} | {text} | {len(false)} |", flush=True)


if __name__ == "__main__":
    main()
