"""One bad image, plane or chunk never costs the rest, and is always told of."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from models import bright_model

from sparcell.cli import main
from sparcell.core.errors import InputError
from sparcell.io import open_image, read_table, write_image
from sparcell.models import Model
from sparcell.prediction.array import predict_array
from sparcell.prediction.predict import Summary, predict
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tasks import find_objects


@pytest.fixture(scope="module")
def model() -> Model:
    return bright_model()


def squares(count: int) -> np.ndarray:
    """Bright squares of 8 x 8 px in a row on a dark ground."""
    pixels = np.full((64, 128), 100, np.uint16)
    for number in range(count):
        pixels[10:18, 4 + 12 * number : 12 + 12 * number] = 3100
    return pixels


def run(model: Model, inputs: Path, out: Path, **options: object) -> Summary:
    return predict(model, inputs, out, runtime="onnxruntime", threads=1, **options)


@pytest.mark.parametrize("dropped", [0, 2, 3])
@pytest.mark.parametrize("block", [None, 64])
def test_a_dropped_frame_costs_no_other(
    model: Model, tmp_path: Path, dropped: int, block: int | None
) -> None:
    frames = np.stack([squares(count) for count in (3, 5, 2, 8)])
    frames[dropped] = 0
    write_image(tmp_path / "movie.tif", frames, "TYX")
    found = [3, 5, 2, 8]
    found[dropped] = 0
    settings = PredictSettings(block=block, diameter="auto" if dropped == 0 else None)
    for resume in (False, True):
        summary = run(model, tmp_path, tmp_path / "out", settings=settings, resume=resume)
        assert summary.counts["count"].tolist() == found and not summary.failures
        (said,) = summary.skipped.values()
        assert f"time point {dropped}, depth 0 is constant" in said
    if not block and dropped:
        array = predict_array(model, frames, "TYX", runtime="onnxruntime", threads=1)
        assert array.labels.max(axis=(1, 2)).tolist() == found


def test_a_movie_of_dropped_frames_alone_is_a_failure(model: Model, tmp_path: Path) -> None:
    write_image(tmp_path / "movie.tif", np.zeros((3, 40, 40), np.uint8), "TYX")
    summary = run(model, tmp_path, tmp_path / "out")
    assert "constant image" in summary.failures[str(tmp_path / "movie.tif")]


def test_the_command_lists_what_has_no_result(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(tmp_path / "model.zip")
    frames = np.stack([squares(3), np.zeros((64, 128), np.uint16)])
    write_image(tmp_path / "in" / "movie.tif", frames, "TYX")
    (tmp_path / "in" / "torn.tif").write_bytes(b"II*\0 cut short")
    command = ["predict", str(tmp_path / "model.zip"), str(tmp_path / "in")]
    with pytest.raises(SystemExit) as end:
        main([*command, "-o", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert "1 image could not be predicted:" in said and "with layers that were skipped:" in said
    assert "Found 3 objects in 1 image of 2 layers together" in said


def test_a_name_as_long_as_the_disk_takes(model: Model, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("x" * 236, "short"):
        write_image(tmp_path / "in" / f"{name}.tif", squares(3), "YX")
    summary = run(model, tmp_path / "in", tmp_path / "out")
    assert summary.counts["count"].tolist() == [3, 3] and not summary.failures


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_text_costs_one_image(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for name in (b"caf\xe9.tif", b"esc\x1b[31m\n.tif", b"=1+1.tif"):
        path = Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name))
        tifffile.imwrite(path, squares(3))
    summary = run(model, tmp_path / "in", tmp_path / "out")
    assert summary.counts["count"].tolist() == [3, 3]
    assert "whose name is not UTF-8" in next(iter(summary.failures.values()))
    counts = tmp_path / "out" / "counts.csv"
    assert "\n'=1+1," in counts.read_text() and "=1+1" in read_table(counts)["image"].tolist()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["info", str(tmp_path / "in")])
    said = capsys.readouterr().out
    # An image a line, and the next step.
    listed, _ = said.split("Next:")
    assert len(listed.splitlines()) == 3 and "\x1b" not in said and r"esc\x1b[31m" in said


def test_a_fault_of_our_own_costs_one_image(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        write_image(tmp_path / "in" / f"{name}.tif", squares(3), "YX")
    whole = find_objects.predict_instances

    def fail(view: object, labels: Path, *more: object) -> object:
        if labels.stem == "b":
            raise KeyError("omero")
        return whole(view, labels, *more)

    monkeypatch.setattr(find_objects, "predict_instances", fail)
    summary = run(model, tmp_path / "in", tmp_path / "out")
    assert summary.counts["image"].tolist() == ["a", "c"]
    (reason,) = summary.failures.values()
    assert "KeyError" in reason and "\n" not in reason
    assert "raise KeyError" in (tmp_path / "out" / "failure.txt").read_text()


def test_a_width_below_zero_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, squares(1))
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[0].tags["ImageWidth"]
    # Type 9 is a signed number.
    content[tag.offset + 2 : tag.offset + 4] = struct.pack("<H", 9)
    content[tag.offset + 8 : tag.offset + 12] = struct.pack("<i", -1)
    path.write_bytes(content)
    with pytest.raises(InputError, match="width"):
        open_image(path)


@pytest.mark.parametrize("omero", [[], 7, {"channels": 3}, {"channels": [1]}])
def test_foreign_words_on_channels_are_one_plain_line(tmp_path: Path, omero: object) -> None:
    path = tmp_path / "a.ome.zarr"
    write_image(path, squares(1), "YX")
    group = zarr.open_group(path)
    group.attrs["ome"] = {**group.attrs["ome"], "omero": omero}
    with pytest.raises(InputError, match="no OME-Zarr"):
        open_image(path)


def test_chunks_that_are_not_there_are_told(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.ome.zarr"
    write_image(path, np.tile(squares(3), (20, 10)), "YX")
    array = zarr.open_array(path / "0")
    run(model, path, tmp_path / "whole")
    assert "missing and read as 0" not in caplog.text
    first, *_ = sorted(file for file in (path / "0" / "c").rglob("*") if file.is_file())
    first.unlink()
    run(model, path, tmp_path / "out")
    assert f"1 of {array.nchunks} chunks is missing and read as 0" in caplog.text


def test_chunks_outside_of_the_size_are_told(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.ome.zarr"
    write_image(path, np.tile(squares(3), (20, 10)), "YX")
    header = json.loads((path / "0" / "zarr.json").read_text())
    header["shape"] = [64, 128]
    (path / "0" / "zarr.json").write_text(json.dumps(header))
    run(model, path, tmp_path / "out")
    assert "3 stored chunks outside of its size" in caplog.text
