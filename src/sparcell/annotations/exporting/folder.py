"""Export label images in the formats of other tools."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sparcell.annotations.exporting.coco import Coco
from sparcell.annotations.exporting.coloured import write_coloured
from sparcell.annotations.exporting.geojson import write_geojson
from sparcell.annotations.exporting.imagej import MOST_GROUPS, write_rois
from sparcell.annotations.exporting.objects import ExportedObject, read_facts, read_objects
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.image import Image
from sparcell.core.image_files import stem
from sparcell.core.progress import track
from sparcell.core.text import counted
from sparcell.io import list_images, open_image
from sparcell.io.points import write_points

logger = logging.getLogger(__name__)

FORMATS = ("geojson", "roi", "coco", "points", "colours")
NEXT = {
    "geojson": "Drop a file onto its image in QuPath.",
    "roi": "Open an image in Fiji, then its .zip.",
}
"""What to do with exported files."""
COCO_FILE = "annotations.json"


def export_labels(
    labels: Path | str, out: Path | str, format: str, tolerance: float = 0.0
) -> list[Path]:
    """Write the objects of label images for QuPath, ImageJ or tools that read COCO.

    Outlines run along the edges of pixels, so `sparcell.annotations.importing` restores the same
    labels. Classes and scores go along where tables beside the labels have them.

    Parameters
    ----------
    labels : Path or str
        A label image or a folder of them; or a folder that has some in ``labels/``, as `predict`,
        `label` and `import` make it.
    out : Path or str
        New folder.
    format : {"geojson", "roi", "coco", "points", "colours"}
        ``NAME.geojson`` and ``NAME.zip`` (ROIs) for each image, ``annotations.json`` (COCO) for
        all; ``NAME.csv`` with a point in each object; or ``NAME.tif``, the label image with a table
        of colours.
    tolerance : float
        Of ``geojson``: corners closer than this to the outline without them are left out, px, and
        the files are ``NAME.geojson.gz``. The outlines are then no longer exact to the pixel.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        If there are no label images, one cannot be used, or `out` holds files; nothing is written
        then.
    """
    if format not in FORMATS:
        raise InputError(f"format '{format}'", "one of " + ", ".join(FORMATS), "choose one")
    if tolerance and format != "geojson":
        raise InputError(
            f"`tolerance={tolerance:g}` for the format {format}",
            "the format geojson",
            "leave it out",
        )
    if tolerance < 0:
        raise InputError(f"`tolerance={tolerance:g}`", "0 or more", "try 0.5")
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}, which holds other files", "a new folder", "choose another `out`")
    files = _find_labels(Path(labels))
    facts = {name: read_facts(path) for name, path in files.items()}
    groups = _number({one.name for known in facts.values() for one in known.values()})
    total, coco = 0, Coco()
    with whole_file(out) as folder:
        folder.mkdir()
        for name, path in track(files.items(), "exporting", len(files), "images"):
            image = open_image(path)
            stacked = image.size("T") > 1 or image.size("Z") > 1
            objects = read_objects(image, facts[name])
            if format == "geojson":
                target = folder / (f"{name}.geojson" + ".gz" * bool(tolerance))
                total += write_geojson(objects, target, stacked, tolerance)
            elif format == "roi":
                total += write_rois(objects, folder / f"{name}.zip", image, groups)
            elif format == "points":
                total += _write_points(objects, folder / f"{name}.csv", image)
            elif stacked:
                raise InputError(
                    f"the movie or stack {path}",
                    f"single images, which are all that {format} supports",
                    "choose another `format`: geojson or roi",
                )
            elif format == "colours":
                total += write_coloured(image, folder / f"{name}.tif")
            else:
                total += coco.add(objects, f"{name}.tif", image.shape)
        if format == "coco":
            (folder / COCO_FILE).write_text(json.dumps(coco.content()) + "\n", "utf8")
    logger.info(
        f"{counted(total, 'object')} of {counted(len(files), 'image')}: {out}. "
        f"{NEXT.get(format, '')}".rstrip()
    )
    if format == "roi" and groups:
        logger.info("groups: " + ", ".join(f"{number} {name}" for name, number in groups.items()))
    return sorted(out.iterdir())


def _find_labels(place: Path) -> dict[str, Path]:
    """Label images by name."""
    if (place / "dataset.yaml").is_file() or (place / "images").is_dir():
        samples = Dataset.open(place).having("labels").samples
        found = [sample.files["labels"].path for sample in samples]
    else:
        found = list_images([place / "labels" if (place / "labels").is_dir() else place])
    if not found:
        raise InputError(f"no labels in {place}", "label images", "name a folder that has them")
    files = {stem(path): path for path in found}
    if len(files) < len(found):
        twice = next(path for path in found if files[stem(path)] != path)
        raise InputError(
            f"both {twice.name} and {files[stem(twice)].name}",
            "one label image of each name",
            "move one of them away",
        )
    return files


def _number(classes: set[str]) -> dict[str, int]:
    """Number classes from 1, as far as ImageJ has groups."""
    named = sorted(classes - {""})[:MOST_GROUPS]
    return {name: number for number, name in enumerate(named, 1)}


def _write_points(objects: Iterable[ExportedObject], path: Path, image: Image) -> int:
    listed = list(objects)
    more: dict[str, list[object]] = {}
    for axis in "TZ":
        if image.size(axis) > 1:
            more[axis.lower()] = [getattr(one.plane, axis.lower()) for one in listed]
    more["id"] = [one.id for one in listed]
    if any(one.facts.name for one in listed):
        more["class"] = [one.facts.name for one in listed]
    if any(one.facts.score is not None for one in listed):
        more["score"] = [one.facts.score for one in listed]
    write_points(path, np.array([one.position for one in listed]), more)
    return len(listed)
