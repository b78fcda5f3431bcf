"""Tracks as napari's layer takes them: a table of points, and a graph from daughters to mothers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sparcell.core.errors import InputError, first_line
from sparcell.core.files import write_json
from sparcell.core.tracks import Track, check_tracks
from sparcell.tracking.exchange.graph import TrackGraph, link_tracks

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("track_id", "t", "y", "x")
TRACK_NAMES = ("track_id", "ID", "track")
"""What tables call the id of a track."""


def write_napari(graph: TrackGraph, path: Path) -> None:
    """Write ``NAME.csv`` with track_id, t, y and x, and ``NAME.json`` with graph and scale.

    The graph has the mothers of each track that has some. The scale is that of t, y and x: hours
    and um where these are known, else 1.
    """
    import pandas as pd

    from sparcell.io import write_table

    order = np.lexsort((graph.frames, graph.of_object))
    table = pd.DataFrame(
        {
            "track_id": graph.of_object[order],
            "t": graph.frames[order],
            "y": graph.places[order, 0],
            "x": graph.places[order, 1],
            **{name: values[order] for name, values in graph.properties.items()},
        }
    )
    write_table(table, path)
    size = graph.pixel_size or 1.0
    write_json(
        path.with_suffix(".json"),
        {
            "graph": {str(one.id): [one.parent] for one in graph.tracks if one.parent},
            "scale": [graph.interval or 1.0, size, size],
        },
    )


def read_napari(path: Path) -> TrackGraph:
    """Read a table with the columns t, y, x and track_id, and the graph beside it if there is one.

    Raises
    ------
    InputError
        If a column is missing, or a value is no number.
    """
    from sparcell.io import read_table

    table = read_table(path)
    track = next((name for name in TRACK_NAMES if name in table), None)
    if track is None or not {"t", "y", "x"} <= set(table):
        raise InputError(f"{path} without {', '.join(COLUMNS)}", "these columns", "add them")
    try:
        table = table.sort_values("t", kind="stable")
        frames, of_object = (table[name].to_numpy(np.int64) for name in ("t", track))
        places = table[["y", "x"]].to_numpy(np.float64)
        parents = _read_graph(path.with_suffix(".json")) or _parents_of(table, track)
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise InputError(
            f"{path} that is no table of tracks ({first_line(error)})", "numbers", "correct it"
        ) from error
    tracks = check_tracks(
        (
            Track(
                one,
                int(frames[of_object == one].min()),
                int(frames[of_object == one].max()),
                parents.get(one, 0),
            )
            for one in np.unique(of_object[of_object > 0]).tolist()
        ),
        str(path),
    )
    tracked = of_object > 0
    links = np.flatnonzero(tracked)[link_tracks(of_object[tracked], tracks)]
    return TrackGraph(
        path.stem, frames, places, links, np.full(len(links), np.nan),
        np.zeros(len(frames), np.int64), of_object, tracks,
    )  # fmt: skip


def _read_graph(path: Path) -> dict[int, int]:
    """Mother of each daughter; a track with several mothers is a merge, which has none here."""
    if not path.is_file():
        return {}
    content = json.loads(path.read_text("utf8"))
    graph = content.get("graph", content)
    mothers = {
        int(one): np.atleast_1d(parents).astype(int).tolist() for one, parents in graph.items()
    }
    return {one: parents[0] for one, parents in mothers.items() if len(parents) == 1}


def _parents_of(table: DataFrame, track: str) -> dict[int, int]:
    if "parent" not in table:
        return {}
    known = table[table["parent"].fillna(0) > 0]
    return dict(zip(known[track].astype(int), known["parent"].astype(int), strict=True))
