"""Small good files of every kind that Sparcell reads, and a tiny model that finds bright objects.

Each function writes into a folder that has ``images/``, ``labels/`` and ``model.zip`` already, and
returns the files to damage.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pandas
import roifile
import tifffile
import yaml

from sparcell.annotations.exporting.folder import export_labels
from sparcell.io import write_image
from sparcell.models import Model, ModelSpec, Normalise
from sparcell.models.description import normalised

TESTS = Path(__file__).parents[2] / "tests"
SHAPE = (48, 64)
NAMES = ("A1", "B1", "B2")
RUNTIME = ("--runtime", "onnxruntime", "--threads", "1")
SQUARE = [(4, 6), (12, 6), (12, 14), (4, 14)]
"""Corners x, y of an outline."""


def field(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw an image of bright discs on noise, (48, 64) uint16, and its labels."""
    random = np.random.default_rng(seed)
    y, x = np.indices(SHAPE)
    labels = np.zeros(SHAPE, np.uint16)
    for number in range(6):
        row, column = 8 + 16 * (number // 3) + 8 * (number % 2), 10 + 20 * (number % 3)
        labels[np.hypot(y - row, x - column) < random.uniform(3, 6)] = number + 1
    pixels = 1000 + 2000 * (labels > 0) + random.normal(0, 60, SHAPE)
    return pixels.astype(np.uint16), labels


def tiny_model() -> Model:
    """Make a model of one multiplication, which finds what is bright."""
    from onnx import TensorProto, helper

    sizes = ["batch", 1, "height", "width"]
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [1], [8.0])
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["image", "scale"], ["scaled"]),
            helper.make_node("Sigmoid", ["scaled"], ["maps"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, sizes)],
        [scale],
    )
    network = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    ).SerializeToString()
    normalise = Normalise(low=0, high=100)
    golden = normalised(field()[0][np.newaxis].astype(np.float32), normalise)
    spec = ModelSpec(
        name="tiny",
        method="semantic",
        decode={"threshold": 0.5, "min_size": 0},
        normalise=normalise,
        channels=1,
        multiple=16,
        typical_area=60.0,
        largest_diameter=20.0,
    )
    return Model(spec, network, golden, 1 / (1 + np.exp(-8 * golden)))


def write_base(folder: Path) -> None:
    """Write images, labels, stain and model, which the commands of all kinds need."""
    for seed, name in enumerate(NAMES):
        pixels, labels = field(seed)
        write_image(folder / "images" / f"{name}.tif", pixels, "YX", pixel_size=0.5)
        write_image(folder / "labels" / f"{name}.tif", labels, "YX")
    tiny_model().save(folder / "model.zip")


def write_tiff(folder: Path) -> list[Path]:
    stack = np.stack([field(seed)[0] for seed in range(3)])
    options: dict[str, dict[str, Any]] = {
        "plain": {"metadata": None},
        "zlib": {"compression": "zlib", "metadata": {"axes": "ZYX"}, "rowsperstrip": 16},
        "tiled": {"compression": "lzw", "tile": (16, 16), "metadata": {"axes": "TYX"}},
        "imagej": {"imagej": True, "metadata": {"axes": "ZYX", "unit": "um"}, "resolution": (2, 2)},
        "big": {"bigtiff": True, "metadata": {"axes": "CYX"}},
        "packbits": {"compression": "packbits", "metadata": None, "byteorder": ">"},
    }
    for name, chosen in options.items():
        data = stack[0] if chosen.get("metadata", 1) is None else stack
        if name == "big":
            data = stack[:1, :, :]
        tifffile.imwrite(folder / f"{name}.tif", data, photometric="minisblack", **chosen)
    return [folder / f"{name}.tif" for name in options]


def write_ome_tiff(folder: Path) -> list[Path]:
    data = np.stack([field(seed)[0] for seed in range(4)]).reshape(2, 2, *SHAPE)
    metadata = {
        "axes": "TZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5,
        "PhysicalSizeYUnit": "µm",
    }  # fmt: skip
    tifffile.imwrite(folder / "one.ome.tif", data, metadata=metadata)
    with tifffile.TiffWriter(folder / "scenes.ome.tif") as writer:
        for name in ("first", "second"):
            writer.write(data[0], metadata={"axes": "ZYX", "Name": name}, compression="zlib")
    return [folder / "one.ome.tif", folder / "scenes.ome.tif"]


def write_zarr(folder: Path) -> list[Path]:
    data = np.stack([field(seed)[0] for seed in range(2)])
    paths = [folder / "new.ome.zarr", folder / "old.ome.zarr"]
    for path, version in zip(paths, ("0.5", "0.4"), strict=True):
        write_image(path, data, "ZYX", pixel_size=0.5, ngff=version)
    return paths


def write_zipped_zarr(folder: Path) -> list[Path]:
    inside, *_ = write_zarr(folder)
    path = folder / "new.ozx"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(inside.rglob("*")):
            archive.write(file, file.relative_to(inside))
    return [path]


def write_plate(folder: Path) -> list[Path]:
    path = folder / "plate.ome.zarr"
    for well in ("A/1", "B/1"):
        (path / well).mkdir(parents=True)
        write_image(folder / "field.ome.zarr", field()[0], "YX", pixel_size=0.5)
        (folder / "field.ome.zarr").rename(path / well / "0")
        _describe(path / well, {"well": {"images": [{"path": "0"}]}})
    wells = [
        {"path": f"{row}/1", "rowIndex": number, "columnIndex": 0}
        for number, row in enumerate("AB")
    ]
    rows, columns = [{"name": "A"}, {"name": "B"}], [{"name": "1"}]
    _describe(path, {"plate": {"rows": rows, "columns": columns, "wells": wells, "name": "p"}})
    return [path]


def _describe(folder: Path, ome: dict[str, Any]) -> None:
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {"ome": {"version": "0.5", **ome}},
    }
    (folder / "zarr.json").write_text(json.dumps(group), "utf8")


def write_pictures(folder: Path) -> list[Path]:
    grey = (field()[0] // 10).astype(np.uint8)
    contents = {
        "grey.png": imagecodecs.png_encode(grey),
        "deep.png": imagecodecs.png_encode(field()[0]),
        "colour.jpg": imagecodecs.jpeg8_encode(np.stack([grey] * 3, -1)),
        "grey.bmp": imagecodecs.bmp_encode(grey),
    }
    (folder / "pictures").mkdir()
    for name, content in contents.items():
        (folder / "pictures" / name).write_bytes(content)
    return [folder / "pictures" / name for name in contents]


def write_vendor(folder: Path, kind: str) -> list[Path]:
    """Write a file of a microscope maker, as the tests of the readers do."""
    tests = _module(TESTS / "io" / "test_vendors.py")
    path = folder / f"a.{kind}"
    pixels = np.stack([field(seed)[0] for seed in range(2)])
    if kind == "czi":
        tests.write_czi(path, [(pixels[t][..., None], {"plane": {"T": t}}) for t in (0, 1)])
    elif kind == "lif":
        tests.write_lif(path, {"first": pixels[None], "second": pixels[None, :1]})
    elif kind == "nd2":
        tests.write_nd2(path, pixels[:, None, None])
    else:
        tests.write_oif(path, pixels[None])
    return [path]


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def write_model(folder: Path) -> list[Path]:
    return [folder / "model.zip"]


def write_point_tables(folder: Path) -> list[Path]:
    tables = {
        "A1.csv": "y,x\n3,4.5\n10,20\n",
        "all.csv": "image,y,x,class\nA1.tif,3,4,a\nB1.tif,10,20,b\nB2,5,5,a\n",
        "B1.tsv": "x\ty\n1,5\t2,5\n10,0\t20,0\n",
        "napari_A1.csv": "index,axis-0,axis-1\n0,3.5,4.5\n1,10,20\n",
        "Results_A1.csv": " ,Area,Mean,X,Y\n1,0,200,4.5,3.5\n2,0,190,20,10\n",
    }
    for name, text in tables.items():
        (folder / name).write_text(text, "utf8")
    pandas.DataFrame({"y": [3.0, 10], "x": [4.5, 20]}).to_excel(folder / "B2.xlsx", index=False)
    return [folder / name for name in (*tables, "B2.xlsx")]


def write_field_tables(folder: Path) -> list[Path]:
    (folder / "split.csv").write_text(
        "name,split,cell\nA1,train,HeLa\nB1,val,HeLa\nB2,test,3T3\n", "utf8"
    )
    (folder / "quality.csv").write_text(
        "name,accepted,reason\nA1,True,\nB1,False,dim\nB2,True,\n", "utf8"
    )
    (folder / "points").mkdir()
    (folder / "points" / "A1.csv").write_text("y,x\n3,4\n10,20\n", "utf8")
    return [folder / name for name in ("split.csv", "quality.csv", "points/A1.csv")]


def write_wells(folder: Path) -> list[Path]:
    rows = {"name": NAMES, "well": ("A1", "B1", "B2"), "tile": (1, 1, 1), "time": (0.0, 0.5, 1.0)}
    table = pandas.DataFrame(rows)
    table.to_csv(folder / "wells.csv", index=False)
    table.to_excel(folder / "wells.xlsx", index=False)
    return [folder / "wells.csv", folder / "wells.xlsx"]


def write_exported(folder: Path, kind: str) -> list[Path]:
    """Write annotations in a format that Sparcell exports."""
    files = export_labels(folder / "labels", folder / kind, kind)
    if kind == "roi":
        roi = roifile.ImagejRoi.frompoints(np.array(SQUARE, float))
        roi.tofile(folder / "roi" / "B1.roi")
        files = [*files, folder / "roi" / "B1.roi"]
    return files


def write_labelme(folder: Path) -> list[Path]:
    mask = base64.b64encode(imagecodecs.png_encode(np.full((5, 6), 255, np.uint8))).decode()
    shapes = [
        {"label": "cell", "points": SQUARE, "shape_type": "polygon"},
        {"label": "cell", "points": [[30, 20], [36, 20]], "shape_type": "circle"},
        {"label": "cell", "points": [[2, 30], [7, 34]], "shape_type": "mask", "mask": mask},
    ]
    content = {"version": "5.4.1", "shapes": shapes, "imagePath": "A1.tif", "imageData": None}
    return [_json(folder / "A1.json", content | {"imageHeight": SHAPE[0], "imageWidth": SHAPE[1]})]


def write_via(folder: Path) -> list[Path]:
    x, y = (list(edge) for edge in zip(*SQUARE, strict=True))
    shapes = [
        {"name": "polygon", "all_points_x": x, "all_points_y": y},
        {"name": "ellipse", "cx": 30, "cy": 20, "rx": 8, "ry": 6, "theta": 0.5},
        {"name": "circle", "cx": 50, "cy": 30, "r": 5},
    ]
    regions = [{"shape_attributes": shape, "region_attributes": {"t": "cell"}} for shape in shapes]
    image = {"filename": "A1.tif", "size": 2400, "regions": regions, "file_attributes": {}}
    rows = [
        {"filename": "A1.tif", "file_size": 2400, "file_attributes": "{}", "region_count": 3,
         "region_id": number, "region_shape_attributes": json.dumps(shape),
         "region_attributes": "{}"}
        for number, shape in enumerate(shapes)
    ]  # fmt: skip
    pandas.DataFrame(rows).to_csv(folder / "via.csv", index=False)
    return [_json(folder / "via.json", {"A1.tif2400": image}), folder / "via.csv"]


def write_label_studio(folder: Path) -> list[Path]:
    outline = [[100 * x / SHAPE[1], 100 * y / SHAPE[0]] for x, y in SQUARE]
    values = {
        "polygon": {"points": outline, "closed": True},
        "ellipse": {"x": 50, "y": 50, "radiusX": 10, "radiusY": 8, "rotation": 20},
    }
    result = [
        {"id": kind, "type": f"{kind}labels", "original_width": SHAPE[1],
         "original_height": SHAPE[0], "image_rotation": 0,
         "value": {**value, f"{kind}labels": ["cell"]}}
        for kind, value in values.items()
    ]  # fmt: skip
    annotations = [{"id": 1, "was_cancelled": False, "result": result}]
    task = {"id": 1, "annotations": annotations, "file_upload": "0a1b2c3d-A1.tif"}
    return [_json(folder / "studio.json", [task | {"data": {"image": "/data/0a1b2c3d-A1.tif"}}])]


def write_cvat(folder: Path) -> list[Path]:
    points = ";".join(f"{x},{y}" for x, y in SQUARE)
    (folder / "cvat.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>\n'
        '<image id="0" name="A1.tif" width="64" height="48">\n'
        f'<polygon label="cell" points="{points}" z_order="0"/>\n'
        '<ellipse label="cell" cx="30" cy="20" rx="8" ry="6" rotation="30"/>\n'
        '<mask label="cell" rle="16, 64" left="4" top="20" width="8" height="10"/>\n'
        "</image></annotations>\n",
        "utf8",
    )
    return [folder / "cvat.xml"]


def write_cellpose(folder: Path) -> list[Path]:
    masks = field()[1]
    content = {
        "masks": masks, "outlines": masks * (masks > 3), "filename": "A1.tif", "est_diam": 12.5,
        "flows": [np.zeros((1, 4, 4), np.uint8), []], "ismanual": np.zeros(2, bool),
    }  # fmt: skip
    np.save(folder / "A1_seg.npy", content, allow_pickle=True)  # type: ignore[arg-type]
    outline = ",".join(f"{x},{y}" for x, y in SQUARE)
    (folder / "B1_cp_outlines.txt").write_text(f"{outline}\n{outline}\n", "utf8")
    return [folder / "A1_seg.npy", folder / "B1_cp_outlines.txt"]


def write_layout(folder: Path) -> list[Path]:
    layout = {
        "images": {"files": "images", "channels": [0], "depths": "max"},
        "labels": "labels/{name}.tif",
    }
    return [_yaml(folder / "dataset.yaml", layout)]


def write_recipe(folder: Path) -> list[Path]:
    recipe = {
        "base": "nuclei-light",
        "description": "a trial",
        "network": {"weights": "none", "decoder": "salomon2023-unet"},
        "data": {"where": {"cell": "HeLa"}},
        "augment": {"rotation": 90, "scale": 0.1},
        "fit": {"epochs": 2, "crop": 64},
    }
    return [_yaml(folder / "mine.yaml", recipe)]


def write_study(folder: Path) -> list[Path]:
    study = {
        "name": "s", "recipes": [{"recipe": "nuclei-light", "label": "a", "set": {"fit.crop": 64}}],
        "budgets": [1, "all"], "seeds": [0, 1], "folds": 3, "limit": {"steps": 5},
    }  # fmt: skip
    return [_yaml(folder / "study.yaml", study)]


def write_record(folder: Path) -> list[Path]:
    """Give the folder the unfinished results of a prediction, written by the command itself."""
    from sparcell.prediction.predict import predict

    predict(
        folder / "model.zip", folder / "images", folder / "out", runtime="onnxruntime", threads=1
    )
    return [folder / "out" / "record.json", folder / "out" / "counts.csv"]


def _json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), "utf8")
    return path


def _yaml(path: Path, content: Any) -> Path:
    path.write_text(yaml.safe_dump(content), "utf8")
    return path


@dataclass(frozen=True)
class Kind:
    """A kind of file: how good ones are written, and the commands that read a damaged one.

    In commands, ``FILE`` stands for the damaged file.
    """

    name: str
    write: Callable[[Path], list[Path]]
    commands: tuple[tuple[str, ...], ...]
    libraries: tuple[str, ...] = ()


_PREDICT = ("predict", "model.zip", "FILE", "-o", "out", *RUNTIME)
_IMAGE = (("info", "FILE"), _PREDICT)
_IMPORT = (("import", "FILE", "-o", "out", "--images", "images"),)


def _vendor(kind: str) -> Callable[[Path], list[Path]]:
    return lambda folder: write_vendor(folder, kind)


def _exported(kind: str) -> Callable[[Path], list[Path]]:
    return lambda folder: write_exported(folder, kind)


KINDS = (
    Kind("TIFF", write_tiff, _IMAGE),
    Kind("OME-TIFF", write_ome_tiff, _IMAGE),
    Kind("OME-Zarr", write_zarr, _IMAGE),
    Kind("zipped OME-Zarr", write_zipped_zarr, _IMAGE),
    Kind("plate", write_plate, _IMAGE),
    Kind("PNG, JPEG, BMP", write_pictures, _IMAGE),
    Kind("CZI", _vendor("czi"), _IMAGE, ("czifile", "pylibCZIrw")),
    Kind("ND2", _vendor("nd2"), _IMAGE, ("nd2",)),
    Kind("LIF", _vendor("lif"), _IMAGE, ("liffile",)),
    Kind("OIF", _vendor("oif"), _IMAGE, ("oiffile",)),
    Kind("model.zip", write_model, (
        ("models", "show", "FILE"), ("predict", "FILE", "images", "-o", "out", *RUNTIME),
    )),
    Kind("point tables", write_point_tables, (
        (*_IMPORT[0], "--units", "px"),
    ), ("openpyxl",)),
    Kind("split, quality, points", write_field_tables, (("info", "."),)),
    Kind("wells", write_wells, (
        ("measure", "labels", "-o", "out", "--wells", "FILE"),
    ), ("openpyxl",)),
    Kind("GeoJSON", _exported("geojson"), _IMPORT),
    Kind("COCO", _exported("coco"), _IMPORT),
    Kind("ImageJ ROI", _exported("roi"), _IMPORT),
    Kind("LabelMe", write_labelme, _IMPORT),
    Kind("VIA", write_via, _IMPORT),
    Kind("CVAT", write_cvat, _IMPORT),
    Kind("Label Studio", write_label_studio, _IMPORT),
    Kind("Cellpose", write_cellpose, _IMPORT),
    Kind("dataset.yaml", write_layout, (("info", "."),)),
    Kind("recipe", write_recipe, (("recipes", "show", "FILE"),)),
    Kind("study", write_study, (("study", "FILE", "--data", ".", "-o", "out", "--dry-run"),)),
    Kind("record.json", write_record, (
        ("predict", "model.zip", "images", "-o", "out", "--resume", *RUNTIME),
        ("measure", "out", "-o", "measured"),
    )),
)  # fmt: skip
"""Every kind of file that a user may bring."""
