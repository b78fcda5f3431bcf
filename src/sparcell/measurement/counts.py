"""Counting cells two ways (Salomon-Sörensen 2023, 8.6): by components and by area."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.columns import Columns
from sparcell.core.rows import RowSource
from sparcell.measurement._runs import Runs, count_run_components, find_runs, strips
from sparcell.measurement.objects import object_columns

if TYPE_CHECKING:
    import pandas as pd

SINGLE_COLUMNS = ("area_px", "solidity", "touches_border")
"""Columns of object tables that tell single objects, and their area."""
MIN_SOLIDITY = 0.9
MIN_SINGLES = 10
# Half way between one nucleus and two, and half a nucleus.
SINGLE_RANGE = (0.5, 1.5)
TOLERANCE = 0.2
SPREAD = 0.4
"""Standard deviation of the areas of objects, as a fraction of their mean."""


def count_components(labels: NDArray[Any] | RowSource) -> int:
    """Count the 8-connected components of the mask; touching objects are one.

    Parameters
    ----------
    labels : (Y, X) integer or bool, or RowSource
        Non-zero = object.
    """
    runs = [find_runs(strip.core, strip.rows.start)[0] for strip in strips(labels)]
    return count_run_components(Runs.join(runs))


def is_inside(objects: Columns) -> NDArray[np.bool_]:
    """Whether each object is inside the image, away from its border."""
    return ~objects["touches_border"].astype(np.bool_)


def is_single(objects: Columns) -> NDArray[np.bool_]:
    """Whether each object is solid and inside the image: most clumps are not solid."""
    solid: NDArray[np.bool_] = objects["solidity"] >= MIN_SOLIDITY
    return is_inside(objects) & solid


def median_diameter(areas: NDArray[Any]) -> float:
    """Diameter of the circle with the median area, px; NaN where there is none."""
    return circle_diameter(float(np.median(areas))) if len(areas) else float("nan")


def circle_diameter(area: float) -> float:
    """Diameter of the circle of this area."""
    return float(2 * np.sqrt(area / np.pi))


def typical_area(objects: Columns | pd.DataFrame) -> float | None:
    """Estimate the area of an average single nucleus, in the presence of clumps and debris.

    Objects that touch the border or are not solid (solidity under 0.9: most clumps) are left
    out as long as ten others remain. Of the rest, the densest half is the shortest interval of
    log area that holds half of them; clumps and debris, as long as they are fewer than single
    nuclei, lie outside. Its median is the centre. The result is the mean of all areas between
    0.5 and 1.5 times the centre: the mean, because total area over mean area is a number of
    nuclei, which total area over median area is not.

    Parameters
    ----------
    objects : Columns or DataFrame
        An object table, of one or many images.

    Returns
    -------
    float or None
        In px; None without objects.
    """
    table = Columns.of(objects, SINGLE_COLUMNS)
    areas = table["area_px"].astype(np.float64)
    if not len(areas):
        return None
    for chosen in (is_single(table), is_inside(table)):
        if np.count_nonzero(chosen) >= MIN_SINGLES:
            areas = areas[chosen]
            break
    areas = np.sort(areas)
    half = (len(areas) + 1) // 2
    widths = np.log(areas[half - 1 :]) - np.log(areas[: len(areas) - half + 1])
    first = int(np.argmin(widths))
    centre = float(np.median(areas[first : first + half]))
    low, high = SINGLE_RANGE
    return float(areas[(areas >= low * centre) & (areas <= high * centre)].mean())


def count_by_area(labels: NDArray[Any] | RowSource, typical: float | None = None) -> float:
    """Count nuclei as total area over the area of a typical one (Salomon-Sörensen 2023, 8.6).

    Parameters
    ----------
    labels : (Y, X) integer, or RowSource
        0 = background.
    typical : float, optional
        Area of a nucleus in px; by default estimated from these labels, see `typical_area`.

    Returns
    -------
    float
        Not rounded; 0 without objects.
    """
    objects = object_columns(labels)
    typical = typical or typical_area(objects)
    return float(objects["area_px"].sum()) / typical if typical else 0.0


def clumping_note(count: float, by_area: float, tolerance: float = TOLERANCE) -> str:
    """Return a message where the two counts disagree by more than chance explains.

    Parameters
    ----------
    count : float
        Of objects.
    by_area : float
        Count by area; NaN where it is unknown.
    tolerance : float
        Largest difference, as a fraction of `count`, that is no disagreement. Of few objects a
        larger one is none either: two standard deviations of their total area.

    Returns
    -------
    str
        Empty where they agree.
    """
    if not abs(by_area - count) > max(tolerance * count, 2 * SPREAD * count**0.5):
        return ""
    found = f"{count:.0f} found, but their area would hold {by_area:.0f} average ones"
    if by_area > count:
        return f"{found}: touching ones not separated, or larger ones"
    return f"{found}: debris counted, or objects split"


def stack_note(planes: Columns | pd.DataFrame, axes_given: bool = False) -> str:
    """Return a message where a nucleus may count several times, once in each depth.

    Depths may also be times: ImageJ calls the frames of many movies slices.

    Parameters
    ----------
    planes : Columns or DataFrame
        One row per plane: image, t, z.
    axes_given : bool
        The user has named the axes, so depths are depths.

    Returns
    -------
    str
        A line about the first image of several depths and one time; empty where there is none.
    """
    table = Columns.of(planes, ("image", "t", "z"))
    times: dict[str, set[int]] = {}
    depths: dict[str, set[int]] = {}
    for image, t, z in zip(*(table[name].tolist() for name in ("image", "t", "z")), strict=True):
        times.setdefault(image, set()).add(t)
        depths.setdefault(image, set()).add(z)
    stack = next((one for one in times if len(times[one]) == 1 < len(depths[one])), None)
    if stack is None:
        return ""
    note = (
        f"{stack} has {len(depths[stack])} depths: the same nucleus may be counted in "
        "each. To count it once, predict with `project=max`."
    )
    if axes_given:
        return note
    return f"{note} If the depths are times, predict with `axes` and T for Z, such as TYX."
