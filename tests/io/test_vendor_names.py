"""What makers of microscopes write into names, and how it is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sparcell.io.vendor_names import FORMS, Form, is_thumbnail, match_names

# Written down by hand from the makers' names; the examples of the table come first.
EXPECTED = {
    "EXPT_B3_1_00d04h00m": {"plate": "EXPT", "well": "B3", "tile": "1", "time": "00d04h00m"},
    "Phase_B3_1_2023y05m17d_08h00m": {
        "channel": "Phase", "well": "B3", "tile": "1", "time": "2023y05m17d_08h00m",
    },
    "r02c03f01p01-ch1sk1fk1fl1": {
        "well": "B03", "tile": "01", "depth": "01", "channel": "1", "time": "1",
    },
    "plate_B03_s1_w1": {"plate": "plate", "well": "B03", "tile": "1", "channel": "1"},
    "plate_B03_w1": {"plate": "plate", "well": "B03", "channel": "1"},
    "plate_B03_T0001F001L01A01Z01C01": {
        "plate": "plate", "well": "B03", "tile": "001", "time": "0001", "depth": "01",
        "channel": "01",
    },
    "W1F001T0001Z01C1": {
        "well": "W1", "tile": "001", "time": "0001", "depth": "01", "channel": "1",
    },
    "B - 3(fld 1 wv DAPI - DAPI z 1 time 1 - 0 ms)": {
        "well": "B - 3", "tile": "1", "channel": "DAPI - DAPI", "depth": "1", "time": "1",
    },
    "170702000001_B14f07": {"plate": "170702000001", "well": "B14", "tile": "07"},
    "MFGTMP_150406100001_B03f00d0": {
        "plate": "MFGTMP_150406100001", "well": "B03", "tile": "00", "channel": "0",
    },
    "B3--W00015--P00001--Z00000--T00000--DAPI": {
        "well": "B3", "tile": "00001", "depth": "00000", "time": "00000", "channel": "DAPI",
    },
    "--W00015--P00001--Z00000--T00000--DAPI": {
        "plate": "", "well": "W00015", "tile": "00001", "depth": "00000", "time": "00000",
        "channel": "DAPI",
    },
    "image--L0000--S00--U01--V02--J08--E00--O00--X00--Y00--T0000--Z00--C00": {
        "plate": "S00", "well": "C02", "tile": "X00--Y00", "time": "0000", "depth": "00",
        "channel": "00",
    },
    "B3-Site_0_img_000000000_DAPI_000": {
        "well": "B3", "tile": "0", "time": "000000000", "channel": "DAPI", "depth": "000",
    },
    "B3-Site_0_img_channel000_position000_time000000000_z000": {
        "well": "B3", "tile": "0", "channel": "000", "time": "000000000", "depth": "000",
    },
    "img_channel000_position000_time000000000_z000": {
        "tile": "000", "channel": "000", "time": "000000000", "depth": "000",
    },
    "Pos0_img_000000000_DAPI_000": {
        "tile": "Pos0", "time": "000000000", "channel": "DAPI", "depth": "000",
    },
    "exp_MMStack_B3-Site_0": {"plate": "exp", "well": "B3", "tile": "0"},
    "exp_MMStack_Pos0": {"plate": "exp", "tile": "Pos0"},
    "exp_B03_s1_t005_z2_w1": {
        "plate": "exp", "well": "B03", "tile": "1", "time": "005", "depth": "2", "channel": "1",
    },
    "r2_c3_f1": {"well": "B03", "tile": "1"},
    "002003001": {"well": "B03", "tile": "001"},
    "scan_Plate_D_p00_z01_0_A01f00d0": {
        "plate": "scan_Plate_D_p00", "well": "A01", "tile": "00", "depth": "01", "time": "0",
        "channel": "0",
    },
    "B3_01_1_2_DAPI_001": {"well": "B3", "tile": "2", "channel": "DAPI", "time": "001"},
    "WellA01_PointA01_0001_ChannelDAPI_Seq0000": {
        "well": "A01", "tile": "0001", "channel": "DAPI",
    },
    "WellB03_ChannelDAPI_Seq0001": {"well": "B03", "tile": "0001", "channel": "DAPI"},
    "Image_T0001_XY01_00002_Z003_CH1": {
        "plate": "Image", "well": "XY01", "tile": "00002", "time": "0001", "depth": "003",
        "channel": "1",
    },
    "exp_w1DAPI_s2_t3": {"plate": "exp", "tile": "2", "time": "3", "channel": "1DAPI"},
    "exp_s2_t003_c1": {"plate": "exp", "tile": "2", "time": "003", "channel": "1"},
    "exp_t001xy02z03c1": {
        "plate": "exp", "tile": "02", "time": "001", "depth": "03", "channel": "1",
    },
    "exp_Series002_t03_z04_ch01": {
        "plate": "exp", "tile": "002", "time": "03", "depth": "04", "channel": "01",
    },
    # Variants.
    "r02_c11_f03_t4_z2_ch1": {
        "well": "B11", "tile": "03", "time": "4", "depth": "2", "channel": "1",
    },
    "EXP_Plate_R_p00_3_B12f01d4": {
        "plate": "EXP_Plate_R_p00", "well": "B12", "tile": "01", "time": "3", "channel": "4",
    },
    "B03(fld 1 wv DAPI)": {"well": "B03", "tile": "1", "channel": "DAPI"},
    "B3_-1_1_1_Tsf[Phase]_012": {
        "well": "B3", "tile": "1", "channel": "Tsf[Phase]", "time": "012",
    },
    "Image_XY01_00001_CH2": {
        "plate": "Image", "well": "XY01", "tile": "00001", "channel": "2",
    },
    "Image_XY01_00001_Overlay": {
        "plate": "Image", "well": "XY01", "tile": "00001", "channel": "Overlay",
    },
    "exp-01_s01t02z3c1_ORG": {
        "plate": "exp-01", "tile": "01", "time": "02", "depth": "3", "channel": "1",
    },
    "expt001xy12": {"plate": "exp", "tile": "12", "time": "001"},
    "exp_xy01t02c1": {"plate": "exp", "tile": "01", "time": "02", "channel": "1"},
    "run 2_Position 3_t00_z01_RAW_ch00": {
        "plate": "run 2", "tile": "3", "time": "00", "depth": "01", "channel": "00",
    },
    "plate__2023-01-02_r01c02f03p01-ch2": {
        "plate": "plate__2023-01-02", "well": "A02", "tile": "03", "depth": "01", "channel": "2",
    },
    "B03_img_001": {"well": "B03", "tile": "001"},
    "wellB03_field2": {"well": "B03", "tile": "2"},
    "B03_xy2": {"well": "B03", "tile": "2"},
    "plate_B03_fov_7_t2": {"plate": "plate", "well": "B03", "tile": "7", "time": "2"},
    "Green_H12_4_01d12h30m": {
        "channel": "Green", "well": "H12", "tile": "4", "time": "01d12h30m",
    },
    "MiaPaCa2-PhaseOriginal_A2_1_03d06h40m": {
        "plate": "MiaPaCa2", "channel": "PhaseOriginal", "well": "A2", "tile": "1",
        "time": "03d06h40m",
    },
    "r27c05f12p03-ch2sk004fk1fl1": {
        "well": "AA05", "tile": "12", "depth": "03", "channel": "2", "time": "004",
    },
    "val screen_B02_s3_w2D1E1A0B2-0BB3-4B8A-9187-2805F4C90506": {
        "plate": "val screen", "well": "B02", "tile": "3", "channel": "2",
    },
    "val screen_B02_s1_w1_thumb62D4A363-7C7E-40D0-8A9E-55EC6681574D": {
        "plate": "val screen", "well": "B02", "tile": "1", "channel": "1", "thumbnail": "_thumb",
    },
    "TimePoint_12_exp_B03_s1_w1": {
        "plate": "exp", "well": "B03", "tile": "1", "channel": "1", "time": "12",
    },
    "TimePoint_2_ZStep_3_exp_B03_s1_w1": {
        "plate": "exp", "well": "B03", "tile": "1", "channel": "1", "time": "2", "depth": "3",
    },
    "P7_TimePoint_2_exp_B03_s1_w1": {
        "plate": "P7_exp", "well": "B03", "tile": "1", "channel": "1", "time": "2",
    },
    "A - 01(fld 2 wv Green - dsRed z 3)": {
        "well": "A - 01", "tile": "2", "channel": "Green - dsRed", "depth": "3",
    },
    "B - 4(fld 1 wv CFP - CFP- time 7 - 3600000 ms)": {
        "well": "B - 4", "tile": "1", "channel": "CFP - CFP", "time": "7",
    },
    "B - 03(fld 1 wv TL-Brightfield - Cy3 wix 2)": {
        "well": "B - 03", "tile": "1", "channel": "TL-Brightfield - Cy3",
    },
    "Plate1_A - 01(fld 1)": {"plate": "Plate1", "well": "A - 01", "tile": "1"},
    "AS_09125_050116030001_D03f02d1": {
        "plate": "AS_09125_050116030001", "well": "D03", "tile": "02", "channel": "1",
    },
    "image--L0000--S01--U11--V07--X02--Y01--T0003--C01": {
        "plate": "S01", "well": "H12", "tile": "X02--Y01", "time": "0003", "channel": "01",
    },
    "img_channel001_positionPos3_time000000002_z000": {
        "tile": "Pos3", "channel": "001", "time": "000000002", "depth": "000",
    },
    "exp_1-Pos_000_001_img_000000003_GFP high_002": {
        "plate": "exp", "tile": "1-Pos_000_001", "time": "000000003", "channel": "GFP high",
        "depth": "002",
    },
}  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items())
def test_names_of_makers(name: str, expected: dict[str, str]) -> None:
    assert match_names([name]) == [{"name": name, **expected}]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.maker)
def test_every_form_reads_its_example(form: Form) -> None:
    match = re.fullmatch(form.pattern, form.example, re.IGNORECASE)
    assert match is not None and form.example in EXPECTED


@pytest.mark.parametrize(
    "name",
    ["cells_001", "nuclei", "BBBC006_x", "img_01", "HeLa_B2", "film_t01", "Pos0_x", "TimePoint_1_a",
     "r2c3", "A1", "000003001", "cells_s1", "20240503", "cell_c1", "scene0", "2023y05m17d_08h00m"],
)  # fmt: skip
def test_other_names_are_not_read(name: str) -> None:
    assert match_names([name]) == []


def test_the_form_of_most_names_counts() -> None:
    names = ["r01c01f01p01-ch1sk1", "r01c02f01p01-ch1sk1", "x_B03_s1"]
    assert [row["well"] for row in match_names(names)] == ["A01", "A02"]
    assert match_names(["x_B03_s1", "other"]) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plate_B03_s1_w1_thumb.TIF", True),
        ("plate_B03_w2_Thumb.tif", True),
        ("plate_B03_s1_thumb62D4A363-7C7E-40D0-8A9E-55EC6681574D.tif", True),
        ("plate_B03_s1_w1.TIF", False),
        ("thumb.tif", False),
        ("thumb_B03_s1_w1.tif", False),
    ],
)
def test_thumbnails(name: str, expected: bool) -> None:
    assert is_thumbnail(Path("folder") / name) is expected


def test_the_documentation_shows_every_form() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "growth-curves.md").read_text("utf8")
    assert [form.maker for form in FORMS if f"| `{form.example}` |" not in page] == []
