"""Hostile files: models, YAML, archives, pickles, images and annotations made to do harm.

    python benchmarks/robustness/attack.py [--size small] [--only pickle]

Each attack survives if its command ends in a result or a plain line, within limits of time and
memory, and neither runs code nor reads, changes or removes anything outside of its folder.
"""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from campaign import Campaign, Words, load_libraries, run_forked, run_script, spell
from samples import KINDS, RUNTIME, SHAPE, SQUARE, Kind, tiny_model, write_base

Make = Callable[[Path], tuple[Words, ...]]
VICTIM = "victim/keep.txt"
"""A file beside the folder in which commands run."""
IMPORT = ("-o", "out", "--images", "images")
TRAIN = ("-o", "run", "--set", "network.weights=none", "--set", "fit.max_steps=1")
MANY = 200_000_000


@dataclass(frozen=True)
class Attack:
    """A hostile file: the line of the table, its name, and what writes it.

    `make` writes into a folder with images, labels and a model, and returns the commands.
    """

    test: str
    name: str
    make: Make


ATTACKS: list[Attack] = []


def attack(test: str) -> Callable[[Make], Make]:
    """Register an attack under a line of the table."""

    def register(make: Make) -> Make:
        ATTACKS.append(Attack(test, make.__name__.replace("_", " "), make))
        return make

    return register


def run_attacks(campaign: Campaign, work: Path) -> None:
    """Try every attack once; there is nothing random in them."""
    load_libraries()
    for test in dict.fromkeys(attack.test for attack in ATTACKS):
        if not (row := campaign.row(f"attack by {test}")):
            continue
        for one in (attack for attack in ATTACKS if attack.test == test):
            place = work / one.name.replace(" ", "-")
            folder = place / "here"
            write_base(folder)
            victim = place / VICTIM
            victim.parent.mkdir()
            victim.write_text("precious")
            commands = one.make(folder)
            outcome = run_forked(folder, commands)
            problem = outcome.problem() or _harm(place)
            campaign.judge(row, problem, f"{spell(*commands)}  # {one.name}")


def _harm(place: Path) -> str:
    if not (place / VICTIM).is_file() or (place / VICTIM).read_text() != "precious":
        return "a file outside of the folder was changed"
    if list(place.rglob("executed*")):
        return "code in a file was executed"
    if "precious" in "".join(
        path.read_text("latin1")
        for path in (place / "here").rglob("*.csv")
        if path.is_file() and not path.is_symlink()
    ):
        return "a file outside of the folder was read"
    return ""


# Models


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


# YAML


def _aliases() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines)


YAMLS = {
    "aliases": "{key}: [1]\n" + _aliases() + "\n{key}s: *a11\n",
    "an alias as value": _aliases() + "\n{key}: *a11\n",
    "deep lists": "{key}: " + "[" * 20_000,
    "deep mappings": "{key}: " + "{a: " * 5_000,
    "a tag that runs code": "{key}: !!python/object/apply:os.system [touch executed]\n",
    "a long text": "{key}: " + "x" * 10_000_000 + "\n",
    "itself": "{key}: &a [*a]\n",
}
READERS_OF_YAML = {
    "dataset.yaml": ("stain", ("info", ".")),
    "mine.yaml": ("base", ("recipes", "show", "mine.yaml")),
    "study.yaml": ("recipes", ("study", "study.yaml", "--data", ".", "-o", "out", "--dry-run")),
}


def _yaml_attacks() -> Iterator[Attack]:
    for what, text in YAMLS.items():
        for file, (key, words) in READERS_OF_YAML.items():

            def make(
                folder: Path,
                text: str = text,
                file: str = file,
                key: str = key,
                words: Words = words,
            ) -> tuple[Words, ...]:
                (folder / file).write_text(text.replace("{key}", key), "utf8")
                return (words,)

            yield Attack("YAML", f"{what} in {file}", make)

        def package(folder: Path, text: str = text) -> tuple[Words, ...]:
            with zipfile.ZipFile(folder / "bad.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("rdf.yaml", text.replace("{key}", "description"))
            return (
                ("models", "show", "bad.zip"),
                ("predict", "bad.zip", "images", "-o", "out", *RUNTIME),
            )

        yield Attack("YAML", f"{what} in a package", package)


ATTACKS.extend(_yaml_attacks())


# Archives


def _zip(path: Path, parts: dict[str, bytes], link: str = "") -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        if link:
            info = zipfile.ZipInfo("link")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, link)


def _sample(kind: str, folder: Path) -> Path:
    """Write a good file of a kind and return it."""
    found: Kind = next(one for one in KINDS if one.name == kind)
    return found.write(folder)[-1]


ZIPPED = {
    "zipped OME-Zarr": ("info", "FILE"),
    "model.zip": ("models", "show", "FILE"),
    "wells": ("measure", "labels", "-o", "out", "--wells", "FILE"),
    "ImageJ ROI": ("import", "FILE", *IMPORT),
}
PARTS: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "names that lead out": lambda parts: (
        {f"../victim/{name}": c for name, c in parts.items()} | {"../victim/keep.txt": b"changed"}
    ),
    "absolute names": lambda parts: parts | {"/tmp/executed": b"x"},
    "60,000 parts": lambda parts: parts | {f"more/{n}": b"" for n in range(60_000)},
    "a bomb in each part": lambda parts: {name: bytes(MANY) for name in parts},
    "a bomb behind each part": lambda parts: {
        name: content + bytes(MANY // 4) for name, content in parts.items()
    },
}


def _archive_attacks() -> Iterator[Attack]:
    for kind, words in ZIPPED.items():
        for what, change in PARTS.items():

            def make(
                folder: Path, kind: str = kind, words: Words = words, change: Any = change
            ) -> tuple[Words, ...]:
                file = _sample(kind, folder)
                file = file.with_name("A1.zip") if kind == "ImageJ ROI" else file
                with zipfile.ZipFile(file) as archive:
                    parts = {name: archive.read(name) for name in archive.namelist()}
                _zip(file, change(parts), link=f"../{VICTIM}")
                named = str(file.relative_to(folder))
                return (tuple(named if word == "FILE" else word for word in words),)

            yield Attack("archives", f"{what} in {kind}", make)


ATTACKS.extend(_archive_attacks())


# Pickles


class _Executes:
    def __reduce__(self) -> tuple[Any, ...]:
        return (eval, ("open('executed', 'w').close()",))


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
        ("train", "salomon2023-unet", "--data", ".", *TRAIN, "--pretrained", name)
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
    return (("predict", "model.zip", "a.ome.zarr", "-o", "out", *RUNTIME),)


# Datasets


def _record(folder: Path, to: str) -> None:
    record = {"verb": "label", "settings": {"to": to}, "finished": "2024-05-03T00:00:00+00:00"}
    (folder / "record.json").write_text(json.dumps(record))


@attack("datasets")
def record_that_names_a_folder_outside(folder: Path) -> tuple[Words, ...]:
    _record(folder, "../victim")
    return (("label", ".", "--from", "points", "--overwrite"),)


@attack("datasets")
def record_that_names_the_images(folder: Path) -> tuple[Words, ...]:
    _record(folder, "images")
    (folder / "images" / "A1.tif").rename(folder.parent / "victim" / "A1.tif")
    (folder / "images" / "A1.tif").symlink_to(folder.parent / "victim" / "A1.tif")
    return (("label", ".", "--overwrite"),)


@attack("datasets")
def results_that_are_links(folder: Path) -> tuple[Words, ...]:
    (folder / "out").mkdir()
    (folder / "out" / "labels").symlink_to(folder.parent / "victim")
    (folder / "out" / "counts.csv").symlink_to(folder.parent / VICTIM)
    return tuple(
        ("predict", "model.zip", "images", "-o", "out", *RUNTIME, *more)
        for more in ((), ("--resume",))
    )


@attack("datasets")
def labels_that_are_a_link(folder: Path) -> tuple[Words, ...]:
    (folder / "labels").rename(folder / "truth")
    (folder / "labels").symlink_to(folder.parent / "victim")
    (folder / "stain").symlink_to("images")
    _record(folder, "labels")
    return (("label", ".", "--overwrite"),)


@attack("datasets")
def folders_inside_themselves(folder: Path) -> tuple[Words, ...]:
    (folder / "images" / "again").symlink_to(folder / "images")
    (folder / "images" / "loop.ome.zarr").symlink_to(folder / "images" / "loop.ome.zarr")
    return (("info", "."), ("predict", "model.zip", "images", "-o", "out", *RUNTIME))


# Images and annotations


@attack("images")
def tiff_of_one_huge_strip(folder: Path) -> tuple[Words, ...]:
    path = folder / "huge.tif"
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8), compression="zlib")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            offset = tif.pages[0].tags[tag].offset
            content[offset + 2 : offset + 12] = struct.pack("<HII", 4, 1, 200_000)
    path.write_bytes(content)
    return (("info", "huge.tif"), ("predict", "model.zip", "huge.tif", "-o", "out", *RUNTIME))


@attack("images")
def zarr_of_one_huge_chunk(folder: Path) -> tuple[Words, ...]:
    path = _sample("OME-Zarr", folder)
    header = json.loads((path / "0" / ".zarray").read_text())
    header |= {"shape": [1, 100_000, 100_000], "chunks": [1, 100_000, 100_000]}
    (path / "0" / ".zarray").write_text(json.dumps(header))
    return (("info", path.name), ("predict", "model.zip", path.name, "-o", "out", *RUNTIME))


@attack("images")
def zarr_of_ten_thousand_million_chunks(folder: Path) -> tuple[Words, ...]:
    path = _sample("OME-Zarr", folder)
    header = json.loads((path / "0" / ".zarray").read_text())
    header |= {"shape": [1, 1_000_000, 1_000_000], "chunks": [1, 10, 10]}
    (path / "0" / ".zarray").write_text(json.dumps(header))
    return (("info", path.name), ("predict", "model.zip", path.name, "-o", "out", *RUNTIME))


def _png(height: int, width: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
    return b"\x89PNG\r\n\x1a\n" + head + rows + chunk(b"IEND", b"")


@attack("images")
def png_of_huge_size(folder: Path) -> tuple[Words, ...]:
    (folder / "new").mkdir()
    (folder / "new" / "huge.png").write_bytes(_png(100_000, 100_000))
    return (("info", "new"), ("predict", "model.zip", "new", "-o", "out", *RUNTIME))


@attack("images")
def entities_in_ome_xml(folder: Path) -> tuple[Words, ...]:
    path = _sample("OME-TIFF", folder)
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 9}">' for n in range(1, 12))
    text = f'<!DOCTYPE OME [<!ENTITY a0 "ha">{laughs}]><OME><Image Name="&a11;"/></OME>'
    tifffile.imwrite(path, np.zeros(SHAPE, np.uint8), description=text, metadata=None)
    return (("info", path.name), ("predict", "model.zip", path.name, "-o", "out", *RUNTIME))


def _geojson(*corners: tuple[float, float]) -> str:
    ring = [list(corner) for corner in (*corners, corners[0])]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "geometry": geometry, "properties": {}}
    return json.dumps({"type": "FeatureCollection", "features": [feature] * 50})


@attack("annotations")
def outlines_far_outside(folder: Path) -> tuple[Words, ...]:
    edges = ((-8000, -8000), (8000, -8000), (8000, 8000), (-8000, 8000))
    (folder / "A1.geojson").write_text(_geojson(*edges))
    return (("import", "A1.geojson", *IMPORT),)


@attack("annotations")
def outline_of_a_million_corners(folder: Path) -> tuple[Words, ...]:
    turn = np.linspace(0, 2 * np.pi, 1_000_000 // 50)
    corners = zip(30 + 20 * np.cos(turn), 20 + 15 * np.sin(turn), strict=True)
    (folder / "A1.geojson").write_text(_geojson(*corners))
    return (("import", "A1.geojson", *IMPORT),)


@attack("annotations")
def packed_geojson_that_unpacks_to_much(folder: Path) -> tuple[Words, ...]:
    with gzip.open(folder / "A1.geojson.gz", "wb", compresslevel=1) as file:
        for _ in range(20):
            file.write(b"[]," * (MANY // 3))
    return (("import", "A1.geojson.gz", *IMPORT),)


@attack("annotations")
def run_lengths_of_a_million_letters(folder: Path) -> tuple[Words, ...]:
    image = {"id": 1, "file_name": "A1.tif", "height": SHAPE[0], "width": SHAPE[1]}
    mask = {"size": list(SHAPE), "counts": "o" * 1_000_000}
    one = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [0, 0, 9, 9]}
    categories = [{"id": 1, "name": "cell"}]
    content = {"images": [image], "categories": categories}
    annotations = [one | {"segmentation": mask}]
    (folder / "a.json").write_text(json.dumps(content | {"annotations": annotations}))
    return (("import", "a.json", *IMPORT),)


@attack("annotations")
def mask_of_labelme_of_huge_size(folder: Path) -> tuple[Words, ...]:
    mask = base64.b64encode(_png(60_000, 60_000)).decode()
    shape = {"label": "a", "points": [[0, 0], [59_999, 59_999]], "shape_type": "mask", "mask": mask}
    size = {"imageHeight": SHAPE[0], "imageWidth": SHAPE[1]}
    content = {"version": "5", "shapes": [shape], "imagePath": "A1.tif", **size}
    (folder / "A1.json").write_text(json.dumps(content))
    return (("import", "A1.json", *IMPORT),)


@attack("annotations")
def mask_of_cvat_of_huge_size(folder: Path) -> tuple[Words, ...]:
    path = _sample("CVAT", folder)
    text = path.read_text().replace('rle="16, 64"', f'rle="16, {10**12 - 16}"')
    path.write_text(text.replace('width="8" height="10"', 'width="1000000" height="1000000"'))
    return (("import", path.name, *IMPORT),)


@attack("annotations")
def entities_in_cvat(folder: Path) -> tuple[Words, ...]:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 9}">' for n in range(1, 12))
    outside = f'<!ENTITY file SYSTEM "../{VICTIM}">'
    (folder / "a.xml").write_text(
        f'<!DOCTYPE annotations [<!ENTITY a0 "ha">{laughs}{outside}]>'
        '<annotations><image id="0" name="A1.tif" width="64" height="48">'
        '<points label="&file;&a11;" points="4.5,3.5"/></image></annotations>'
    )
    return (("import", "a.xml", *IMPORT),)


@attack("annotations")
def masks_of_cellpose_of_huge_size(folder: Path) -> tuple[Words, ...]:
    path = _sample("Cellpose", folder).with_name("A1_seg.npy")
    # Protocol 4 writes 48 as K0 and 64 as K@; both become 2^31 - 1.
    huge = b"J\xff\xff\xff\x7f"
    path.write_bytes(path.read_bytes().replace(b"K0", huge).replace(b"K@", huge))
    return (("import", path.name, *IMPORT),)


@attack("annotations")
def ellipse_of_huge_size(folder: Path) -> tuple[Words, ...]:
    shapes = [{"name": "ellipse", "cx": 30, "cy": 20, "rx": 8000, "ry": 8000, "theta": 0}] * 50
    regions = [{"shape_attributes": shape, "region_attributes": {}} for shape in shapes]
    image = {"filename": "A1.tif", "size": 1, "regions": regions, "file_attributes": {}}
    (folder / "via.json").write_text(json.dumps({"A1.tif1": image}))
    return (("import", "via.json", *IMPORT),)


@attack("annotations")
def formula_and_escape_sequences_as_names(folder: Path) -> tuple[Words, ...]:
    shapes = [{"label": "=HYPERLINK(1)\x1b[2J", "points": SQUARE, "shape_type": "polygon"}]
    size = {"imageHeight": SHAPE[0], "imageWidth": SHAPE[1]}
    content = {"version": "5", "shapes": shapes, "imagePath": "\x1b[2J.tif", **size}
    (folder / "x.json").write_text(json.dumps(content))
    return (("import", "x.json", *IMPORT),)


if __name__ == "__main__":
    run_script(run_attacks)
