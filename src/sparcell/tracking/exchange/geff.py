"""GEFF, the graph exchange file format: a Zarr group with arrays of nodes and edges.

Specification: https://liveimagetrackingtools.org/geff, version 1.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.core.errors import InputError, first_line
from sparcell.core.files import whole_file
from sparcell.tracking.exchange.graph import PROPERTIES, TrackGraph

VERSION = "1.3"
SPACE = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3}
"""Length of each unit in um."""
Properties = Mapping[str, tuple[Any, str | None]]
"""Values and unit of each property."""


def write_geff(graph: TrackGraph, path: Path) -> None:
    """Write a movie as ``NAME.geff``; places are in px, times are frames, and scales are beside.

    Nodes have the properties t, y, x, track, lineage and id, and what is known of their sizes.
    """
    import zarr

    founders = graph.founders
    lineage = np.array([founders[one] for one in graph.of_object.tolist()], np.int64)
    nodes: Properties = {
        "t": (graph.frames, "frame"),
        "y": (graph.places[:, 0], "pixel"),
        "x": (graph.places[:, 1], "pixel"),
        "track": (graph.of_object, None),
        "lineage": (lineage, None),
        "id": (graph.ids, None),
        **{name: (values, PROPERTIES[name] or None) for name, values in graph.properties.items()},
    }
    known = ~np.isnan(graph.confidence)
    edges: Properties = {}
    if known.any():
        edges = {"confidence": (np.where(known, graph.confidence, 0.0), None)}
    metadata = {
        "geff_version": VERSION,
        "directed": True,
        "axes": _axes(graph),
        "node_props_metadata": _describe(nodes),
        "edge_props_metadata": _describe(edges),
        "track_node_props": {"tracklet": "track", "lineage": "lineage"},
    }
    with whole_file(path) as partial:
        group = zarr.open_group(partial, mode="w", zarr_format=2)
        _write_part(group, "nodes", np.arange(len(graph), dtype=np.uint64), nodes)
        _write_part(group, "edges", graph.links.astype(np.uint64), edges)
        if edges and not known.all():
            group["edges/props/confidence"].create_array("missing", data=~known)
        group.attrs["geff"] = metadata


def _axes(graph: TrackGraph) -> list[dict[str, Any]]:
    columns = (graph.frames, graph.places[:, 0], graph.places[:, 1])
    axes: list[dict[str, Any]] = []
    for name, values in zip("tyx", columns, strict=True):
        axis: dict[str, Any] = {
            "name": name,
            "type": "time" if name == "t" else "space",
            "unit": "frame" if name == "t" else "pixel",
        }
        scale = graph.interval if name == "t" else graph.pixel_size
        if scale is not None:
            axis |= {"scale": scale, "scaled_unit": "hour" if name == "t" else "micrometer"}
        if len(values):
            axis |= {"min": float(values.min()), "max": float(values.max())}
        axes.append(axis)
    return axes


def _describe(properties: Properties) -> dict[str, dict[str, Any]]:
    return {
        name: {"identifier": name, "dtype": str(values.dtype), "unit": unit}
        for name, (values, unit) in properties.items()
    }


def _write_part(group: Any, part: str, ids: Any, properties: Properties) -> None:
    """Write nodes or edges: their ids, and a group with the values of each property."""
    place = group.create_group(part)
    place.create_array("ids", data=ids)
    props = place.create_group("props")
    for name, (values, _) in properties.items():
        props.create_group(name).create_array("values", data=values)


def read_geff(path: Path, pixel_size: float | None = None) -> TrackGraph:
    """Read the places and links of a GEFF of any tool.

    Parameters
    ----------
    path : Path
    pixel_size : float, optional
        Of the movie in um, needed where places are lengths.

    Raises
    ------
    InputError
        If it is no GEFF, is not directed, or has no axes t, y and x in known units.
    """
    import zarr

    try:
        group: Any = zarr.open_group(path, mode="r")
        metadata = group.attrs["geff"]
        ids = np.asarray(group["nodes/ids"][:]).astype(np.int64)
        edges = np.asarray(group["edges/ids"][:]).astype(np.int64).reshape(-1, 2)
        axes = {axis["name"]: axis for axis in metadata["axes"]}
        time, y, x = (_values(group["nodes"], name) for name in _space_time(axes, path))
        confidence = np.full(len(edges), np.nan)
        if "confidence" in group["edges"].get("props", {}):
            confidence = _values(group["edges"], "confidence")
        found = {
            name: _values(group["nodes"], name).astype(np.int64)
            for name in ("id", "track")
            if name in group["nodes/props"]
        }
    except (KeyError, TypeError, ValueError, OSError, AttributeError) as error:
        raise InputError(
            f"{path} that is no GEFF ({first_line(error)})",
            "a Zarr group with nodes, edges and axes",
            "export it again",
        ) from error
    if not metadata.get("directed"):
        raise InputError(
            f"{path}, a graph without directions", "a directed graph", "export it again"
        )
    per_px = _pixels(axes, path, pixel_size)
    order = np.argsort(time, kind="stable")
    # Ids may be any numbers: here, links name positions in the order of time.
    rank = np.argsort(ids[order])
    links = rank[np.searchsorted(ids[order][rank], edges)]
    by_later = np.argsort(links[:, 1], kind="stable")
    nothing = np.zeros(len(ids), np.int64)
    return TrackGraph(
        path.stem,
        time[order].astype(np.int64),
        np.column_stack([y, x])[order] / per_px,
        links[by_later],
        confidence[by_later],
        found.get("id", nothing)[order],
        found.get("track", nothing)[order],
    )


def _values(part: Any, name: str) -> Any:
    group = part["props"][name]
    values = np.asarray(group["values"][:]).astype(np.float64)
    if "missing" in group:
        values[np.asarray(group["missing"][:]).astype(bool)] = np.nan
    return values


def _space_time(axes: dict[str, Any], path: Path) -> tuple[str, str, str]:
    """Names of the axes of time, y and x: the last two of space where none is called so."""
    time = [name for name, axis in axes.items() if axis.get("type") == "time" or name == "t"]
    space = [name for name, axis in axes.items() if axis.get("type") == "space" or name in "yx"]
    if not time or len(space) < 2:
        raise InputError(f"{path} with the axes {', '.join(axes)}", "t, y and x", "export it again")
    y, x = ("y", "x") if {"y", "x"} <= set(space) else (space[-2], space[-1])
    return time[0], y, x


def _pixels(axes: dict[str, Any], path: Path, pixel_size: float | None) -> float:
    """Units of the places in a pixel."""
    _, y, _ = _space_time(axes, path)
    unit = axes[y].get("unit")
    if unit in (None, "", "pixel"):
        return 1.0
    if unit in SPACE and pixel_size is not None:
        return pixel_size / SPACE[unit]
    raise InputError(
        f"places in {unit} in {path}, and pixels of unknown size" if unit in SPACE
        else f"places in {unit} in {path}",
        "places in pixels, or label images that tell the size of a pixel",
        "export them in pixels",
    )  # fmt: skip
