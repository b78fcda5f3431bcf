"""Which file holds what, and which image it belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.progress import say
from sparcell.core.tables import OTHER_SUFFIXES, TABLE_SUFFIXES
from sparcell.labeling.importing.coco import is_coco, read_coco
from sparcell.labeling.importing.geojson import is_geojson, read_geojson, read_json
from sparcell.labeling.importing.imagej import read_rois
from sparcell.labeling.importing.shapes import Shapes
from sparcell.labeling.importing.tables import read_point_table

TABLES = (*TABLE_SUFFIXES, *OTHER_SUFFIXES)
ROIS = (".roi", ".zip")
JSONS = (".geojson.gz", ".json.gz", ".geojson", ".json")
SUFFIXES = (*TABLES, *ROIS, *JSONS)
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
                    f"no annotations in {path}", ", ".join(SUFFIXES), "name a folder with some"
                )
            found += listed
        elif not path.is_file():
            raise InputError(f"no file {path}", "annotations", "check the path")
        elif not path.name.lower().endswith(SUFFIXES):
            raise InputError(
                f"{path}, which is none of the kinds that are read",
                "a CSV table, .roi or .zip of ImageJ, GeoJSON of QuPath, or COCO",
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
    if name.endswith(TABLES):
        found = read_point_table(path, images)
    else:
        content = read_json(path)
        if is_coco(content):
            found = read_coco(content, path)
        elif is_geojson(content):
            found = {"": read_geojson(content, path)}
        else:
            raise InputError(
                f"{path} that is neither GeoJSON nor COCO",
                "features, or images with annotations",
                "export it again",
            )
    if list(found) == [""]:
        return {match_file(path, images): found[""]}
    known = {image: shapes for image, shapes in found.items() if image in images}
    if found and not known:
        near = get_close_matches(next(iter(found)), images, n=1)
        raise InputError(
            f"none of the images that {path} names, such as {next(iter(found))!r}",
            f"names of the images, such as {near[0] if near else next(iter(images))!r}",
            "rename the images, or correct the names",
        )
    if len(known) < len(found):
        strange = next(name for name in found if name not in known)
        say(f"{path} names {len(found) - len(known)} images that are not here, such as {strange}")
    return known


def match_file(path: Path, images: Mapping[str, Image]) -> str:
    """Find the image that an annotation file belongs to by its name.

    The file is called as the image, or has more at either end (``A1_points.csv``,
    ``RoiSet_A1.zip``, ``A1.tif.geojson``); or there is only one image.

    Raises
    ------
    InputError
        If no image fits, or several.
    """
    held = next(
        path.name[: -len(suffix)] for suffix in SUFFIXES if path.name.lower().endswith(suffix)
    )
    if held in images:
        return held
    fitting = [
        name
        for name in images
        if re.search(rf"(^|{SEPARATOR}){re.escape(name)}($|{SEPARATOR})", held)
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
