"""The page of plates: places of wells, shades, curves, conditions."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from sparcell.measurement.plate_page import PANEL_HEIGHT, write_plate_page
from sparcell.measurement.wells import doubling_times, summarise_conditions


def plate(rows: int, columns: int, times: int, conditions: int = 0) -> pd.DataFrame:
    """Wells that double in 12 h; the last column has most cells."""
    wells = [(row, column) for row in range(rows) for column in range(columns)]
    table = pd.DataFrame([
        {
            "well": f"{chr(65 + row)}{column + 1:02d}", "time": 12.0 * step, "time_unit": "h",
            "n_tiles": 2, "count_per_tile": 2.0**step * (column + 1), "sem": 0.5,
            "condition": f"drug {column % conditions}" if conditions else None,
        }
        for row, column in wells for step in range(times)
    ])  # fmt: skip
    return table if conditions else table.drop(columns="condition")


def write(summary: pd.DataFrame, folder: Path) -> str:
    write_plate_page(
        summary, summarise_conditions(summary), doubling_times(summary), folder / "plate.html"
    )
    return (folder / "plate.html").read_text("utf8")


def pictures(page: str, label: str) -> list[ElementTree.Element]:
    """SVG pictures whose description begins with these words."""
    found = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    drawn = map(ElementTree.fromstring, found)
    return [one for one in drawn if one.get("aria-label", "").startswith(label)]


@pytest.mark.parametrize(("rows", "columns"), [(8, 12), (16, 24), (2, 3)])
def test_every_well_has_its_place_and_shade(tmp_path: Path, rows: int, columns: int) -> None:
    page = write(plate(rows, columns, 1), tmp_path)
    (counts,) = pictures(page, "Counts")
    wells = counts.findall("g")
    assert len(wells) == rows * columns
    names = [text.text for text in counts.findall("text")]
    assert names == [chr(65 + r) for r in range(rows)] + [str(c + 1) for c in range(columns)]
    shades = np.array([float(w.find("rect").get("fill-opacity")) for w in wells])
    # In a row the counts are 1, 2, 3 to the number of columns; the palest shade is 0.08.
    expected = 0.08 + 0.92 * (np.arange(columns) + 1) / columns
    np.testing.assert_allclose(shades.reshape(rows, columns), [expected] * rows, atol=1e-3)
    assert wells[0].find("title").text == "A01: 1 per tile ± 0.5 (SEM of 2 tiles)"
    assert not pictures(page, "Curves")


def test_absent_wells_are_empty(tmp_path: Path) -> None:
    summary = plate(8, 12, 1)
    page = write(summary[summary["well"] != "C05"], tmp_path)
    (counts,) = pictures(page, "Counts")
    assert len(counts.findall("g")) == 95
    assert [one.get("class") for one in counts.findall("rect")] == ["none"]


def test_conditions_have_mean_growth_and_its_line(tmp_path: Path) -> None:
    summary = plate(8, 12, 4, conditions=3)
    conditions = summarise_conditions(summary)
    first = conditions.iloc[0]
    # Columns 1, 4, 7 and 10 of eight rows.
    assert (first["condition"], first["n_wells"], first["count_per_tile"]) == ("drug 0", 32, 5.5)
    deviation = np.sqrt(np.sum((np.array([1, 4, 7, 10]) - 5.5) ** 2) * 8 / 31)
    assert first["sd"] == pytest.approx(deviation)
    assert first["sem"] == pytest.approx(deviation / np.sqrt(32))
    page = write(summary, tmp_path)
    assert page.count("doubles in 12 h") == 3
    panels = [one for one in pictures(page, "Counts of drug")]
    assert len(panels) == 3
    curve, line = (one.get("points").split() for one in panels[0].findall("polyline"))
    # Growth is exponential: a straight line on the logarithmic axis, which the fit covers.
    assert (line[0], line[-1]) == (curve[0], curve[-1])
    ys = [float(point.split(",")[1]) for point in curve]
    assert np.diff(ys) == pytest.approx([ys[1] - ys[0]] * 3, abs=0.15) and ys[1] < ys[0]


def test_names_that_are_no_wells_have_curves_alone(tmp_path: Path) -> None:
    summary = plate(1, 2, 3)
    summary["well"] = summary["well"].replace({"A01": "movie <1>", "A02": "movie 2"})
    page = write(summary, tmp_path)
    assert len(pictures(page, "Counts of movie")) == 2 and "movie &lt;1&gt;" in page
    assert 'class="plate"' not in page


def test_counts_of_nothing_lie_on_the_edge(tmp_path: Path) -> None:
    summary = plate(1, 2, 3)
    summary["count_per_tile"] = 0.0
    page = write(summary, tmp_path)
    assert "fewer than 3 times with cells" in page
    curves = [one for chart in pictures(page, "Counts of") for one in chart.findall("polyline")]
    places = [point.split(",") for curve in curves for point in curve.get("points").split()]
    # The lower edge of the panels, 40 px above their lower end.
    assert len(places) == 6 and {y for _, y in places} == {f"{PANEL_HEIGHT - 40:.1f}"}
