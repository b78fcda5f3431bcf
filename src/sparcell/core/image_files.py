"""Image files: their suffixes, the names of their fields, and previews beside them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from unicodedata import normalize

from sparcell.core.errors import SparcellWarning

PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
"""Images as well as previews and screenshots: images only where no other format is beside them."""
WRITTEN = ("images", "dataset.yaml", "record.json")
"""Marks of folders that Sparcell wrote or reads as a dataset: pictures there are reports."""
IMAGE_SUFFIXES = (
    ".ome.zarr", ".ome.zarr.zip", ".ozx", ".ome.tiff", ".ome.tif", ".ome.btf", ".zarr", ".zarr.zip",
    ".tiff", ".tif", ".btf", ".lsm", ".stk", ".svs", ".ndpi", ".scn", ".czi", ".nd2", ".lif",
    ".oib", ".oif", *PICTURES,
)  # fmt: skip


def stem(path: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> str:
    """Name of a field: the file name without its suffix, double ones such as .ome.tif too.

    Letters with accents are composed (Unicode NFC), as file names of macOS are not.
    """
    name = normalize("NFC", path.name)
    for suffix in suffixes:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return Path(name).stem


def without_previews(paths: Iterable[Path]) -> list[Path]:
    """Leave out PNG, JPEG and BMP files of one folder where they only show other images.

    Beside images of other formats they count as previews, with a warning. In folders that Sparcell
    wrote they are reports.

    Warns
    -----
    SparcellWarning
        If pictures are left out beside other images.
    """
    paths = list(paths)
    images = [path for path in paths if not path.name.lower().endswith(PICTURES)]
    if len(images) == len(paths):
        return paths
    folder = paths[0].parent
    if any((folder / name).exists() for name in WRITTEN):
        return images
    if images:
        left_out = sorted(path.name for path in set(paths) - set(images))
        named = left_out[0] + (f" and {len(left_out) - 1} more" if len(left_out) > 1 else "")
        warnings.warn(
            f"{named} in {folder} not read: a PNG, JPEG or BMP beside other images is taken for a "
            "preview; put those that are images into a folder of their own",
            SparcellWarning,
            stacklevel=2,
        )
    return images or paths
