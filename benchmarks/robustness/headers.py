"""One value of a header is changed to another plausible one that the rest of the file contradicts.

    python benchmarks/robustness/headers.py [--size small] [--only TIFF]

A file survives if it is refused, gives the result of the unchanged file, or a line says what is
odd. Another result without a line is a silent wrong value. Values that nothing in the file can
contradict, such as another pixel size of the same order, are not changed here.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from campaign import Campaign, Outcome, Words, load_libraries, run_forked, run_script, spell
from results import contents
from sample_field import RUNTIME, SHAPE, field, write_base

from sparcell.io import write_image

UNKNOWN = "pixel size unknown"
Edit = Callable[[Path], None]


@dataclass(frozen=True)
class Change:
    """A change of one value: the good file, what is changed, and how."""

    file: str
    what: str
    edit: Edit


def change_headers(campaign: Campaign, work: Path) -> None:
    """Try every change once; there is nothing random in them."""
    load_libraries()
    base = work / "base"
    write_base(base)
    _write_files(base)
    expected: dict[str, tuple[Outcome, dict[str, str]]] = {}
    for test, changes in CHANGES.items():
        if not (row := campaign.row(f"changed headers: {test}")):
            continue
        for number, change in enumerate(changes()):
            if campaign.size == "small" and number % 5:
                continue
            if change.file not in expected:
                expected[change.file] = _read(work, change.file, None)
                if expected[change.file][0].code:
                    raise RuntimeError(f"{change.file}, unchanged: {expected[change.file][0]}")
            found = _read(work, change.file, change.edit)
            problem = _judge(expected[change.file], found)
            command = f"{spell(*_commands(change.file))}  # {change.what}"
            campaign.judge(row, problem, command, work / "trial")


def _commands(file: str) -> tuple[Words, ...]:
    return (("info", file), ("--quiet", "predict", "model.zip", file, "-o", "out", *RUNTIME))


def _read(work: Path, file: str, edit: Edit | None) -> tuple[Outcome, dict[str, str]]:
    folder = work / "trial"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(work / "base", folder)
    if edit:
        edit(folder / file)
    outcome = run_forked(folder, _commands(file))
    return outcome, contents(folder / "out" / "labels")


def _judge(expected: tuple[Outcome, dict[str, str]], found: tuple[Outcome, dict[str, str]]) -> str:
    """Say that another result came without a further line; "" if not."""
    # Of `info` one line is expected, of the quiet `predict` none.
    (good, results), (outcome, changed) = expected, found
    if problem := outcome.problem():
        return problem
    before, after = good.printed.splitlines(), outcome.printed.splitlines()
    if outcome.code or set(after[1:]) - set(before):
        return ""
    # A size that is not known is no wrong one.
    different = [line for line in after if line not in before and not line.endswith(UNKNOWN)]
    if different:
        return f"silently: {different[0]}"
    return "silently other labels" if results != changed else ""


def _write_files(folder: Path) -> None:
    """Write the good files that are changed."""
    stack = np.stack([field(seed)[0] for seed in range(4)])
    one: dict[str, Any] = {"photometric": "minisblack", "metadata": None}
    tifffile.imwrite(folder / "strip.tif", stack[0], **one)
    tifffile.imwrite(folder / "strips.tif", stack[0], **one, compression="zlib", rowsperstrip=16)
    tifffile.imwrite(folder / "tiles.tif", stack[0], **one, compression="zlib", tile=(16, 16))
    tifffile.imwrite(folder / "shaped.tif", stack, metadata={"axes": "ZYX"})
    tifffile.imwrite(
        folder / "imagej.tif", stack, imagej=True, metadata={"axes": "ZYX", "unit": "um"},
        resolution=(2, 2),
    )  # fmt: skip
    size = {
        "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5,
        "PhysicalSizeYUnit": "µm",
    }  # fmt: skip
    tifffile.imwrite(
        folder / "a.ome.tif", stack.reshape(2, 2, *SHAPE), metadata={"axes": "TZYX", **size}
    )
    large = np.tile(stack[:2], (1, 24, 19))
    for name, version in (("new", "0.5"), ("old", "0.4")):
        write_image(folder / f"{name}.ome.zarr", large, "ZYX", pixel_size=0.5, ngff=version)


def _tag(name: str, value: Any) -> Edit:
    def edit(path: Path) -> None:
        with tifffile.TiffFile(path, mode="r+b") as tif:
            tif.pages[0].tags[name].overwrite(value)

    return edit


def _tags() -> Iterator[Change]:
    values: dict[str, tuple[Any, ...]] = {
        "ImageWidth": (32, 63, 65, 128),
        "ImageLength": (24, 47, 49, 96),
        "BitsPerSample": (8, 32),
        "SamplesPerPixel": (2, 3),
        "Compression": (1, 5, 8, 32773),
        "StripByteCounts": (6000, 6140, 3072),
    }
    for name, options in values.items():
        for value in options:
            yield Change("strip.tif", f"{name} = {value}", _tag(name, value))
    more = {
        "strips.tif": {"ImageWidth": (32, 63, 128), "ImageLength": (24, 32, 96),
                       "RowsPerStrip": (8, 24, 48), "Compression": (1, 5),
                       "BitsPerSample": (8, 32)},
        "tiles.tif": {"ImageWidth": (32, 80), "ImageLength": (32, 64),
                      "TileWidth": (32, 64), "TileLength": (32, 48), "Compression": (1, 5)},
    }  # fmt: skip
    for file, tags in more.items():
        for name, options in tags.items():
            for value in options:
                yield Change(file, f"{name} = {value} in {file}", _tag(name, value))


def _text(old: str, new: str) -> Edit:
    """Replace a pattern in the description of a TIFF."""

    def edit(path: Path) -> None:
        with tifffile.TiffFile(path, mode="r+b") as tif:
            tag = tif.pages[0].tags["ImageDescription"]
            raw = tag.value.encode() if isinstance(tag.value, str) else tag.value
            changed, count = re.subn(old.encode(), new.encode(), raw)
            assert count, (path, old)
            tag.overwrite(changed)

    return edit


def _descriptions() -> Iterator[Change]:
    shapes = ("[4, 64, 48]", "[48, 4, 64]", "[2, 48, 64]", "[8, 24, 64]", "[3, 48, 64]",
              "[4, 24, 128]", "[8, 48, 64]")  # fmt: skip
    for shape in shapes:
        edit = _text(r"\[4, 48, 64\]", shape)
        yield Change("shaped.tif", f"shape = {shape} in tifffile's description", edit)
    for name, values in {"images": (2, 3, 8), "slices": (2, 3, 8)}.items():
        for value in values:
            edit = _text(f"{name}=4", f"{name}={value}")
            yield Change("imagej.tif", f"{name} = {value} in ImageJ's description", edit)
    for unit in ("inch", "mm", "nm", "km", "pixel", "furlong"):
        yield Change(
            "imagej.tif", f"unit = {unit} in ImageJ's description", _text("unit=um", f"unit={unit}")
        )


def _ome() -> Iterator[Change]:
    values: dict[str, tuple[Any, ...]] = {
        "SizeX": (32, 63, 128), "SizeY": (24, 96), "SizeZ": (1, 3, 4), "SizeT": (1, 3, 4),
        "SizeC": (2, 4), "Type": ("uint8", "float", "int32"),
        "PhysicalSizeXUnit": ("mm", "cm", "nm", "pixel", "furlong"),
        "PhysicalSizeX": ("0", "-0.5", "500", "1e-6", "nan", "0,5", "0.9"),
        "IFD": (1, 3, 9), "PlaneCount": (1, 2, 9), "DimensionOrder": ("XYCZ", "XYTZC "),
    }  # fmt: skip
    for name, options in values.items():
        for value in options:
            edit = _text(f' {name}="[^"]*"', f' {name}="{value}"')
            yield Change("a.ome.tif", f"{name} = {value}", edit)


def _json(file: str, *keys: Any, value: Any) -> Edit:
    def edit(path: Path) -> None:
        tree = part = json.loads((path / file).read_text("utf8"))
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value
        (path / file).write_text(json.dumps(tree), "utf8")

    return edit


def _zarr() -> Iterator[Change]:
    arrays: dict[tuple[Any, ...], tuple[Any, ...]] = {
        ("shape",): (
            [2, 576, 1216],
            [1, 1152, 1216],
            [3, 1152, 1216],
            [2, 1152, 600],
            [2, 2200, 1216],
        ),
        ("data_type",): ("uint8", "uint32", "float32"),
        ("chunk_grid", "configuration", "chunk_shape"): (
            [1, 512, 1024],
            [1, 2048, 2048],
            [2, 1024, 1024],
        ),
    }
    new, old = {}, {}
    for keys, options in arrays.items():
        for value in options:
            new[f"{keys[-1]} = {value}"] = _json("0/zarr.json", *keys, value=value)
    for name, options in {"shape": arrays[("shape",)], "dtype": ("|u1", "<u4", "<f4"),
                          "chunks": ([1, 512, 1024], [1, 2048, 2048])}.items():  # fmt: skip
        for value in options:
            old[f"{name} = {value}"] = _json("0/.zarray", name, value=value)
    for changes, file, head in (
        (new, "zarr.json", ("attributes", "ome", "multiscales", 0)),
        (old, ".zattrs", ("multiscales", 0)),
    ):
        scale = (*head, "datasets", 0, "coordinateTransformations", 0, "scale")
        for value in ([1, 0, 0], [1, -0.5, -0.5], [1, 500, 500], [1, 1e-6, 1e-6], [1, 0.5], "x"):
            changes[f"scale = {value}"] = _json(file, *scale, value=value)
        for unit in ("millimeter", "nanometer", "furlong", ""):
            changes[f"unit = {unit}"] = _both_units(file, head, unit)
        changes["path = 1"] = _json(file, *head, "datasets", 0, "path", value="1")
        changes["path = ../strip.tif"] = _json(
            file, *head, "datasets", 0, "path", value="../strip.tif"
        )
        changes["axis y called t"] = _json(file, *head, "axes", 1, "name", value="t")
        changes["axis y called x"] = _json(file, *head, "axes", 1, "name", value="x")
    for file, changes in (("new.ome.zarr", new), ("old.ome.zarr", old)):
        for what, edit in changes.items():
            yield Change(file, f"{what} in {file}", edit)


def _both_units(file: str, head: tuple[Any, ...], unit: str) -> Edit:
    def edit(path: Path) -> None:
        for axis in (1, 2):
            _json(file, *head, "axes", axis, "unit", value=unit)(path)

    return edit


CHANGES: dict[str, Callable[[], Iterator[Change]]] = {
    "tags of TIFF": _tags,
    "descriptions of TIFF": _descriptions,
    "OME-XML": _ome,
    "OME-Zarr": _zarr,
}

if __name__ == "__main__":
    run_script(change_headers)
