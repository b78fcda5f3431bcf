from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from foreign_packages import conv_onnx, package_04, package_05, sigmoid, zipped
from models import bright_model, exported, random_model
from torch import nn

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.methods import METHODS
from sparcell.methods.base import DENSE_MAPS
from sparcell.models import Model, Normalise, load_model
from sparcell.models.catalogue import ModelInfo
from sparcell.models.description import normalised
from sparcell.models.export import export_model

CARD = ModelInfo(
    purpose="nuclei in fluorescence images",
    licence="CC0-1.0",
    authors=("Ada Example",),
    data="made up for a test, CC0-1.0",
    scores={"AP50": 0.9},
    scores_of="none",
    limits=("no stacks",),
)
IMAGE = np.random.default_rng(1).gamma(2, 50, (1, 64, 48)).astype(np.float32)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("out") / "nuclei.zip"
    export_model(random_model(pixel_size=0.65, decode={"threshold": 0.4}), path, info=CARD)
    return path


def test_a_package_stays_a_model_of_ours(package: Path) -> None:
    made, loaded = random_model(pixel_size=0.65, decode={"threshold": 0.4}), load_model(package)
    assert loaded.spec == made.spec and loaded.digest == made.digest
    loaded.open("onnxruntime")


def test_a_package_says_who_made_it_and_what_it_is_for(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        described = yaml.safe_load(archive.read("rdf.yaml"))
        told = archive.read("README.md").decode()
    assert described["authors"] == [{"name": "Ada Example"}]
    assert described["license"] == "CC0-1.0" and described["description"] == CARD.purpose
    for words in (
        CARD.purpose,
        CARD.data,
        "AP50 0.9",
        "no stacks",
        "multiples of 16 px",
        "0.65 um",
        "threshold = 0.4",
        "percentile 99.8",
        "ImageJ",
        "QuPath",
        "## Validation",
    ):
        assert words in told, words


def test_others_who_follow_the_description_get_the_same_maps(package: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.zip"
    with zipfile.ZipFile(package) as archive, zipfile.ZipFile(bare, "w") as copy:
        for name in set(archive.namelist()) - {"sparcell.json"}:
            copy.writestr(name, archive.read(name))
    own, theirs = load_model(package), load_model(bare)
    assert theirs.spec.layout is not None and theirs.spec.method == "semantic"
    image = Image(IMAGE, "CYX")
    maps = [m.open("onnxruntime")(m.scaling(image)(IMAGE))[0] for m in (own, theirs)]
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-4)


def test_what_is_normalised_stays_as_it_is() -> None:
    once = normalised(IMAGE, Normalise())
    np.testing.assert_allclose(normalised(once, Normalise()), once, atol=1e-5)
    low, high = np.percentile(once, [1, 99.8])
    assert low == pytest.approx(-1, abs=1e-4) and high == pytest.approx(1, abs=1e-4)


def test_the_bare_network_comes_with_a_description(tmp_path: Path) -> None:
    model = bright_model(8.0, 8.0)
    export_model(model, tmp_path / "out", "onnx", CARD)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "model.json",
        "model.onnx",
    ]
    assert (tmp_path / "out" / "model.onnx").read_bytes() == model.onnx
    about = json.loads((tmp_path / "out" / "model.json").read_text())
    assert about["input"]["channels"] == 2 and about["input"]["multiple_of_px"] == 16
    assert about["outputs"] == {
        "maps": {"axes": ["batch", "channel", "y", "x"], "channels": ["foreground"]}
    }
    assert about["decode"] == {"threshold": 0.5, "min_size": 0}
    assert [step["id"] for step in about["preprocessing"]][1:] == [
        "scale_range", "scale_linear", "clip",
    ]  # fmt: skip


DENSE = [
    name for name in METHODS if METHODS[name].output is DENSE_MAPS and len(METHODS[name].maps) > 1
]


@pytest.mark.parametrize("name", DENSE)
def test_every_method_tells_how_its_maps_become_objects(name: str, tmp_path: Path) -> None:
    method = METHODS[name]
    network = nn.Conv2d(1, len(method.maps), 1)
    export_model(exported(network, 1, Normalise(), method=name, decode={}), tmp_path / "m.zip")
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        told = archive.read("README.md").decode()
    for setting, field in method.decode_settings.model_fields.items():
        assert f"- {setting} = " in told and str(field.description) in told
    assert ", ".join(method.maps) in told
    assert (method.decode.__doc__ or "").strip().splitlines()[0] in told


@pytest.mark.parametrize(
    ("change", "out", "format", "words"),
    [
        ({}, "m", "bioimageio", "ends in .zip"),
        ({}, "m.zip", "tflite", "format tflite"),
        ({"frames": 2}, "m.zip", "bioimageio", "a model of 2 frames"),
    ],
)
def test_what_cannot_be_exported(
    change: dict[str, Any], out: str, format: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        export_model(bright_model(8.0, 8.0, **change), tmp_path / out, format)
    assert not list(tmp_path.iterdir())


def test_a_package_of_others_is_passed_on_as_it_is(tmp_path: Path) -> None:
    said = sigmoid(IMAGE[None, :, :32] / 100)
    network = conv_onnx(np.array([[0.01]], np.float32), sigmoid=True)
    path = zipped(package_05(network, IMAGE[None, :, :32], said), tmp_path / "theirs.zip")
    with pytest.raises(InputError, match="a package of another tool"):
        export_model(load_model(path), tmp_path / "out.zip")


@pytest.fixture(scope="module")
def bioimageio() -> Any:
    """The validator and runner of bioimage.io, which needs no network for files that are here."""
    return pytest.importorskip("bioimageio.core", reason="pip install bioimageio.core")


def detecting() -> Model:
    """A model that says of every image the same three boxes."""
    import torch

    from sparcell.methods.detections import DETECTIONS
    from sparcell.models import ModelSpec
    from sparcell.training.export import export_onnx

    class Boxes(nn.Module):
        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            nothing = image.mean() * 0
            boxes = torch.tensor([[[2.0, 2, 12, 12], [20, 4, 30, 18], [4, 30, 14, 44]]])
            scores = torch.tensor([[0.9, 0.8, 0.7]])
            return boxes + nothing, scores + nothing, torch.ones(1, 3, 28, 28) + nothing

    golden = normalised(IMAGE[:, :32], Normalise())
    onnx, picture = export_onnx(Boxes(), golden, lambda outputs: outputs, DETECTIONS)
    spec = ModelSpec(
        name="boxes",
        method="retinamask",
        decode={},
        normalise=Normalise(),
        channels=1,
        multiple=16,
        typical_area=100.0,
        largest_diameter=20.0,
    )
    return Model(spec, onnx, golden, picture)


def test_the_validator_and_the_runner_of_bioimageio_agree(
    bioimageio: Any, package: Path, tmp_path: Path
) -> None:
    random_model().save(tmp_path / "model.zip")
    export_model(detecting(), tmp_path / "boxes.zip", info=CARD)
    for path in (package, tmp_path / "model.zip", tmp_path / "boxes.zip"):
        summary = bioimageio.test_model(str(path))
        assert summary.status == "passed", summary.format()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_packages_of_others_mean_the_same_to_the_runner_of_bioimageio(
    bioimageio: Any, version: str, tmp_path: Path
) -> None:
    raw = IMAGE[None, :, :32]
    shown = (raw - raw.mean()) / raw.std()
    said = np.concatenate([sigmoid(-2 * shown), sigmoid(3 * shown)], axis=1)
    network = conv_onnx(np.array([[-2.0], [3.0]], np.float32))
    if version == "0.4":
        zero_mean = {"mode": "per_sample", "axes": "xy"}
        steps = [{"name": "zero_mean_unit_variance", "kwargs": zero_mean}]
        parts = package_04(network, raw, said, pre=steps, post=[{"name": "sigmoid"}])
    else:
        steps = [{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}}]
        parts = package_05(network, raw, said, pre=steps, post=[{"id": "sigmoid"}])
    path = zipped(parts, tmp_path / "theirs.zip")
    summary = bioimageio.test_model(str(path))
    assert summary.status == "passed", summary.format()
    model = load_model(path, ["background", "foreground"])
    found = model.open("onnxruntime")(model.scaling(Image(IMAGE, "CYX"))(IMAGE))[0]
    expected = bioimageio.predict(model=str(path), inputs=IMAGE[None])
    (tensor,) = expected.members.values()
    np.testing.assert_allclose(found[0], tensor.data.values[0, 1], atol=1e-5)
