"""Predictions in blocks that are interrupted, damaged, or run out of space go on and end alike."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from bases.scenes import ellipses
from models import bright_model
from ome_zarr_models.v04.image_label import ImageLabel as ImageLabel04
from ome_zarr_models.v04.labels import Labels as Labels04
from ome_zarr_models.v05.image_label import ImageLabel as ImageLabel05
from ome_zarr_models.v05.labels import Labels as Labels05

from sparcell.core.errors import InputError
from sparcell.io import open_image, write_image
from sparcell.models import load_model
from sparcell.prediction.blocks import steps
from sparcell.prediction.blocks.plan import Job, TilePosition
from sparcell.prediction.loaded_model import RuntimeSpec
from sparcell.prediction.predict import Summary, predict
from sparcell.prediction.settings import PredictSettings

SETTINGS = PredictSettings(tile=64, halo=24, block=64)
MODELS = {"0.4": (2, Labels04, ImageLabel04), "0.5": (3, Labels05, ImageLabel05)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, an image, and what an unbroken run makes of them."""
    folder = tmp_path_factory.mktemp("large")
    bright_model().save(folder / "model.zip")
    write_scene(folder / "image.ome.zarr")
    run(folder / "image.ome.zarr", folder / "unbroken", folder)
    return folder


def write_scene(path: Path, **options: str) -> np.ndarray:
    labels = np.stack([ellipses(seed, (120, 130), 40) for seed in (0, 1)])
    pixels = (100 + 3000 * (labels > 0)).astype(np.uint16)
    write_image(path, pixels, "TYX", pixel_size=0.5, **options)
    return labels


def run(image: Path, out: Path, place: Path, resume: bool = False) -> Summary:
    return predict(
        load_model(place / "model.zip"),
        image,
        out,
        settings=SETTINGS,
        runtime="onnxruntime",
        threads=1,
        resume=resume,
    )


def files(out: Path) -> dict[str, bytes]:
    """All results but the record, which tells the time, and what names folders."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in ("record.json", "dataset.yaml", "overview.html")
    }


STOPPED = """
import os, signal, sys
from pathlib import Path
from sparcell.cli import main

left = int(sys.argv.pop(1))
replace = os.replace

def stop_at_last(source, target):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = stop_at_last
main()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize("after", [8, 20])
def test_a_run_that_is_killed_ends_byte_for_byte_as_an_unbroken_one(
    place: Path, tmp_path: Path, after: int
) -> None:
    # The command line has no option for tiles, so each plane is one: it is killed while it decodes,
    # and when all but the table is in place.
    command = [
        *("predict", str(place / "model.zip"), str(place / "image.ome.zarr"), "-o"),
        *(str(tmp_path / "out"), "--block", "64", "--runtime", "onnxruntime", "--threads", "1"),
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    script = [sys.executable, "-c", STOPPED, str(after), *command]
    ended = subprocess.run(script, env=environment, capture_output=True, timeout=300)
    assert ended.returncode == -signal.SIGKILL
    assert (tmp_path / "out" / "unfinished" / "image").is_dir()
    model, image = load_model(place / "model.zip"), place / "image.ome.zarr"
    options = {"settings": PredictSettings(block=64), "runtime": "onnxruntime", "threads": 1}
    predict(model, image, tmp_path / "out", resume=True, **options)
    predict(model, image, tmp_path / "unbroken", **options)
    assert files(tmp_path / "out") == files(tmp_path / "unbroken")


class Stopped(BaseException):
    """Nobody expects it, as nobody expects a power failure."""


def stop(monkeypatch: pytest.MonkeyPatch, after: int, place: Path, out: Path) -> None:
    """Stop a run when it is about to finish its nth file."""
    replace, left = os.replace, after

    def stop_at_last(source: Path, target: Path) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Stopped
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(os, "replace", stop_at_last)
        run(place / "image.ome.zarr", out, place)


@pytest.mark.parametrize("after", [3, 5, 12, 31, 54, 55, 58, 59, 60])
def test_a_run_that_is_stopped_anywhere_goes_on_to_the_same_files(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    stop(monkeypatch, after, place, tmp_path)
    assert not (tmp_path / "objects" / "image.csv").exists()
    run(place / "image.ome.zarr", tmp_path, place, resume=True)
    assert files(tmp_path) == files(place / "unbroken")


def test_what_was_damaged_meanwhile_is_done_again(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All but the last plane's mark is written.
    stop(monkeypatch, 57, place, tmp_path)
    kept = tmp_path / "unfinished" / "image" / "t0000-z0000"
    for step, tile in (
        ("infer", "r0000-c0001"),
        ("decode", "r0001-c0001"),
        ("table", "r0000-c0000"),
    ):
        content = bytearray((kept / step / tile).read_bytes())
        content[len(content) // 2] ^= 1
        (kept / step / tile).write_bytes(content)
    (kept / "resolve" / "r0000-c0002").write_bytes(b"")
    chunk = tmp_path / "labels" / ".image.ome.zarr.unfinished" / "0" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-20])
    run(place / "image.ome.zarr", tmp_path, place, resume=True)
    assert files(tmp_path) == files(place / "unbroken")


def test_finished_planes_are_checked_and_not_done_again(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparcell.prediction.blocks.predict_blocks.BLOCKS_AT_ONCE", 1)
    # The first plane is finished and tidied up, the second begun.
    stop(monkeypatch, 40, place, tmp_path)
    first, second = (tmp_path / "unfinished" / "image" / f"t000{t}-z0000" for t in (0, 1))
    assert not (first / "infer").exists() and (second / "infer").exists()
    inferred: list[int] = []
    tiles_to_infer = steps.tiles_to_infer

    def noted(engine: RuntimeSpec, job: Job) -> Iterator[TilePosition]:
        inferred.append(job.plane.t)
        return tiles_to_infer(engine, job)

    monkeypatch.setattr(steps, "tiles_to_infer", noted)
    run(place / "image.ome.zarr", tmp_path, place, resume=True)
    assert set(inferred) == {1}
    assert files(tmp_path) == files(place / "unbroken")


def test_a_finished_plane_that_was_damaged_is_done_again(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparcell.prediction.blocks.predict_blocks.BLOCKS_AT_ONCE", 1)
    stop(monkeypatch, 40, place, tmp_path)
    chunk = tmp_path / "labels" / ".image.ome.zarr.unfinished" / "0" / "c" / "0" / "0" / "0"
    chunk.unlink()
    run(place / "image.ome.zarr", tmp_path, place, resume=True)
    assert files(tmp_path) == files(place / "unbroken")


def test_a_damaged_chunk_of_the_image_is_named_and_what_is_finished_stays(
    place: Path, tmp_path: Path
) -> None:
    image = tmp_path / "image.ome.zarr"
    write_scene(image)
    chunk = image / "0" / "c" / "1" / "0" / "0"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:100] + bytes(20) + whole[120:])
    summary = run(image, tmp_path / "out", place)
    (reason,) = summary.failures.values()
    assert "chunk c/1/0/0" in reason and "copy it again" in reason and "\n" not in reason
    kept = tmp_path / "out" / "unfinished" / "image" / "t0000-z0000" / "infer"
    before = {path: path.stat().st_mtime_ns for path in kept.iterdir()}
    assert len(before) == 6
    chunk.write_bytes(whole)
    assert run(image, tmp_path / "out", place, resume=True).failures == {}
    assert files(tmp_path / "out") == files(place / "unbroken")


@pytest.mark.parametrize("where", ["between the steps", "labels"])
def test_a_full_disk_is_one_line_and_can_be_gone_on_from(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patch:
        if where == "labels":
            put = zarr.storage._local._put

            def refuse_chunks(path: Path, *more: object, **options: object) -> None:
                if "c" in path.parts:
                    raise full
                put(path, *more, **options)

            patch.setattr("zarr.storage._local._put", refuse_chunks)
        else:
            write, left = Path.write_bytes, 8

            def write_some(path: Path, content: bytes) -> int:
                nonlocal left
                left -= 1
                if left < 0:
                    raise full
                return write(path, content)

            patch.setattr(Path, "write_bytes", write_some)
        (reason,) = run(place / "image.ome.zarr", tmp_path / "out", place).failures.values()
    assert "a full disk while writing" in reason and "run again" in reason
    run(place / "image.ome.zarr", tmp_path / "out", place, resume=True)
    assert files(tmp_path / "out") == files(place / "unbroken")


def test_blocks_of_two_runtimes_are_not_mixed(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, 12, place, tmp_path)
    with pytest.raises(InputError, match=r"unfinished image .* on onnxruntime f32"):
        predict(
            place / "model.zip",
            place / "image.ome.zarr",
            tmp_path,
            settings=SETTINGS,
            runtime="openvino",
            threads=1,
            resume=True,
        )


@pytest.mark.parametrize("ngff", ["0.4", "0.5"])
@pytest.mark.parametrize("block", [64, None])
def test_labels_inside_their_image(
    place: Path, tmp_path: Path, ngff: str, block: int | None
) -> None:
    image = tmp_path / "image.ome.zarr"
    truth = write_scene(image, ngff=ngff)
    for name in ("cells", "again"):
        settings = PredictSettings(tile=64, halo=24, block=block, into_image=name)
        out = tmp_path / name
        predict(place / "model.zip", image, out, settings=settings, runtime="onnxruntime")
        assert not (out / "labels").exists() and not (out / "unfinished").exists()
    found = open_image(image / "labels" / "cells")
    assert found.axes == "TYX" and np.array_equal(found.data[:, :, :] > 0, truth > 0)
    zarr_format, listing, label = MODELS[ngff]
    group = zarr.open_group(image / "labels", mode="r", zarr_format=zarr_format)
    assert listing.from_zarr(group).ome_attributes.labels == ["cells", "again"]
    one = label.from_zarr(group["cells"])
    assert one.ome_attributes.image_label.source.image == "../../"
    assert open_image(image).axes == "TYX"
    with pytest.raises(InputError, match="labels cells in"):
        settings = PredictSettings(into_image="cells")
        predict(place / "model.zip", image, tmp_path / "third", settings=settings)


def test_labels_inside_an_image_whose_table_was_not_written(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "image.ome.zarr"
    truth = write_scene(image)
    settings = PredictSettings(into_image="cells")

    def stop_here(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr("sparcell.prediction.predict_instances.write_columns", stop_here)
        predict(place / "model.zip", image, tmp_path / "out", settings=settings)
    assert (image / "labels" / "cells").is_dir()
    predict(place / "model.zip", image, tmp_path / "out", settings=settings, resume=True)
    found = open_image(image / "labels" / "cells")
    assert np.array_equal(found.data[:, :, :] > 0, truth > 0)
    assert open_image(image).axes == "TYX"


def test_labels_go_into_no_other_kind_of_image(place: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "image.tif", np.eye(20, dtype=np.uint8), "YX")
    settings = PredictSettings(into_image="cells")
    with pytest.raises(InputError, match="OME-Zarr"):
        predict(place / "model.zip", tmp_path / "image.tif", tmp_path / "out", settings=settings)
    with pytest.raises(InputError, match="`into_image`"):
        PredictSettings(into_image="../elsewhere")
    with pytest.raises(InputError, match="`block=0`"):
        PredictSettings(block=0)
