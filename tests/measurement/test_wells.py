from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sparcell.core.errors import InputError
from sparcell.measurement import Wells, doubling_times, find_wells, plot_growth, summarise_wells
from sparcell.measurement.movies import find_movies


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
    (axes,) = plot_growth(summary).axes
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
    ).assign(sem=1.0, time_unit="h")


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
    figure = plot_growth(summary_of(A01=[1, 2, 4], A02=[1, 1, 2]), tmp_path / "growth.png")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "time (h)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["A01", "A02"]
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_dollars_in_names_are_no_formula(tmp_path):
    summary = summary_of(**{"a$^$b": [1, 2], "$x$": [3, 4]})
    figure = plot_growth(summary, tmp_path / "growth.png")
    shown = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert sorted(shown) == [r"\$x\$", r"a\$^\$b"]
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_the_line_of_growth_is_drawn_over_the_curve():
    summary = summary_of(A01=100 * 2 ** (6 * np.arange(4) / 21), A02=[9, 9, 9, 9])
    (axes,) = plot_growth(summary).axes
    curve, line, flat = axes.lines
    assert line.get_ydata() == pytest.approx(curve.get_ydata()) and flat.get_label() == "A02"


def test_many_wells_are_thin_and_have_a_mean():
    summary = summary_of(**{f"W{n}": [n + 1, 2 * n + 2] for n in range(30)})
    (axes,) = plot_growth(summary).axes
    assert len(axes.lines) == 31 and axes.get_legend() is None
    # The mean of 1 to 30 is 15.5.
    assert axes.lines[-1].get_ydata().tolist() == [15.5, 31]


def test_one_line_per_condition():
    summary = summary_of(A01=[1, 2], A02=[3, 4], A03=[9, 9])
    summary["condition"] = summary["well"].map({"A01": "drug", "A02": "drug", "A03": "none"})
    (axes,) = plot_growth(summary).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[2, 3], [9, 9]]
    assert axes.get_xlabel() == "time (h)" and axes.get_yscale() == "log"


def test_conditions_stay_in_the_summary():
    wells = Wells(
        pd.DataFrame({"name": ["a"], "well": ["A01"], "condition": ["x"], "time": [0.0]}), "h"
    )
    assert summarise_wells(counts([("a", 0, 3)]), wells)["condition"].tolist() == ["x"]


def test_frames_become_hours_by_their_minutes():
    names = [f"exp_B03_s1_t{frame}" for frame in (1, 2, 4)]
    wells = replace(find_wells(names), minutes=30)
    summary = summarise_wells(counts([(name, 0, 5) for name in names]), wells)
    # Frames are counted from 1: the first is at 0 h.
    assert summary["time"].tolist() == [0, 0.5, 1.5] and set(summary["time_unit"]) == {"h"}


@pytest.mark.parametrize("plate", [False, True])
def test_a_table_of_wells_names_their_conditions(tmp_path, plate):
    names = [f"{p}_B{c:02d}_s{s}_w1" for p in ("p1", "p2") for c in (2, 3) for s in (1, 2)]
    header, rows = "Well;Condition", ["B2;drug", "b-03;control"]
    if plate:
        header, rows = "plate;well;condition", ["p1;B02;drug", "p2;B03;control"]
    (tmp_path / "wells.csv").write_text("\n".join([header, *rows]))
    table = find_wells(names, tmp_path / "wells.csv").table.set_index("name")["condition"]
    assert table["p1_B02_s2_w1"] == "drug" and table["p2_B03_s1_w1"] == "control"
    # A well without a row has no condition.
    assert pd.isna(table["p1_B03_s1_w1"]) == plate


@pytest.mark.parametrize(
    ("rows", "names", "said"),
    [
        (["B02,a", "B2,b"], ["x_B02_s1_w1"], "well B2 twice"),
        (["B02,a"], ["x_C02_s1_w1"], "none of the wells of the images, such as C02"),
        (["B02,a"], ["cells"], "no well in names such as cells"),
    ],
)
def test_a_table_of_wells_that_cannot_be_used(tmp_path, rows, names, said):
    (tmp_path / "wells.csv").write_text("\n".join(["well,condition", *rows]))
    with pytest.raises(InputError, match=said):
        find_wells(names, tmp_path / "wells.csv")


def frames_of(names, times=1):
    return pd.DataFrame([{"image": name, "t": t, "z": 0} for name in names for t in range(times)])


@pytest.mark.parametrize(
    ("names", "movies"),
    [
        (["movie_000", "movie_001", "movie_002"], {"movie": [0, 1, 2]}),
        (["a_t1", "a_t2", "a_t10", "b_t1"], {"a": [1, 2, 10]}),
        (["frame007", "frame008", "frame009"], {"movie": [7, 8, 9]}),
        # These may be fields of view.
        (["img_001", "img_002", "img_003"], None),
        (["movie_000", "movie_001"], None),
    ],
)
def test_sequences_of_frames_are_movies(names, movies):
    found = find_movies(frames_of(names))
    if movies is None:
        assert found is None
    else:
        times = found.table.groupby("well")["time"].apply(list).to_dict()
        assert times == movies and found.unit == "frame"


def test_minutes_say_that_numbers_are_frames():
    found = find_movies(frames_of(["img_001", "img_002", "img_003"]), minutes=5)
    assert found.table["time"].tolist() == [1, 2, 3]


def test_files_of_several_times_are_movies():
    table = frames_of(["a", "b"], times=3).assign(count=[1, 2, 4, 3, 3, 3])
    table = table.assign(count_by_area=0.0, area_px=0)
    summary = summarise_wells(table, find_movies(table, minutes=60))
    assert summary[["well", "time", "count"]].values.tolist() == [
        ["a", 0, 1], ["a", 1, 2], ["a", 2, 4], ["b", 0, 3], ["b", 1, 3], ["b", 2, 3],
    ]  # fmt: skip
