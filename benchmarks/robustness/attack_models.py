"""Hostile models and pickles: networks, cards, tensors and weights."""

from __future__ import annotations

import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attacks import IMPORT, MANY, VICTIM, attack, predict
from campaign import Words
from sample_field import RUNTIME, SHAPE, tiny_model

TRAIN = ("-o", "run", "--set", "fit.max_steps=1")


def _model_parts(folder: Path, **parts: bytes) -> tuple[Words, ...]:
    """Write a model with other parts, by their names without suffix."""
    with zipfile.ZipFile(folder / "model.zip") as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    whole |= {name: parts.get(name.split(".")[0], content) for name, content in whole.items()}
    with zipfile.ZipFile(folder / "bad.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in whole.items():
            archive.writestr(name, content)
    return (
        ("models", "show", "bad.zip"),
        ("predict", "bad.zip", "images", "-o", "out", *RUNTIME),
    )


def _external(folder: Path, place: str, swap: bool = False) -> tuple[Words, ...]:
    """Let the network's weight be in another file, its key written before or after its value."""
    import onnx

    network = onnx.load_from_string(tiny_model().onnx)
    weight = network.graph.initializer[0]
    weight.ClearField("float_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", place
    content = network.SerializeToString()
    if swap:
        key, value = b"\x0a\x08location", b"\x12" + bytes([len(place)]) + place.encode()
        content = content.replace(key + value, value + key)
    return _model_parts(folder, model=content)


@attack("models")
def weights_in_another_file(folder: Path) -> tuple[Words, ...]:
    return _external(folder, f"../{VICTIM}")


@attack("models")
def weights_elsewhere_with_value_before_key(folder: Path) -> tuple[Words, ...]:
    return _external(folder, f"../{VICTIM}", swap=True)


@attack("models")
def weights_at_an_absolute_path(folder: Path) -> tuple[Words, ...]:
    return _external(folder, "/etc/hostname")


@attack("models")
def card_of_many_lists(folder: Path) -> tuple[Words, ...]:
    return _model_parts(folder, sparcell=b'{"scores":[' + b"[]," * (MANY // 3) + b"[]]}")


@attack("models")
def card_of_deep_lists(folder: Path) -> tuple[Words, ...]:
    return _model_parts(folder, sparcell=b'{"scores":' + b"[" * 100_000)


@attack("models")
def golden_input_of_many_pixels(folder: Path) -> tuple[Words, ...]:
    header = np.lib.format.header_data_from_array_1_0(np.zeros(1, np.float32))
    parts = []
    for shape in ((1, 1, 16384, 16384), (1, 1, 10**9, 10**9), (-1, 4)):
        stream = folder / "golden.npy"
        with stream.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header | {"shape": shape})
        parts.append(stream.read_bytes())
    parts[0] += bytes(4 * 16384**2)
    commands: list[Words] = []
    for number, part in enumerate(parts):
        shown, predicted = _model_parts(folder, golden_input=part)
        (folder / "bad.zip").rename(folder / f"bad{number}.zip")
        commands += [tuple(w.replace("bad", f"bad{number}") for w in c) for c in (shown, predicted)]
    return tuple(commands)


@attack("models")
def graph_that_never_ends(folder: Path) -> tuple[Words, ...]:
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    sizes = ["batch", 1, "height", "width"]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("Identity", ["carried"], ["next"]),
        ],
        "body",
        [value("n", TensorProto.INT64, []), value("go", TensorProto.BOOL, []),
         value("carried", TensorProto.FLOAT, sizes)],
        [value("still", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, sizes)],
    )  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("Loop", ["", "true", "image"], ["maps"], body=body)],
        "endless",
        [value("image", TensorProto.FLOAT, sizes)],
        [value("maps", TensorProto.FLOAT, sizes)],
        [helper.make_tensor("true", TensorProto.BOOL, [], [True])],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return _model_parts(folder, model=network.SerializeToString())


@attack("models")
def decode_settings_out_of_range(folder: Path) -> tuple[Words, ...]:
    spec = tiny_model().spec
    bad = replace(tiny_model(), spec=spec.model_copy(update={"decode": {"threshold": 1e9, "x": 1}}))
    bad.save(folder / "bad.zip")
    return (("predict", "bad.zip", "images", "-o", "out", *RUNTIME),)


class _Executes:
    """An object that writes a file as it is loaded from a pickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        code = "[open(path, 'w').close() for path in ('executed', '/tmp/executed')]"
        return (eval, (code,))


@attack("pickles")
def pickle_in_seg_npy(folder: Path) -> tuple[Words, ...]:
    np.save(folder / "A1_seg.npy", {"masks": _Executes()}, allow_pickle=True)  # type: ignore[arg-type]
    return (("import", "A1_seg.npy", *IMPORT),)


@attack("pickles")
def pickle_as_golden_input(folder: Path) -> tuple[Words, ...]:
    np.save(folder / "x.npy", np.array([_Executes()], object), allow_pickle=True)
    return _model_parts(folder, golden_input=(folder / "x.npy").read_bytes())


@attack("pickles")
def pickle_as_pretrained_weights(folder: Path) -> tuple[Words, ...]:
    torch.save({"state_dict": _Executes()}, folder / "weights.pt")
    (folder / "plain.pt").write_bytes(pickle.dumps(_Executes()))
    return tuple(
        ("train", "nuclei-light", "--data", ".", *TRAIN, "--pretrained", name)
        for name in ("weights.pt", "plain.pt")
    )


@attack("pickles")
def pickle_as_network_weights(folder: Path) -> tuple[Words, ...]:
    torch.save({"state_dict": _Executes()}, folder / "weights.pt")
    return (
        ("train", "nuclei-light", "--data", ".", *TRAIN, "--set", "network.weights=weights.pt"),
    )


@attack("pickles")
def pickle_as_codec_of_a_zarr(folder: Path) -> tuple[Words, ...]:
    array = folder / "a.ome.zarr" / "0"
    array.mkdir(parents=True)
    header = {
        "zarr_format": 2, "shape": SHAPE, "chunks": SHAPE, "dtype": "|O", "fill_value": None,
        "order": "C", "filters": [{"id": "pickle"}], "compressor": {"id": "pickle"},
    }  # fmt: skip
    (array / ".zarray").write_text(json.dumps(header))
    (array / "0.0").write_bytes(pickle.dumps(_Executes()))
    axes = [{"name": name, "type": "space"} for name in "yx"]
    scales = {"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}
    (array.parent / ".zattrs").write_text(json.dumps({"multiscales": [scales]}))
    (array.parent / ".zgroup").write_text('{"zarr_format": 2}')
    return (predict("a.ome.zarr"),)
