"""Paths of tracked cells around one time point, as lines on the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.tracking.results import read_tracked

BACK = 10
"""Frames whose places are shown before the present one."""
MOST = 20_000
"""Places that are sent at once; earlier frames are left out beyond that."""


@dataclass(frozen=True)
class TrackPaths:
    """Places of the tracks of one movie.

    Attributes
    ----------
    t, track : (N,) int64
        Frame and track of each object, sorted by track and frame.
    places : (N, 2) float64
        y and x, px of the image.
    parents : (M, 2) int64
        Track and its mother, for those that have one.
    """

    t: NDArray[np.int64]
    track: NDArray[np.int64]
    places: NDArray[np.float64]
    parents: NDArray[np.int64]

    @classmethod
    def read(cls, folder: Path, movie: str) -> TrackPaths:
        """Read the tables of `sparcell track`.

        Raises
        ------
        InputError
            If they cannot be read.
        """
        found = read_tracked(folder)
        # A movie with the name of a number is read as one.
        rows = found.objects[found.objects["movie"].astype(str) == movie]
        rows = rows.sort_values(["track", "t"])
        tracks = found.tracks[found.tracks["movie"].astype(str) == movie]
        parents = tracks.loc[tracks["parent"] > 0, ["track", "parent"]]
        return cls(
            rows["t"].to_numpy(np.int64),
            rows["track"].to_numpy(np.int64),
            rows[["y", "x"]].to_numpy(np.float64),
            parents.to_numpy(np.int64),
        )

    def around(self, t: int) -> dict[str, Any]:
        """List the paths of the last frames, and the divisions in them.

        Returns
        -------
        dict
            ``most``: the largest id of a track. ``paths``: for each track that is alive at `t`, its
            id and its places of the last frames. ``divisions``: ids of mother and daughter, last
            place of the mother, first place of the daughter.
        """
        alive = np.unique(self.track[self.t == t])
        back = max(1, min(BACK, MOST // max(len(alive), 1)))
        near = (self.t <= t) & (self.t >= t - back) & np.isin(self.track, alive)
        tracks, begin = np.unique(self.track[near], return_index=True)
        parts = np.split(self.places[near].round(1), begin[1:])
        paths = [[int(track), part.tolist()] for track, part in zip(tracks, parts, strict=True)]
        return {
            "most": int(self.track.max(initial=0)),
            "paths": paths,
            "divisions": self._divisions(t, back),
        }

    def _divisions(self, t: int, back: int) -> list[list[Any]]:
        ids, first = np.unique(self.track, return_index=True)
        last = np.append(first[1:], len(self.track)) - 1
        position = {int(track): n for n, track in enumerate(ids)}
        found = []
        for daughter, mother in self.parents.tolist():
            if daughter not in position or mother not in position:
                continue
            begin, end = first[position[daughter]], last[position[mother]]
            if t - back <= self.t[begin] <= t:
                pair = self.places[[end, begin]].round(1).tolist()
                found.append([mother, daughter, *pair])
        return found
