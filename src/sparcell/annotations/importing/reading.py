"""List annotation files, read each in its format, and find the image it belongs to."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from unicodedata import normalize

from sparcell.annotations.importing.cell_counter import is_cell_counter, read_cell_counter
from sparcell.annotations.importing.cellpose import (
    OUTLINES,
    SEGMENTED,
    read_cellpose_outlines,
    read_segmented,
)
from sparcell.annotations.importing.coco import is_coco, read_coco
from sparcell.annotations.importing.cvat import read_cvat
from sparcell.annotations.importing.geojson import is_geojson, read_geojson, read_json
from sparcell.annotations.importing.imagej import read_rois
from sparcell.annotations.importing.labelme import is_labelme, read_labelme
from sparcell.annotations.importing.labelstudio import is_label_studio, read_label_studio
from sparcell.annotations.importing.shapes import Shapes
from sparcell.annotations.importing.tables import read_point_table
from sparcell.annotations.importing.via import is_via, read_via
from sparcell.annotations.importing.yolo import is_yolo, read_yolo
from sparcell.core.errors import InputError
from sparcell.core.field_tables import match_name
from sparcell.core.image import Image
from sparcell.core.tables import OTHER_SUFFIXES, TABLE_SUFFIXES
from sparcell.core.text import counted

logger = logging.getLogger(__name__)

TABLES = (*TABLE_SUFFIXES, *OTHER_SUFFIXES)
ROIS = (".roi", ".zip")
JSONS = (".geojson.gz", ".json.gz", ".geojson", ".json")
XML = (".xml",)
SUFFIXES = (OUTLINES, SEGMENTED, *TABLES, *ROIS, *JSONS, *XML)
JSON_READERS = (
    (is_coco, read_coco),
    (is_labelme, read_labelme),
    (is_via, read_via),
    (is_label_studio, read_label_studio),
)
"""For each format: whether content has it, and the reader, which returns shapes by image name."""
SEPARATOR = r"[ ._\-]+"


def list_annotations(inputs: Sequence[Path]) -> list[Path]:
    """List files, and those of folders that can be annotations, in order.

    Raises
    ------
    InputError
        If there is none, or one of an unknown kind.
    """
    found: list[Path] = []
    for path in inputs:
        if path.is_dir():
            inside = [p for p in sorted(path.iterdir()) if p.name[0] != "." and p.is_file()]
            listed = [p for p in inside if p.name.lower().endswith(SUFFIXES)]
            if not listed:
                raise InputError(
                    f"no annotations in {path}",
                    ", ".join(SUFFIXES),
                    "name a folder that has them; label images go into labels/ as they are",
                )
            found += listed
        elif not path.is_file():
            raise InputError(f"no file {path}", "annotations", "check the path")
        elif not path.name.lower().endswith(SUFFIXES):
            raise InputError(
                f"{path}, a file of an unsupported kind",
                "a table, .roi or .zip of ImageJ, GeoJSON of QuPath, JSON of COCO, LabelMe, VIA or "
                "Label Studio, XML of CVAT or Cell Counter, text of YOLO, _seg.npy of Cellpose",
                "export it as one of these",
            )
        else:
            found.append(path)
    return found


def read_shapes(path: Path, images: Mapping[str, Image]) -> dict[str, Shapes]:
    """Read one file; by the name of the image.

    Raises
    ------
    InputError
        If the file cannot be used, or it is unclear which image it belongs to.
    """
    name = path.name.lower()
    if name.endswith(ROIS):
        image = match_file(path, images)
        return {image: read_rois(path, images[image])}
    if name.endswith(SEGMENTED):
        found = {"": read_segmented(path)}
    elif name.endswith(OUTLINES):
        found = {"": read_cellpose_outlines(path)}
    elif name.endswith(".txt") and is_yolo(path):
        image = match_file(path, images)
        return {image: read_yolo(path, images[image])}
    elif name.endswith(TABLES):
        found = read_point_table(path, images)
    elif name.endswith(XML):
        markers = is_cell_counter(path)
        found = read_cell_counter(path, images) if markers else read_cvat(path)
    else:
        found = _read_json_shapes(path, images)
    if list(found) == [""]:
        return {match_file(path, images): found[""]}
    files = {image: Path(image) for image in images}
    found = {match_name(image, files): shapes for image, shapes in found.items()}
    known = {image: shapes for image, shapes in found.items() if image in images}
    if found and not known:
        near = get_close_matches(next(iter(found)), images, n=1)
        raise InputError(
            f"none of the images that {path} names, such as {next(iter(found))!r}",
            f"names of the images, such as {near[0] if near else next(iter(images))!r}",
            "rename the images, or correct the names",
        )
    if len(known) < len(found):
        missing = next(name for name in found if name not in known)
        logger.warning(
            f"{path} names {counted(len(found) - len(known), 'image')} of which there is no file, "
            f"such as {missing}"
        )
    return known


def _read_json_shapes(path: Path, images: Collection[str]) -> dict[str, Shapes]:
    content = read_json(path)
    if is_geojson(content):
        return {"": read_geojson(content, path)}
    for is_such, read in JSON_READERS:
        if is_such(content):
            found = read(content, path)
            # LabelMe has a file for each image, which is often renamed together with it.
            renamed = read is read_labelme and _without_suffix(path) in images
            return {_without_suffix(path): next(iter(found.values()))} if renamed else found
    raise InputError(
        f"{path} that is neither GeoJSON nor COCO, LabelMe, VIA or Label Studio",
        "JSON of one of these",
        "export it again",
    )


def _without_suffix(path: Path) -> str:
    name = normalize("NFC", path.name)
    return next(name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix))


def match_file(path: Path, images: Mapping[str, Image]) -> str:
    """Find the image that an annotation file belongs to by its name.

    The file is called as the image, or has more at either end (``A1_points.csv``,
    ``RoiSet_A1.zip``, ``A1.tif.geojson``); or there is only one image.

    Raises
    ------
    InputError
        If no image fits, or several.
    """
    bare_name = _without_suffix(path)
    if bare_name in images:
        return bare_name
    fitting = [
        name
        for name in images
        if re.search(rf"(^|{SEPARATOR}){re.escape(name)}($|{SEPARATOR})", bare_name)
    ]
    # Of A1 and A1_2, the file A1_2_points belongs to the longer.
    fitting = [n for n in fitting if not any(n != m and n in m for m in fitting)]
    if not fitting and len(images) == 1:
        return next(iter(images))
    if len(fitting) != 1:
        which = " or ".join(fitting[:3]) or f"none of {', '.join([*images][:3])}, ..."
        raise InputError(
            f"{path}, whose name fits {which}",
            "a file called as its image",
            "rename it to that, with its own suffix",
        )
    return fitting[0]
