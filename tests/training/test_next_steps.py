"""The advice of `sparcell info`: the recommended step first."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from bases.scenes import ellipses

from sparcell.core.dataset import Dataset
from sparcell.io import write_image
from sparcell.training.next_steps import Advice, advise, advise_on_folder
from sparcell.training.training_options import find_options

DATA = os.environ.get("SPARCELL_DATA", "")
FIRST = {
    "aits-u2os-nuclei": "predict nuclei",
    "dsb2018-fluo": "predict nuclei",
    "usiigaci-t98g-phase": "predict cells-phase",
    "mpnet-microplastics": "train particles-light",
    "celldetective-bf-hoechst": "label",
    "frm-phase-dapi": "label",
    "isl-phase-dapi": "label",
    "maicrobe-saureus-phase": "label",
    "sephace-bf-dapi": "label",
    "colicoords-bf-fluo": "train nuclei-light",
    "dc16-phase-nuclear": "train nuclei-light",
    "dsb2018-stained": "train nuclei-light",
    "fnc-neurons": "train nuclei-light",
    "pfc-neurons": "train nuclei-light",
    "stacks-3d": "predict nuclei",
    "timelapse-ctc": "train nuclei-light",
    "timelapse-yeast": "train nuclei-light",
    "yeast-phase": "predict yeast-phase",
}
"""Set of real images, and the recommended step."""
BLOCKED = ("dsb2018-stained",)
"""Sets of which only a part can be used: colour images beside grey ones."""


def advice_on(root: Path) -> Advice:
    dataset = Dataset.open(root)
    return advise(dataset, find_options(dataset))


def write(root: Path, name: str, objects: np.ndarray, **images: np.ndarray) -> None:
    # Dark objects on a bright ground, which no bundled model knows.
    for kind, pixels in {"images": 120 - 100 * (objects > 0), **images}.items():
        write_image(root / kind / f"{name}.tif", pixels.astype(np.uint8), "YX")


@pytest.mark.data
@pytest.mark.parametrize("name", FIRST)
def test_the_recommended_step_for_real_images(name: str) -> None:
    root = Path(DATA) / name
    if not DATA or not root.is_dir():
        pytest.skip("needs the real images")
    first = advice_on(root).steps[0]
    assert first.command.startswith(f"sparcell {FIRST[name]} ")
    assert bool(first.blocked) == (name in BLOCKED)


def test_the_size_of_the_outlined_objects_decides_the_recipe(tmp_path: Path) -> None:
    large = ellipses(4, (96, 96))
    write(tmp_path / "large", "a", large, labels=large)
    assert "train nuclei-light" in advice_on(tmp_path / "large").steps[0].command
    dots = np.zeros((96, 96), np.int32)
    dots[8:88:16, 8:88:16] = np.arange(1, 26).reshape(5, 5)
    write(tmp_path / "dots", "a", dots, labels=dots)
    assert "train particles-light" in advice_on(tmp_path / "dots").steps[0].command


def test_a_stain_is_labelled_first_and_never_into_labels_that_are_there(tmp_path: Path) -> None:
    objects = ellipses(4, (96, 96))
    write(tmp_path / "set", "a", objects, stain=40 * (objects > 0))
    first = advice_on(tmp_path / "set").steps[0]
    assert first.command == f"sparcell label {tmp_path / 'set'}"
    write(tmp_path / "set", "b", objects, labels=objects)
    steps = advice_on(tmp_path / "set").steps
    assert "train nuclei-light" in steps[0].command
    assert steps[1].command == f"sparcell label {tmp_path / 'set'} -o from-stain"


def test_predictions_are_named_as_such_and_not_offered_for_training(tmp_path: Path) -> None:
    objects = ellipses(4, (96, 96))
    write(tmp_path, "a", objects, labels=objects)
    record = {"settings": {"model": "nuclei", "model_sha256": "0" * 64}}
    (tmp_path / "record.json").write_text(json.dumps(record))
    advice = advice_on(tmp_path)
    assert "sparcell predict wrote these labels with nuclei" in advice.notes[0]
    assert not any("sparcell train" in step.command for step in advice.steps)


def test_images_alone(tmp_path: Path) -> None:
    write(tmp_path, "a", ellipses(4, (96, 96)))
    (step,) = advice_on(tmp_path).steps
    assert step.command == f"sparcell models try {tmp_path}"


def test_folders_that_are_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "some").mkdir()
    advice = advise_on_folder(tmp_path / "some")
    assert advice and advice.steps[0].command == f"sparcell models try {tmp_path / 'some'}"
    (tmp_path / "some" / "labels").mkdir()
    advice = advise_on_folder(tmp_path / "some")
    assert advice and advice.steps[0].command == f"sparcell measure {tmp_path / 'some'}"
    record = {"settings": {"model": "nuclei", "model_sha256": "0" * 64}}
    (tmp_path / "some" / "record.json").write_text(json.dumps(record))
    advice = advise_on_folder(tmp_path / "some")
    assert advice and "They are no truth" in advice.notes[0]
    assert advise_on_folder(tmp_path / "none.tif") is None
