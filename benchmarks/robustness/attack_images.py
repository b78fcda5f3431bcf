"""Hostile images: small files that state to be huge, and entities."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import tifffile
from attacks import attack, huge_png, predict, write_sample
from campaign import Words
from sample_field import SHAPE


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
    return (("info", "huge.tif"), predict("huge.tif"))


@attack("images")
def zarr_of_one_huge_chunk(folder: Path) -> tuple[Words, ...]:
    path = write_sample("OME-Zarr", folder)
    header = json.loads((path / "0" / ".zarray").read_text())
    header |= {"shape": [1, 100_000, 100_000], "chunks": [1, 100_000, 100_000]}
    (path / "0" / ".zarray").write_text(json.dumps(header))
    return (("info", path.name), predict(path.name))


@attack("images")
def zarr_of_ten_thousand_million_chunks(folder: Path) -> tuple[Words, ...]:
    path = write_sample("OME-Zarr", folder)
    header = json.loads((path / "0" / ".zarray").read_text())
    header |= {"shape": [1, 1_000_000, 1_000_000], "chunks": [1, 10, 10]}
    (path / "0" / ".zarray").write_text(json.dumps(header))
    return (("info", path.name), predict(path.name))


@attack("images")
def png_of_huge_size(folder: Path) -> tuple[Words, ...]:
    (folder / "new").mkdir()
    (folder / "new" / "huge.png").write_bytes(huge_png(100_000, 100_000))
    return (("info", "new"), predict("new"))


@attack("images")
def entities_in_ome_xml(folder: Path) -> tuple[Words, ...]:
    path = write_sample("OME-TIFF", folder)
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 9}">' for n in range(1, 12))
    text = f'<!DOCTYPE OME [<!ENTITY a0 "ha">{laughs}]><OME><Image Name="&a11;"/></OME>'
    tifffile.imwrite(path, np.zeros(SHAPE, np.uint8), description=text, metadata=None)
    return (("info", path.name), predict(path.name))
