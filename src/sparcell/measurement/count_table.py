"""The table of counts, ``counts.csv``: a row per image and plane, with one set of columns.

`predict` and `measure` both write it. Columns that one of them cannot know are absent there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.columns import Columns
from sparcell.core.image import Plane
from sparcell.core.text import counted
from sparcell.measurement.counts import (
    SINGLE_COLUMNS,
    clumping_note,
    is_single,
    median_diameter,
    typical_area,
)

if TYPE_CHECKING:
    import pandas as pd

SIZE_COLUMNS = ("t", "z", *SINGLE_COLUMNS)
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
    image: str, planes: Iterable[Plane], objects: Columns | pd.DataFrame, pixel_size: float | None
) -> list[dict[str, Any]]:
    """Count the objects of one image.

    Parameters
    ----------
    image : str
        Its name.
    planes : iterable of Plane
        All of its planes: those without objects have rows too.
    objects : Columns or DataFrame
        Its object table, with the columns t, z and area_px.
    pixel_size : float or None
        Edge of a pixel, um.

    Returns
    -------
    list of dict
        Per plane: image, t, z, count, area_px (of all objects), diameter_px (median) and
        pixel_size_um.
    """
    areas = _areas_by_plane(Columns.of(objects, ("t", "z", "area_px")))
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
        for area in [areas.get((plane.t, plane.z), nothing)]
    ]


def _areas_by_plane(objects: Columns) -> dict[tuple[int, int], NDArray[Any]]:
    """Areas of the objects of each plane that has some."""
    if not len(objects):
        return {}
    at = np.stack([objects["t"], objects["z"]], axis=1).astype(np.int64)
    planes, number = np.unique(at, axis=0, return_inverse=True)
    number = number.ravel()
    areas = objects["area_px"][np.argsort(number, kind="stable")]
    parts = np.split(areas, np.cumsum(np.bincount(number))[:-1])
    return {(t, z): part for (t, z), part in zip(planes.tolist(), parts, strict=True)}


def complete_counts(
    rows: Sequence[Mapping[str, Any]],
    objects: Columns | pd.DataFrame,
    typical: float | None = None,
) -> Columns:
    """Add to the rows of all images what needs all of them: the count by area, and notes.

    Parameters
    ----------
    rows : sequence of mappings
        As from `count_planes`, with further columns of `COLUMNS` if wanted.
    objects : Columns or DataFrame
        Objects of all images, with the columns image, area_px, solidity and touches_border.
    typical : float, optional
        Area of a single object in px; by default estimated, see `typical_areas`.

    Returns
    -------
    Columns
        Those of `COLUMNS` that are known, in this order.
    """
    if not rows:
        return Columns(dict.fromkeys(("image", "count", "note"), ()))
    counts = Columns.of_rows(rows)
    pixel_sizes, areas = counts["pixel_size_um"], counts["area_px"]
    sizes = dict(zip(counts["image"], np.nan_to_num(pixel_sizes).tolist(), strict=True))
    singles = typical_areas(objects, sizes)
    single = np.array([typical or singles.get(name) for name in counts["image"]], np.float64)
    by_area = np.where(areas > 0, areas / single, 0.0).round(2)
    known = {name: counts[name] for name in counts}
    known |= {"typical_area_px": single.round(2), "count_by_area": by_area}
    if np.isfinite(pixel_sizes).any():
        known["area_um2"] = areas * pixel_sizes**2
        known["diameter_um"] = counts["diameter_px"] * pixel_sizes
    notes = [
        clumping_note(count, area) for count, area in zip(counts["count"], by_area, strict=True)
    ]
    known["note"] = np.array(notes, object)
    known["needs_a_look"] = (known["note"] != "") & (by_area > counts["count"])
    return Columns({name: known[name] for name in COLUMNS if name in known})


def typical_areas(
    objects: Columns | pd.DataFrame, pixel_sizes: Mapping[str, float]
) -> dict[str, float | None]:
    """Estimate the area of a single object for each image; see `typical_area`.

    Images of one pixel size share it. So do images of unknown pixel size, unless the sizes of
    their objects show several magnifications: then an image with five single objects has its
    own, and the others have none.

    Parameters
    ----------
    objects : Columns or DataFrame
        Objects of all images, with the column image.
    pixel_sizes : mapping
        Name of an image to its pixel size in um, 0 where it is unknown.
    """
    images = _by_image(Columns.of(objects, ("image", *SINGLE_COLUMNS)))
    groups: dict[float, list[Columns]] = {}
    for name, part in images.items():
        if name in pixel_sizes:
            groups.setdefault(pixel_sizes[name], []).append(part)
    shared = {pixel: typical_area(Columns.join(parts)) for pixel, parts in groups.items()}
    areas = {name: shared.get(pixel) for name, pixel in pixel_sizes.items()}
    unknown = {name: part for name, part in images.items() if pixel_sizes.get(name) == 0}
    own = {name: one for name, part in unknown.items() if (one := own_typical_area(part))}
    if not own:
        return areas
    low, high = np.percentile(list(own.values()), [10, 90])
    if high <= COMPARABLE * low:
        return areas
    return {name: own.get(name) if name in unknown else area for name, area in areas.items()}


def _by_image(objects: Columns) -> dict[str, Columns]:
    """Objects of each image that has some."""
    if not len(objects):
        return {}
    number: dict[str, int] = {}
    of_image = np.array([number.setdefault(name, len(number)) for name in objects["image"]])
    order = np.argsort(of_image, kind="stable")
    ends = np.cumsum(np.bincount(of_image))
    by_image = objects.where(order)
    return {
        name: by_image.where(slice(*part))
        for name, part in zip(number, itertools.pairwise([0, *ends]), strict=True)
    }


def own_typical_area(objects: Columns) -> float | None:
    """Estimate the area of a single object from one image; None if it has too few."""
    single = objects.where(is_single(objects))
    return typical_area(single) if len(single) >= OWN_SINGLES else None


def say_doubts(counts: Columns) -> str:
    """Say how many rows have a note; empty where none has."""
    doubtful = int(counts["needs_a_look"].sum()) if len(counts) else 0
    if not doubtful:
        return ""
    noun = "image" if len(set(counts["image"])) == len(counts) else "plane"
    verb = "needs" if doubtful == 1 else "need"
    of = f"{doubtful} of {counted(len(counts), noun)}"
    return f"{of} {verb} a look: see the column note of counts.csv"


def write_counts(
    table: Columns | pd.DataFrame, path: Path, former: Sequence[str] = ("objects", "n_objects")
) -> None:
    """Write a table of counts, which repeats the column count under its former names.

    Scripts that were written for earlier versions read them.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    from sparcell.io import write_columns, write_table

    counts = dict.fromkeys(former, table["count"])
    if isinstance(table, Columns):
        write_columns(table.assign(**counts), path)
    else:
        write_table(table.assign(**counts), path)


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
