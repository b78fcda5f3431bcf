"""Lists the images that files, folders and patterns mean."""

from __future__ import annotations

import glob
import logging
import os
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from sparcell.core.dataset_layout import KINDS
from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image_files import IMAGE_SUFFIXES, url_of, without_companions, without_previews
from sparcell.core.text import counted, listed
from sparcell.io.ngff import is_zarr
from sparcell.io.plate import plate_fields

logger = logging.getLogger(__name__)

FORMATS = "TIFF, OME-Zarr, PNG and the formats of microscopes"
# Files that lie beside images in any laboratory and hold none.
SIDE_FILES = (
    ".csv", ".tsv", ".txt", ".json", ".yaml", ".yml", ".xml", ".html", ".md", ".log", ".xlsx",
    ".xls", ".ods", ".parquet", ".pdf", ".ini", ".db", ".py", ".ijm", ".roi", ".geojson",
    ".partial", ".lock", ".companion.ome", ".htd", ".xdce",
)  # fmt: skip


def list_images(inputs: list[str | Path]) -> list[Path]:
    """List the images that a user's words mean, in order and each once.

    Parameters
    ----------
    inputs : list of str or Path
        Files and addresses, taken as they are; OME-Zarr folders, and of plates all fields; other
        folders, for the images directly in them, sorted, without hidden ones, and without PNG,
        JPEG and BMP beside other formats; patterns such as ``"plate/**/*.tif"``, in which a folder
        that exists is no pattern, whatever its name. Thumbnails beside other images are left out,
        with a message.

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
        elif path.exists() or url_of(path) is not None:
            images = [path]
        else:
            images = [match for match in _match_pattern(str(entry)) if _looks_like_image(match)]
        if not images:
            raise _no_image(str(entry))
        for image in images:
            try:
                fields = plate_fields(image) if image.is_dir() and is_zarr(image) else ()
            except InputError:
                if image == path:
                    raise
                # Among other images, the error is reported when it is opened.
                fields = ()
            found.update(dict.fromkeys([one.path for one in fields] or [image]))
    return without_thumbnails(list(found))


def _no_image(entry: str) -> InputError:
    """Make the error for a path or pattern that gives no image, with what to type instead."""
    path = Path(entry)

    def error(found: str, fix: str) -> InputError:
        return InputError(f"no image for '{entry}'", FORMATS, fix, f"{found} {fix}")

    if not path.is_dir():
        pattern = any(letter in entry for letter in "*?[")
        what = "There is no image that matches" if pattern else "There is no file or folder"
        return error(f'{what} "{entry}".', "Check the path, and quote a pattern.")
    # Hidden folders hold unfinished files.
    folders = sorted(one.name for one in path.iterdir() if one.is_dir() and one.name[0] != ".")
    below = (one for name in folders for depth in ("*", "*/*") for one in (path / name).glob(depth))
    if image := next(filter(_looks_like_image, below), None):
        return error(
            f'"{entry}" has its images in folders: {listed(folders)}.',
            f'Type "{path}/**/*{image.suffix}", in quotation marks.',
        )
    files = [child for child in path.iterdir() if child.is_file() and child.name[0] != "."]
    if not files:
        return error(f'"{entry}" is empty.', "Check the path.")
    counts = Counter(child.suffix or "without suffix" for child in files)
    held = [f"{number} {suffix}" for suffix, number in counts.most_common()]
    others = any(not child.name.lower().endswith(SIDE_FILES) for child in files)
    return error(
        f'"{entry}" holds no image ({listed(held)}); Sparcell reads {FORMATS}.',
        "In Fiji: File > Save As > Tiff." if others else "Check the path.",
    )


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
    logger.warning(f"{counted(len(left), 'thumbnail')} left out, such as {left[0].name}")
    return [path for path in paths if path not in small]


def _images_in(folder: Path) -> list[Path]:
    """Images directly in a folder; what else might be one is counted in a line."""
    children = [child for child in sorted(folder.iterdir()) if not child.name.startswith(".")]
    images = without_previews(child for child in children if _looks_like_image(child))
    images = without_companions(without_thumbnails(images))
    if images:
        # Without any, the error lists the files.
        _say_unread(folder, (child for child in children if child.is_file()))
        _say_folders(folder, (child for child in children if child.is_dir()))
    return images


def _say_folders(folder: Path, children: Iterable[Path]) -> None:
    """Say that folders beside the images hold more of them; those of a dataset may."""
    others = [child for child in children if child.name not in KINDS and not is_zarr(child)]
    held = [one.name for one in others if any(map(_looks_like_image, one.glob("*")))]
    if held:
        logger.warning(
            f'"{folder}" has folders with more images, which are not read: {listed(held)}. For '
            f'all, type "{folder}/**/*.tif" with their ending, in quotation marks.'
        )


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
