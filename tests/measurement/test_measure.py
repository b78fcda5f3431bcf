from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile
from cases import draw, missed, touching

from sparcell.cli import main
from sparcell.core.errors import InputError
from sparcell.measurement import measure


def write(folder, **images):
    folder.mkdir(exist_ok=True)
    for name, image in images.items():
        axes = "YX" if image.ndim == 2 else "TYX"
        tifffile.imwrite(
            folder / f"{name}.tif", image, photometric="minisblack", metadata={"axes": axes}
        )
    return folder


@pytest.fixture
def plate(tmp_path):
    """Two tiles of a well at three times, growing."""
    boxes = [
        (4 + 12 * (k // 4), 4 + 14 * (k % 4), 12 + 12 * (k // 4), 12 + 14 * (k % 4))
        for k in range(12)
    ]
    return write(
        tmp_path / "labels",
        **{
            f"E_B3_{tile}_00d{6 * step:02d}h00m": draw(*boxes[: 2 ** (step + 1) + tile])
            for step in range(3)
            for tile in (1, 2)
        },
    )


def test_tables_of_a_plate(plate, tmp_path):
    out = measure(plate, out=tmp_path / "tables")
    assert sorted(path.name for path in out.iterdir()) == [
        "counts.csv", "growth.csv", "growth.png", "objects.csv", "plate.html", "wells.csv",
    ]  # fmt: skip
    objects, counts = pd.read_csv(out / "objects.csv"), pd.read_csv(out / "counts.csv")
    assert counts["count"].tolist() == [3, 5, 9, 4, 6, 10]
    assert counts["components"].tolist() == counts["count"].tolist()
    assert counts["count_by_area"].to_numpy() == pytest.approx(counts["count"])
    assert counts["note"].isna().all()
    assert len(objects) == 37
    wells = pd.read_csv(out / "wells.csv")
    assert wells["count"].tolist() == [7, 11, 19]
    assert wells["time"].tolist() == [0, 6, 12]
    growth = pd.read_csv(out / "growth.csv")
    assert growth["doubling_time"].item() == pytest.approx(
        12 * np.log(2) / np.log(19 / 7), rel=0.02
    )


def test_without_wells_there_are_two_tables(tmp_path):
    apart = touching()[0]
    merged = (apart > 0).astype(apart.dtype)
    labels = write(tmp_path / "labels", one=missed()[0], two=apart, three=draw(), four=merged)
    out = measure(labels, out=tmp_path / "tables")
    assert sorted(path.name for path in out.iterdir()) == ["counts.csv", "objects.csv"]
    counts = pd.read_csv(out / "counts.csv").set_index("image")
    assert counts.loc["two", ["count", "components"]].tolist() == [2, 1]
    assert not counts.loc["two", "needs_a_look"]
    assert counts.loc["four", ["count", "components"]].tolist() == [1, 1]
    assert counts.loc["four", "note"].startswith("1 found, but their area would hold 2 average")
    assert counts.loc["four", "needs_a_look"]
    assert counts.loc["three", ["count", "count_by_area"]].tolist() == [0, 0]


def test_names_without_wells_are_said(tmp_path, caplog):
    labels = write(tmp_path / "labels", cells_1=missed()[0])
    measure(labels, out=tmp_path / "tables")
    said = caplog.text
    assert "No wells or times were recognised in the 1 name, for example cells_1." in said


DEPTHS = {
    "operetta": [f"r02c03f01p0{z}-ch1sk1fk1fl1" for z in (1, 2, 3)],
    "yokogawa": [f"plate_B03_T0001F001L01A01Z0{z}C01" for z in (1, 2, 3)],
    "scanr": [f"B3--W00015--P00001--Z0000{z}--T00000--DAPI" for z in (0, 1, 2)],
    "leica": [f"image--L0000--S00--U02--V01--X00--Y00--T0000--Z0{z}--C00" for z in (0, 1, 2)],
    "incell": [f"B - 3(fld 1 wv DAPI - DAPI z {z})" for z in (1, 2, 3)],
    "imagexpress": [f"ZStep_{z}_exp_B03_s1_w1" for z in (1, 2, 3)],
    "micro-manager": [f"B3-Site_0_img_000000000_DAPI_00{z}" for z in (0, 1, 2)],
}


@pytest.mark.parametrize("maker", DEPTHS)
def test_depths_in_names_are_no_tiles(tmp_path, maker):
    truth = draw((4, 4, 12, 12), (4, 20, 12, 28), (20, 4, 28, 12))
    labels = write(tmp_path / "labels", **dict.fromkeys(DEPTHS[maker], truth))
    wells = pd.read_csv(measure(labels, out=tmp_path / "tables") / "wells.csv")
    columns = ["well", "n_tiles", "count", "area_px"]
    assert wells[columns].values.tolist() == [["B03", 1, 3, 3 * 64]]


def test_a_stack_may_be_a_movie(tmp_path, caplog):
    truth = missed()[0]
    (tmp_path / "labels").mkdir()
    tifffile.imwrite(
        tmp_path / "labels" / "exp_B03_s1.tif",
        np.stack([truth] * 4),
        photometric="minisblack",
        metadata={"axes": "ZYX"},
    )
    out = measure(tmp_path / "labels", out=tmp_path / "tables")
    assert pd.read_csv(out / "wells.csv")["count"].tolist() == [2]
    said = caplog.text
    assert "exp_B03_s1 has 4 depths: the same nucleus" in said
    assert "predict with `axes` and T for Z, such as TYX" in said


def test_intensities_of_every_time_point(tmp_path):
    truth = missed()[0]
    labels = write(tmp_path / "labels", film=np.stack([truth, truth]))
    images = write(tmp_path / "images", film=np.stack([truth, 10 * truth]).astype(np.float32))
    out = measure(labels, images=images, out=tmp_path / "tables")
    objects = pd.read_csv(out / "objects.csv")
    assert objects[["t", "id", "mean_0"]].values.tolist() == [
        [0, 1, 1], [0, 2, 2], [1, 1, 10], [1, 2, 20],
    ]  # fmt: skip


def test_scores_of_a_prediction_are_taken_over(tmp_path):
    run = tmp_path / "run"
    (run / "objects").mkdir(parents=True)
    write(run / "labels", one=missed()[0])
    rows = pd.DataFrame({"image": "one", "t": 0, "z": 0, "id": [2, 1, 7], "score": [0.2, 0.1, 0.7]})
    rows.to_csv(run / "objects" / "one.csv", index=False)
    out = measure(run, out=tmp_path / "tables")
    assert pd.read_csv(out / "objects.csv")["score"].tolist() == [0.1, 0.2]


def test_typical_area_can_be_given(tmp_path):
    labels = write(tmp_path / "labels", one=missed()[0])
    out = measure(labels, out=tmp_path / "tables", typical=50)
    assert pd.read_csv(out / "counts.csv")["count_by_area"].tolist() == [4]


def test_typical_area_by_the_command(tmp_path, capsys):
    # 12 x 10 px and 10 x 5 px are 170 px: 3.4 nuclei of 50 px.
    labels = write(tmp_path / "labels", one=draw((10, 10, 22, 20), (30, 30, 40, 35)))
    for area, code in (("50", 0), ("0", 2), ("-3", 2)):
        with pytest.raises(SystemExit) as end:
            main(["measure", str(labels), "-o", str(tmp_path / "tables"), "--typical", area])
        assert (end.value.code or 0) == code
    counts = pd.read_csv(tmp_path / "tables" / "counts.csv")
    assert counts["count_by_area"].tolist() == [3.4]
    assert counts["typical_area_px"].tolist() == [50]
    assert "a typical area of 0 px" in capsys.readouterr().err


def test_a_time_in_the_name_and_in_the_file(tmp_path):
    truth = missed()[0]
    labels = write(tmp_path / "labels", E_B3_1_00d04h00m=np.stack([truth, truth]))
    with pytest.raises(InputError, match="several time points in the file"):
        measure(labels, out=tmp_path / "tables")


def test_images_must_be_there_and_fit(tmp_path):
    labels = write(tmp_path / "labels", one=missed()[0])
    images = write(tmp_path / "images", other=missed()[0])
    with pytest.raises(InputError, match="no image one in"):
        measure(labels, images=images, out=tmp_path / "tables")
    write(images, one=missed()[0][:-1])
    with pytest.raises(InputError, match=r"one\.tif of T, Z, Y, X"):
        measure(labels, images=images, out=tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


def test_a_bad_file_is_named(tmp_path):
    labels = write(tmp_path / "labels", one=missed()[0])
    (labels / "two.tif").write_bytes(b"II*\0 no image")
    with pytest.raises(InputError, match=r"two\.tif"):
        measure(labels, out=tmp_path / "tables")


def test_the_way_out_must_be_writable(tmp_path):
    labels = write(tmp_path / "labels", one=missed()[0])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        measure(labels, out=tmp_path / "file")


def test_masks_colours_and_floats_give_objects(tmp_path, caplog):
    labels = draw(*[(y, x, y + 8, x + 8) for y in (4, 20) for x in (4, 20, 36)])
    write(
        tmp_path / "labels",
        mask=np.where(labels > 0, 255, 0).astype(np.uint8),
        colours=np.where(labels > 0, labels % 2 + 1, 0).astype(np.uint8),
        whole=labels.astype(np.float32),
    )
    measure(tmp_path / "labels", out=tmp_path / "out")
    counts = pd.read_csv(tmp_path / "out" / "counts.csv").set_index("image")["count"]
    assert counts.to_dict() == {"mask": 6, "colours": 6, "whole": 6}
    areas = pd.read_csv(tmp_path / "out" / "objects.csv").groupby("image")["area_px"].unique()
    assert {name: found.tolist() for name, found in areas.items()} == {
        "mask": [64],
        "colours": [64],
        "whole": [64],
    }
    assert "mask.tif is a mask" in " ".join(caplog.text.split())


def test_classes_of_pixels_are_not_measured(tmp_path):
    write(tmp_path / "labels", a=2 - (draw((4, 4, 12, 12)) > 0).astype(np.uint8))
    with pytest.raises(InputError, match="without background: its values are 1, 2"):
        measure(tmp_path / "labels", out=tmp_path / "out")


def test_conditions_called_none_have_their_curve(tmp_path, plate):
    rows = [
        f"E_B3_{tile}_00d{6 * step:02d}h00m.tif;B3;{tile};{6 * step},5;None"
        for step in range(3)
        for tile in (1, 2)
    ]
    (tmp_path / "plate.csv").write_text("\n".join(["Name;Well;Tile;Time;Condition", *rows]))
    measure(plate, out=tmp_path / "out", wells=tmp_path / "plate.csv")
    text = (tmp_path / "out" / "wells.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in text[1:]] == [
        ["B03", "None", "0.5"],
        ["B03", "None", "6.5"],
        ["B03", "None", "12.5"],
    ]
