"""The table of counts, ``counts.csv``: a row per image and plane, with one set of columns.

`predict` and `measure` both write it. Columns that one of them cannot know are absent there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.core.image import Plane
from sparcell.core.text import counted
from sparcell.measurement.counts import clumping_note, is_single, median_diameter, typical_area

if TYPE_CHECKING:
    import pandas as pd

SIZE_COLUMNS = ("t", "z", "area_px", "solidity", "touches_border")
"""Columns of object tables from which counts are computed."""
COLUMNS = (
    "image", "well", "field", "t", "z", "count", "count_by_area", "components", "area_px",
    "area_um2", "diameter_px", "diameter_um", "typical_area_px", "pixel_size_um", "resized_by",
    "why", "misfit", "needs_a_look", "note",
)  # fmt: skip
COMPARABLE = 2.0
"""Ratio of typical areas (90th to 10th percentile) up to which images have one magnification."""
OWN_SINGLES = 5
"""Single objects from which the magnification of one image shows."""
FORMER_NAMES = {
    "objects": "count",
    "n_objects": "count",
    "n_by_area": "count_by_area",
    "n_components": "components",
    "total_area_px": "area_px",
    "mean_per_tile": "count_per_tile",
    "clumped": "needs_a_look",
    "scale": "resized_by",
    "scale_from": "why",
}
"""Names of columns before version 0.2, and those that they have now."""


def count_planes(
    image: str, planes: Iterable[Plane], objects: pd.DataFrame, pixel_size: float | None
) -> list[dict[str, Any]]:
    """Count the objects of one image.

    Parameters
    ----------
    image : str
        Its name.
    planes : iterable of Plane
        All of its planes: those without objects have rows too.
    objects : DataFrame
        Its object table, with the columns t, z and area_px.
    pixel_size : float or None
        Edge of a pixel, um.

    Returns
    -------
    list of dict
        Per plane: image, t, z, count, area_px (of all objects), diameter_px (median) and
        pixel_size_um.
    """
    areas = {at: part.to_numpy() for at, part in objects.groupby(["t", "z"], sort=False)["area_px"]}
    nothing = np.zeros(0, np.int64)
    return [
        {
            "image": image,
            **plane._asdict(),
            "count": len(area),
            "area_px": int(area.sum()),
            "diameter_px": round(median_diameter(area), 3),
            "pixel_size_um": np.nan if pixel_size is None else pixel_size,
        }
        for plane in planes
        for area in [areas.get(tuple(plane), nothing)]
    ]


def complete_counts(
    rows: Sequence[Mapping[str, Any]], objects: pd.DataFrame, typical: float | None = None
) -> pd.DataFrame:
    """Add to the rows of all images what needs all of them: the count by area, and notes.

    Parameters
    ----------
    rows : sequence of mappings
        As from `count_planes`, with further columns of `COLUMNS` if wanted.
    objects : DataFrame
        Objects of all images, with the columns image, area_px, solidity and touches_border.
    typical : float, optional
        Area of a single object in px; by default estimated, see `typical_areas`.

    Returns
    -------
    DataFrame
        Its columns are those of `COLUMNS` that are known, in this order.
    """
    import pandas as pd

    counts = pd.DataFrame(rows) if rows else pd.DataFrame(columns=["image", "count", "note"])
    if not len(counts):
        return counts
    sizes = dict(zip(counts["image"], counts["pixel_size_um"].fillna(0.0), strict=True))
    areas = typical_areas(objects, sizes)
    counts["typical_area_px"] = counts["image"].map(
        {name: typical or areas.get(name) for name in sizes}
    )
    counts["typical_area_px"] = counts["typical_area_px"].astype(float)
    by_area = counts["area_px"] / counts["typical_area_px"]
    counts["count_by_area"] = by_area.where(counts["area_px"] > 0, 0.0).round(2)
    counts["typical_area_px"] = counts["typical_area_px"].round(2)
    if counts["pixel_size_um"].notna().any():
        counts["area_um2"] = counts["area_px"] * counts["pixel_size_um"] ** 2
        counts["diameter_um"] = counts["diameter_px"] * counts["pixel_size_um"]
    counts["note"] = [
        clumping_note(count, by_area)
        for count, by_area in zip(counts["count"], counts["count_by_area"], strict=True)
    ]
    counts["needs_a_look"] = (counts["note"] != "") & (counts["count_by_area"] > counts["count"])
    return counts[[name for name in COLUMNS if name in counts]]


def typical_areas(
    objects: pd.DataFrame, pixel_sizes: Mapping[str, float]
) -> dict[str, float | None]:
    """Estimate the area of a single object for each image; see `typical_area`.

    Images of one pixel size share it. So do images of unknown pixel size, unless the sizes of
    their objects show several magnifications: then an image with five single objects has its
    own, and the others have none.

    Parameters
    ----------
    objects : DataFrame
        Objects of all images, with the column image.
    pixel_sizes : mapping
        Name of an image to its pixel size in um, 0 where it is unknown.
    """
    size = objects["image"].map(pixel_sizes)
    shared = {pixel: typical_area(objects[size == pixel]) for pixel in set(pixel_sizes.values())}
    areas = {name: shared[pixel] for name, pixel in pixel_sizes.items()}
    images = {str(name): part for name, part in objects[size == 0].groupby("image", sort=False)}
    own = {name: one for name, part in images.items() if (one := own_typical_area(part))}
    if not own:
        return areas
    low, high = np.percentile(list(own.values()), [10, 90])
    if high <= COMPARABLE * low:
        return areas
    return {name: own.get(name) if name in images else area for name, area in areas.items()}


def own_typical_area(objects: pd.DataFrame) -> float | None:
    """Estimate the area of a single object from one image; None if it has too few."""
    single = objects[is_single(objects)]
    return typical_area(single) if len(single) >= OWN_SINGLES else None


def say_doubts(counts: pd.DataFrame) -> str:
    """Say how many rows have a note; empty where none has."""
    doubtful = int(counts["needs_a_look"].sum()) if len(counts) else 0
    if not doubtful:
        return ""
    noun = "image" if counts["image"].is_unique else "plane"
    verb = "needs" if doubtful == 1 else "need"
    of = f"{doubtful} of {counted(len(counts), noun)}"
    return f"{of} {verb} a look: see the column note of counts.csv"


def write_counts(
    table: pd.DataFrame, path: Path, former: Sequence[str] = ("objects", "n_objects")
) -> None:
    """Write a table of counts, which repeats the column count under its former names.

    Scripts that were written for earlier versions read them.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    from sparcell.io import write_table

    write_table(table.assign(**{name: table["count"] for name in former}), path)


def read_counts(path: Path) -> pd.DataFrame:
    """Read a table of counts, also of an earlier version, with the names of this one.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    from sparcell.io import read_table

    table = read_table(path)
    renamed = {
        name: now for name, now in FORMER_NAMES.items() if name in table and now not in table
    }
    # Of both names that one count had, the first is renamed.
    table = table.rename(columns=renamed)
    return table.loc[:, ~table.columns.duplicated()].drop(
        columns=["objects", "n_objects"], errors="ignore"
    )


def read_objects(paths: Sequence[Path], rows: int) -> tuple[list[str], Iterator[pd.DataFrame]]:
    """Read object tables one after the other, as one table of the columns of all.

    Parameters
    ----------
    paths : sequence of Path
    rows : int
        Of each piece, at most.

    Returns
    -------
    columns : list of str
    pieces : iterator of DataFrame

    Raises
    ------
    InputError
        If one cannot be read.
    """
    import pandas as pd

    from sparcell.io import read_pieces

    found = {path: list(map(str, pd.read_csv(path, nrows=0).columns)) for path in paths}
    columns = list(dict.fromkeys(name for names in found.values() for name in names))
    return columns, (
        piece.reindex(columns=columns)
        for path, names in found.items()
        for piece in read_pieces(path, names, rows)
    )
