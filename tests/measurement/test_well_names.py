from __future__ import annotations

import pytest

from sparcell.core.errors import InputError
from sparcell.measurement import find_wells
from sparcell.measurement.names import parse_time


def rows(wells):
    return wells.table[["well", "tile", "time"]].values.tolist()


nan = pytest.approx(float("nan"), nan_ok=True)


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
        (
            ["B - 3(fld 1 wv DAPI - DAPI)", "h - 12(fld 2)"],
            [["B03", "1", nan], ["H12", "2", nan]],
            "frame",
        ),
    ],
)
def test_names_of_instruments(names, expected, unit):
    wells = find_wells(names)
    assert rows(wells) == expected
    assert wells.unit == unit


def test_wells_of_a_table_in_any_spelling(tmp_path):
    path = tmp_path / "plate.csv"
    path.write_text("name,well\na,b-3\nb,B 03\nc,B_3\nd,B003\ne,B03\nf,control\n")
    wells = find_wells(list("abcdef"), path).table["well"].tolist()
    assert wells == ["B03"] * 5 + ["control"]


def test_a_name_without_time():
    table = find_wells(["run_A1_1", "run_A1_2"]).table
    assert table["well"].tolist() == ["A01", "A01"]
    assert table["time"].isna().all()


def test_dates_are_hours_since_the_first_of_the_plate():
    wells = find_wells(
        [
            "Phase_B3_1_2019y04m12d_17h30m",
            "Phase_B3_1_2019y04m12d_13h00m",
            "Phase_C3_2_2019y05m01d_13h00m",
        ]
    )
    # 12 April to 1 May are 19 days.
    assert rows(wells) == [["B03", "1", 4.5], ["B03", "1", 0], ["C03", "2", 456]]
    assert wells.unit == "h"
    assert wells.notes == ("times are hours since the first image, 2019-04-12 13:00",)


def test_each_plate_has_a_first_date():
    dates = ("2019y04m12d_13h00m", "2019y04m12d_15h00m", "2019y04m13d_13h00m")
    same = [f"one_B3_1_{dates[0]}", f"one_B3_1_{dates[1]}", f"two_B3_1_{dates[1]}"]
    table = find_wells([*same, f"two_B3_1_{dates[2]}"]).table
    assert table[["plate", "time"]].values.tolist() == [
        ["one", 0], ["one", 2], ["two", 0], ["two", 22],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["P_B3_1_2019y13m12d_13h00m"], "the date '2019y13m12d_13h00m'"),
        (["a-2019y01m12d_13h00m", "a-3"], "the time '3' beside dates"),
    ],
)
def test_dates_that_cannot_be_read(names, message):
    source = r"(?P<well>\w+)-(?P<time>.+)" if "-" in names[0] else None
    with pytest.raises(InputError, match=message):
        find_wells(names, source)


def test_a_prefix_is_a_plate_only_where_it_must_be():
    numbered = find_wells(["0001_B03_s1", "0002_B03_s2"])
    assert "plate" not in numbered.table and numbered.notes == ()
    plates = find_wells(["P1_B03_s1", "P2_B03_s1"])
    assert plates.table["plate"].tolist() == ["P1", "P2"]
    assert plates.notes == (
        "2 plates in names (P1, P2): wells.csv has rows for each; if these are times, give "
        "times with `wells`",
    )


@pytest.mark.parametrize(
    ("first", "second", "column", "values"),
    [
        ("DAPI", "GFP", "channel", ["DAPI", "GFP"]),
        ("ch00", "ch01", "channel", ["ch00", "ch01"]),
        ("phase", "Hoechst 33342", "channel", ["phase", "Hoechst 33342"]),
        ("exp1_Cy5", "exp1_brightfield", "channel", ["Cy5", "brightfield"]),
        ("DAPI_exp1", "GFP_exp1", "channel", ["DAPI", "GFP"]),
        ("24h", "48 h", "time", [24, 48]),
        ("day 1", "day_3", "time", [24, 72]),
        ("t1", "t10", "time", [1, 10]),
        ("z1", "z2", "depth", ["1", "2"]),
        ("Red", "Drug", "plate", ["Red", "Drug"]),
        ("2024-05-01", "2024-05-02", "plate", ["2024-05-01", "2024-05-02"]),
        ("d1", "d2", "plate", ["d1", "d2"]),
    ],
)
def test_what_folders_before_the_names_mean(first, second, column, values):
    names = [f"{folder}_{well}_s1" for folder in (first, second) for well in ("B03", "C04")]
    found = find_wells(names)
    table = found.table.set_index("name")
    assert table.loc[[names[0], names[2]], column].tolist() == values
    assert table["well"].tolist() == ["B03", "C04", "B03", "C04"]
    assert {"plate", "channel", "depth"} & set(table.columns) == {column} - {"time"}
    assert found.unit == ("h" if values[0] == 24 else "frame")
    # What the user calls a plate is one.
    pattern = r"(?P<plate>.+)_(?P<well>[A-H]\d+)_s(?P<tile>\d)"
    assert find_wells(names, pattern).table["plate"].tolist()[::2] == [first, second]


def test_channels_of_several_plates():
    names = [f"p{plate}_{c}_B03_1" for plate in (1, 2) for c in ("DAPI", "phase")]
    table = find_wells(names).table
    assert table["plate"].tolist() == ["p1", "p1", "p2", "p2"]
    assert table["channel"].tolist() == ["DAPI", "phase", "DAPI", "phase"]


def test_images_that_names_do_not_distinguish_are_said():
    pattern = r".*(?P<well>[A-H]\d+)(?P<tile>s\d).*"
    wells = find_wells(["a_B3s1", "b_B3s1", "b_B3s2"], pattern)
    assert wells.notes == (
        "2 images are of well B03, tile s1 at one time, such as a_B3s1, b_B3s1; they count as "
        "tiles: distinguish them with `wells`",
    )


def test_positions_without_a_well_count_as_wells():
    wells = find_wells([f"Pos{number}_img_000000004_DAPI_000" for number in (0, 1)])
    assert rows(wells) == [["position Pos0", "Pos0", 4], ["position Pos1", "Pos1", 4]]
    assert wells.notes == (
        "no wells in the names: each position counts as a well; name the wells with `wells`",
    )


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
        ("name,well\na,\n", "no well in line 2"),
        ("name,well\na,A1\na.tif,A2\n", "a twice in"),
        ("name,well,tiem\na,A1,3\n", "a column 'tiem' in"),
        ("name,well,time (min)\na,A1,3\n", r"a column 'time \(min\)' in"),
        ("name,well,time\na,A1,nan\n", "the time 'nan'"),
        ("name;well\na;A1;3\n", "line 2 has 3 values for 2 columns"),
    ],
)
def test_unusable_tables_are_plain(tmp_path, content, message):
    (tmp_path / "wells.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        find_wells(["a"], tmp_path / "wells.csv")


def test_tables_of_spreadsheets(tmp_path, caplog):
    path = tmp_path / "plate.csv"
    path.write_text(
        "Name;Well;Time [h];condition;dose\na.tif;A1;12,5;None;1\nb;A2;24;NA;2\nx;A3;1;;3\n"
    )
    wells = find_wells(["a", "b"], path)
    assert rows(wells) == [["A01", "1", 12.5], ["A02", "1", 24]]
    assert wells.table["condition"].tolist() == ["None", "NA"] and wells.unit == "h"
    said = caplog.text
    assert (
        "names 1 image of which there is no file, such as x" in said and "leave out: dose" in said
    )


def test_a_plate_in_a_workbook(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["name", "well", "time"], ["a", "B3", 12.5]):
        book.active.append(row)
    book.save(tmp_path / "plate.xlsx")
    assert rows(find_wells(["a"], str(tmp_path / "plate.xlsx"))) == [["B03", "1", 12.5]]


def test_times():
    assert parse_time("02d03h30m") == (51.5, "h")
    assert parse_time("04h30m") == (4.5, "h") and parse_time("72h") == (72, "h")
    assert parse_time("007") == (7, "frame")
    with pytest.raises(InputError, match="the time 'noon'"):
        parse_time("noon")


@pytest.mark.parametrize(
    ("names", "hours"),
    [
        (["exp_B03_s1_t04h", "exp_B03_s1_t12h"], [4, 12]),
        (["exp_B03_s1_04h30m_w1", "exp_B03_s1_72h00m_w1"], [4.5, 72]),
    ],
)
def test_hours_in_any_name_are_hours(names, hours):
    wells = find_wells(names)
    assert wells.unit == "h" and wells.table["time"].tolist() == hours


def test_hours_of_a_treatment_are_no_time():
    wells = find_wells(["drug24h_B03_s1_t001", "drug24h_B03_s1_t002"])
    assert wells.unit == "frame" and wells.table["time"].tolist() == [1, 2]
