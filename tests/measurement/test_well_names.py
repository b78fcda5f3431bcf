from __future__ import annotations

import pytest

from sparcell.core.errors import InputError
from sparcell.measurement import find_wells
from sparcell.measurement.names import parse_time


def rows(wells):
    return wells.table[["well", "tile", "time"]].values.tolist()


@pytest.mark.parametrize(
    ("names", "expected", "unit"),
    [
        (
            ["EXPT_B3_1_00d04h00m", "EXPT_B3_2_01d00h30m"],
            [["B03", "1", 4], ["B03", "2", 24.5]],
            "h",
        ),
        (["B03_s1_t005", "c4_s2_t6"], [["B03", "1", 5], ["C04", "2", 6]], "frame"),
        (["plate7_H12_s3_t01_phase"], [["H12", "3", 1]], "frame"),
        (["r02c03f01p01-ch1sk4fk1fl1"], [["B03", "01", 4]], "frame"),
        (["r16c24f05t1"], [["P24", "05", 1]], "frame"),
    ],
)
def test_names_of_instruments(names, expected, unit):
    wells = find_wells(names)
    assert rows(wells) == expected
    assert wells.unit == unit


def test_a_name_without_time():
    table = find_wells(["run_A1_1", "run_A1_2"]).table
    assert table["well"].tolist() == ["A01", "A01"]
    assert table["time"].isna().all()


def test_other_names_have_no_well():
    assert find_wells(["cells_001", "nuclei", "BBBC006_x"]) is None


def test_a_pattern_of_the_user():
    wells = find_wells(["w-A7.f-3.h-00d06h"], r"w-(?P<well>\w+)\.f-(?P<tile>\d)\.h-(?P<time>.+)")
    assert rows(wells) == [["A07", "3", 6]]
    assert wells.unit == "h"


def test_a_table_of_the_user(tmp_path):
    path = tmp_path / "wells.csv"
    path.write_text(
        "name,well,tile,time,condition\n001,A1,1,0.5,drug\n002,A1,1,00d12h00m,drug\n9,B1,1,1,none\n"
    )
    wells = find_wells(["001", "002", "003"], path)
    assert rows(wells) == [["A01", "1", 0.5], ["A01", "1", 12]]
    assert wells.table["condition"].tolist() == ["drug", "drug"]
    assert wells.unit == "h"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("(?P<well>", "the pattern"),
        (r"\w+", "without a group 'well'"),
        (r"(?P<well>\d)", "no name like abc that fits"),
        ("nowhere.csv", "no table nowhere.csv"),
    ],
)
def test_unusable_sources_are_plain(source, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        find_wells(["abc"], source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,tile\na,1\n", "without a column 'well'"),
        ("name,well\nb,A1\n", "no name of the images"),
    ],
)
def test_unusable_tables_are_plain(tmp_path, content, message):
    (tmp_path / "wells.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        find_wells(["a"], tmp_path / "wells.csv")


def test_times():
    assert parse_time("02d03h30m") == (51.5, "h")
    assert parse_time("007") == (7, "frame")
    with pytest.raises(InputError, match="the time 'noon'"):
        parse_time("noon")
