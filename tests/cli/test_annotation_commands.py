"""Points and outlines from other tools, by the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from bases.scenes import ellipses

from sparcell.annotations.derive import find_points
from sparcell.cli import main
from sparcell.io import write_image
from sparcell.io.points import write_points


@pytest.fixture
def sparcell(capsys):
    """Run the command line; give the exit code and what was said."""

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return int(end.value.code or 0), captured.err + captured.out

    return run


@pytest.fixture
def objects() -> np.ndarray:
    return ellipses(0)


def write(root: Path, name: str, objects: np.ndarray, *kinds: str) -> None:
    pixels = {"images": (20 + 100 * (objects > 0)).astype(np.uint8), "masks": objects > 0}
    pixels |= {"labels": objects, "stain": pixels["images"]}
    for kind in ("images", *kinds):
        (root / kind).mkdir(parents=True, exist_ok=True)
        if kind != "points":
            array = pixels[kind]
            array = array.astype(np.uint8) if array.dtype == bool else array
            write_image(root / kind / f"{name}.tif", array, "YX")
    if "points" in kinds:
        write_points(root / "points" / f"{name}.csv", find_points(objects))


def test_info_says_what_can_be_learned_from_what(sparcell, tmp_path: Path, objects) -> None:
    for name, kinds in {
        "a": ("labels", "stain"),
        "b": ("points", "masks"),
        "c": ("points", "masks"),
        "d": ("points",),
        "e": ("masks",),
        "f": (),
    }.items():
        write(tmp_path, name, objects, *kinds)
    (tmp_path / "points" / "d.csv").write_text("y,x\n500,3\n")
    code, said = sparcell("info", tmp_path)
    assert code == 0
    for line in (
        "2 with mask + points",
        "1 with outlines + stain",
        "1 with mask\n",
        "1 with no annotation",
        "1. Count with the bundled model nuclei, which knows such images (recommended, about",
        "2. Train on the outlines of 1 image (about 10 min): sparcell train "
        f"nuclei-light --data {tmp_path}",
        "of 3 images (not yet: first correct d, see below): sparcell train points-light",
        f"3. Make outlines from the stain of 1 image (about 1 min): sparcell label {tmp_path} -o",
        f"to be corrected (about 1 min): sparcell label {tmp_path} --from points",
        "nothing is learned from 1 image with a mask alone",
        "d: found 1 of 1 points of",
    ):
        assert line in said


def test_info_of_images_alone(sparcell, tmp_path: Path, objects) -> None:
    write(tmp_path, "a", objects)
    code, said = sparcell("info", tmp_path)
    assert code == 0 and "nothing to train from yet" in said and "points-light" not in said


def test_info_says_which_files_belong_to_no_image(sparcell, tmp_path: Path, objects) -> None:
    write(tmp_path, "a", objects, "points", "masks", "labels")
    for name in ("points/A1.csv", "points/a.tif.csv", "masks/a.gif", "labels/a.csv", "images/.x"):
        (tmp_path / name).write_text("y,x\n1,2\n")
    code, said = sparcell("info", tmp_path)
    assert code == 0 and "points: 2 files not used, such as A1.csv; expected is" in said
    assert "masks: 1 file not used, such as a.gif" in said and said.count("not used") == 2
    # A pattern chooses among the files of its folder.
    (tmp_path / "dataset.yaml").write_text("points: points/{name}.csv\n")
    assert "points: 2 files" not in sparcell("info", tmp_path)[1]


def test_from_clicks_to_outlines(sparcell, tmp_path: Path, objects) -> None:
    write(tmp_path / "mine", "A1", objects)
    rows = "\n".join(f"{x},{y}" for y, x in find_points(objects))
    (tmp_path / "clicks.csv").write_text(f"X,Y\n{rows}\n")
    code, said = sparcell(
        "import", tmp_path / "clicks.csv", "--images", tmp_path / "mine/images", "-o",
        tmp_path / "set",
    )  # fmt: skip
    assert code == 0 and f"{objects.max()} points in 1 of 1 image" in said
    code, said = sparcell("label", tmp_path / "set", "--from", "points", "-o", tmp_path / "out")
    assert code == 0 and "1 of 1 image accepted" in said
    assert (tmp_path / "out" / "labels" / "A1.tif").exists()
    again = sparcell("label", tmp_path / "set", "--from", "points", "-o", tmp_path / "out")
    assert again[0] == 2 and "add --overwrite" in again[1]


def test_mistakes_are_one_line(sparcell, tmp_path: Path, objects) -> None:
    write(tmp_path / "mine", "A1", objects)
    (tmp_path / "a.csv").write_text("y,x\n1,2\n")
    images = tmp_path / "mine" / "images"
    for arguments, message in (
        (["nothing.csv", "-o", tmp_path / "mine"], "no file nothing.csv"),
        ([tmp_path / "a.csv", "-o", tmp_path / "no"], "give --images"),
        ([tmp_path / "a.csv", "-o", tmp_path / "o", "--images", tmp_path / "x"], "no folder"),
        ([tmp_path / "a.csv", "-o", tmp_path, "--images", images], "holds other files"),
        ([tmp_path / "a.csv", "-o", tmp_path / "o", "--images", images, "--units", "m"], "'m'"),
        (
            [tmp_path / "a.csv", "-o", tmp_path / "o", "--images", images, "--units", "um"],
            "give --pixel-size",
        ),
    ):
        code, said = sparcell("import", *arguments)
        assert code == 2 and message in said and said.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_labels_go_out_and_come_back(sparcell, tmp_path: Path, objects) -> None:
    write(tmp_path / "data", "a", objects, "labels")
    export = ("export", tmp_path / "data", "--format", "geojson")
    code, said = sparcell(*export, "-o", tmp_path / "out")
    assert code == 0 and f"{objects.max()} objects of 1 image" in said
    code, said = sparcell(
        "import", tmp_path / "out", "--images", tmp_path / "data/images", "-o", tmp_path / "back"
    )
    assert code == 0 and f"{objects.max()} outlines in 1 of 1 image" in said
    code, said = sparcell(*export, "-o", tmp_path / "out")
    assert code == 2 and "holds other files" in said
    code, said = sparcell(*export, "-o", tmp_path / "other", "--half-weights")
    assert code == 2 and "settings of models" in said
    code, said = sparcell("export", tmp_path / "nowhere", "--format", "roi", "-o", tmp_path / "x")
    assert code == 2 and "There is no file or folder" in said


def test_masks_and_results_of_the_label_step_can_be_chosen(
    sparcell, tmp_path: Path, objects
) -> None:
    write(tmp_path / "set", "a", objects, "points", "masks", "stain")
    label = ("label", tmp_path / "set")
    code, said = sparcell(*label, "--from", "points", "--mask", "image", "-o", tmp_path / "out")
    assert code == 0 and "1 of 1 image accepted" in said
    assert "image-bright" in (tmp_path / "out" / "quality.csv").read_text()
    code, said = sparcell(*label, "--mask", "image", "-o", tmp_path / "no")
    assert code == 2 and re.search("mask.image.? for labels by auto; expected", said)
    assert "this setting for labels from points; leave it out, or add " in said
    code, said = sparcell(*label, "--to", "points", "--from", "points", "-o", tmp_path / "no")
    assert code == 2 and re.search("to.points.? for labels from points; expected", said)
    assert not (tmp_path / "no").exists()
    sparcell(*label, "--to", "points", "-o", tmp_path / "counted")
    record = json.loads((tmp_path / "counted" / "record.json").read_text())
    assert record["settings"]["to"] == "points"
