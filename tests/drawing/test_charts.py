"""Charts: scales and ticks by hand, and SVG that a browser can read."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from sparcell.drawing.charts import AxisScale, Chart, legend, spanned


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (3, 41, [10, 20, 30, 40]), (2.5, 0.5, [0.5, 1, 1.5, 2, 2.5])],
)
def test_ticks_are_round(low, high, ticks):
    np.testing.assert_allclose(AxisScale(low, high, 0, 1).ticks(), ticks)


def test_logarithmic_scale():
    scale = AxisScale(10, 1000, 200, 0, logarithmic=True)
    assert scale(100) == pytest.approx(100)
    assert scale.ticks() == [10, 20, 50, 100, 200, 500, 1000]
    # A short span has ticks at equal steps.
    assert AxisScale(41, 103, 0, 1, logarithmic=True).ticks() == [60, 80, 100]


def test_spans_of_few_values():
    assert spanned([3, float("nan"), 1]) == (1, 3)
    assert spanned([2]) == (1.5, 2.5)
    assert spanned([4, -1], logarithmic=True) == (2, 8)
    assert spanned([]) == (0, 1)


def parsed(chart: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(str(chart.svg("a & b")))


def test_a_line_has_gaps_where_there_is_no_value():
    chart = Chart((0, 4), (1, 16), "t", "n", logarithmic=True)
    chart.line([0, 1, 2, 3, 4], [1, 4, 0, float("nan"), 16], "#000000", title="<well>")
    svg = parsed(chart)
    lines = svg.findall("polyline")
    # From the lower left; 4 is half way up to 16 on a logarithmic axis.
    assert [line.get("points") for line in lines] == ["52.0,220.0 141.5,115.0", "410.0,10.0"]
    assert lines[0].find("title").text == "<well>"
    assert svg.get("aria-label") == "a & b"


def test_rows_have_names():
    chart = Chart((0, 1), (2.5, 0.5), "t", "well", rows=["B02", "<B03>"])
    texts = [one.text for one in parsed(chart).iter("text")]
    assert texts[:2] == ["B02", "<B03>"]


def test_a_legend_escapes_names():
    assert "&lt;b&gt;" in legend([("<b>", "#fff")])
