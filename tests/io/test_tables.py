"""Tables survive, and what is no table is refused."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparcell.core.columns import Columns
from sparcell.core.errors import InputError
from sparcell.core.tables import read_typed_table
from sparcell.io import read_numbers, read_pieces, read_table, write_columns, write_table

FRAME = pd.DataFrame(
    {
        "image": ["007", "1e5", "β"],
        "id": [1, 2, 3],
        "area": [0.1, 1 / 3, 2e-308],
        "kept": [True, False, True],
    }
)


OBJECTS = {
    "image": ["=a", "b,c", 'say "d"\n'],
    "id": [1, 2, 3],
    "score": [0.1, float("nan"), 1e-17],
    "touches_border": [True, False, True],
}


def test_columns_are_written_as_their_table(tmp_path: Path) -> None:
    write_table(pd.DataFrame(OBJECTS), tmp_path / "table.csv")
    write_columns(Columns(OBJECTS), tmp_path / "columns.csv")
    assert (tmp_path / "columns.csv").read_bytes() == (tmp_path / "table.csv").read_bytes()


@pytest.mark.parametrize("rows", [0, 1, 20_000])
def test_numbers_are_read_as_pandas_reads_them(tmp_path: Path, rows: int) -> None:
    # The largest one is read by Pandas.
    frame = pd.DataFrame(OBJECTS)
    frame = frame.loc[[number % 3 for number in range(rows)]].assign(area=range(rows))
    write_table(frame, tmp_path / "t.csv")
    names = ["area", "score", "touches_border"]
    (expected,) = read_pieces(tmp_path / "t.csv", names)
    found = read_numbers(tmp_path / "t.csv", names)
    assert list(found) == names and len(found) == rows
    for name in names:
        np.testing.assert_array_equal(found[name], expected[name].to_numpy(np.float64))


@pytest.mark.parametrize("content", ["", "area\n1\n", "area,score\nx,1\n"])
def test_numbers_that_are_not_there_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError, match="no table with area, score"):
        read_numbers(tmp_path / "t.csv", ["area", "score"])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    write_table(FRAME, tmp_path / f"new/t{suffix}")
    pd.testing.assert_frame_equal(
        read_table(str(tmp_path / f"new/t{suffix}")), FRAME, check_dtype=False, check_exact=True
    )
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"t{suffix}"]


@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_floats_are_exact_in_csv(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.mktemp("floats") / "t.csv"
    write_table(pd.DataFrame({"y": values}), path)
    assert read_table(path)["y"].tolist() == values


def test_names_are_no_formulas_of_spreadsheet_programs(tmp_path: Path) -> None:
    names = ["=1+1", "@SUM(A1)", "+cmd|'/C calc'!A0", "-2+3+cmd(1)", "'=1", "-20C", "+a", "'a", ""]
    frame = pd.DataFrame({"image": names, "n": range(len(names))})
    path = tmp_path / "t.csv"
    write_table(frame, path)
    cells = [line.rpartition(",")[0].strip('"') for line in path.read_text().splitlines()[1:]]
    assert cells == ["'" + name for name in names[:5]] + names[5:]
    assert read_table(path)["image"].fillna("").tolist() == names
    assert read_typed_table(path)["image"].tolist() == names


def test_table_of_a_spreadsheet_program(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfname,y\r\n01,2\r\n")
    assert read_table(tmp_path / "t.csv").to_dict("list") == {"name": ["01"], "y": [2]}


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.csv", b""), ("t.csv", b'a,b\n1,"2\n'), ("t.csv", b"\xff\xfe\x00"),
     ("t.csv", b"a,b\n1,2\n1,2,3\n"), ("t.parquet", b""), ("t.parquet", b"PAR1"),
     ("t.parquet", b"a,b\n1,2\n" * 9)],
)  # fmt: skip
def test_damaged(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table"):
        read_table(tmp_path / "t.csv")


def test_other_suffix(tmp_path: Path) -> None:
    for call in (
        lambda: read_table(tmp_path / "t.xlsx"),
        lambda: write_table(FRAME, tmp_path / "t"),
    ):
        with pytest.raises(InputError, match=r"\.csv or \.parquet"):
            call()


def without_pyarrow(_: str) -> None:
    raise ImportError("Missing optional dependency 'pyarrow'")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(FRAME, tmp_path / "t.parquet")
    monkeypatch.setattr("pandas.io.parquet.get_engine", without_pyarrow)
    for call in (
        lambda: read_table(tmp_path / "t.parquet"),
        lambda: write_table(FRAME, tmp_path / "u.parquet"),
    ):
        with pytest.raises(InputError, match=r"pip install sparcell\[parquet\]"):
            call()
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def to_csv(_: Any, path: Path, **__: Any) -> None:
        path.write_text("image,")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pd.DataFrame, "to_csv", to_csv)
    with pytest.raises(InputError, match="full disk"):
        write_table(FRAME, tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"y,x\n1.5,2\n",
        b"\xef\xbb\xbfy,x\r\n1.5,2\r\n",
        b" y , x \n1.5,2\n",
        b"\ny,x\n\n1.5,2\n,\n\n",
        b"y;x\n1,5;2\n",
        b"y\tx\n1,5\t2\n",
        b'"y","x"\n"1.5","2"\n',
        b"y,x,\n1.5,2,\n",
        "y,x\n1.5,2\n".encode("utf-16"),
        "y,x,Größe in µm\n1.5,2,3\n".encode("cp1252"),
    ],
)
def test_typed_tables_of_many_programs(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    frame = read_typed_table(tmp_path / "a.csv")
    assert frame[["y", "x"]].values.tolist() == [["1.5", "2"]]
    lines = content.replace(b"\0", b"").splitlines()
    assert lines[frame.index[0] - 1].strip(b'"')[:1] == b"1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty table"),
        (b"\n \n", "an empty table"),
        (b"y,x\n1,2\n1,5,2,5\n", "that is no table"),
        # Decimal commas between commas: every row is longer than the header.
        (b"y,x\n1,5,2,5\n", "that is no table"),
        (bytes(range(256)), "that is no text"),
    ],
)
def test_typed_tables_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_typed_table(tmp_path / "a.csv")
    with pytest.raises(InputError, match="no table"):
        read_typed_table(tmp_path / "b.csv")


def test_commas_in_words_stay(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name;y\na,1.tif;-2,5e3\n")
    assert read_typed_table(tmp_path / "a.csv").values.tolist() == [["a,1.tif", "-2.5e3"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("y,y\n1,2\n", "two columns 'y'"),
        ("y,x,\n1,2,3\n", "'3' in line 2 .* in a column without name"),
        ("y;x\n1;2,5\n1;1.500\n", "'1.500' beside decimal commas"),
        ('y,x\n1,"2\n3,4\n', r"no table \(line 2: "),
    ],
)
def test_no_value_is_passed_over(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_typed_table(tmp_path / "a.csv")
    assert "C error" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        # Between commas three digits may be thousands; fewer are decimals.
        ('y,x\n1,"2,5"\n', ["1", "2.5"]),
        ('y,x\n1,"2,500"\n', ["1", "2,500"]),
        ("y;x\n1;2,500\n", ["1", "2.500"]),
        ("y;x\n1;2,5\n1.234,5;1.500\n", ["1", "2.5"]),
        ("y;x\n1.234,5;1.500\n", ["1234.5", "1500"]),
        ("y;name\n1.234,5;1.500\n", ["1234.5", "1.500"]),
        (" y;x\n\u00a01 ;\u200b2\n", ["1", "2"]),
        ("y;x\r1;2\r", ["1", "2"]),
    ],
)
def test_numbers_in_typed_tables(tmp_path: Path, content: str, values: list[str]) -> None:
    (tmp_path / "a.csv").write_bytes(content.encode())
    assert read_typed_table(tmp_path / "a.csv").values.tolist()[0] == values


def test_another_code_page_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.csv").write_bytes("name\nMüller\n".encode("cp1252"))
    assert read_typed_table(tmp_path / "a.csv")["name"].tolist() == ["Müller"]
    assert "Western code page, such as 'Müller'" in caplog.text


def test_workbooks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.create_sheet("plate")
    for row in ([], ["name", "time", "on"], ["007", 12.5, True], ["None", 24.0, None]):
        sheet.append(row)
    book.create_sheet("notes").append(["checked"])
    book.save(tmp_path / "a.xlsx")
    frame = read_typed_table(tmp_path / "a.xlsx")
    assert frame.to_dict("list") == {
        "name": ["007", "None"], "time": ["12.5", "24"], "on": ["True", ""]
    }  # fmt: skip
    assert frame.index.tolist() == [3, 4]
    assert "2 sheets; only the first is read, 'plate'" in caplog.text
    # A merged cell shows its value in each row; a suffix is only a name.
    sheet.append(["009", None])
    sheet.merge_cells("B4:B5")
    book.save(tmp_path / "a.xlsx")
    (tmp_path / "a.xlsx").rename(tmp_path / "c.csv")
    assert read_typed_table(tmp_path / "c.csv")["time"].tolist() == ["12.5", "24", "24"]
    sheet["B3"] = "=6+6.5"
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(InputError, match="a formula without a value in B3"):
        read_typed_table(tmp_path / "a.xlsx")
    (tmp_path / "b.xlsx").write_bytes((tmp_path / "a.xlsx").read_bytes()[:400])
    with pytest.raises(InputError, match="that is no workbook"):
        read_typed_table(tmp_path / "b.xlsx")
    for content in (b"", b"<worksheet>", b"\0"):
        with ZipFile(tmp_path / "a.xlsx") as whole, ZipFile(tmp_path / "c.xlsx", "w") as damaged:
            for name in whole.namelist():
                damaged.writestr(name, content if "sheet" in name else whole.read(name))
        with pytest.raises(InputError, match="that is no workbook"):
            read_typed_table(tmp_path / "c.xlsx")


def test_a_workbook_without_openpyxl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"pip install sparcell\[excel\]"):
        read_typed_table(tmp_path / "a.xlsx")


def test_words_for_nothing_are_missing_numbers_and_else_words(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,drug,area\nNA,None,1.5\nb,x,nan\nc,,\n")
    frame = read_table(tmp_path / "t.csv")
    assert frame["image"].tolist() == ["NA", "b", "c"]
    assert frame["drug"].tolist()[:2] == ["None", "x"] and frame["drug"].isna()[2]
    assert frame["area"].tolist()[0] == 1.5 and frame["area"].isna().tolist()[1:] == [True, True]


def test_a_table_that_a_spreadsheet_saved_again(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image;area;class\n007;1,5;None\n1e5;;b\n")
    frame = read_table(tmp_path / "t.csv")
    assert frame["image"].tolist() == ["007", "1e5"] and frame["class"].tolist() == ["None", "b"]
    assert frame["area"].tolist()[0] == 1.5 and frame["area"].isna().tolist() == [False, True]
