"""overview.html: all images of a prediction with outlines, counts and sizes, doubtful ones first.

One file that needs no network. Pictures of up to `MOST_PICTURES` images are inside.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.core.columns import Columns
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.drawing.palette import MATCHED
from sparcell.drawing.rendering import embed, load_template, render
from sparcell.models.model import Model
from sparcell.prediction.items import Item
from sparcell.prediction.overview.pictures import (
    LayeredPicture,
    densest_region,
    detail_path,
    layered,
    middle_plane,
)
from sparcell.prediction.overview.summaries import ImageSummary, size_histogram, summarise
from sparcell.prediction.prepared_image import fit_channels

logger = logging.getLogger(__name__)

TEMPLATE = "overview.html"
MOST_PICTURES = 100
"""Images whose pictures are in the page; those with doubts first."""
MOST_PARTS = 12
"""Images up to which the page also has the densest part of each large one."""
PICTURE_BYTES = 12_000_000
"""Approximate size of all pictures in the page, from which their edge follows."""
LARGEST_EDGE, SMALLEST_EDGE = 800, 320
BYTES_PER_PIXEL = 0.35
"""Of a JPEG with its outlines."""


@dataclass(frozen=True)
class Problems:
    """Images without a result, and warnings.

    Attributes
    ----------
    failures : dict
        Image to the reason why it has no result.
    skipped : dict
        Image to its constant planes.
    warnings : list of str
    """

    failures: dict[str, str]
    skipped: dict[str, str]
    warnings: list[str]


def load_page() -> None:
    """Compile the template before it is needed."""
    load_template(TEMPLATE)


def write_overview(
    items: Sequence[Item], counts: Columns, model: Model, out: Path, problems: Problems
) -> Path:
    """Write ``overview.html``.

    Parameters
    ----------
    items : sequence of Item
        Those that have results.
    counts : Columns
        As `sparcell.prediction.counts.count_objects` gives them.
    model : Model
    out : Path
        Folder of the results.
    problems : Problems

    Raises
    ------
    InputError
        If the page cannot be written.
    """
    summaries = [summarise(item, counts) for item in items]
    # Doubtful images first, then those of low scores; images without objects before all others.
    summaries.sort(key=lambda one: (not one.doubts, np.nan_to_num(one.score, nan=-1.0)))
    page = render(
        TEMPLATE,
        out=out.resolve().name,
        model=model.spec.name,
        objects=model.spec.objects,
        total=sum(one.objects for one in summaries),
        images=len(summaries),
        doubtful=sum(bool(one.doubts) for one in summaries),
        rows=[_row(one, out) for one in summaries],
        cards=list(_cards(summaries, model, out)),
        histogram=size_histogram(summaries),
        growth=_growth(out),
        plate=(out / "plate.html").exists(),
        problems=problems,
        colour=MATCHED.css,
    )
    with whole_file(out / "overview.html") as partial:
        partial.write_text(page, "utf8", errors="backslashreplace")
    return out / "overview.html"


def _row(summary: ImageSummary, out: Path) -> dict[str, Any]:
    """One row of the page's table."""
    pixel = summary.pixel_size
    picture = out / "pictures" / f"{summary.item.name}.png"
    diameter = summary.median_diameter * (pixel or 1)
    return {
        "name": summary.item.name,
        "objects": summary.objects,
        "planes": summary.planes,
        "diameter": None if np.isnan(diameter) else round(diameter, 1),
        "unit": "px" if pixel is None else "µm",
        "covered": round(100 * summary.covered, 1),
        "score": None if np.isnan(summary.score) else round(summary.score, 2),
        "doubts": "; ".join(summary.doubts),
        "picture": _address(picture),
        "detail": _address(detail_path(picture)),
    }


def _address(picture: Path) -> str:
    """Address of a picture on the page; empty where there is none."""
    try:
        return f"pictures/{picture.name}" if picture.exists() else ""
    except OSError:
        # A name too long for a file.
        return ""


def _cards(summaries: Sequence[ImageSummary], model: Model, out: Path) -> Iterator[dict[str, Any]]:
    """Pictures of the first images, for the page."""
    first = summaries[:MOST_PICTURES]
    edge = int(np.sqrt(PICTURE_BYTES / BYTES_PER_PIXEL / max(len(first), 1)))
    edge = int(np.clip(edge, SMALLEST_EDGE, LARGEST_EDGE))
    for summary in first:
        item = summary.item
        row = _row(summary, out) | {"part": False}
        try:
            image = fit_channels(item.open(), model, item.settings)
            yield row | _embedded(layered(image, item.written_labels, edge))
            # Outlines cannot be judged in a large image that is shrunk to the page.
            if row["detail"] and len(first) <= MOST_PARTS:
                part = densest_region(item.objects, middle_plane(image), image.shape)
                picture = layered(image, item.written_labels, edge, part)
                links = {"part": True, "picture": row["detail"], "detail": ""}
                yield row | links | _embedded(picture)
        except InputError as error:
            logger.warning(f"{item.image}: no picture in overview.html: {error}")


def _embedded(picture: LayeredPicture) -> dict[str, str]:
    """Both layers of a picture, as addresses that hold them."""
    return {"image": embed(picture.image, "jpeg"), "outlines": embed(picture.outlines)}


def _growth(out: Path) -> str:
    """Address of the picture of counts over time, if there are several times."""
    picture = out / "growth.png"
    return embed(picture.read_bytes()) if picture.exists() else ""
