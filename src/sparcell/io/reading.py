"""Any supported file to an image, and what a user types to a list of files."""

from __future__ import annotations

import glob
import logging
import os
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from sparcell.core.channel_selection import WHOLE
from sparcell.core.dataset import Sample
from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image import Image
from sparcell.core.image_files import IMAGE_SUFFIXES, PICTURES, without_previews
from sparcell.io.ngff import is_zarr, is_zipped_zarr, open_ngff
from sparcell.io.plate import plate_fields
from sparcell.io.vendors import VENDORS, open_vendor

logger = logging.getLogger(__name__)

# Formats that people have and that need converting; any other suffix is tried as TIFF, for
# many TIFF files are called otherwise.
UNSUPPORTED_SUFFIXES = (
    ".gif", ".webp", ".jp2", ".lof", ".vsi", ".ims", ".dv", ".mrc", ".ics", ".ids", ".dcm", ".h5",
    ".hdf5", ".npy", ".npz", ".avi", ".mp4", ".mov", ".zip",
)  # fmt: skip
# Files that lie beside images in any laboratory and hold none.
SIDE_FILES = (
    ".csv", ".tsv", ".txt", ".json", ".yaml", ".yml", ".xml", ".html", ".md", ".log", ".xlsx",
    ".xls", ".ods", ".parquet", ".pdf", ".ini", ".db", ".py", ".ijm", ".roi", ".geojson",
    ".partial", ".lock",
)  # fmt: skip


def open_image(path: Path | str, axes: str | None = None) -> Image:
    """Open an image; its pixels are read where and when they are looked at.

    TIFF, OME-TIFF (also spread over several files), ImageJ TIFF, LSM, OME-Zarr 0.1 to 0.5 (full
    resolution, also zipped), PNG, JPEG and BMP are supported, and with ``sparcell[formats]`` CZI,
    ND2, LIF, OIB and OIF. Axes, pixel size and channel names come from the metadata. RGB samples
    become the channels red, green and blue. Of a TIFF with several images the largest is read.

    Parameters
    ----------
    path : Path or str
        File, or folder of an OME-Zarr image.
    axes : str, optional
        One letter of ``TCZYX`` per dimension, in the file's order, instead of what the metadata
        says. Needed where a stack names no axes.

    Returns
    -------
    Image
        Any of bool, integer or float pixels. `pixel_size` in um, None where the file gives none.

    Raises
    ------
    InputError
        If there is no such file, it is no image or damaged, empty, of complex numbers, or its
        axes are ambiguous.

    Warns
    -----
    SparcellWarning
        If pixels are not square (more than 1 %), the pixel size is none that a microscope has, the
        file holds further images, or its tags say that it is shown otherwise than it is stored.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"no file {path}", "an image", "check the path")
    if path.name.lower().endswith(UNSUPPORTED_SUFFIXES) and not is_zipped_zarr(path):
        raise InputError(
            f"{path}, a format that is not read", "TIFF or OME-Zarr", "convert to TIFF or OME-Zarr"
        )
    try:
        if path.is_dir():
            if not is_zarr(path):
                raise InputError(
                    f"the folder {path}, which is no OME-Zarr", "an image", "name a file in it"
                )
            return open_ngff(path, axes)
        if path.stat().st_size == 0:
            raise InputError(f"an empty file {path}", "an image", "copy it again")
        if is_zipped_zarr(path):
            return open_ngff(path, axes)
        if path.name.lower().endswith(VENDORS):
            return open_vendor(path, axes)
        if path.name.lower().endswith(PICTURES):
            from sparcell.io.pictures import open_picture

            return open_picture(path, axes)
        # tifffile is not needed to read OME-Zarr.
        from sparcell.io.tiff import open_tiff

        return open_tiff(path, axes)
    except OSError as error:
        raise InputError(
            f"{path} that cannot be read ({error.strerror or error})",
            "a readable file",
            "check it and its permissions",
        ) from error


def open_sample(sample: Sample, kind: str = "images") -> Image:
    """Open what of a sample's file is its image, or its stain.

    Raises
    ------
    InputError
        If it cannot be opened, or lacks a channel or depth that ``dataset.yaml`` names.
    """
    return sample.selections.get(kind, WHOLE).of(open_image(sample.files[kind]))


def open_aligned(sample: Sample, kind: str, image: Image) -> Image:
    """Open a sample's labels, mask, stain or ignore mask, which must fit its image.

    Raises
    ------
    InputError
        If it cannot be opened, or has another size.
    """
    other = open_sample(sample, kind)
    if other.shape != image.shape:
        raise InputError(
            f"{kind} of {other.shape} px for the image {sample.name} of {image.shape} px",
            "the same height and width",
            "put matching files together",
        )
    return other


def list_images(inputs: list[str | Path]) -> list[Path]:
    """List the images that a user's words mean, in order and each once.

    Parameters
    ----------
    inputs : list of str or Path
        Files, taken as they are; OME-Zarr folders, and of plates all their fields; other
        folders, for the images directly in them, sorted, without hidden ones, and without PNG,
        JPEG and BMP beside other formats; patterns such as ``"plate/**/*.tif"``, in which a folder
        that exists is no pattern, whatever its name. Thumbnails beside other images are left out,
        and said.

    Raises
    ------
    InputError
        If one of them gives no image.

    Warns
    -----
    SparcellWarning
        If a folder has files that are neither read nor known to hold no image.
    """
    found: dict[Path, None] = {}
    for entry in inputs:
        path = Path(entry)
        if path.is_dir() and not is_zarr(path):
            images = _images_in(path)
        elif path.exists():
            images = [path]
        else:
            images = [match for match in _match_pattern(str(entry)) if _looks_like_image(match)]
        if not images:
            raise InputError(
                f"no image for '{entry}'",
                "TIFF, OME-Zarr, PNG or another format that is read",
                _remedy(path),
            )
        for image in images:
            try:
                fields = plate_fields(image) if image.is_dir() and is_zarr(image) else ()
            except InputError:
                if image == path:
                    raise
                # Among others it is told of when it is opened.
                fields = ()
            found.update(dict.fromkeys([one.path for one in fields] or [image]))
    return without_thumbnails(list(found))


def _remedy(path: Path) -> str:
    """What to type instead of a path that gives no image."""
    below = (child for depth in ("*/*", "*/*/*") for child in path.glob(depth))
    if path.is_dir() and (found := next(filter(_looks_like_image, below), None)):
        return f'images lie in its folders: give "{path}/**/*{found.suffix}" in quotation marks'
    return "check the path, and quote a pattern"


def _match_pattern(pattern: str) -> list[Path]:
    """Files that a pattern means; brackets in the names of folders and files are no pattern."""
    folder, rest = Path(), list(Path(pattern).parts)
    while len(rest) > 1 and (folder / rest[0]).is_dir():
        folder /= rest.pop(0)
    below = str(Path(*rest))
    for tried in (below, below.replace("[", "[[]")):
        # Path.glob would look into hidden folders.
        whole = os.path.join(glob.escape(str(folder)), tried)  # noqa: PTH118
        if found := sorted(glob.glob(whole, recursive=True)):  # noqa: PTH207
            return [Path(match) for match in found]
    return []


def without_thumbnails(paths: list[Path]) -> list[Path]:
    """Leave out small copies of other images, and say so. Thumbnails alone stay."""
    from sparcell.io.vendor_names import is_thumbnail

    small = {path for path in paths if is_thumbnail(path)}
    if not small or len(small) == len(paths):
        return paths
    left = [path for path in paths if path in small]
    logger.warning(f"{len(left)} thumbnails left out, such as {left[0].name}")
    return [path for path in paths if path not in small]


def _images_in(folder: Path) -> list[Path]:
    """Images directly in a folder; what else might be one is counted in a line."""
    children = [child for child in sorted(folder.iterdir()) if not child.name.startswith(".")]
    images = without_previews(child for child in children if _looks_like_image(child))
    _say_unread(folder, (child for child in children if child.is_file()))
    return images


def _say_unread(folder: Path, files: Iterable[Path]) -> None:
    known = IMAGE_SUFFIXES + SIDE_FILES
    others = [path for path in files if not path.name.lower().endswith(known)]
    if not others:
        return
    counts = Counter(path.suffix.lower() or "without suffix" for path in others)
    listed = ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))
    warnings.warn(
        f"files in {folder} that are not read: {listed}; convert images to TIFF, or name a file "
        "that is a TIFF by another name",
        SparcellWarning,
        stacklevel=2,
    )


def _looks_like_image(path: Path) -> bool:
    if path.name.startswith(".") or not path.name.lower().endswith(IMAGE_SUFFIXES):
        return False
    return path.name.lower().endswith(".zarr") == path.is_dir()
