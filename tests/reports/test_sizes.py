"""The figure of sizes in a report, with the labels beside what was found."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import StepPatch

from sparcell.reports.pictures import draw_sizes


def test_every_object_is_in_a_bar_and_the_unit_on_the_axis() -> None:
    truth, found = np.array([1.0, 1.0, 2.0, 40.0]), np.array([1.0, 3.0])
    (axis,) = draw_sizes(truth, found, "um").axes
    bars = [patch for patch in axis.patches if isinstance(patch, StepPatch)]
    assert [int(bar.get_data().values.sum()) for bar in bars] == [4, 2]
    values, edges, _ = bars[0].get_data()
    assert values[0] == 2 and edges[0] < 1 and edges[-1] > 40
    assert axis.get_xlabel() == "diameter, \u00b5m" and axis.get_xscale() == "log"
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["labels: 4", "found: 2"]


def test_sizes_that_are_alike_have_a_plain_axis() -> None:
    (axis,) = draw_sizes(np.array([20.0, 25.0]), np.array([22.0]), "px").axes
    assert axis.get_xscale() == "linear" and axis.get_xlabel() == "diameter, px"
