"""Scores and errors against the number of training annotations (Cui 2020, figs. 3-5)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_paper_tables import study_of

from sparcell.studies.result_tables import tidy
from sparcell.studies.size_curves import draw_sizes

SIZES = {"0.01": 20, "0.1": 200, "0.25": 500, "0.5": 1000, "1": 2000}
ERRORS = ("missed", "spurious", "split", "merge", "catastrophe")


def study(methods=("watershed", "pixelwise"), endings=("",)):
    """F1 .5 + k/10 with the size's number k, .02 more in the second seed."""
    names, rows = [], []
    for method in methods:
        for backbone in ("resnet50", "mobilenet_v2"):
            for k, (fraction, objects) in enumerate(SIZES.items()):
                name = f"cui2020-size/{method}-{backbone}-{fraction}"
                names.append(name)
                for seed in (0, 1):
                    f1 = 0.5 + k / 10 + 0.02 * seed
                    row = {
                        "recipe": name.replace("/", "-"), "budget": "all", "seed": seed,
                        "objects_train": objects + 2 * seed, "count_true": 50, "f1_60": f1,
                    }  # fmt: skip
                    for ending in endings:
                        row |= {f"f1_60{ending}": f1 + 0.05 * bool(ending)}
                        row |= {f"{error}{ending}": 10 - k for error in ERRORS}
                    rows.append(row)
    return study_of(*names), tidy(pd.DataFrame(rows))


def drawn(axis):
    """Label to (x, y, half length of the bars) of every curve."""
    curves = {}
    for bars in axis.containers:
        line, _, (segments,) = bars.lines
        ends = np.array(segments.get_segments())
        curves[bars.get_label()] = (*line.get_data(), (ends[:, 1, 1] - ends[:, 0, 1]) / 2)
    return curves


def test_f1_with_its_spread_over_seeds_at_the_mean_number_of_annotations():
    figures = draw_sizes(*study(endings=("", "_no_small")))
    assert list(figures) == [
        "F1 against training annotations, cui2020-size",
        "Errors against training annotations, before removing small objects, cui2020-size",
        "Errors against training annotations, after removing small objects, cui2020-size",
    ]
    before, after = figures["F1 against training annotations, cui2020-size"].axes
    curves = drawn(before)
    assert set(curves) == {
        f"{method}, {backbone}"
        for method in ("watershed", "pixelwise")
        for backbone in ("resnet50", "mobilenet_v2")
    }
    x, y, half = curves["watershed, mobilenet_v2"]
    assert list(x) == [21, 201, 501, 1001, 2001]
    assert list(y) == pytest.approx([0.51, 0.61, 0.71, 0.81, 0.91])
    # Of two values .02 apart the SD is .02 / sqrt(2).
    assert list(half) == pytest.approx([0.02 / 2**0.5] * 5)
    assert drawn(after)["watershed, mobilenet_v2"][1] == pytest.approx(list(y + 0.05))
    assert before.get_xscale() == "log"


def test_errors_by_class_for_100_true_objects():
    _, errors = draw_sizes(*study(methods=("watershed",))).values()
    assert [axis.get_title() for axis in errors.axes[:2]] == [
        "resnet50: missed", "resnet50: spurious",
    ]  # fmt: skip
    assert len(errors.axes) == 2 * len(ERRORS)
    _, y, _ = drawn(errors.axes[0])["watershed"]
    assert list(y) == [20, 18, 16, 14, 12]


def test_empty_columns_are_not_drawn():
    plan, runs = study()
    empty = dict.fromkeys(["f1_60_no_small", *(f"{error}_no_small" for error in ERRORS)])
    figures = draw_sizes(plan, runs.assign(**empty))
    assert len(figures) == 2
    assert len(figures["F1 against training annotations, cui2020-size"].axes) == 1


def test_nothing_is_drawn_of_one_size_or_of_other_recipes():
    plan, runs = study()
    one = runs[runs["recipe"].str.endswith("-0.1")]
    assert draw_sizes(plan, one) == {}
    assert draw_sizes(study_of("nuclei-light"), runs) == {}
    assert draw_sizes(plan, runs.drop(columns="objects_train")) == {}
