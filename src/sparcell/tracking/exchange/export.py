"""Writes a folder of `sparcell track` in the formats of other tools."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.image import Image, Plane
from sparcell.core.progress import track as progress
from sparcell.core.text import counted
from sparcell.tracking.exchange.geff import write_geff
from sparcell.tracking.exchange.graph import TrackGraph, graphs_of
from sparcell.tracking.exchange.napari import write_napari
from sparcell.tracking.exchange.newick import write_newick
from sparcell.tracking.exchange.trackmate import write_trackmate
from sparcell.tracking.results import read_tracked

logger = logging.getLogger(__name__)

Writer = Callable[[TrackGraph, Path], None]
WRITERS: dict[str, tuple[Writer, str]] = {
    "geff": (write_geff, ".geff"),
    "trackmate": (write_trackmate, ".xml"),
    "napari": (write_napari, ".csv"),
    "newick": (write_newick, ".nwk"),
}
"""Formats, and the suffix of the file of a movie; CTC, which needs label images, is another."""
FORMATS = ("ctc", *WRITERS)


def export_tracks(tracked: Path | str, out: Path | str, format: str) -> list[Path]:
    """Write tracks for other tools: a file or folder for each movie.

    Parameters
    ----------
    tracked : Path or str
        Folder that `track` wrote.
    out : Path or str
        New folder.
    format : {"ctc", "geff", "trackmate", "napari", "newick"}
        ``NAME_RES`` of the Cell Tracking Challenge, ``NAME.geff``, ``NAME.xml``, ``NAME.csv`` with
        ``NAME.json``, or ``NAME.nwk``.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    InputError
        If `tracked` is no such folder, `out` holds something, or points are to become CTC.
    """
    if format not in FORMATS:
        raise InputError(f"format '{format}'", "one of " + ", ".join(FORMATS), "choose one")
    tracked, out = Path(tracked), Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}, which holds other files", "a new folder", "choose another `out`")
    graphs = list(graphs_of(read_tracked(tracked)))
    write, suffix = WRITERS.get(format, (partial(_write_ctc, tracked / "labels"), "_RES"))
    with whole_file(out) as folder:
        folder.mkdir()
        for graph in progress(graphs, "exporting", len(graphs), "movies"):
            write(graph, folder / f"{graph.name}{suffix}")
    number = sum(len(graph.tracks) for graph in graphs)
    logger.info(f"{counted(number, 'track')} of {counted(len(graphs), 'movie')}: {out}")
    return sorted(out.iterdir())


def _write_ctc(labels: Path, graph: TrackGraph, path: Path) -> None:
    from sparcell.io.ctc import write_ctc

    movie = _open_labels(labels, graph.name)
    frames = (movie.read_labels(plane=Plane(t)) for t in range(movie.size("T")))
    write_ctc(path, frames, graph.tracks)


def _open_labels(folder: Path, name: str) -> Image:
    from sparcell.io import open_image

    path = folder / f"{name}.tif"
    if not path.exists():
        raise InputError(
            f"no label images of {name} in {folder}, such as those of points",
            "label images, which the Cell Tracking Challenge needs",
            "choose another `format`: geff, trackmate, napari or newick",
        )
    return open_image(path)
