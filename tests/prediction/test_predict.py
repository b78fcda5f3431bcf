from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from bases.methods import match_ids
from bases.scenes import ellipses
from models import bright_model

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.labels import Labels, check_labels
from sparcell.io import open_image, read_table, write_image
from sparcell.measurement import measure
from sparcell.measurement.result_tables import TableOptions
from sparcell.models import Model, load_model
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("run") / "model.zip"
    bright_model().save(path)
    return load_model(path)


def photograph(labels: Labels) -> np.ndarray:
    """Bright objects on a dark ground, 16 bit."""
    return (100 + 3000 * (labels > 0)).astype(np.uint16)


def write_scenes(folder: Path, *seeds: int) -> dict[str, Labels]:
    scenes = {f"scene{seed}": ellipses(seed) for seed in seeds}
    folder.mkdir(exist_ok=True)
    for name, labels in scenes.items():
        write_image(folder / f"{name}.tif", photograph(labels), "YX", pixel_size=0.5)
    return scenes


def read_labels(path: Path) -> Labels:
    return open_image(path).read_labels()


def test_labels_tables_counts_and_record(model: Model, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "in", 0, 1)
    out = tmp_path / "out"
    summary = predict(model, tmp_path / "in", out, runtime="onnxruntime", threads=1)
    assert summary.failures == {}
    for name, truth in scenes.items():
        assert np.array_equal(read_labels(out / "labels" / f"{name}.tif"), truth)
        assert open_image(out / "labels" / f"{name}.tif").pixel_size == pytest.approx(0.5)
        table = read_table(out / "objects" / f"{name}.csv")
        sizes = np.bincount(truth.ravel())[1:]
        assert table["id"].tolist() == list(range(1, truth.max() + 1))
        assert table["area_px"].tolist() == sizes.tolist()
        np.testing.assert_allclose(table["area_um2"], sizes * 0.25)
        assert (table["image"] == name).all() and table["score"].between(0.5, 1).all()
        # All pixels of an object are alike.
        assert (table["mean_0"] == 3100).all() and (table["std_0"] == 0).all()
        assert table["sum_0"].tolist() == (3100 * sizes).tolist()
    counts = read_table(out / "counts.csv")
    assert counts["image"].tolist() == list(scenes)
    for row, truth in zip(counts.to_dict("records"), scenes.values(), strict=True):
        area = int((truth > 0).sum())
        diameter = 2 * np.sqrt(np.median(np.bincount(truth.ravel())[1:]) / np.pi)
        assert (row["t"], row["z"], row["count"], row["area_px"]) == (0, 0, truth.max(), area)
        # Half a um to a px.
        assert row["area_um2"] == pytest.approx(area / 4) and row["pixel_size_um"] == 0.5
        assert row["diameter_px"] == pytest.approx(diameter, abs=1e-3)
        assert row["diameter_um"] == pytest.approx(diameter / 2, abs=1e-3)
        assert row["count_by_area"] == pytest.approx(area / row["typical_area_px"], abs=0.02)
        assert (row["resized_by"], row["why"]) == (1.0, "not resized")
        # Names of earlier versions, for scripts.
        assert row["objects"] == row["n_objects"] == row["count"]
    record = json.loads((out / "record.json").read_text())
    assert record["settings"]["model_sha256"] == model.digest and record["failures"] == {}
    assert record["runtime"] == "onnxruntime f32" and record["finished"] >= record["started"]
    assert {path.name for path in out.iterdir()} == {
        "labels", "objects", "counts.csv", "record.json", "dataset.yaml", "pictures",
        "overview.html",
    }  # fmt: skip


def test_images_and_what_was_found_are_a_dataset(model: Model, tmp_path: Path) -> None:
    write_scenes(tmp_path / "in", 1, 2)
    predict(model, tmp_path / "in", tmp_path / "out")
    held = Dataset.open(tmp_path / "out").having("labels").samples
    assert [sample.image.path.resolve().parent for sample in held] == [
        (tmp_path / "in").resolve()
    ] * 2
    assert held[0].files["labels"].path.parent == tmp_path / "out/labels"
    said = "stain: ../dapi\n"
    (tmp_path / "own").mkdir()
    (tmp_path / "own/dataset.yaml").write_text(said)
    predict(model, tmp_path / "in", tmp_path / "own")
    assert (tmp_path / "own/dataset.yaml").read_text() == said
    # Axes that were told are nowhere in the files.
    predict(model, tmp_path / "in", tmp_path / "told", settings=PredictSettings(axes="YX"))
    assert not (tmp_path / "told/dataset.yaml").exists()


def test_one_bad_image_is_listed_and_does_not_stop_the_others(model: Model, tmp_path: Path) -> None:
    write_scenes(tmp_path / "in", 0, 2)
    (tmp_path / "in" / "scene1.tif").write_bytes(b"II*\0 cut short")
    write_image(tmp_path / "in" / "scene3.tif", np.full((20, 20), 7, np.uint8), "YX")
    write_image(tmp_path / "in" / "scene4.tif", np.full((1, 1), 7, np.uint8), "YX")
    write_image(tmp_path / "in" / "scene5.tif", np.zeros((3, 20, 20), np.uint8), "CYX")
    broken = np.zeros((20, 20), np.float32)
    broken[3, 3] = np.nan
    write_image(tmp_path / "in" / "scene6.tif", broken, "YX")
    summary = predict(model, tmp_path / "in", tmp_path / "out", runtime="onnxruntime", threads=1)
    assert summary.counts["image"].tolist() == ["scene0", "scene2"]
    reasons = {Path(path).stem: reason for path, reason in summary.failures.items()}
    assert set(reasons) == {"scene1", "scene3", "scene4", "scene5", "scene6"}
    assert "constant image" in reasons["scene3"] and "constant image" in reasons["scene4"]
    assert "3 channels" in reasons["scene5"] and "`channel=NUMBER`" in reasons["scene5"]
    assert "NaN" in reasons["scene6"]
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["failures"] == summary.failures
    written = sorted(path.name for path in (tmp_path / "out").rglob("scene*"))
    assert written == [f"scene{n}.{kind}" for n in (0, 2) for kind in ("csv", "png", "tif")]


def test_all_images_bad(model: Model, tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", np.zeros((5, 5), np.uint8), "YX")
    summary = predict(model, tmp_path / "a.tif", tmp_path / "out", runtime="onnxruntime")
    assert len(summary.failures) == 1 and len(summary.counts) == 0
    assert (tmp_path / "out" / "counts.csv").exists()


def test_resume_does_what_is_missing_and_only_that(model: Model, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "in", 0, 1)
    out = tmp_path / "out"
    predict(model, tmp_path / "in" / "scene0.tif", out, runtime="onnxruntime", threads=1)
    table = out / "objects" / "scene0.csv"
    before = table.stat().st_mtime_ns
    with pytest.raises(InputError, match="holds earlier results"):
        predict(model, tmp_path / "in", out, runtime="onnxruntime")
    summary = predict(model, tmp_path / "in", out, runtime="onnxruntime", threads=1, resume=True)
    assert table.stat().st_mtime_ns == before
    assert summary.counts["image"].tolist() == list(scenes)
    assert np.array_equal(read_labels(out / "labels" / "scene1.tif"), scenes["scene1"])


def test_results_of_two_models_are_not_mixed(model: Model, tmp_path: Path) -> None:
    write_scenes(tmp_path / "in", 0)
    predict(model, tmp_path / "in", tmp_path / "out", runtime="onnxruntime", threads=1)
    bright_model(decode={"threshold": 0.6}).save(tmp_path / "other.zip")
    with pytest.raises(InputError, match="results of another model"):
        predict(tmp_path / "other.zip", tmp_path / "in", tmp_path / "out", resume=True)
    other = PredictSettings(halo=99)
    with pytest.raises(InputError, match="results of another setting halo"):
        predict(model, tmp_path / "in", tmp_path / "out", settings=other, resume=True)


def test_a_movie_of_stacks_plane_by_plane(model: Model, tmp_path: Path) -> None:
    scenes = [[ellipses(10 * t + z, (48, 64), 5) for z in range(2)] for t in range(3)]
    scenes[1][0] = np.zeros_like(scenes[1][0])
    movie = np.stack([np.stack([photograph(z) for z in t]) for t in scenes])
    # A plane without objects still has something to see.
    movie[1, 0, 0, 0] = 3100
    scenes[1][0][0, 0] = 1
    write_image(tmp_path / "movie.tif", movie, "TZYX")
    out = tmp_path / "out"
    predict(model, tmp_path / "movie.tif", out, runtime="onnxruntime", threads=1)
    labels = open_image(out / "labels" / "movie.tif")
    assert labels.axes == "TZYX"
    counts = read_table(out / "counts.csv")
    table = read_table(out / "objects" / "movie.csv")
    for plane in labels.planes():
        truth = scenes[plane.t][plane.z]
        assert np.array_equal(labels.read_labels(plane=plane), truth)
        here = (counts["t"] == plane.t) & (counts["z"] == plane.z)
        assert counts[here]["count"].tolist() == [truth.max()]
        rows = table[(table["t"] == plane.t) & (table["z"] == plane.z)]
        assert rows["id"].tolist() == list(range(1, truth.max() + 1))


def test_a_time_lapse_whose_axes_must_be_told(model: Model, tmp_path: Path) -> None:
    import tifffile

    movie = np.stack([photograph(ellipses(s, (48, 64), 5)) for s in (1, 2)])
    tifffile.imwrite(tmp_path / "movie.tif", movie, metadata=None)
    settings = PredictSettings(axes="TYX", format=".ome.zarr")
    predict(
        model, tmp_path / "movie.tif", tmp_path / "out", settings=settings, runtime="onnxruntime"
    )
    labels = open_image(tmp_path / "out" / "labels" / "movie.ome.zarr")
    assert labels.axes == "TYX" and labels.size("T") == 2


def test_one_channel_of_a_colour_image(model: Model, tmp_path: Path) -> None:
    import tifffile

    truth = ellipses(3)
    colours = np.zeros((*truth.shape, 3), np.uint8)
    colours[..., 1] = photograph(truth) // 16
    colours[..., 2] = np.arange(truth.shape[1])
    tifffile.imwrite(tmp_path / "rgb.tif", colours, photometric="rgb")
    refused = predict(model, tmp_path / "rgb.tif", tmp_path / "a", runtime="onnxruntime")
    assert "3 channels: 0 red" in next(iter(refused.failures.values()))
    settings = PredictSettings(channel=(1,))
    predict(model, tmp_path / "rgb.tif", tmp_path / "b", settings=settings, runtime="onnxruntime")
    assert np.array_equal(read_labels(tmp_path / "b" / "labels" / "rgb.tif"), truth)


@pytest.mark.parametrize("shape", [(1, 2), (1, 40), (5, 3), (17, 16)])
def test_images_smaller_than_a_tile(model: Model, tmp_path: Path, shape: tuple[int, int]) -> None:
    pixels = np.zeros(shape, np.uint8)
    pixels[0, 1] = 200
    write_image(tmp_path / "small.tif", pixels, "YX")
    summary = predict(model, tmp_path / "small.tif", tmp_path / "out", runtime="onnxruntime")
    assert summary.failures == {}
    found = read_labels(tmp_path / "out" / "labels" / "small.tif")
    assert np.array_equal(found, pixels > 0)


def test_an_image_in_which_nothing_is_found(tmp_path: Path) -> None:
    blind = bright_model(decode={"threshold": 0.5, "min_size": 10_000})
    write_scenes(tmp_path / "in", 0)
    summary = predict(blind, tmp_path / "in", tmp_path / "out", runtime="onnxruntime", threads=1)
    assert summary.counts["count"].tolist() == [0] and summary.counts["area_px"].tolist() == [0]
    table = read_table(tmp_path / "out" / "objects" / "scene0.csv")
    assert len(table) == 0 and {"id", "area_px", "area_um2", "score"} <= set(table.columns)
    assert not read_labels(tmp_path / "out" / "labels" / "scene0.tif").any()


@pytest.mark.parametrize("tile", [48, 64, 100])
def test_tiles_give_the_files_of_the_whole(model: Model, tmp_path: Path, tile: int) -> None:
    truth = ellipses(4, (150, 170), 60)
    write_image(tmp_path / "field.tif", photograph(truth), "YX")
    settings = PredictSettings(tile=tile, halo=24)
    predict(
        model,
        tmp_path / "field.tif",
        tmp_path / "out",
        settings=settings,
        runtime="onnxruntime",
        threads=1,
    )
    found = read_labels(tmp_path / "out" / "labels" / "field.tif")
    check_labels(found)
    ids = match_ids(found, truth)
    assert np.array_equal(ids[found], truth)
    table = read_table(tmp_path / "out" / "objects" / "field.csv").set_index("id")
    assert sorted(table.index) == list(range(1, truth.max() + 1))
    y, x = np.indices(truth.shape)
    for number, row in table.iterrows():
        inside = truth == ids[number]
        assert row["area_px"] == inside.sum() and row["y0"] == y[inside].min()
        assert row["y"] == pytest.approx(y[inside].mean(), abs=1e-4)
        assert row["x"] == pytest.approx(x[inside].mean(), abs=1e-4)
        edge = [y[inside].min() == 0, x[inside].min() == 0]
        edge += [y[inside].max() == truth.shape[0] - 1, x[inside].max() == truth.shape[1] - 1]
        assert row["touches_border"] == any(edge)


def test_names_of_results_tell_inputs_of_one_name_apart(model: Model, tmp_path: Path) -> None:
    for plate in ("plate1", "plate2"):
        write_scenes(tmp_path / plate, 0)
    inputs = [tmp_path / "plate1", tmp_path / "plate2"]
    summary = predict(model, inputs, tmp_path / "out", runtime="onnxruntime", threads=1)
    assert summary.counts["image"].tolist() == ["plate1_scene0", "plate2_scene0"]
    (tmp_path / "other").mkdir()
    write_scenes(tmp_path / "other" / "plate1", 0)
    inputs = [tmp_path / "plate1", tmp_path / "other" / "plate1"]
    summary = predict(model, inputs, tmp_path / "out2", runtime="onnxruntime", threads=1)
    assert summary.counts["image"].tolist() == [
        f"{tmp_path.name}_plate1_scene0",
        "other_plate1_scene0",
    ]
    write_image(tmp_path / "plate1" / "scene0.ome.tif", photograph(ellipses(0)), "YX")
    with pytest.raises(InputError, match="several inputs named scene0"):
        predict(model, tmp_path / "plate1", tmp_path / "out3")


def test_times_in_folders_reach_the_growth_curve(tmp_path: Path) -> None:
    """ImageXpress gives the images of all times equal names, and writes thumbnails."""
    truth = {}
    for step, seed in ((1, 3), (2, 4), (10, 5)):
        labels = ellipses(seed, (64, 96), 2 + step)
        folder = tmp_path / "plate" / f"TimePoint_{step}"
        folder.mkdir(parents=True)
        write_image(folder / "exp_B03_s1_w1.tif", photograph(labels), "YX")
        write_image(folder / "exp_B03_s1_w1_thumb.tif", photograph(labels[:16, :16]), "YX")
        truth[step] = int(labels.max())
    out = tmp_path / "out"
    predict(bright_model(), f"{tmp_path}/plate/**/*.tif", out, runtime="onnxruntime", threads=1)
    assert sorted(path.name for path in (out / "labels").iterdir()) == [
        "TimePoint_10_exp_B03_s1_w1.tif",
        "TimePoint_1_exp_B03_s1_w1.tif",
        "TimePoint_2_exp_B03_s1_w1.tif",
    ]
    tables = measure(out, images=f"{tmp_path}/plate/**/*.tif", out=tmp_path / "tables")
    wells = read_table(tables / "wells.csv")
    assert wells[["well", "time", "n_tiles", "count"]].values.tolist() == [
        ["B03", step, 1, count] for step, count in truth.items()
    ]
    assert (read_table(tables / "objects.csv")["mean_0"] == 3100).all()


def test_a_stack_may_be_a_movie(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stack = np.stack([photograph(ellipses(seed, (48, 64), 3)) for seed in (1, 2)])
    write_image(tmp_path / "m.tif", stack, "ZYX")
    line = "m has 2 depths: the same nucleus may be counted in each. To count it once"
    predict(model, tmp_path / "m.tif", tmp_path / "out", runtime="onnxruntime", threads=1)
    assert line in caplog.text and "If the depths are times" in caplog.text
    # Whoever names the axes has answered whether depths are times.
    for axes, counted_twice in (("ZYX", True), ("TYX", False)):
        caplog.clear()
        settings = PredictSettings(axes=axes)
        out = tmp_path / axes
        predict(model, tmp_path / "m.tif", out, settings=settings, runtime="onnxruntime")
        assert (line in caplog.text) == counted_twice
        assert "If the depths are times" not in caplog.text


def test_a_projected_stack_counts_a_nucleus_once(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    objects = ellipses(1, (48, 64), 3)
    stack = np.stack([photograph(objects), photograph(objects)])
    write_image(tmp_path / "in" / "m.tif", stack, "ZYX")
    found = {}
    for project in (None, "max"):
        caplog.clear()
        settings = PredictSettings(project=project)
        out = tmp_path / str(project)
        summary = predict(model, tmp_path / "in", out, settings=settings, runtime="onnxruntime")
        found[project] = summary.counts["count"].tolist()
        assert ("may be counted in each" in caplog.text) == (project is None)
    number = int(objects.max())
    assert found == {None: [number, number], "max": [number]}
    assert open_image(tmp_path / "max" / "labels" / "m.tif").axes == "YX"
    # The dataset that it writes shows the same projection.
    assert "depths: max" in (tmp_path / "max" / "dataset.yaml").read_text()
    with pytest.raises(InputError, match="`project=mean`"):
        PredictSettings(project="mean")  # type: ignore[arg-type]


def test_another_pixel_size_than_in_training_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_scenes(tmp_path / "in", 0)
    trained = bright_model(pixel_size=0.2)
    predict(trained, tmp_path / "in", tmp_path / "out", runtime="onnxruntime", threads=1)
    said = caplog.text
    assert "resized by 2.5, 0.5 um per pixel, the model was trained at 0.2" in said


def test_more_objects_than_16_bits_can_number(model: Model, tmp_path: Path) -> None:
    from sparcell.prediction.loaded_model import LoadedModel
    from sparcell.prediction.predict_instances import predict_instances
    from sparcell.prediction.prepared_image import PreparedImage

    pixels = np.zeros((514, 516), np.uint8)
    pixels[::2, ::2] = 255
    image = Image(pixels, "YX")
    loaded = LoadedModel(model, "onnxruntime", 1)
    labels, table = tmp_path / "labels.tif", tmp_path / "objects.csv"
    predict_instances(PreparedImage.of(image, loaded), labels, table)
    found = open_image(labels)
    assert found.data.dtype == np.uint32
    assert found.read_labels().max() == 257 * 258 == len(read_table(table)) > 65535


def test_a_model_of_several_frames_sees_those_before(tmp_path: Path) -> None:
    # It calls foreground what is bright in the frame before.
    before = bright_model(8.0, 0.0, frames=2)
    scenes = [ellipses(seed, (48, 64), 5) for seed in range(3)]
    write_image(tmp_path / "movie.tif", np.stack([photograph(s) for s in scenes]), "TYX")
    predict(before, tmp_path / "movie.tif", tmp_path / "out", runtime="onnxruntime", threads=1)
    found = open_image(tmp_path / "out" / "labels" / "movie.tif")
    seen = [scenes[0], scenes[0], scenes[1]]
    for plane, expected in zip(found.planes(), seen, strict=True):
        assert np.array_equal(found.read_labels(plane=plane) > 0, expected > 0)


def test_a_single_image_for_a_model_of_several_frames(tmp_path: Path) -> None:
    write_scenes(tmp_path / "in", 0)
    model = bright_model(8.0, 8.0, frames=2)
    summary = predict(model, tmp_path / "in", tmp_path / "out", runtime="onnxruntime", threads=1)
    assert "1 frames in" in next(iter(summary.failures.values()))
    assert "2 frames together" in next(iter(summary.failures.values()))


def write_plate(folder: Path, *seeds: int) -> dict[str, Labels]:
    """Fields of the wells B02, B03 and so on."""
    scenes = {f"exp_B{2 + i:02d}_s1_w1": ellipses(seed) for i, seed in enumerate(seeds)}
    for name, labels in scenes.items():
        write_image(folder / f"{name}.tif", photograph(labels), "YX", pixel_size=0.5)
    return scenes


def test_all_tables_of_a_prediction_at_once(model: Model, tmp_path: Path) -> None:
    import openpyxl

    scenes = write_plate(tmp_path / "in", 0, 1, 2)
    (tmp_path / "wells.csv").write_text("well,condition\nB2,drug\nB3,drug\nB4,none\n")
    out = tmp_path / "out"
    tables = TableOptions(tmp_path / "wells.csv", xlsx=True, sqlite=True)
    predict(model, tmp_path / "in", out, runtime="onnxruntime", threads=1, tables=tables)
    numbers = [int(truth.max()) for truth in scenes.values()]
    conditions = read_table(out / "conditions.csv").set_index("condition")
    assert conditions["n_wells"].to_dict() == {"drug": 2, "none": 1}
    assert conditions.loc["drug", "count_per_tile"] == (numbers[0] + numbers[1]) / 2
    book = openpyxl.load_workbook(out / "results.xlsx")
    assert book.sheetnames == [
        "Counts", "Objects", "Wells", "Conditions", "Growth", "Settings", "Notes",
    ]  # fmt: skip
    heading, *rows = book["Counts"].iter_rows(values_only=True)
    assert [row[heading.index("count")] for row in rows] == numbers
    assert "n_objects" not in heading
    heading, *rows = book["Objects"].iter_rows(values_only=True)
    assert len(rows) == sum(numbers) and rows[0][heading.index("mean_0")] == 3100
    with closing(sqlite3.connect(out / "results.sqlite")) as database:
        found = database.execute(
            "SELECT Image_Count_Cells, COUNT(*), Image_Metadata_Condition FROM Per_Image"
            " JOIN Per_Object USING (ImageNumber) GROUP BY ImageNumber"
        ).fetchall()
    assert found == list(zip(numbers, numbers, ["drug", "drug", "none"], strict=True))
    assert 'href="plate.html"' in (out / "overview.html").read_text("utf8")


def test_without_any_result_no_workbook_is_written(model: Model, tmp_path: Path) -> None:
    (tmp_path / "bad.tif").write_bytes(b"no image")
    tables = TableOptions(xlsx=True, sqlite=True)
    summary = predict(model, tmp_path / "bad.tif", tmp_path / "out", tables=tables, threads=1)
    assert list(summary.failures) == [str(tmp_path / "bad.tif")]
    assert not {path.name for path in (tmp_path / "out").glob("results.*")}


def test_tables_follow_a_resumed_prediction_and_go_with_a_replaced_one(
    model: Model, tmp_path: Path
) -> None:
    import openpyxl

    scenes = write_plate(tmp_path / "in", 0, 1)
    options = {"runtime": "onnxruntime", "threads": 1}
    out, first = tmp_path / "out", next(iter(scenes))
    images = [tmp_path / "in" / f"{name}.tif" for name in scenes]
    predict(model, images[:1], out, **options, tables=TableOptions(xlsx=True))
    (out / "notes.csv").write_text("mine")
    predict(model, images, out, **options, resume=True)
    rows = list(openpyxl.load_workbook(out / "results.xlsx")["Counts"].iter_rows(values_only=True))
    assert [row[0] for row in rows[1:]] == list(scenes)
    write_image(tmp_path / "cells.tif", photograph(scenes[first]), "YX")
    predict(model, tmp_path / "cells.tif", out, **options, overwrite=True)
    assert not {"wells.csv", "plate.html", "results.xlsx"} & {path.name for path in out.iterdir()}
    assert (out / "notes.csv").read_text() == "mine"


def test_tables_that_cannot_be_written_stop_before_anything_is_predicted(
    model: Model, tmp_path: Path
) -> None:
    write_plate(tmp_path / "in", 0)
    out = tmp_path / "out"
    (tmp_path / "wells.csv").write_text("well,condition\nH12,drug\n")
    tables = TableOptions(tmp_path / "wells.csv")
    with pytest.raises(InputError, match="none of the wells of the images, such as B02"):
        predict(model, tmp_path / "in", out, runtime="onnxruntime", tables=tables)
    assert not (out / "labels").exists()
    out.mkdir(exist_ok=True)
    (out / "wells.csv").write_text("well,condition\nB02,drug\n")
    with pytest.raises(InputError, match=r"wells\.csv, which Sparcell did not write"):
        predict(model, tmp_path / "in", out, runtime="onnxruntime")
    with pytest.raises(InputError, match="minutes above 0"):
        TableOptions(minutes_between_frames=0)


def test_names_with_wells_that_are_not_recognised_are_said(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, seed in (("day1-B03-left", 0), ("day1-B04-left", 1)):
        write_image(tmp_path / "in" / f"{name}.tif", photograph(ellipses(seed)), "YX")
    predict(model, tmp_path / "in", tmp_path / "out", runtime="onnxruntime", threads=1)
    assert "for example day1-B03-left" in caplog.text


def test_hypotheses_are_label_images_that_merge_and_split_more(tmp_path: Path) -> None:
    model = load_model("nuclei")
    y, x = np.mgrid[:128, :160]
    pixels = np.full((2, 128, 160), 200.0)
    for row, column in ((40, 40), (40, 62), (90, 110)):
        pixels += 3000 * np.exp(-(np.hypot(y - row, x - column) ** 2) / 110)
    rng = np.random.default_rng(0)
    noisy = (pixels + rng.normal(0, 10, pixels.shape)).astype(np.uint16)
    write_image(tmp_path / "movie.tif", noisy, "TYX")
    settings = PredictSettings(hypotheses=True, pictures=False, diameter="none")
    predict(model, [tmp_path / "movie.tif"], tmp_path / "out", settings=settings)
    found = open_image(tmp_path / "out" / "labels" / "movie.tif")
    others = sorted((tmp_path / "out" / "hypotheses").iterdir())
    assert [path.name for path in others] == ["1", "2", "3", "4", "5"]
    covered = {}
    for path in others:
        other = open_image(path / "movie.tif")
        assert other.tzyx == found.tzyx
        covered[path.name] = int((other.read_labels() > 0).sum())
    own = int((found.read_labels() > 0).sum())
    assert own > 0
    # The third has half the threshold.
    assert covered["3"] > own
    assert covered["1"] == own
    with pytest.raises(InputError, match="`hypotheses` with `block`"):
        predict(
            model,
            [tmp_path / "movie.tif"],
            tmp_path / "blocks",
            settings=PredictSettings(hypotheses=True, block=64),
        )
    predict(model, [tmp_path / "movie.tif"], tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "hypotheses").exists()
