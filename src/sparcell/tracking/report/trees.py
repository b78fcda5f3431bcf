"""Lineage trees as SVG: time runs to the right, and a cell is a line from birth to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from sparcell.drawing.charts import BOTTOM, LEFT, RIGHT, TOP, WIDTH, AxisScale, frame, text, tooltip
from sparcell.drawing.palette import SERIES
from sparcell.tracking.rates.summary import Units
from sparcell.tracking.report.curves import Figure, unit_name

if TYPE_CHECKING:
    from pandas import DataFrame

    from sparcell.tracking.results import Tracks

MOST_TREES = 8
ROW = 11.0
"""Height of a leaf."""
WEAK = 0.5
"""Links of less confidence are dashed."""
MARKS = {"died": "†", "lost": "?", "left": "→", "end": ""}


def draw_trees(found: Tracks) -> list[Figure]:
    """Draw the families with the most divisions."""
    tracks = found.tracks
    divisions = (tracks["fate"] == "divided").groupby([tracks["movie"], tracks["root"]]).sum()
    largest = divisions[divisions > 0].sort_values(ascending=False, kind="stable")
    units = Units.of(found.movies)
    steps = found.movies.set_index("movie")["interval_h"]
    figures = []
    for number, count in enumerate(largest.head(MOST_TREES)):
        movie, root = largest.index[number]
        family = tracks[(tracks["movie"] == movie) & (tracks["root"] == root)]
        step = float(steps[movie]) if units.hours else 1.0
        caption = f"{movie}, family {root}: {count} division{'' if count == 1 else 's'}"
        colour = SERIES[number % len(SERIES)].css
        figures.append(
            Figure(draw_tree(family, step, unit_name(units.time), colour), Markup(""), caption)
        )
    return figures


def draw_tree(family: DataFrame, step: float, unit: str, colour: str) -> Markup:
    """Draw one family.

    Parameters
    ----------
    family : DataFrame
        Its rows of ``tracks.csv``.
    step : float
        Time from frame to frame, in `unit`.
    unit : str
    colour : str
    """
    rows: dict[int, Any] = {int(row["track"]): row for row in family.to_dict("records")}
    daughters: dict[int, list[int]] = {}
    for one, row in rows.items():
        daughters.setdefault(int(row["parent"]), []).append(one)
    founder = next(one for one, row in rows.items() if int(row["parent"]) not in rows)
    heights = _place(founder, daughters)
    height = TOP + ROW * (sum(one not in daughters for one in rows) + 0.5) + BOTTOM
    first, last = (
        float(family[name].agg(how)) for name, how in (("first", "min"), ("last", "max"))
    )
    across = AxisScale(first * step, max(last, first + 1) * step, LEFT / 3, WIDTH - 2 * RIGHT)
    parts = []
    for one, row in rows.items():
        y = heights[one]
        mother = rows.get(int(row["parent"]))
        start = across(float(mother["last"] if mother else row["first"]) * step)
        end = across(float(row["last"]) * step)
        weak = row.get("weakest_link", 1.0)
        style = "branch weak" if weak < WEAK else "branch"
        title = (
            f"track {one}: frames {row['first']} to {row['last']}, {row['birth']}, {row['fate']}"
            + (f", weakest link {weak:.2f}" if weak == weak else "")
        )
        parts.append(
            Markup('<path class="{}" style="stroke:{}" d="M{:.1f} {:.1f}H{:.1f}">{}</path>').format(
                style, colour, start, y, end, tooltip(title)
            )
        )
        if one in daughters:
            ends = [heights[each] for each in daughters[one]]
            parts.append(
                Markup('<path class="branch" style="stroke:{}" d="M{:.1f} {:.1f}V{:.1f}"/>').format(
                    colour, end, min(ends), max(ends)
                )
            )
        elif mark := MARKS.get(str(row["fate"]), ""):
            parts.append(text(end + 3, y + 4, mark, "start"))
    bottom = height - BOTTOM
    parts += [text(across(one), bottom + 16, f"{one:.6g}") for one in across.ticks()]
    parts.append(text(WIDTH / 2, height - 5, f"time ({unit})"))
    return frame("Lineage tree of a family", height, parts)


def _place(founder: int, daughters: dict[int, list[int]]) -> dict[int, float]:
    """Height of each track: leaves in rows, mothers in the middle of their daughters."""
    order, stack = [], [founder]
    while stack:
        one = stack.pop()
        order.append(one)
        stack += reversed(daughters.get(one, []))
    heights: dict[int, float] = {}
    leaves = 0
    for one in order:
        if one not in daughters:
            heights[one] = TOP + ROW * (leaves + 0.5)
            leaves += 1
    for one in reversed(order):
        if one in daughters:
            ends = [heights[each] for each in daughters[one]]
            heights[one] = sum(ends) / len(ends)
    return heights
