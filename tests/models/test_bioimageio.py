"""Other people's packages: what is shown to their networks, and what their answers mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tifffile
import yaml
from foreign_packages import Parts, conv_onnx, folder_of, package_04, package_05, sigmoid, zipped
from onnx import external_data_helper
from scipy import ndimage

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.io import open_image
from sparcell.models import load_model
from sparcell.models.model import Model
from sparcell.prediction.predict import PredictSettings, predict

RNG = np.random.default_rng(0)
RAW = RNG.gamma(2, 50, (1, 1, 32, 48)).astype(np.float32)
ZMUV_04 = [{"name": "zero_mean_unit_variance", "kwargs": {"mode": "per_sample", "axes": "xy"}}]
ZMUV_05 = [{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"]}}]
ONE = np.array([[3.0]], np.float32)


def standardised(image: np.ndarray) -> np.ndarray:
    """Zero mean, unit variance along the last two axes."""
    mean, spread = image.mean((-2, -1), keepdims=True), image.std((-2, -1), keepdims=True)
    return (image - mean) / (spread + 1e-6)


def one_channel(version: str, **changes: Any) -> Parts:
    """A network whose sigmoid is left to the postprocessing."""
    said = sigmoid(3 * standardised(RAW))
    network = conv_onnx(ONE)
    if version == "0.4":
        return package_04(network, RAW, said, pre=ZMUV_04, post=[{"name": "sigmoid"}], **changes)
    return package_05(network, RAW, said, pre=ZMUV_05, post=[{"id": "sigmoid"}], **changes)


def several(names: list[str] | None, outputs: np.ndarray | None = None) -> Parts:
    """A network of several sigmoids in format 0.5."""
    weights = np.linspace(-2, 2, len(names or "ab")).astype(np.float32)[:, None]
    said = sigmoid(weights[:, :, None, None][:, 0] * standardised(RAW))
    network = conv_onnx(weights, sigmoid=True)
    return package_05(network, RAW, said, pre=ZMUV_05, names=names)


def maps(model: Model, image: np.ndarray, runtime: str = "onnxruntime") -> np.ndarray:
    scaled = model.scaling(Image(image, "CYX"))(image)
    return model.open(runtime, 1)(scaled)[0]


@pytest.mark.parametrize("packed", [folder_of, zipped])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_one_channel_is_the_foreground(version: str, packed: Any, tmp_path: Path) -> None:
    model = load_model(packed(one_channel(version), tmp_path / "theirs.zip"))
    assert model.spec.method == "semantic" and model.spec.channels == 1
    assert model.spec.multiple == 16 and model.spec.typical_area is None
    assert model.spec.pixel_size == (0.5 if version == "0.5" else None)
    image = RNG.gamma(2, 30, (1, 64, 32)).astype(np.float32)
    expected = sigmoid(3 * standardised(image))
    for runtime in ("onnxruntime", "openvino"):
        np.testing.assert_allclose(maps(model, image, runtime), expected, atol=1e-5)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_image_is_segmented_from_its_file(version: str, tmp_path: Path) -> None:
    zipped(one_channel(version), tmp_path / "theirs.zip")
    image = ndimage.gaussian_filter(RNG.random((90, 130)), 4).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", image)
    summary = predict(tmp_path / "theirs.zip", tmp_path / "a.tif", tmp_path / "out", threads=1)
    # The sigmoid's middle is the mean.
    expected, count = ndimage.label(image >= image.mean(), np.ones((3, 3)))
    found = open_image(tmp_path / "out" / "labels" / "a.tif").read_labels()
    assert summary.counts["count"].tolist() == [count] and count > 3
    assert ((found > 0) != (expected > 0)).mean() < 0.02


@pytest.mark.parametrize("axes", ["byxc", "bcyx", "bcxy", "bzyxc"])
def test_axes_in_any_order(axes: str, tmp_path: Path) -> None:
    weights = np.array([[1.0, -2.0]], np.float32)
    image = RNG.random((2, 32, 48)).astype(np.float32)
    expected = sigmoid(np.einsum("kc,cyx->kyx", weights, image))
    network = conv_onnx(weights, sigmoid=True, axes=axes)

    def arranged(array: np.ndarray) -> np.ndarray:
        letters = [letter for letter in axes if letter in "cyx"]
        turned = array.transpose(["cyx".index(letter) for letter in letters])[None]
        return np.expand_dims(turned, axes.index("z")) if "z" in axes else turned

    parts = package_04(network, arranged(image), arranged(expected), axes=axes)
    model = load_model(zipped(parts, tmp_path / "theirs.zip"))
    for runtime in ("onnxruntime", "openvino"):
        np.testing.assert_allclose(maps(model, image, runtime), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("names", "method", "expected"),
    [
        (["foreground", "boundary"], "pixelwise", lambda f, b: [1 - f, f * (1 - b), f * b]),
        (["nuclei", "border"], "pixelwise", lambda f, b: [1 - f, f * (1 - b), f * b]),
        (["bg", "Nucleus"], "semantic", lambda b, f: [f]),
        (["foreground", "distance"], "distance", lambda f, d: [f, d]),
        (["outer", "inner"], "watershed", lambda o, i: [i, o]),
        (["background", "interior", "boundary"], "pixelwise", lambda *all: all),
        (["background", "foreground", "boundary"], "pixelwise", lambda *all: all),
        (["interior", "boundary"], "pixelwise", lambda i, b: [np.clip(1 - i - b, 0, 1), i, b]),
    ],
)
def test_channels_are_decoded_by_what_they_show(
    names: list[str], method: str, expected: Any, tmp_path: Path
) -> None:
    model = load_model(zipped(several(names), tmp_path / "theirs.zip"))
    assert model.spec.method == method
    weights = np.linspace(-2, 2, len(names))
    channels = [sigmoid(weight * standardised(RAW[0, 0])) for weight in weights]
    np.testing.assert_allclose(maps(model, RAW[0]), np.stack(expected(*channels)), atol=1e-5)
    objects = model.method.decode(
        model.method.output.read([maps(model, RAW[0])], (32, 48)), model.decode_settings
    )
    assert objects.labels.shape == (32, 48)


def test_channels_without_names_are_asked_for(tmp_path: Path) -> None:
    path = zipped(several(None), tmp_path / "theirs.zip")
    with pytest.raises(
        InputError, match=r"2 output channels.*`outputs=\[.background., .foreground.\]`"
    ):
        load_model(path)
    model = load_model(path, ["-", "foreground"])
    assert model.spec.method == "semantic"
    np.testing.assert_allclose(
        maps(model, RAW[0])[0], sigmoid(2 * standardised(RAW[0, 0])), atol=1e-5
    )
    assert model.digest != load_model(path, ["foreground", "-"]).digest


@pytest.mark.parametrize(
    "outputs", [["foreground"], ["nuclei", "-"], ["foreground", "foreground"], ["background", "-"]]
)
def test_outputs_that_do_not_fit_are_refused(outputs: list[str], tmp_path: Path) -> None:
    path = zipped(several(None), tmp_path / "theirs.zip")
    with pytest.raises(InputError, match=f"2 output channels.*{','.join(outputs)}"):
        load_model(path, outputs)


def test_a_network_of_one_size_is_given_that_size(tmp_path: Path) -> None:
    image = RNG.gamma(2, 50, (1, 1, 64, 64)).astype(np.float32)
    said = sigmoid(3 * standardised(image))
    network = conv_onnx(ONE, sigmoid=True, size=(64, 64))
    for number, parts in enumerate(
        [
            package_04(network, image, said, pre=ZMUV_04, shape=[1, 1, 64, 64]),
            package_05(network, image, said, pre=ZMUV_05, size=64),
        ]
    ):
        path = zipped(parts, tmp_path / f"{number}.zip")
        model = load_model(path)
        assert model.grid(1024, 64) == (1, 32, 16)
        field = ndimage.gaussian_filter(RNG.random((150, 201)), 1).astype(np.float32) ** 8
        tifffile.imwrite(tmp_path / f"{number}.tif", field)
        out = tmp_path / f"out{number}"
        predict(model, tmp_path / f"{number}.tif", out, runtime="onnxruntime", threads=1)
        found = open_image(out / "labels" / f"{number}.tif").read_labels()
        assert ((found > 0) != (field >= field.mean())).mean() < 0.02 and found.max() > 50


def test_workers_get_the_same_model_through_a_file(tmp_path: Path) -> None:
    model = load_model(zipped(several(None), tmp_path / "theirs.zip"), ["-", "foreground"])
    model.save(tmp_path / "copy.zip")
    copy = load_model(tmp_path / "copy.zip")
    assert copy.digest == model.digest and copy.spec == model.spec
    assert np.array_equal(maps(copy, RAW[0]), maps(model, RAW[0]))


def test_a_small_window_grows_to_the_smallest_size(tmp_path: Path) -> None:
    model = load_model(zipped(one_channel("0.5"), tmp_path / "theirs.zip"))
    layout = model.spec.layout.model_copy(update={"smallest": (40, 32), "step": (8, 0)})
    assert layout.window((3, 32)) == (40, 32) and layout.window((41, 9)) == (48, 32)
    assert layout.largest == 32
    with pytest.raises(ValueError, match="33 px for a network of 32 px"):
        layout.window((40, 33))


def test_a_wrong_golden_output_refuses_the_runtime(tmp_path: Path) -> None:
    model = load_model(zipped(one_channel("0.4"), tmp_path / "theirs.zip"))
    model.golden_output = 1 - model.golden_output
    with pytest.raises(InputError, match="onnxruntime: off by"):
        model.open("onnxruntime")


def test_wrong_number_of_channels_is_one_line(tmp_path: Path) -> None:
    zipped(one_channel("0.5"), tmp_path / "theirs.zip")
    tifffile.imwrite(
        tmp_path / "rgb.tif", RNG.integers(0, 99, (64, 64, 3)).astype(np.uint8), photometric="rgb"
    )
    summary = predict(
        tmp_path / "theirs.zip", tmp_path / "rgb.tif", tmp_path / "out", settings=PredictSettings()
    )
    (reason,) = summary.failures.values()
    assert "3 channels" in reason and "\n" not in reason


def edited(parts: Parts, edit: Any) -> Parts:
    described = yaml.safe_load(parts["rdf.yaml"])
    edit(described)
    return parts | {"rdf.yaml": yaml.safe_dump(described).encode()}


def set_at(*keys: Any, value: Any) -> Any:
    def edit(described: Any) -> None:
        for key in keys[:-1]:
            described = described[key]
        described[keys[-1]] = value

    return edit


TORCH = {"pytorch_state_dict": {"source": "w.pt"}, "torchscript": {"source": "w.pt"}}
BAD = {
    "another kind": (set_at("type", value="dataset"), "expected a model's"),
    "format 0.3": (set_at("format_version", value="0.3.6"), "format 0.3.6"),
    "pytorch": (set_at("weights", value=TORCH), "pytorch_state_dict, torchscript.*ONNX"),
    "no weights": (set_at("weights", value=None), "weights as nothing"),
    "no ONNX file": (set_at("weights", "onnx", "source", value="no.onnx"), "no no.onnx in"),
    "outside": (set_at("weights", "onnx", "source", value="../w.onnx"), "outside the package"),
    "elsewhere": (
        set_at("weights", "onnx", "source", value="https://example.org/w.onnx"),
        "which is elsewhere",
    ),
    "another hash": (set_at("weights", "onnx", "sha256", value="0" * 64), "whose SHA-256 differs"),
    "external": (
        set_at("weights", "onnx", "external_data", value={"source": "w.data"}),
        "in another file",
    ),
    "no inputs": (set_at("inputs", value=[]), "0 inputs|argument 2 is longer"),
    "damaged": (set_at("inputs", 0, "axes", value=3), "cannot be read"),
    "processing": (
        set_at("outputs", 0, "postprocessing", value=[{"name": "stardist_postprocessing"}]),
        "'stardist_postprocessing'",
    ),
    "measuring": (
        set_at("outputs", 0, "postprocessing", value=[{"name": "scale_range"}]),
        "postprocessing 'scale_range'.*every tile alike",
    ),
}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_used_is_one_plain_line(what: str, version: str, tmp_path: Path) -> None:
    edit, words = BAD[what]
    path = zipped(edited(one_channel(version), edit), tmp_path / "theirs.zip")
    with pytest.raises(InputError, match=words) as error:
        load_model(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("part", "content", "words"),
    [
        ("rdf.yaml", b"a: [", "no YAML"),
        ("rdf.yaml", b"[1, 2]", "expected a model's"),
        ("rdf.yaml", b"#" * (1 << 21), "2 MiB, at most 1 are read"),
        ("test_in.npy", b"hello", "no array"),
        ("test_out.npy", None, "no test_out.npy"),
        ("weights.onnx", None, "no weights.onnx"),
    ],
)
def test_a_part_that_is_damaged_or_missing(
    part: str, content: bytes | None, words: str, tmp_path: Path
) -> None:
    parts = one_channel("0.4") | {part: content or b""}
    if content is None:
        del parts[part]
    with pytest.raises(InputError, match=words):
        load_model(zipped(parts, tmp_path / "theirs.zip"))


def test_an_onnx_file_that_is_none_is_refused(tmp_path: Path) -> None:
    parts = one_channel("0.4") | {"weights.onnx": b"not a graph"}
    with pytest.raises(InputError, match="no ONNX file") as error:
        load_model(zipped(parts, tmp_path / "theirs.zip"))
    assert "\n" not in str(error.value)


def test_weights_in_a_file_beside_are_found_in_the_graph(tmp_path: Path) -> None:
    graph = onnx.load_model_from_string(conv_onnx(np.ones((1, 40), np.float32)))
    external_data_helper.set_external_data(graph.graph.initializer[0], "../elsewhere.data")
    graph.graph.initializer[0].ClearField("raw_data")
    parts = one_channel("0.4") | {"weights.onnx": graph.SerializeToString()}
    with pytest.raises(InputError, match="whose weights are in another file"):
        load_model(zipped(parts, tmp_path / "theirs.zip"))


def test_logits_without_a_sigmoid_are_refused(tmp_path: Path) -> None:
    said = 3 * standardised(RAW)
    with pytest.raises(InputError, match=r"values of -.* expected probabilities.*sigmoid"):
        load_model(zipped(package_04(conv_onnx(ONE), RAW, said, pre=ZMUV_04), tmp_path / "a.zip"))


def test_a_stack_network_is_refused(tmp_path: Path) -> None:
    image = np.zeros((1, 1, 16, 32, 48), np.float32)
    parts = package_04(conv_onnx(ONE, axes="bczyx"), image, image, axes="bczyx")
    with pytest.raises(InputError, match="16 or more along z"):
        load_model(zipped(parts, tmp_path / "a.zip"))


@pytest.mark.parametrize("shape", [[1, 1, 0, 48], {"min": [1, 1, 16, 16], "step": [0, 0, -1, 0]}])
def test_sizes_that_cannot_be_are_refused(shape: Any, tmp_path: Path) -> None:
    parts = package_04(conv_onnx(ONE), RAW, sigmoid(RAW), shape=shape)
    with pytest.raises(InputError, match="axes bcyx of the input"):
        load_model(zipped(parts, tmp_path / "a.zip"))


def test_an_output_of_another_size_is_named(tmp_path: Path) -> None:
    parts = package_04(conv_onnx(ONE), RAW, sigmoid(RAW)[:, :, ::2, ::2])
    with pytest.raises(InputError, match=r"outputs probability \(bcyx\).*none as large"):
        load_model(zipped(parts, tmp_path / "a.zip"))
