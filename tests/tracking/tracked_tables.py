"""A small tracked movie whose tables are known by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sparcell.tracking import Tracks

# Track 1 is there in frames 0 and 1, and divides into 2, which is missed in frame 3, and 3. Track 4
# is there once.
TRACKS = [(1, 0, 0, 1), (2, 1, 2, 4), (3, 1, 2, 4), (4, 0, 0, 0)]
OBJECTS = [
    # t, id, track, y, x, confidence of the link that leads here
    (0, 1, 1, 10.0, 20.5, np.nan),
    (0, 2, 4, 40.0, 8.0, np.nan),
    (1, 1, 1, 12.0, 21.0, 0.9),
    (2, 5, 2, 9.0, 21.0, 0.8),
    (2, 6, 3, 15.25, 21.0, 0.75),
    (3, 1, 3, 16.0, 22.0, 0.99),
    (4, 3, 2, 8.0, 20.0, 0.5),
    (4, 4, 3, 17.0, 23.0, 1.0),
]
LINKS = [[0, 2], [2, 3], [2, 4], [4, 5], [3, 6], [5, 7]]
"""Rows of `OBJECTS`."""
SIDE = 4


def tables(pixel_size: float | None = 0.5, interval: float | None = 0.25) -> Tracks:
    """Make the tables as `sparcell track` writes them."""
    objects = pd.DataFrame(
        [
            {
                "movie": "007", "t": t, "track": track, "id": one, "y": y, "x": x,
                "area_px": 16.0, "equivalent_diameter_px": 4.5, "link_confidence": confidence,
            }
            for t, one, track, y, x, confidence in OBJECTS
        ]
    )  # fmt: skip
    births = {1: "start", 2: "divided", 3: "divided", 4: "start"}
    fates = {1: "divided", 2: "end", 3: "end", 4: "lost"}
    tracks = pd.DataFrame(
        [
            {
                "movie": "007", "track": one, "parent": parent, "root": 4 if one == 4 else 1,
                "generation": int(parent > 0), "first": first, "last": last, "birth": births[one],
                "fate": fates[one], "n_found": int((objects["track"] == one).sum()),
            }
            for one, parent, first, last in TRACKS
        ]
    )  # fmt: skip
    movies = pd.DataFrame([{
        "movie": "007", "frames": 5, "interval_h": np.nan if interval is None else interval,
        "pixel_size_um": np.nan if pixel_size is None else pixel_size, "height_px": 60,
        "width_px": 50,
    }])  # fmt: skip
    links = pd.DataFrame({"movie": ["007"], "confidence": [0.5]})
    shifts = pd.DataFrame({"movie": "007", "t": range(5), "y": 0.0, "x": 0.0})
    tiles = pd.DataFrame({"movie": "007", "tile": "", "t": range(5), "y_well": 0.0, "x_well": 0.0})
    hours = np.arange(5) * movies["interval_h"][0]
    frames = pd.DataFrame({
        "movie": "007", "t": range(5), "hours": hours, "count": [2, 1, 2, 1, 2],
        "cells": [2, 1, 2, 2, 2],
    })  # fmt: skip
    repairs = pd.DataFrame(columns=["movie", "t", "change"])
    return Tracks(objects, tracks, links, shifts, movies, repairs, tiles, frames, movies, movies)


def labels() -> np.ndarray:
    """Squares about the places of `OBJECTS`, with their ids, (T, Y, X)."""
    frames = np.zeros((5, 60, 50), np.uint16)
    for t, one, _, y, x, _ in OBJECTS:
        top, left = round(y - SIDE / 2 + 0.01), round(x - SIDE / 2 + 0.01)
        frames[t, top : top + SIDE, left : left + SIDE] = one
    return frames
