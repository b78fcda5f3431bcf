from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sparcell.measurement import Wells, doubling_times, find_wells, plot_growth, summarise_wells


def counts(rows):
    frame = pd.DataFrame(rows, columns=["image", "t", "count"])
    return frame.assign(z=0, count_by_area=frame["count"] * 1.5, area_px=100)


def test_tiles_are_pooled_by_hand():
    names = [f"E_B3_{tile}_00d{hour:02d}h00m" for hour in (0, 6) for tile in (1, 2, 3)]
    table = counts([(name, 0, n) for name, n in zip(names, (2, 4, 6, 9, 9, 9), strict=True)])
    summary = summarise_wells(table, find_wells(names))
    first, second = summary.to_dict("records")
    assert (first["well"], first["time"], first["n_tiles"], first["count"]) == ("B03", 0, 3, 12)
    assert (first["count_per_tile"], first["sd"]) == (4, 2)
    assert first["sem"] == pytest.approx(2 / np.sqrt(3))
    assert (first["area_px"], first["count_by_area"]) == (300, 18)
    assert (second["time"], second["sd"]) == (6, 0)


def test_time_points_of_a_file_are_frames_and_depths_are_averaged():
    wells = find_wells(["a_B3_1"])
    table = counts([("a_B3_1", 0, 4), ("a_B3_1", 0, 6), ("a_B3_1", 1, 8)])
    summary = summarise_wells(table, wells)
    assert summary[["time", "count"]].values.tolist() == [[0, 5], [1, 8]]
    assert wells.unit == "frame"


def test_depths_of_a_field_are_averaged_and_channels_are_apart():
    # Two fields of a well, of which the first has three depths; two channels.
    names = [f"B03_T0001F001L01A01Z0{z}C01" for z in (1, 2, 3)]
    names += ["B03_T0001F002L01A01Z01C01", "B03_T0001F001L01A02Z01C02"]
    table = counts([(name, 0, n) for name, n in zip(names, (3, 6, 9, 8, 50), strict=True)])
    summary = summarise_wells(table, find_wells(names))
    columns = ["well", "channel", "time", "n_tiles", "count", "count_per_tile", "count_by_area"]
    assert summary[columns].values.tolist() == [
        ["B03", "01", 1, 2, 6 + 8, 7, 21], ["B03", "02", 1, 1, 50, 50, 75],
    ]  # fmt: skip
    growth = doubling_times(summary)
    assert growth[["well", "channel"]].values.tolist() == [["B03", "01"], ["B03", "02"]]
    (axes,) = plot_growth(summary, "frame").axes
    assert [line.get_label() for line in axes.lines] == ["B03 01", "B03 02"]


def test_a_projection_beside_its_depths_is_no_tile():
    names = ["exp_B03_s1_w1", "ZStep_1_exp_B03_s1_w1", "ZStep_2_exp_B03_s1_w1", "exp_C03_s1_w1"]
    table = counts([(name, 0, n) for name, n in zip(names, (6, 3, 9, 5), strict=True)])
    summary = summarise_wells(table, find_wells(names))
    assert summary[["well", "n_tiles", "count"]].values.tolist() == [
        ["B03", 1, 6],
        ["C03", 1, 5],
    ]


def summary_of(**curves):
    return pd.concat(
        pd.DataFrame({"well": well, "time": 6.0 * np.arange(len(curve)), "count_per_tile": curve})
        for well, curve in curves.items()
    ).assign(sem=1.0)


def test_doubling_time_of_exponential_growth():
    table = doubling_times(summary_of(A01=100 * 2 ** (6 * np.arange(8) / 21)))
    (row,) = table.to_dict("records")
    assert row["doubling_time"] == pytest.approx(21)
    assert row["rate"] == pytest.approx(np.log(2) / 21)
    assert row["r2"] == pytest.approx(1)
    assert row["note"] == ""


def test_doubling_time_is_withheld_with_a_reason():
    table = doubling_times(
        summary_of(
            few=[10, 20], dying=[40, 30, 20], flat=[9, 9, 9], wild=[10, 40, 5, 60], none=[0, 0, 0]
        )
    ).set_index("well")
    assert table["doubling_time"].isna().all()
    assert table["note"].to_dict() == {
        "few": "fewer than 3 times with cells",
        "none": "fewer than 3 times with cells",
        "dying": "does not grow",
        "flat": "does not grow",
        "wild": f"no steady growth: fit {table.loc['wild', 'r2']:.2f}, 0.80 needed",
    }


def test_growth_curves_are_drawn(tmp_path):
    figure = plot_growth(summary_of(A01=[1, 2, 4], A02=[1, 1, 2]), "h", tmp_path / "growth.png")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "time (h)"
    assert [line.get_label() for line in axes.lines] == ["A01", "A02"]
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_dollars_in_names_are_no_formula(tmp_path):
    summary = summary_of(**{"a$^$b": [1, 2], "$x$": [3, 4]})
    figure = plot_growth(summary, "frame", tmp_path / "growth.png")
    shown = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert sorted(shown) == [r"\$x\$", r"a\$^\$b"]
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_one_line_per_condition():
    summary = summary_of(A01=[1, 2], A02=[3, 4], A03=[9, 9])
    summary["condition"] = summary["well"].map({"A01": "drug", "A02": "drug", "A03": "none"})
    (axes,) = plot_growth(summary, "frame").axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[2, 3], [9, 9]]
    assert axes.get_xlabel() == "time (frames)"


def test_conditions_stay_in_the_summary():
    wells = Wells(
        pd.DataFrame({"name": ["a"], "well": ["A01"], "condition": ["x"], "time": [0.0]}), "h"
    )
    assert summarise_wells(counts([("a", 0, 3)]), wells)["condition"].tolist() == ["x"]
