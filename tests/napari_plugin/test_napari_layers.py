"""Layers that the plugin reads and writes; napari itself is not needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

import sparcell.napari
from sparcell.core.errors import InputError
from sparcell.io import open_image, write_image
from sparcell.napari.reading import get_reader
from sparcell.napari.writing import write_label_image, write_layers, write_point_table

LABELS = np.zeros((20, 30), np.int32)
LABELS[2:6, 2:6], LABELS[10:15, 20:28] = 1, 2


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for number, name in enumerate(("f0", "f1")):
        pixels = np.full((2, 20, 30), number, np.uint16)
        write_image(root / f"images/{name}.tif", pixels, "CYX", pixel_size=0.5)
        write_image(root / f"labels/{name}.tif", LABELS, "YX", labels=True)
    (root / "points").mkdir()
    (root / "points/f0.csv").write_text("y,x\n3,4\n12,22\n")
    return root


def test_a_dataset_becomes_layers_of_which_the_first_image_is_seen(dataset: Path) -> None:
    reader = get_reader(str(dataset))
    assert reader
    layers = reader(str(dataset))
    assert [kind for *_, kind in layers] == ["image", "labels", "points", "image", "labels"]
    pixels, how, _ = layers[0]
    assert pixels.shape == (2, 20, 30) and how["channel_axis"] == 0
    assert how["scale"] == (0.5, 0.5) and how["name"] == ["f0 0", "f0 1"]
    assert np.array_equal(layers[1][0], LABELS) and layers[1][1]["name"] == "f0 labels"
    assert layers[2][0].tolist() == [[3, 4], [12, 22]]
    assert [how["visible"] for _, how, _ in layers] == [True, True, True, False, False]


def test_files_and_folders_of_images(dataset: Path, tmp_path: Path) -> None:
    labels = str(dataset / "labels/f0.tif")
    reader = get_reader(labels)
    assert reader and reader(labels)[0][2] == "labels"
    write_image(tmp_path / "movie.tif", np.zeros((3, 8, 9), np.uint8), "TYX")
    movie = str(tmp_path / "movie.tif")
    reader = get_reader([movie])
    assert reader and reader([movie])[0][0].shape == (3, 8, 9)
    images = str(dataset / "images")
    reader = get_reader(images)
    assert reader and [how["name"] for _, how, _ in reader(images)][1] == ["f1 0", "f1 1"]


def test_what_cannot_be_read_costs_no_other(dataset: Path, tmp_path: Path, caplog) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tif").write_text("no image")
    assert get_reader(str(tmp_path / "empty")) is None
    assert get_reader(str(tmp_path / "text.tif")) is None
    (dataset / "images/f0.tif").write_bytes(b"II*\0")
    reader = get_reader(str(dataset))
    assert reader
    layers = reader(str(dataset))
    assert [how["visible"] for _, how, _ in layers] == [True, True]
    assert "f0" in caplog.text


def test_labels_are_written_under_the_label_rules(tmp_path: Path) -> None:
    drawn = LABELS.copy()
    # One id in two pieces, and a gap in the ids.
    drawn[drawn == 2] = 7
    drawn[17:19, 2:5] = 1
    path = tmp_path / "a.tif"
    assert write_label_image(str(path), drawn, {"scale": (0.5, 0.5)}) == [str(path)]
    image = open_image(path)
    assert image.pixel_size == 0.5
    written = image.read_labels()
    assert np.array_equal(written > 0, drawn > 0) and sorted(np.unique(written)) == [0, 1, 2, 3]
    movie = np.stack([drawn, drawn])
    write_label_image(str(path), movie, {})
    assert np.array_equal(open_image(path).read_labels(), drawn)
    for bad in (drawn.astype(float), -drawn, np.zeros((2, 2, 4, 4), int)):
        with pytest.raises(InputError, match="labels of"):
            write_label_image(str(path), bad, {})


def test_layers_become_a_dataset(dataset: Path, tmp_path: Path) -> None:
    reader = get_reader(str(dataset))
    assert reader
    layers = [layer for layer in reader(str(dataset)) if layer[2] != "image"]
    out = tmp_path / "drawn"
    written = write_layers(str(out), layers)
    assert [Path(one).relative_to(out).as_posix() for one in written] == [
        "labels/f0.tif", "points/f0.csv", "labels/f1.tif"
    ]  # fmt: skip
    assert np.array_equal(open_image(out / "labels/f1.tif").read_labels(), LABELS)
    assert (out / "points/f0.csv").read_text().splitlines()[1:] == ["3.0,4.0", "12.0,22.0"]
    with pytest.raises(InputError, match="there already"):
        write_layers(str(out), layers)
    with pytest.raises(InputError, match="points of shape"):
        write_point_table(str(out / "x.csv"), np.zeros((3, 3)), {})


def test_the_manifest_names_what_there_is() -> None:
    path = Path(sparcell.napari.__file__).with_name("napari.yaml")
    manifest = yaml.safe_load(path.read_text("utf8"))
    commands = {one["id"]: one["python_name"] for one in manifest["contributions"]["commands"]}
    for place in commands.values():
        module, name = place.split(":")
        source = path.parent / f"{module.rsplit('.', 1)[1]}.py"
        assert f"def {name}(" in source.read_text() or f"class {name}(" in source.read_text()
    used = [
        one["command"]
        for kind in ("readers", "writers", "widgets")
        for one in manifest["contributions"][kind]
    ]
    assert set(used) == set(commands)
