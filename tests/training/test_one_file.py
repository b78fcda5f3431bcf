"""Files that hold label-free planes and a stain of a field, from training to labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dataset_folder import TINY

from sparcell.cli import main
from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.evaluation import evaluate
from sparcell.io import open_image, open_sample, write_image
from sparcell.labeling import label
from sparcell.models import load_model
from sparcell.prediction.predict import predict
from sparcell.simulation import SimulationSettings, write_dataset
from sparcell.training import load_recipe, train
from sparcell.training.data.field_refs import shared_selection
from sparcell.training.data.selection import find_fields
from sparcell.training.recipe_parts import DataConfig

LAYOUT = """\
images: {files: raw, channels: [phase, bright], depths: channels}
stain: {files: raw, channels: DAPI, depths: max}
labels: truth
"""


def write_raw(root: Path) -> Path:
    """Simulate fields and write each as one OME-TIFF of three depths and three channels."""
    settings = SimulationSettings(size=(96, 112), cells=8, nucleus_diameter=14)
    made = root / "made"
    write_dataset(made, settings, seed=3, train=3, val=1, test=1)
    (root / "raw").mkdir()
    for path in sorted((made / "images").glob("*.tif")):
        phase = open_image(path).read()[0]
        stain = open_image(made / "stain" / path.name).read()[0]
        depths = [
            [phase // (z + 1), phase, stain if z == 1 else stain // 3] for z in range(3)
        ]  # only one depth is in focus
        name = f"{path.stem}.ome.tif"
        channels = ("bright", "phase", "DAPI")
        pixels = np.array(depths).astype(np.uint16)
        write_image(root / "raw" / name, pixels, "ZCYX", 0.5, channels)
    (root / "truth").symlink_to(made / "truth")
    (root / "split.csv").write_text((made / "split.csv").read_text())
    (root / "dataset.yaml").write_text(LAYOUT)
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raw(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    tiny = [setting for setting in TINY if "data.labels" not in setting]
    settings = [*tiny, "network.shrink=1", "fit.max_steps=4"]
    return train("bonte2023-light/stain", data, data / "run", overrides=settings)


def test_image_and_stain_are_cut_out_of_the_file(data: Path) -> None:
    sample = Dataset.open(data).samples[0]
    image, stain = open_sample(sample), open_sample(sample, "stain")
    pixels = open_image(sample.image.path).data[:]
    assert image.channels == (
        "phase z0", "bright z0", "phase z1", "bright z1", "phase z2", "bright z2",
    )  # fmt: skip
    assert np.array_equal(image.read(), pixels[:, [1, 0]].reshape(6, 96, 112))
    assert stain.axes == "CYX" and np.array_equal(stain.read()[0], pixels[:, 2].max(0))


def test_a_stain_is_learned_and_predicted_from_such_files(data: Path, run: Path) -> None:
    spec = load_model(run).spec
    assert spec.channels == 6
    assert spec.selection == ChannelSelection(channels=("phase", "bright"), depths="channels")
    record = json.loads((run / "record.json").read_text())
    (name,) = record["evaluated"]
    assert record["evaluated"][name]["selections"]["stain"]["depths"] == "max"
    assert "data:image" in (run / "report.html").read_text()
    # The same files, and the same pixels in files of their own, give the same.
    raw = data / "raw" / f"{name}.ome.tif"
    (data / "split").mkdir()
    image = open_sample(next(s for s in Dataset.open(data).samples if s.name == name))
    alone = data / "split" / f"{name}.tif"
    write_image(alone, image.read().astype(np.uint16), "CYX", 0.5)
    found = []
    for path, out in ((raw, data / "a"), (alone, data / "b")):
        predict(load_model(run), path, out)
        found.append(open_image(out / "stain" / f"{name}.tif"))
    assert found[0].axes == "YX" and np.array_equal(found[0].read(), found[1].read())
    real = {name: raw_stain(data, name)}
    score = evaluate(real, data / "a", metric="stain").images[name]["stain"]
    told = json.loads((run / "evaluation.json").read_text())["images"][name]["stain"]
    assert score == pytest.approx(told)


def raw_stain(data: Path, name: str) -> Path:
    stain = data / f"{name}_max.tif"
    pixels = open_image(data / "raw" / f"{name}.ome.tif").data[:][:, 2].max(0)
    write_image(stain, pixels, "YX")
    return stain


def test_a_dataset_stands_for_its_stains_where_it_says_what_they_are(data: Path, run: Path) -> None:
    predict(load_model(run), data / "raw", data / "all")
    scores = evaluate(data, data / "all", metric="stain")
    assert len(scores.images) == 5
    painted = Dataset.open(data / "all")
    files = painted.samples[0].files
    assert files["images"].selection == ChannelSelection(
        channels=("phase", "bright"), depths="channels"
    )
    assert files["stain"].selection == WHOLE


def test_files_that_lack_a_channel_are_named(data: Path, run: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", np.zeros((2, 64, 64), np.uint16), "CYX", None, ("BF", "GFP"))
    summary = predict(load_model(run), tmp_path / "a.tif", tmp_path / "out")
    (failure,) = summary.failures.values()
    assert "no channel 'phase'" in failure and "choose `channel`" in failure


def test_nuclei_are_labelled_from_the_channel(data: Path) -> None:
    table = label(data, data / "labelled")
    assert table["accepted"].all()
    labelled = Dataset.open(data / "labelled")
    first, own = labelled.samples[0], Dataset.open(data).samples[0]
    assert first.image.path.resolve() == own.image.path.resolve()
    for kind, file in own.files.items():
        assert first.files[kind].selection == file.selection
    assert open_image(first.files["labels"]).axes == "YX"


def test_datasets_of_one_training_choose_alike(data: Path, tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text(
        f"images: {{files: {data}/raw, channels: [bright, phase], depths: channels}}\n"
        f"stain: {{files: {data}/raw, channels: DAPI, depths: max}}\n"
    )
    datasets = [Dataset.open(data), Dataset.open(tmp_path)]
    places = find_fields(datasets, DataConfig(), 0, "stain")["train"]
    with pytest.raises(InputError, match="channels phase, bright; depths as channels of the"):
        shared_selection(places)


def test_without_the_layout_the_remedy_is_said(data: Path, tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text(f"images: {data}/raw\n")
    with pytest.raises(InputError, match=r"stain: \{files: FOLDER, channels: NAME\}"):
        train(load_recipe("bonte2023-light/stain"), tmp_path, tmp_path / "run")


def test_info_says_what_counts_and_what_is_lacking(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dataset.yaml").write_text(
        f"images: {{files: {data}/raw, channels: phase}}\n"
        f"stain: {{files: {data}/raw, channels: Hoechst}}\n"
    )
    with pytest.raises(SystemExit) as end:
        main(["info", str(tmp_path)])
    said = capsys.readouterr().out
    assert not end.value.code and "images: 5 (channel phase)" in said
    assert "no channel 'Hoechst' in" in said and "bright, phase, DAPI" in said
    with pytest.raises(SystemExit):
        main(["info", str(data)])
    step = f"5 images (about 10 min): sparcell train bonte2023-light/stain --data {data}"
    assert step in capsys.readouterr().out
