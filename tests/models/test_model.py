from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from models import bright_model

from sparcell.core.errors import InputError
from sparcell.models.loading import load_model
from sparcell.models.model import PARTS


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "model.zip"
    bright_model(8.0, 8.0, pixel_size=0.65, scores={"val": {"f1": 0.9}}).save(path)
    return path


def test_a_saved_model_is_the_same_model(saved: Path) -> None:
    made, loaded = (
        bright_model(8.0, 8.0, pixel_size=0.65, scores={"val": {"f1": 0.9}}),
        load_model(saved),
    )
    assert loaded.spec == made.spec and loaded.onnx == made.onnx
    assert np.array_equal(loaded.golden_input, made.golden_input)
    assert np.array_equal(loaded.golden_output, made.golden_output)
    assert loaded.source == str(saved) and len(loaded.digest) == 64
    assert loaded.method.name == "semantic" and loaded.decode_settings.threshold == 0.5
    assert load_model(str(saved.parent)).digest == loaded.digest


def test_the_file_is_a_plain_zip_without_pickles(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        assert sorted(archive.namelist()) == sorted(PARTS)
        described = yaml.safe_load(archive.read("rdf.yaml"))
        for part in ("golden_input.npy", "golden_output.npy"):
            np.load(io.BytesIO(archive.read(part)), allow_pickle=False)
    (image,), (maps,) = described["inputs"], described["outputs"]
    assert [axis["type"] for axis in image["axes"]] == ["batch", "channel", "space", "space"]
    assert len(image["axes"][1]["channel_names"]) == 2 and image["axes"][2]["size"]["step"] == 16
    assert image["test_tensor"]["source"] in PARTS and maps["test_tensor"]["source"] in PARTS
    assert described["weights"]["onnx"]["source"] in PARTS


def test_the_opset_is_the_one_described(saved: Path) -> None:
    import onnx

    with zipfile.ZipFile(saved) as archive:
        graph = onnx.load_model_from_string(archive.read("model.onnx"))
        described = yaml.safe_load(archive.read("rdf.yaml"))
    assert graph.opset_import[0].version == described["weights"]["onnx"]["opset_version"]


def change(saved: Path, there: Path, part: str, edit: Callable[[bytes], bytes | None]) -> Path:
    """Copy a model file with one part edited, or left out where the edit gives None."""
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(there, "w") as new:
        for name in old.namelist():
            content = edit(old.read(name)) if name == part else old.read(name)
            if content is not None:
                new.writestr(name, content)
    return there


def with_spec(**settings: object) -> Callable[[bytes], bytes]:
    return lambda spec: json.dumps(json.loads(spec) | settings).encode()


def pickled(_: bytes) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{}], object), allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize("part", [part for part in PARTS if part != "sparcell.json"])
def test_a_part_that_is_missing(saved: Path, tmp_path: Path, part: str) -> None:
    with pytest.raises(InputError, match="no Sparcell model"):
        load_model(change(saved, tmp_path / "model.zip", part, lambda _: None))


@pytest.mark.parametrize(
    ("part", "edit", "words"),
    [
        ("sparcell.json", with_spec(format=2), "model format 2"),
        ("sparcell.json", with_spec(channels=0), "damaged sparcell.json"),
        ("sparcell.json", with_spec(surprise=1), "damaged sparcell.json"),
        ("sparcell.json", lambda _: b"{", "no Sparcell model"),
        ("sparcell.json", lambda _: b"[1]", "no Sparcell model"),
        (
            "sparcell.json",
            with_spec(decode={"threshold": 7}),
            r"decode\.threshold: Input",
        ),
        ("sparcell.json", with_spec(method="none"), "method 'none'"),
        ("sparcell.json", lambda _: b"[]," * 6_000_000, "17 MiB, at most 16 are read"),
        ("sparcell.json", lambda _: b"[" * 100_000, "no Sparcell model"),
        ("golden_input.npy", pickled, "that is no array"),
        ("golden_output.npy", lambda npy: npy[:-9], "that is no array"),
    ],
)
def test_a_part_that_is_damaged(
    saved: Path, tmp_path: Path, part: str, edit: Callable[[bytes], bytes], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        load_model(change(saved, tmp_path / "model.zip", part, edit))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_file_cut_short(saved: Path, tmp_path: Path, share: float) -> None:
    whole = saved.read_bytes()
    (tmp_path / "model.zip").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match="no Sparcell model"):
        load_model(tmp_path / "model.zip")


def test_bytes_flipped_in_the_middle(saved: Path, tmp_path: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[len(content) // 3] ^= 0xFF
    (tmp_path / "model.zip").write_bytes(content)
    with pytest.raises(InputError):
        load_model(tmp_path / "model.zip").open("onnxruntime")


def test_what_is_not_there_or_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model"):
        load_model(tmp_path)
    (tmp_path / "model.zip").write_text("hello")
    with pytest.raises(InputError, match="no Sparcell model"):
        load_model(tmp_path)


def test_a_failed_save_leaves_the_old_model(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    model = bright_model()
    model.save(path)
    before = path.read_bytes()
    model.golden_input = np.full((1, 32, 48), {}, object)
    with pytest.raises(ValueError):
        model.save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_one_other_pixel_of_the_golden_output_is_refused(saved: Path, runtime: str) -> None:
    model = load_model(saved)
    model.golden_output[0, 3, 4] += 0.01
    with pytest.raises(InputError, match=f"{runtime}: off by 0.01"):
        model.open(runtime)


def test_another_golden_output_is_refused_by_all_runtimes(saved: Path) -> None:
    model = load_model(saved)
    model.golden_output = 1 - model.golden_output
    with pytest.raises(InputError, match=r"openvino: off by .*; onnxruntime: off by "):
        model.open("auto")


def test_a_model_that_reads_other_files_is_refused(tmp_path: Path) -> None:
    model = bright_model()
    graph = onnx.load_model_from_string(model.onnx)
    graph.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    model.onnx = graph.SerializeToString()
    model.save(tmp_path / "model.zip")
    with pytest.raises(InputError, match="whose weights are in another file"):
        load_model(tmp_path / "model.zip")
