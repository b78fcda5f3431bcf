"""Tracks as a graph: an object in a frame is a node, and an edge leads to the same cell later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, identity

from sparcell.core.tracks import Track

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Lineages:
    """Objects of a movie by track and frame, and the mothers of tracks.

    Attributes
    ----------
    frames, ids : (N,) int64
        Frame and track id of each object, in ascending order of id, then frame.
    parents : mapping from int to int
        Mother of each track that has one.
    """

    frames: Integers
    ids: Integers
    parents: Mapping[int, int]

    @classmethod
    def of(cls, frames: Integers, ids: Integers, tracks: Sequence[Track]) -> Lineages:
        """Sort objects; leave out mothers that are in no frame."""
        order = np.lexsort((frames, ids))
        present = set(np.unique(ids).tolist())
        parents = {t.id: t.parent for t in tracks if t.id in present and t.parent in present}
        return cls(frames[order], ids[order], parents)

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def tracks(self) -> Integers:
        """Ids of all tracks, ascending."""
        return np.unique(self.ids)

    @cached_property
    def bounds(self) -> tuple[Integers, Integers]:
        """First and last object of each track of `tracks`."""
        first = np.searchsorted(self.ids, self.tracks, "left")
        return first, np.searchsorted(self.ids, self.tracks, "right") - 1

    @cached_property
    def daughters(self) -> dict[int, list[int]]:
        """Daughters of each mother, ascending."""
        found: dict[int, list[int]] = {}
        for daughter, mother in sorted(self.parents.items()):
            found.setdefault(mother, []).append(daughter)
        return found

    @cached_property
    def divisions(self) -> dict[int, list[int]]:
        """Daughters of each mother with two or more."""
        return {mother: found for mother, found in self.daughters.items() if len(found) > 1}

    def find(self, frame: int, track: int) -> int | None:
        """Return the object of a track in a frame; None where it has none."""
        low, high = np.searchsorted(self.ids, [track, track + 1])
        position = int(low + np.searchsorted(self.frames[low:high], frame))
        return position if position < high and self.frames[position] == frame else None

    def edges(self, bridge_gaps: bool) -> tuple[Integers, NDArray[np.bool_]]:
        """Return all edges, and which of them lead from a mother to a daughter.

        Parameters
        ----------
        bridge_gaps : bool
            Where a track is absent in some frames, an edge leads over the gap.

        Returns
        -------
        edges : (E, 2) int64
            Earlier and later object.
        is_division : (E,) bool
        """
        same = self.ids[1:] == self.ids[:-1]
        if not bridge_gaps:
            same &= np.diff(self.frames) == 1
        inner = np.flatnonzero(same)
        first, last = self.bounds
        daughters = np.array(list(self.parents), np.int64)
        mothers = np.array(list(self.parents.values()), np.int64)
        outer = np.column_stack([
            last[np.searchsorted(self.tracks, mothers)],
            first[np.searchsorted(self.tracks, daughters)],
        ])  # fmt: skip
        edges = np.concatenate([np.column_stack([inner, inner + 1]), outer])
        return edges.astype(np.int64), np.arange(len(edges)) >= len(inner)

    def merge_only_daughters(self) -> tuple[Lineages, Integers]:
        """Let the only daughter of a mother continue her track.

        Returns
        -------
        lineages : Lineages
        positions : (N,) int64
            Where each object is in them.
        """
        names = {one: one for one in self.tracks.tolist()}
        starts = dict(zip(self.tracks.tolist(), self.frames[self.bounds[0]].tolist(), strict=True))
        # Mothers first, so that a chain of only daughters gets the id of its first track.
        for track in sorted(names, key=lambda one: starts[one]):
            mother = self.parents.get(track, 0)
            if mother and len(self.daughters[mother]) == 1:
                names[track] = names[mother]
        parents = {
            names[daughter]: names[mother]
            for daughter, mother in self.parents.items()
            if names[daughter] != names[mother]
        }
        ids = np.array([names[one] for one in self.ids.tolist()], np.int64)
        order = np.lexsort((self.frames, ids))
        positions = np.empty(len(order), np.int64)
        positions[order] = np.arange(len(order))
        return Lineages(self.frames[order], ids[order], parents), positions

    def families(self) -> csr_matrix:
        """Return which tracks are ancestors or descendants of which, itself included, (M, M)."""
        count = len(self.tracks)
        rows = np.searchsorted(self.tracks, np.array(list(self.parents.values()), np.int64))
        columns = np.searchsorted(self.tracks, np.array(list(self.parents), np.int64))
        step = csr_matrix((np.ones(len(rows)), (rows, columns)), (count, count))
        reach = below = identity(count, format="csr")
        while below.nnz:
            below = below @ step
            reach = reach + below
        both = ((reach + reach.T) > 0).astype(np.float64)
        return csr_matrix(both)
