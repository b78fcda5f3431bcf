"""Opens any supported file as an image."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sparcell.core.dataset import Sample
from sparcell.core.dataset_layout import SELECTABLE
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_ref import ImageRef
from sparcell.core.text import counted
from sparcell.io.chunks import warn_missing_chunks
from sparcell.io.readers import find_reader
from sparcell.io.scenes import Scene

logger = logging.getLogger(__name__)

SET_NAME = re.compile(r".*_MMStack.*_\d+(\.ome)?\.tiff?|(?!.*_MMStack).*\.ome\.(tiff?|btf)", re.I)
"""Files that may continue another one; Micro-Manager numbers those that do."""


def open_image(image: ImageRef | Path | str, axes: str | None = None) -> Image:
    """Open an image; its pixels are read on demand.

    TIFF, OME-TIFF (also spread over several files), ImageJ TIFF, LSM, OME-Zarr 0.1 to 0.5 (full
    resolution, also zipped), PNG, JPEG and BMP are supported, and with ``sparcell[formats]`` CZI,
    ND2, LIF, OIB and OIF. Axes, pixel size and channel names come from the metadata. RGB samples
    become the channels red, green and blue. Without a scene the first of a file is read, of a TIFF
    the largest.

    Parameters
    ----------
    image : ImageRef, Path or str
        File, or folder of an OME-Zarr image; a reference also names its scene, axes, channels and
        depths.
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
        If there is no such file, scene, channel or depth, it is no image or damaged, empty, of
        complex numbers, or its axes are ambiguous.

    Warns
    -----
    SparcellWarning
        If pixels are not square (more than 1 %), the pixel size is none that a microscope has, the
        file holds further images and no scene is given, or its tags say that viewers show other
        values than are stored.
    """
    ref = ImageRef.of(image)
    if axes is not None:
        ref = replace(ref, axes=axes)
    _check_name(ref.path)
    with _plain_os_errors(ref.path):
        return ref.selection.of(find_reader(ref.path).open(ref))


def open_levels(image: ImageRef | Path | str, labels: bool = False) -> tuple[Image, ...]:
    """Open an image in each resolution in which its file stores it.

    Parameters
    ----------
    image : ImageRef, Path or str
        As in `open_image`.
    labels : bool
        Pixels are ids. Then lower resolutions count only if the file says that they were made by
        leaving out pixels: others may mix ids.

    Returns
    -------
    tuple of Image
        The full resolution first, as `open_image` gives it, then smaller ones of the same axes,
        time points, depths, channels and dtype. Alone where the file has no pyramid, or its format
        is neither OME-Zarr nor TIFF. Pixel sizes follow from the widths.

    Raises
    ------
    InputError
        As `open_image`.
    """
    ref = ImageRef.of(image)
    _check_name(ref.path)
    with _plain_os_errors(ref.path):
        levels = find_reader(ref.path).open_levels(ref, labels)
    full, *others = levels
    smaller = [
        replace(one, pixel_size=full.pixel_size and full.pixel_size * full.shape[1] / one.shape[1])
        for one in others
        if _kind(one) == _kind(full) and max(one.shape) < max(full.shape)
    ]
    return tuple(ref.selection.of(one) for one in (full, *smaller))


def _kind(image: Image) -> tuple[object, ...]:
    """Everything in which the resolutions of an image are alike."""
    return image.axes, *(image.size(letter) for letter in "TCZ"), image.data.dtype


def list_scenes(path: Path | str) -> tuple[Scene, ...]:
    """List the scenes of a file: positions, series or images, each with its axes and shape.

    Of an OME-TIFF in a set of files, these are the images that the file itself holds. Of a plate
    in OME-Zarr they are its fields, such as ``B/3/0``.

    Returns
    -------
    tuple of Scene
        At least one, in the order of the file.

    Raises
    ------
    InputError
        If there is no such file, or it is no image or damaged.
    """
    path = Path(path)
    with _plain_os_errors(path):
        return find_reader(path).scenes(path)


def expand_scenes(path: Path) -> list[ImageRef]:
    """Refer to each scene of a file by its name; to the file as a whole where it holds one.

    So are files that cannot be read, which is an error when they are opened. Smaller images of a
    TIFF that does not say what they are, such as previews, are left out.
    """
    try:
        # The same warnings come when the image is opened.
        with warnings.catch_warnings(), _plain_os_errors(path):
            warnings.simplefilter("ignore")
            names = find_reader(path).main_names(path)
    except InputError:
        return [ImageRef(path)]
    return [ImageRef(path, name) for name in names] if len(names) > 1 else [ImageRef(path)]


def without_continued(paths: Sequence[Path]) -> list[Path]:
    """Leave out files of OME-TIFF or Micro-Manager sets whose images begin in another of `paths`.

    Each of these files gives the whole image, which would count several times.
    """
    there = {path.resolve() for path in paths}
    kept, left_out = [], []
    for path in paths:
        begin = _continued_file(path) if len(there) > 1 and SET_NAME.fullmatch(path.name) else None
        if begin is not None and begin.resolve() != path.resolve() and begin.resolve() in there:
            left_out.append((path, begin))
        else:
            kept.append(path)
    if left_out:
        path, begin = left_out[0]
        logger.info(
            f"{counted(len(left_out), 'file')} left out: {path} continues the image of {begin.name}"
        )
    return kept


def _continued_file(path: Path) -> Path | None:
    from sparcell.io.tiff import continued_file

    try:
        # The same warnings come when the image is opened.
        with warnings.catch_warnings(), _plain_os_errors(path):
            warnings.simplefilter("ignore")
            return continued_file(path)
    except InputError:
        return None


def _check_name(path: Path) -> None:
    """Refuse a name that is no text: it can be written into no table, record or picture."""
    try:
        str(path).encode("utf8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{path}, whose name is not UTF-8", "a name in UTF-8", "rename the file"
        ) from error


@contextmanager
def _plain_os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} that cannot be read ({error.strerror or error})",
            "a readable file",
            "check it and its permissions",
        ) from error


def open_sample(sample: Sample, kind: str = "images") -> Image:
    """Open the image of a sample, or another of its files.

    Raises
    ------
    InputError
        If it cannot be opened, or lacks a channel or depth that ``dataset.yaml`` names.
    """
    image = open_image(sample.files[kind])
    if kind in SELECTABLE:
        warn_missing_chunks(image)
    return image


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
