"""Families as trees in Newick's format, which programs for phylogenies read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.tracks import Track
from sparcell.tracking.exchange.graph import TrackGraph

TOKEN = re.compile(r"[(),;]|[^(),;]+")
DECIMALS = 6


class Branch(NamedTuple):
    """A track in a tree: its length is the time from the mother's last frame to its own."""

    track: int
    length: float
    parent: int


def write_newick(graph: TrackGraph, path: Path) -> None:
    """Write a line for each founder, with lengths in hours, or in frames without an interval.

    A branch begins where the mother was seen last, that of a founder where the founder was seen
    first; so the distance from the root of the tree to a leaf is time.
    """
    lines = [tree + "\n" for tree in newick_trees(graph.tracks, graph.interval or 1.0)]
    with whole_file(path) as partial:
        partial.write_text("".join(lines), "utf8")


def newick_trees(tracks: Sequence[Track], unit: float = 1.0) -> list[str]:
    """Return the tree of each founder.

    Parameters
    ----------
    tracks : sequence of Track
    unit : float
        Time from frame to frame.
    """
    by_id = {track.id: track for track in tracks}
    daughters: dict[int, list[Track]] = {}
    for track in tracks:
        daughters.setdefault(track.parent, []).append(track)
    text: dict[int, str] = {}
    # Daughters begin after their mothers, so that their text is there first.
    for track in sorted(tracks, key=lambda one: one.first, reverse=True):
        start = by_id[track.parent].last if track.parent else track.first
        inner = ",".join(text.pop(one.id) for one in daughters.get(track.id, []))
        length = round((track.last - start) * unit, DECIMALS)
        text[track.id] = f"({inner}){track.id}:{length}" if inner else f"{track.id}:{length}"
    return [f"{text[track.id]};" for track in daughters.get(0, [])]


def read_newick(path: Path) -> tuple[Branch, ...]:
    """Read the branches of all trees, by ascending track.

    Raises
    ------
    InputError
        If it is no Newick file whose nodes all have whole numbers and lengths.
    """
    branches: list[Branch] = []
    try:
        # The roots of the subtrees that are still open, innermost last.
        open_nodes: list[list[Branch]] = [[]]
        inner: list[Branch] = []
        for token in TOKEN.findall(path.read_text("utf8")):
            token = token.strip()
            if token == "(":
                open_nodes.append([])
            elif token == ")":
                inner = open_nodes.pop()
            elif token == ";":
                if len(open_nodes) > 1:
                    raise ValueError("a bracket that is not closed")
                branches += open_nodes[0]
                open_nodes = [[]]
            elif token not in ("", ","):
                name, length = token.split(":")
                branches += [one._replace(parent=int(name)) for one in inner]
                open_nodes[-1].append(Branch(int(name), float(length), 0))
                inner = []
        if len(open_nodes) > 1 or open_nodes[0]:
            raise ValueError("no semicolon at the end")
    except (ValueError, IndexError, OSError) as error:
        raise InputError(
            f"{path} that is no tree of tracks",
            "a Newick file with numbers and lengths",
            "check it",
        ) from error
    return tuple(sorted(branches))
