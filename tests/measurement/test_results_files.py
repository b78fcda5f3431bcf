"""The tables of a measurement in one workbook, and in a database of CellProfiler's names."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from sparcell.core.errors import InputError
from sparcell.io import write_image
from sparcell.measurement import measure, workbook


def write_field(folder: Path, name: str, *squares: tuple[int, int, int]) -> None:
    """A label image and an image of squares: row, column, edge; the image is ten times the id."""
    labels = np.zeros((40, 50), np.uint16)
    for number, (y, x, edge) in enumerate(squares, 1):
        labels[y : y + edge, x : x + edge] = number
    write_image(folder / "labels" / f"{name}.tif", labels, "YX", pixel_size=0.5, labels=True)
    write_image(folder / "images" / f"{name}.tif", labels * 10, "YX", pixel_size=0.5)


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    write_field(tmp_path, "A01_f1", (2, 3, 4), (20, 30, 10))
    write_field(tmp_path, "B02_f1", (5, 5, 6))
    write_field(tmp_path, "=1+1")
    return tmp_path


def sheets(path: Path) -> dict[str, list[tuple[object, ...]]]:
    book = openpyxl.load_workbook(path)
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}


def test_a_workbook_has_all_tables(fields: Path) -> None:
    measure(fields / "labels", out=fields / "out", xlsx=True)
    found = sheets(fields / "out" / "results.xlsx")
    assert list(found)[:2] == ["Counts", "Objects"] and {"Settings", "Notes"} <= set(found)
    heading, *rows = found["Objects"]
    objects = [dict(zip(heading, row, strict=True)) for row in rows]
    assert [(o["image"], o["id"], o["area_px"]) for o in objects] == [
        ("A01_f1", 1, 16), ("A01_f1", 2, 100), ("B02_f1", 1, 36),
    ]  # fmt: skip
    assert objects[0]["area_um2"] == 4.0 and objects[0]["touches_border"] is False
    heading, *rows = found["Counts"]
    counts = {row[0]: row[heading.index("count")] for row in rows}
    # A name that begins like a formula is text.
    assert counts == {"A01_f1": 2, "B02_f1": 1, "=1+1": 0}
    book = openpyxl.load_workbook(fields / "out" / "results.xlsx")
    assert book["Counts"].freeze_panes == "A2" and book["Counts"]["A1"].font.bold


def test_a_table_longer_than_a_sheet_goes_on_in_the_next(
    fields: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 3)
    measure(fields / "labels", out=fields / "out", xlsx=True)
    found = sheets(fields / "out" / "results.xlsx")
    assert [len(found[name]) for name in ("Objects", "Objects 2")] == [3, 2]
    assert found["Objects 2"][0] == found["Objects"][0]


def test_a_database_has_the_names_of_cellprofiler(fields: Path) -> None:
    measure(fields / "labels", images=fields / "images", out=fields / "out", sqlite=True)
    with sqlite3.connect(fields / "out" / "results.sqlite") as database:
        images = database.execute(
            "SELECT ImageNumber, Image_FileName_Labels, Image_Count_Cells FROM Per_Image"
        ).fetchall()
        objects = database.execute(
            "SELECT Image_FileName_Labels, ObjectNumber, Cells_Location_Center_X,"
            " Cells_Location_Center_Y, Cells_AreaShape_Area, Cells_AreaShape_BoundingBoxMaximum_X,"
            " Cells_Intensity_MeanIntensity_0, Cells_Intensity_IntegratedIntensity_0"
            " FROM Per_Object JOIN Per_Image USING (ImageNumber)"
            " ORDER BY ImageNumber, ObjectNumber"
        ).fetchall()
    assert sorted((name, count) for _, name, count in images) == [
        ("=1+1", 0), ("A01_f1", 2), ("B02_f1", 1),
    ]  # fmt: skip
    assert sorted(number for number, *_ in images) == [1, 2, 3]
    # Columns 3 to 6 have their centre at 4.5; the grey value of object 2 is 20.
    expected = [
        ("A01_f1", 1, 4.5, 3.5, 16, 7, 10.0, 160.0),
        ("A01_f1", 2, 34.5, 24.5, 100, 40, 20.0, 2000.0),
        ("B02_f1", 1, 7.5, 7.5, 36, 11, 10.0, 360.0),
    ]
    assert [row[:2] for row in objects] == [row[:2] for row in expected]
    np.testing.assert_allclose([row[2:] for row in objects], [row[2:] for row in expected])


def test_orientation_is_in_degrees(tmp_path: Path) -> None:
    labels = np.zeros((30, 30), np.uint16)
    labels[10:14, 5:25] = 1
    write_image(tmp_path / "labels" / "a.tif", labels, "YX", labels=True)
    measure(tmp_path / "labels", out=tmp_path / "out", sqlite=True)
    with sqlite3.connect(tmp_path / "out" / "results.sqlite") as database:
        ((angle,),) = database.execute("SELECT Cells_AreaShape_Orientation FROM Per_Object")
    assert abs(angle) == pytest.approx(90)


def test_files_of_others_are_not_replaced(fields: Path) -> None:
    (fields / "out").mkdir()
    (fields / "out" / "results.xlsx").write_text("mine")
    with pytest.raises(InputError, match=r"results\.xlsx, which"):
        measure(fields / "labels", out=fields / "out", xlsx=True)


def test_without_openpyxl_nothing_is_measured_in_vain(
    fields: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install sparcell\[excel\]"):
        measure(fields / "labels", out=fields / "out", xlsx=True)
    assert not (fields / "out").exists()
