"""Plates: every field of every well, counted by well."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from bases.scenes import ellipses
from models import bright_model
from ome_zarr_models.v04.hcs import HCS as HCS04
from ome_zarr_models.v05.hcs import HCS as HCS05

from sparcell.core.errors import InputError
from sparcell.io import find_plate_field, list_images, open_image, read_table, write_image
from sparcell.measurement import measure
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings

WELLS = {"A/1": 2, "B/12": 1, "AA/3": 1}
HCS = {"0.4": HCS04, "0.5": HCS05}


def write_plate(path: Path, version: str = "0.5") -> dict[str, int]:
    """Write a plate; how many objects each well holds."""
    zarr_format = 2 if version == "0.4" else 3

    def describe(group: Path, content: dict[str, object]) -> None:
        whole = content if version == "0.4" else {"ome": {"version": version, **content}}
        zarr.open_group(group, mode="a", zarr_format=zarr_format).attrs.update(whole)

    rows = ["A", "AA", "B"]
    columns = ["1", "3", "12"]
    wells = [
        {
            "path": well,
            "rowIndex": rows.index(well.split("/")[0]),
            "columnIndex": columns.index(well.split("/")[1]),
        }
        for well in WELLS
    ]
    plate = {
        "name": "p",
        "rows": [{"name": r} for r in rows],
        "columns": [{"name": c} for c in columns],
        "wells": wells,
        "field_count": 2,
    }
    more = {"version": version}
    describe(path, {"plate": plate | more})
    counts = {}
    for number, (well, fields) in enumerate(WELLS.items()):
        zarr.open_group(path / well.split("/")[0], mode="a", zarr_format=zarr_format)
        images = [{"path": str(field)} for field in range(fields)]
        describe(path / well, {"well": {"images": images} | more})
        counts[well] = 0
        for field in range(fields):
            labels = ellipses(10 * number + field, (40, 50), 8)
            counts[well] += int(labels.max())
            pixels = (100 + 3000 * (labels > 0)).astype(np.uint16)
            write_image(path / well / f"{field}.zarr", pixels, "YX", ngff=version)
            (path / well / f"{field}.zarr").rename(path / well / str(field))
    return counts


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_goes_by_wells_and_fields(tmp_path: Path, version: str) -> None:
    plate = tmp_path / "p7.ome.zarr"
    truth = write_plate(plate, version)
    group = zarr.open_group(plate, mode="r")
    assert len(HCS[version].from_zarr(group).ome_attributes.plate.wells) == 3
    fields = list_images([plate])
    assert [str(path.relative_to(plate)) for path in fields] == [
        "A/1/0",
        "A/1/1",
        "B/12/0",
        "AA/3/0",
    ]
    out = tmp_path / "out"
    settings = PredictSettings(into_image="nuclei") if version == "0.5" else PredictSettings()
    summary = predict(bright_model(), plate, out, settings=settings, runtime="onnxruntime")
    assert summary.failures == {}
    counts = read_table(out / "counts.csv")
    names = ["p7_A01_f0", "p7_A01_f1", "p7_B12_f0", "p7_AA03_f0"]
    assert counts["image"].tolist() == names
    assert counts["well"].tolist() == ["A01", "A01", "B12", "AA03"]
    assert counts["field"].tolist() == [0, 1, 0, 0]
    by_well = counts.groupby("well")["count"].sum()
    assert by_well.to_dict() == {"A01": truth["A/1"], "B12": truth["B/12"], "AA03": truth["AA/3"]}
    if version == "0.5":
        assert all(open_image(path / "labels" / "nuclei").axes == "YX" for path in fields)
        return
    # The names tell measuring where each image belongs.
    wells = read_table(measure(out, out=tmp_path / "tables") / "wells.csv").set_index("well")
    assert wells["count"].to_dict() == by_well.to_dict()
    assert wells["n_tiles"].to_dict() == {"A01": 2, "B12": 1, "AA03": 1}


def test_fields_know_their_plate(tmp_path: Path) -> None:
    plate = tmp_path / "p.zarr"
    write_plate(plate)
    found = find_plate_field(plate / "B" / "12" / "0")
    assert found is not None and (found.plate, found.well, found.field) == (plate, "B12", "0")
    assert find_plate_field(plate) is None and find_plate_field(Path("image.tif")) is None


def test_a_field_that_fails_does_not_stop_the_plate(tmp_path: Path) -> None:
    plate = tmp_path / "p.zarr"
    write_plate(plate)
    chunk = plate / "A" / "1" / "1" / "0" / "c" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    summary = predict(bright_model(), plate, tmp_path / "out", runtime="onnxruntime")
    assert list(summary.failures) == [str(plate / "A" / "1" / "1")]
    assert summary.counts["well"].tolist() == ["A01", "B12", "AA03"]


def test_plates_that_are_not_whole(tmp_path: Path) -> None:
    plate = tmp_path / "p.zarr"
    write_plate(plate)
    # What is missing is told of, and does not cost the rest.
    (plate / "B" / "12" / "0").rename(tmp_path / "elsewhere")
    (plate / "AA" / "3" / "zarr.json").write_text("{")
    summary = predict(bright_model(), plate, tmp_path / "out", runtime="onnxruntime")
    assert set(summary.failures) == {str(plate / "B" / "12" / "0")}
    assert summary.counts["well"].tolist() == ["A01", "A01", "AA03"]
    nothing = tmp_path / "n.zarr"
    write_plate(nothing)
    for field in nothing.glob("*/*/*"):
        if field.is_dir():
            shutil.rmtree(field)
    with pytest.raises(InputError, match=r"no field of 4, such as .*A/1/0 in the plate"):
        list_images([nothing])
    empty = tmp_path / "q.zarr"
    zarr.create_group(empty).attrs["ome"] = {"version": "0.5", "plate": {"wells": [{}]}}
    with pytest.raises(InputError, match="damaged metadata"):
        list_images([empty])
    # Among others it is listed as one that cannot be read.
    assert empty in list_images([tmp_path / "*q.zarr"])
