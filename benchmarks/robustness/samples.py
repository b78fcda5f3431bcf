"""Every kind of file that a user may bring, with the commands that read it.

Good files are written by the modules ``sample_*.py``, into a folder that has ``images/``,
``labels/`` and ``model.zip`` already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sample_annotations import (
    write_cellpose,
    write_cvat,
    write_exported,
    write_label_studio,
    write_labelme,
    write_via,
)
from sample_field import RUNTIME
from sample_images import (
    write_ome_tiff,
    write_pictures,
    write_plate,
    write_tiff,
    write_vendor,
    write_zarr,
    write_zipped_zarr,
)
from sample_tables import (
    write_field_tables,
    write_layout,
    write_point_tables,
    write_recipe,
    write_record,
    write_study,
    write_wells,
)


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
    Kind("model.zip", lambda folder: [folder / "model.zip"], (
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
