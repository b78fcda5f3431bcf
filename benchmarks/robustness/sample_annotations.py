"""Small good annotations of other tools, of the image ``A1``."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pandas
import roifile
from sample_field import SHAPE, field

from sparcell.annotations.exporting.folder import export_labels

SQUARE = [(4, 6), (12, 6), (12, 14), (4, 14)]
"""Corners x, y of an outline."""


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


def _json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), "utf8")
    return path
