"""Movies whose names tell no well: files of several time points, and sequences of frames."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from sparcell.core.columns import Columns
from sparcell.core.text import listed
from sparcell.measurement.names import Wells

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

FRAME = re.compile(r"(?P<movie>.*?)[_\-. ]*(?P<mark>t|frame|time)?[_\-. ]*(?P<time>\d+)", re.I)
"""Name of a frame: that of its movie, perhaps a word or letter for the time, and a number."""
MOVIE = re.compile(r"movie|video|film|frame|time|lapse", re.I)
"""Words in the names of movies; other numbered images may be fields of view."""
FEWEST = 3


def find_movies(counts: Columns | pd.DataFrame, minutes: float | None = None) -> Wells | None:
    """Take each movie, and each sequence of frames, as a well of its own.

    A sequence is at least three images of equal names but for a number at the end. The name must
    say that the number is a time (``a_t01``, ``movie_000``), unless `minutes` are given.

    Parameters
    ----------
    counts : Columns or DataFrame
        With the columns image and t.
    minutes : float, optional
        Between frames.

    Returns
    -------
    Wells or None
        None where there are neither.
    """
    times: dict[str, set[int]] = {}
    for name, t in zip(counts["image"], counts["t"], strict=True) if len(counts) else ():
        times.setdefault(name, set()).add(t)
    movies = [name for name, found in times.items() if len(found) > 1]
    rows: list[dict[str, object]] = [
        {"name": name, "well": name, "time": float("nan")} for name in movies
    ]
    if not rows:
        rows = _sequences(list(times), minutes is not None)
    if not rows:
        return None
    import pandas as pd

    table = pd.DataFrame(rows).assign(tile="1")
    wells = table["well"].unique().tolist()
    logger.info(f"A growth curve for each movie, as if it were a well: {listed(wells)}")
    return Wells(table, "frame", minutes=minutes)


def _sequences(names: list[str], are_frames: bool) -> list[dict[str, object]]:
    movies: dict[str, list[dict[str, object]]] = {}
    for name in names:
        match = FRAME.fullmatch(name)
        if match and (are_frames or match["mark"] or MOVIE.search(match["movie"])):
            movie = match["movie"] or "movie"
            row = {"name": name, "well": movie, "time": float(match["time"])}
            movies.setdefault(movie, []).append(row)
    return [row for rows in movies.values() if len(rows) >= FEWEST for row in rows]
