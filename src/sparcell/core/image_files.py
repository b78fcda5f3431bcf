"""Image files: their suffixes, the names of their fields, and previews beside them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from unicodedata import normalize

from sparcell.core.errors import SparcellWarning

PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
"""Images as well as previews and screenshots: images only where no other format is beside them."""
WRITTEN = ("images", "dataset.yaml", "record.json")
"""Marks of folders that Sparcell wrote or reads as a dataset: pictures there are reports."""
COMPANION = re.compile(
    r"(?P<image>.+?)[ _.-]+(?:label|macro|overview|preview|thumb(?:nail)?|(?:cp_)?mask|cp_output)s?"
    r"(?:[ _-]?images?)?",
    re.IGNORECASE,
)
"""Names of photographs of a slide, previews and label images that lie beside an image."""
ADDRESS = re.compile(r"(https?|s3|gs):/+(.+)")
"""Addresses of images; a path has one slash where an address has two."""
MAKERS_THUMBNAIL = re.compile(r".+_w\d_?thumb(?:nail)?[0-9A-F-]*", re.IGNORECASE)
"""Names of ImageXpress' thumbnails, whose other part differs from that of the image."""
IMAGE_SUFFIXES = (
    ".ome.zarr", ".ome.zarr.zip", ".ozx", ".ome.tiff", ".ome.tif", ".ome.btf", ".zarr", ".zarr.zip",
    ".tiff", ".tif", ".btf", ".lsm", ".stk", ".svs", ".ndpi", ".scn", ".czi", ".nd2", ".lif",
    ".oib", ".oif", *PICTURES,
)  # fmt: skip


def url_of(path: Path) -> str | None:
    """Return the address that a path stands for; None for a path on disk."""
    match = ADDRESS.fullmatch(path.as_posix())
    return f"{match[1]}://{match[2]}" if match else None


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


def without_companions(paths: Iterable[Path]) -> list[Path]:
    """Leave out files of one folder that by their names only accompany an image beside them.

    Such as ``A1_label.tif``, ``A1_macro.tif``, ``A1_thumb.tif`` and ``A1_cp_masks.tif`` beside
    ``A1.tif``. Without that image they are images.

    Warns
    -----
    SparcellWarning
        If files are left out.
    """
    paths = list(paths)
    names = {stem(path).lower() for path in paths}
    left_out = [path for path in paths if _accompanies(stem(path), names)]
    if not left_out or len(left_out) == len(paths):
        return paths
    more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
    warnings.warn(
        f"{left_out[0].name}{more} in {left_out[0].parent} not read: by its name it is a label, "
        "mask or preview of the image beside it; put images of such names elsewhere",
        SparcellWarning,
        stacklevel=2,
    )
    return [path for path in paths if path not in left_out]


def _accompanies(name: str, names: set[str]) -> bool:
    match = COMPANION.fullmatch(name)
    of_image = match is not None and match["image"].lower() in names
    return of_image or MAKERS_THUMBNAIL.fullmatch(name) is not None
