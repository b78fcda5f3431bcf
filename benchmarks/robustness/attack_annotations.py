"""Hostile annotations: outlines, masks and texts that unfold, and odd names."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import numpy as np
from attacks import IMPORT, MANY, VICTIM, attack, huge_png, write_sample
from campaign import Words
from sample_annotations import SQUARE
from sample_field import SHAPE


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
    mask = base64.b64encode(huge_png(60_000, 60_000)).decode()
    shape = {"label": "a", "points": [[0, 0], [59_999, 59_999]], "shape_type": "mask", "mask": mask}
    size = {"imageHeight": SHAPE[0], "imageWidth": SHAPE[1]}
    content = {"version": "5", "shapes": [shape], "imagePath": "A1.tif", **size}
    (folder / "A1.json").write_text(json.dumps(content))
    return (("import", "A1.json", *IMPORT),)


@attack("annotations")
def mask_of_cvat_of_huge_size(folder: Path) -> tuple[Words, ...]:
    path = write_sample("CVAT", folder)
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
    path = write_sample("Cellpose", folder).with_name("A1_seg.npy")
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
