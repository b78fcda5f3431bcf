"""Small good images of every format. Each function writes into a folder and returns the files."""

from __future__ import annotations

import importlib.util
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from sample_field import SHAPE, field

from sparcell.io import write_image

TESTS = Path(__file__).parents[2] / "tests"


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
