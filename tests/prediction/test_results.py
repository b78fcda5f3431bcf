"""What `predict` keeps of others, and what it believes of an earlier call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bases.holder import held_elsewhere
from bases.scenes import ellipses
from models import bright_model

from sparcell.core.errors import InputError
from sparcell.io import open_image, read_table, write_image
from sparcell.measurement import measure
from sparcell.models import Model
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings
from sparcell.system.lock import LOCK


@pytest.fixture(scope="module")
def model() -> Model:
    return bright_model()


def write_scene(path: Path, seed: int) -> int:
    """Write an image of bright objects; give their number."""
    labels = ellipses(seed)
    write_image(path, (100 + 3000 * (labels > 0)).astype(np.uint16), "YX")
    return int(labels.max())


def run(model: Model, inputs: Path, out: Path, **options: object):
    return predict(model, inputs, out, runtime="onnxruntime", threads=1, **options)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    "own", ["labels/a.tif", "objects/a.csv", "counts.csv", "unfinished/draft.txt"]
)
def test_files_of_others_are_never_replaced(
    model: Model, tmp_path: Path, own: str, resume: bool
) -> None:
    write_scene(tmp_path / "d" / "images" / "a.tif", 0)
    path = tmp_path / "d" / own
    path.parent.mkdir(exist_ok=True)
    path.write_text("years of work")
    with pytest.raises(InputError, match=r"no prediction wrote.*`out`"):
        run(model, tmp_path / "d" / "images", tmp_path / "d", resume=resume)
    assert path.read_text() == "years of work" and not (tmp_path / "d" / "record.json").exists()


def test_a_dataset_without_labels_takes_predictions(model: Model, tmp_path: Path) -> None:
    number = write_scene(tmp_path / "d" / "images" / "a.tif", 0)
    assert run(model, tmp_path / "d", tmp_path / "d").counts["count"].tolist() == [number]
    assert (tmp_path / "d" / "labels" / "a.tif").exists()


@pytest.mark.parametrize("name", ["objects.csv", "counts.csv", "wells.csv", "growth.png"])
def test_measure_replaces_its_own_tables_alone(model: Model, tmp_path: Path, name: str) -> None:
    write_scene(tmp_path / "a.tif", 0)
    run(model, tmp_path / "a.tif", tmp_path / "counted")
    with pytest.raises(InputError, match=r"counts\.csv, which .* did not write"):
        measure(tmp_path / "counted", out=tmp_path / "counted")
    out = measure(tmp_path / "counted", out=tmp_path / "tables")
    measure(tmp_path / "counted", out=out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("my,own\n1,2\n")
    with pytest.raises(InputError, match="did not write"):
        measure(tmp_path / "counted", out=tmp_path / "mine")
    assert (tmp_path / "mine" / name).read_text() == "my,own\n1,2\n"


def test_damaged_results_are_predicted_anew(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counts = [write_scene(tmp_path / "in" / f"{n}.tif", n) for n in range(4)]
    out = tmp_path / "out"
    run(model, tmp_path / "in", out)
    whole = {path: path.read_bytes() for path in (out / "objects").iterdir()}
    half, empty = out / "objects" / "0.csv", out / "objects" / "1.csv"
    half.write_bytes(whole[half][: len(whole[half]) // 2])
    empty.write_bytes(b"")
    (out / "labels" / "2.tif").write_bytes(b"")
    kept = (out / "objects" / "3.csv").stat().st_mtime_ns
    caplog.clear()
    summary = run(model, tmp_path / "in", out, resume=True)
    assert summary.counts["count"].tolist() == counts
    assert caplog.text.count("its results were changed or damaged, predicted anew") == 3
    assert {path: path.read_bytes() for path in whole} == whole
    assert open_image(out / "labels" / "2.tif").read_labels().max() == counts[2]
    assert (out / "objects" / "3.csv").stat().st_mtime_ns == kept


@pytest.mark.parametrize("block", [None, 64])
def test_images_that_have_changed_are_predicted_anew(
    model: Model, tmp_path: Path, block: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    write_scene(tmp_path / "a.tif", 0)
    settings, out = PredictSettings(block=block), tmp_path / "out"
    run(model, tmp_path / "a.tif", out, settings=settings)
    other = np.full((50, 60), 100, np.uint16)
    other[10:20, 10:20] = 3100
    write_image(tmp_path / "a.tif", other, "YX")
    summary = run(model, tmp_path / "a.tif", out, settings=settings, resume=True)
    assert "changed since an earlier run" in caplog.text
    assert summary.counts["count"].tolist() == [1]
    (labels,) = (out / "labels").iterdir()
    assert open_image(labels).shape == (50, 60)
    assert read_table(out / "objects" / "a.csv")["area_px"].tolist() == [100]


def test_blocks_of_an_image_that_has_changed_are_not_mixed(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scene(tmp_path / "a.tif", 0)
    settings, out = PredictSettings(tile=64, halo=24, block=64), tmp_path / "out"

    class Stopped(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr("sparcell.prediction.blocks.steps.resolve_tile", stop)
        run(model, tmp_path / "a.tif", out, settings=settings)
    assert (out / "unfinished" / "a").is_dir()
    number = write_scene(tmp_path / "a.tif", 5)
    resumed = run(model, tmp_path / "a.tif", out, settings=settings, resume=True)
    assert resumed.counts["count"].tolist() == [number]
    unbroken = run(model, tmp_path / "a.tif", tmp_path / "new", settings=settings)
    assert resumed.counts.equals(unbroken.counts)
    assert not (out / "unfinished").exists()


def test_a_damaged_record_is_one_plain_line(model: Model, tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", 0)
    for content in ("", "{", "[]", '{"settings": 1}'):
        out = tmp_path / f"out{len(content)}"
        out.mkdir(exist_ok=True)
        (out / "record.json").write_text(content)
        with pytest.raises(InputError):
            run(model, tmp_path / "a.tif", out, resume=True)


def test_a_record_with_damaged_parts_gives_the_same_counts(model: Model, tmp_path: Path) -> None:
    for seed in range(3):
        write_scene(tmp_path / "in" / f"{seed}.tif", seed)
    whole = run(model, tmp_path / "in", tmp_path / "out").counts
    path = tmp_path / "out" / "record.json"
    record = json.loads(path.read_text())
    for scales in ([1], None, {"0": {}, "1": 3}):
        results = {**record["results"], "1": 5, "2": record["results"]["2"] | {"skipped": 3}}
        path.write_text(json.dumps(record | {"scales": scales, "results": results}))
        assert run(model, tmp_path / "in", tmp_path / "out", resume=True).counts.equals(whole)


def test_one_process_predicts_into_a_folder(model: Model, tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", 0)
    with held_elsewhere(tmp_path / "out") as other:
        with pytest.raises(InputError, match=rf"another process \(pid {other.pid} .* working in"):
            run(model, tmp_path / "a.tif", tmp_path / "out")
        assert [path.name for path in (tmp_path / "out").iterdir()] == [LOCK]
    run(model, tmp_path / "a.tif", tmp_path / "out")
    assert not (tmp_path / "out" / LOCK).exists()


@pytest.mark.parametrize("wrong", [{"halo": -5}, {"tile": 0}, {"block": 0}, {"channel": (0, -1)}])
def test_settings_out_of_range_are_one_line(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"`{next(iter(wrong))}=.*or more"):
        PredictSettings(**wrong)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threads": -3}, "`threads=-3`"),
        ({"settings": PredictSettings(diameter=float("inf"))}, "a diameter of inf"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_written(
    model: Model, tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    write_scene(tmp_path / "a.tif", 0)
    with pytest.raises(InputError, match=says):
        predict(model, tmp_path / "a.tif", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_namesake_that_comes_later_is_told(model: Model, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_scene(tmp_path / folder / "a.tif", 0)
    run(model, tmp_path / "one" / "a.tif", tmp_path / "out")
    with pytest.raises(InputError, match=r"named a in .* now one_a"):
        predict(model, [tmp_path / "one", tmp_path / "two"], tmp_path / "out", resume=True)
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert set(record["results"]) == {"a"}


def test_a_damaged_label_image_costs_the_others_no_row(model: Model, tmp_path: Path) -> None:
    counts = [write_scene(tmp_path / "in" / f"{n}.tif", n) for n in range(3)]
    run(model, tmp_path / "in", tmp_path / "out")
    (tmp_path / "out" / "labels" / "1.tif").write_bytes(b"II*\0 cut short")
    with pytest.raises(InputError, match=r"1 of 3 label images .*1\.tif"):
        measure(tmp_path / "out", out=tmp_path / "tables")
    rows = read_table(tmp_path / "tables" / "counts.csv")
    assert rows["count"].tolist() == [counts[0], counts[2]]
