"""tracks.html: what was tracked, how fast cells grow and move, and what to check first.

One file that needs no network.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from sparcell.core.files import whole_file
from sparcell.core.image import Image
from sparcell.drawing.picture import encode
from sparcell.drawing.rendering import embed, render
from sparcell.tracking.rates.summary import Units
from sparcell.tracking.report.curves import draw_growth, draw_kymograph, draw_shifts
from sparcell.tracking.report.headline import headline
from sparcell.tracking.report.strip import MovieView, animate, draw_link
from sparcell.tracking.report.trees import draw_trees
from sparcell.tracking.report.video import can_write_video, write_video
from sparcell.tracking.results import ANIMATION, PAGE, VIDEO

if TYPE_CHECKING:
    from pandas import DataFrame

    from sparcell.tracking.results import Tracks

logger = logging.getLogger(__name__)

WORST_DRAWN, WORST_LISTED = 12, 60
DIAMETERS = 7
"""Edge of the part of the field that is drawn about a link, in diameters of objects."""
QUANTITIES = {
    "doubling_counting": "doubling time by counting",
    "doubling_events": "doubling time by divisions and deaths",
    "doubling_cycles": "doubling time by cycles",
    "division_rate": "division rate",
    "death_rate": "death rate",
    "cycle_median": "median cycle",
    "speed": "speed",
    "persistence": "persistence time",
    "straightness": "straightness",
    "net_displacement": "net displacement",
}
ENDS = (("t", "track"), ("t_next", "track_next"))
NOTED = ("counting_less_events", "cycles_less_events")


BEGIN = {
    "divided": "after a division",
    "start": "in the first frame",
    "entered": "at the border",
    "appeared": "inside the image",
}
END = {
    "divided": "by a division",
    "end": "in the last frame",
    "left": "at the border",
    "lost": "inside the image, lost",
    "died": "by death",
}
"""Births and fates of the table of tracks, in words."""


def write_page(found: Tracks, folder: Path, images: Mapping[str, Image] | None = None) -> Path:
    """Write ``tracks.html``, the animation ``tracks.gif``, and ``tracks.mp4`` if PyAV is there.

    Parameters
    ----------
    found : Tracks
    folder : Path
        That of the tables; label images are in ``labels/`` in it.
    images : mapping from movie to Image, optional
        To draw on.

    Raises
    ------
    InputError
        If a label image cannot be read, or a file cannot be written.
    """
    movie = _most_divisions(found)
    view = movie_view(found, folder, movie, (images or {}).get(movie))
    animation, still = animate(view)
    units = Units.of(found.movies)
    page = render(
        "tracks.html",
        name=folder.resolve().name,
        headline=[line[0].upper() + line[1:] for line in headline(found)],
        notes=list(_notes(found.rates)),
        units=units,
        growth=draw_growth(found),
        trees=draw_trees(found),
        shifts=draw_shifts(found),
        kymograph=draw_kymograph(found),
        strip=embed(animation, "gif"),
        still=embed(still),
        movie=movie,
        video=VIDEO if can_write_video() else "",
        on_images=view.images is not None,
        rates=_rate_table(found.rates),
        titles=list(QUANTITIES.values()),
        worst=list(_worst_links(found, folder, images or {})),
        links=len(found.links),
        fates=found.tracks["fate"].value_counts().to_dict(),
        births=found.tracks["birth"].value_counts().to_dict(),
        begin=BEGIN,
        end=END,
    )
    (folder / VIDEO).unlink(missing_ok=True)
    if can_write_video():
        write_video(view, folder / VIDEO)
    else:
        logger.info(f"to get {VIDEO} beside {ANIMATION}: pip install 'sparcell[video]'")
    with whole_file(folder / ANIMATION) as partial:
        partial.write_bytes(animation)
    with whole_file(folder / PAGE) as partial:
        partial.write_text(page, "utf8", errors="backslashreplace")
    return folder / PAGE


def _most_divisions(found: Tracks) -> str:
    divided = found.tracks[found.tracks["fate"] == "divided"]["movie"]
    counts = divided.value_counts().reindex(found.movies["movie"], fill_value=0)
    return str(counts.idxmax())


def movie_view(found: Tracks, folder: Path, movie: str, images: Image | None = None) -> MovieView:
    """Collect what is drawn of a movie."""
    from sparcell.io import open_image

    row = found.movies[found.movies["movie"] == movie].iloc[0]
    objects = found.objects[found.objects["movie"] == movie]
    roots = found.tracks.loc[found.tracks["movie"] == movie, ["track", "root"]]
    path = folder / "labels" / f"{movie}.tif"
    labels = open_image(path) if path.exists() else None
    shape = labels.shape if labels is not None else (row["height_px"], row["width_px"])
    return MovieView(
        movie,
        objects[objects["track"] > 0].merge(roots, on="track"),
        (int(np.ceil(shape[0])), int(np.ceil(shape[1]))),
        int(row["frames"]),
        labels,
        images if images is not None and labels is not None and images.shape == shape else None,
        None if np.isnan(row["pixel_size_um"]) else float(row["pixel_size_um"]),
        None if np.isnan(row["interval_h"]) else float(row["interval_h"]),
    )


def _notes(rates: DataFrame) -> Iterator[str]:
    """Say where the three doubling times disagree."""
    noted = rates[rates["quantity"].isin(NOTED) & rates["note"].fillna("").ne("")]
    for row in noted.to_dict("records"):
        yield f"{row['name']}: {row['note']}"


def _rate_table(rates: DataFrame) -> list[dict[str, Any]]:
    """One row per well and condition, with the quantities of `QUANTITIES` as cells."""
    rows = []
    for (level, name), part in rates.groupby(["level", "name"], sort=False):
        known = {row["quantity"]: row for row in part.to_dict("records")}
        cells = [_cell(known[quantity]) for quantity in QUANTITIES]
        rows.append({"level": level, "name": name, "cells": cells})
    return rows


def _cell(row: Mapping[Any, Any]) -> dict[str, str]:
    """Value, interval and note as text."""
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    note = row["note"] if isinstance(row["note"], str) else ""
    return {
        "value": number(value),
        "interval": "" if np.isnan(low) else f"{number(low)} to {number(high)}",
        "unit": str(row["unit"]).replace("um", "µm") if isinstance(row["unit"], str) else "",
        "note": note,
        "rests": f"{row['n']} {row['n_of']}",
    }


def number(value: float) -> str:
    """Write a number with three digits; – where it is not known."""
    if np.isnan(value):
        return "–"
    return "∞" if np.isinf(value) else f"{value:.3g}"


def _worst_links(
    found: Tracks, folder: Path, images: Mapping[str, Image]
) -> Iterator[dict[str, Any]]:
    """Give the least certain links, the first of them with pictures."""
    views: dict[str, MovieView] = {}
    worst = found.links.sort_values("confidence", kind="stable").head(WORST_LISTED)
    for place, row in enumerate(worst.to_dict("records")):
        pictures: list[Markup] = []
        movie = str(row["movie"])
        if place < WORST_DRAWN:
            if movie not in views:
                views[movie] = movie_view(found, folder, movie, images.get(movie))
            view = views[movie]
            known = view.objects.get("equivalent_diameter_px")
            edge = round(DIAMETERS * float(known.median())) if known is not None else 64
            before, after = (
                (int(row["t"]), int(row["track"])),
                (int(row["t_next"]), int(row["track_next"])),
            )
            drawn = draw_link(view, before, after, max(edge, 24))
            pictures = [embed(encode(one, "JPEG", quality=88), "jpeg") for one in drawn]
        yield {str(key): value for key, value in row.items()} | {"pictures": pictures}
