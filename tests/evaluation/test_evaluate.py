from __future__ import annotations

import hashlib
import json
from datetime import datetime
from io import StringIO

import numpy as np
import pytest
import tifffile
from cases import CASES, catastrophe, draw, missed, one_object
from rich.console import Console

from sparcell.cli import main
from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.evaluation import (
    ObjectCount,
    classify_errors,
    count_overlaps,
    draw_overlay,
    evaluate,
    score,
)
from sparcell.evaluation._strips import PairStrip
from sparcell.evaluation.overlay import OverlayPainter


def write(folder, **images):
    folder.mkdir(exist_ok=True)
    for name, labels in images.items():
        axes = "YX" if labels.ndim == 2 else "TYX"
        tifffile.imwrite(
            folder / f"{name}.tif", labels, photometric="minisblack", metadata={"axes": axes}
        )
    return folder


@pytest.fixture
def folders(tmp_path):
    pairs = {name: case() for name, case in CASES.items()}
    truth = write(tmp_path / "truth", **{name: pair[0] for name, pair in pairs.items()})
    pred = write(tmp_path / "pred", **{name: pair[1] for name, pair in pairs.items()})
    return truth, pred


def test_totals_are_sums_over_images(folders, tmp_path):
    found = evaluate(*folders).to_json()
    single = {name: score(*case())[0].to_dict() for name, case in sorted(CASES.items())}
    assert found.pop("images") == single
    pooled = ["pixel", "overlap", "matching", "map", "count", "errors"]
    assert list(found) == [*pooled, "mean_of_images", "rules", "provenance"]
    for key in ("missed", "spurious", "split", "merge", "catastrophe"):
        assert found["errors"][key] == 1
    assert found["overlap"]["tp"] == sum(s["overlap"]["tp"] for s in single.values())
    assert found["matching"][0]["tp"] == 10
    assert found["matching"][0]["threshold"] == 0.5
    assert found["count"] == {"truth": 14, "pred": 14, "difference": 0, "relative_error": 0}
    aps = [level["ap"] for level in found["matching"]]
    assert found["map"] == pytest.approx(sum(aps) / 10)


def test_report_is_json_without_nan(folders, tmp_path):
    evaluation = evaluate(*folders)
    write_json(tmp_path / "scores.json", evaluation.to_json())
    assert json.loads((tmp_path / "scores.json").read_text()) == evaluation.to_json()


def test_a_report_says_how_it_was_made(folders, tmp_path):
    truth, pred = folders
    report = evaluate(truth, {path.stem: path for path in pred.iterdir()}, min_size=3)
    how = report.to_json()["provenance"]
    assert how["settings"] == {
        "fields": [],
        "objects": "components",
        "force_event_links": False,
        "rules": "cui2020",
        "min_size": 3,
    }
    assert how["versions"]["numpy"] == np.__version__
    assert {"sparcell", "scipy", "python"} <= set(how["versions"])
    assert datetime.fromisoformat(how["date"]).tzinfo is not None
    assert how["truth"]["folder"] == str(truth) and how["prediction"]["folder"] is None
    file = pred / "touching.tif"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert how["prediction"]["images"]["touching"] == {"file": str(file), "sha256": digest}
    assert set(how["truth"]["images"]) == set(CASES) and "ignore" not in how


def test_table_names_every_image(folders):
    console = Console(file=StringIO(), width=200)
    console.print(evaluate(*folders).table())
    text = console.file.getvalue()
    assert "total" in text
    assert all(name in text for name in CASES)


def test_objects_say_where_they_are(folders):
    objects = evaluate(*folders).objects
    assert list(objects.columns[:6]) == ["image", "t", "z", "side", "id", "area_px"]
    rows = objects[(objects["image"] == "missed") & (objects["class"] == "missed")]
    assert rows[["side", "id", "area_px"]].values.tolist() == [["truth", 2, 100]]


def test_time_points_are_compared_one_by_one(tmp_path):
    pairs = [one_object(), missed(), catastrophe()]
    truth = write(tmp_path / "a", film=np.stack([a for a, _ in pairs]))
    pred = write(tmp_path / "b", film=np.stack([b for _, b in pairs]))
    evaluation = evaluate(truth, pred, overlays=tmp_path / "overlays")
    assert evaluation.total.count == ObjectCount(5, 4)
    assert evaluation.total.errors.catastrophe == 1
    assert sorted(set(evaluation.objects["t"])) == [0, 1, 2]
    pictures = sorted(path.name for path in (tmp_path / "overlays").iterdir())
    assert pictures == [f"film_t{t:03d}_z000.png" for t in range(3)]


def test_two_files_whatever_their_names(tmp_path):
    truth, pred = missed()
    a, b = write(tmp_path, truth_7=truth) / "truth_7.tif", write(tmp_path, x=pred) / "x.tif"
    assert list(evaluate(a, b).images) == ["truth_7"]


def test_instances_can_be_the_objects_of_overlap(folders):
    components = evaluate(*folders).images["touching"].overlap
    ids = evaluate(*folders, objects="ids").images["touching"].overlap
    assert (components.tp, ids.tp) == (1, 2)


def test_ignored_pixels_are_left_out(tmp_path):
    truth, pred = missed()
    ignore = write(tmp_path / "ignore", one=draw((28, 28, 48, 64)))
    args = write(tmp_path / "a", one=truth, two=truth), write(tmp_path / "b", one=pred, two=pred)
    images = evaluate(*args, ignore=ignore).images
    assert images["one"].errors.missed == 0
    assert images["two"].errors.missed == 1
    assert images["one"].pixel.tn == images["two"].pixel.tn - 20 * 36 + 100


def test_unpaired_names_are_listed(tmp_path):
    labels = missed()[0]
    a = write(tmp_path / "a", one=labels, two=labels)
    b = write(tmp_path / "b", one=labels, two_labels=labels)
    with pytest.raises(InputError, match=r"No partner for two \(.*\) and two_labels \("):
        evaluate(a, b)


def test_a_bad_file_is_named(folders):
    truth, pred = folders
    (pred / "hole.tif").write_bytes((pred / "hole.tif").read_bytes()[:200])
    with pytest.raises(InputError, match=r"hole\.tif"):
        evaluate(truth, pred)


@pytest.mark.parametrize("metric", [None, "pixel", "boundary"])
def test_images_that_cannot_be_compared_are_left_out_and_listed(folders, metric):
    truth, pred = folders
    whole = evaluate(truth, pred, metric=metric)
    (pred / "merge.tif").write_bytes(b"II*\0 cut short")
    tifffile.imwrite(pred / "split.tif", np.ones((3, 5), np.uint8))
    found = evaluate(truth, pred, metric=metric, skip_failures=True)
    assert list(found.failures) == ["merge", "split"] and found.images.keys() == (
        whole.images.keys() - found.failures.keys()
    )
    assert all(result == whole.images[name] for name, result in found.images.items())
    assert "merge.tif" in found.failures["merge"] and "(1, 1, 3, 5)" in found.failures["split"]
    content = found.to_json()
    assert content["failures"] == found.failures
    assert content["provenance"]["truth"]["images"].keys() == found.images.keys()
    with pytest.raises(InputError, match=r"merge\.tif"):
        evaluate(truth, pred, metric=metric)


def test_no_image_that_can_be_compared(folders):
    truth, pred = folders
    for path in pred.iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=f"no image of {len(CASES)} that can be compared.*empty"):
        evaluate(truth, pred, skip_failures=True)


def test_the_command_goes_on_after_a_damaged_image(folders, tmp_path, capsys):
    truth, pred = folders
    (pred / "merge.tif").write_bytes(b"II*\0 cut short")
    for folder in folders:
        (folder / "split.tif").rename(folder / "split[red].tif")
    scores, objects = tmp_path / "scores.json", tmp_path / "objects.csv"
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(truth), str(pred), "--json", str(scores), "--errors", str(objects)])
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("merge.tif") == 1
    assert "1 image without scores:\n  found a damaged TIFF" in said and "split[red]" in said
    assert list(json.loads(scores.read_text())["failures"]) == ["merge"] and objects.exists()


def test_sizes_must_agree(tmp_path):
    a = write(tmp_path / "a", one=missed()[0])
    b = write(tmp_path / "b", one=missed()[0][:-1])
    with pytest.raises(InputError, match=r"one\.tif of T, Z, Y, X = \(1, 1, 47, 64\)"):
        evaluate(a, b)


@pytest.mark.parametrize("kind", ["float", "missing", "mixed"])
def test_other_mistakes_are_plain(tmp_path, kind):
    a = write(tmp_path / "a", one=missed()[0])
    b = {
        "float": lambda: write(tmp_path / "b", one=missed()[0] / 2),
        "missing": lambda: tmp_path / "nowhere",
        "mixed": lambda: a / "one.tif",
    }[kind]()
    with pytest.raises(InputError):
        evaluate(a, b)


def test_overlay_colours():
    picture = draw_overlay(np.array([[0, 0, 5, 5]]), np.array([[0, 7, 0, 7]]))
    assert picture.tolist() == [[[0, 0, 0], [213, 94, 0], [240, 228, 66], [86, 180, 233]]]


def test_overlay_of_a_large_image_is_thinned(tmp_path, monkeypatch):
    monkeypatch.setattr("sparcell.evaluation.overlay.MAX_EDGE", 16)
    truth, pred = one_object()
    errors = classify_errors(count_overlaps(truth, pred))
    painter = OverlayPainter(truth.shape)
    for top in range(0, 48, 5):
        part = slice(top, top + 5)
        painter.add(PairStrip(truth[part], pred[part], 0))
    painter.save(tmp_path / "thin.png", errors)
    from matplotlib.image import imread

    picture = np.round(imread(tmp_path / "thin.png")[..., :3] * 255)
    assert (picture == draw_overlay(truth[::4, ::4], pred[::4, ::4])).all()


def test_count_error_without_truth_is_unknown_not_infinite():
    assert ObjectCount(0, 3).relative_error is None
    assert ObjectCount(0, 0).relative_error == 0
    assert ObjectCount(10, 12).relative_error == pytest.approx(0.2)


def test_a_dataset_and_a_prediction_folder_are_known(folders, tmp_path):
    truth, pred = folders
    for folder, name in ((truth, "dataset"), (pred, "run")):
        (tmp_path / name).mkdir()
        folder.rename(tmp_path / name / "labels")
    assert len(evaluate(tmp_path / "dataset", tmp_path / "run").images) == len(CASES)


def test_truth_may_be_named_file_by_file(tmp_path):
    truth, pred = missed()
    true = write(tmp_path / "a", odd_name=truth) / "odd_name.tif"
    predicted = write(tmp_path / "b", field=pred)
    assert evaluate({"field": true}, predicted).images["field"].errors.missed == 1
    with pytest.raises(InputError, match=r"other \(the truth\) and field \("):
        evaluate({"other": true}, predicted)


def test_masks_are_scored_piece_by_piece(tmp_path, caplog):
    labels = draw(*[(4, 4 + 14 * k, 12, 12 + 14 * k) for k in range(4)])
    truth = write(tmp_path / "truth", a=labels)
    pred = write(tmp_path / "pred", a=(labels > 0).astype(np.uint8))
    found = evaluate(truth, pred).images["a"]
    assert found.to_dict() == evaluate(truth, truth).images["a"].to_dict()
    assert "is a mask" in " ".join(caplog.text.split())
