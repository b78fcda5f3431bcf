"""TIFF, OME-TIFF and ImageJ TIFF, read lazily."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from sparcell.core.axes import LETTERS, check_axes
from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image import Image
from sparcell.core.image_ref import ImageRef
from sparcell.io.file_state import FileState
from sparcell.io.lengths import one_pixel_size
from sparcell.io.scenes import Scene, find_scene, unique_scene_names
from sparcell.io.tiff_metadata import read_facts
from sparcell.io.tiff_tags import LOSSY, channel_names, check_colours, full_images, largest, show
from sparcell.io.unnamed_axes import ask_for_axes
from sparcell.io.views import colours_in_channels

OME = "ome"


def open_file(path: Path, axes: str | None = None, scene: str | None = None) -> Image:
    """Open one image of a TIFF of any flavour without reading pixels.

    Parameters
    ----------
    path : Path
    axes : str, optional
        One letter per dimension, instead of what the metadata says.
    scene : str, optional
        Name or number of one of `scenes_of`; the largest without it.

    Raises
    ------
    InputError
        If the file has no such scene, is no TIFF, is damaged, incomplete or empty, holds other
        things than real numbers, or its axes are unknown.
    """
    with _readable(path), tifffile.TiffFile(path) as tif:
        images = _images_of(tif, path)
        number = find_scene(scene, _names_of(images), path)
        series = largest(images) if number is None else images[number]
        if 0 in series.shape:
            raise InputError(
                f"an empty image {series.shape} in {path}", "at least one pixel", "write it again"
            )
        check_colours(series.keyframe, path)
        letters = _choose_axes(series, axes, path)
        displayed = show(_pixels(series, path), letters, series, bool(tif.is_imagej), path)
        facts = read_facts(tif, series, path)
    if len(images) > 1 and scene is None:
        kinds = "" if series.kind == OME else " of different kinds"
        warnings.warn(
            f"{path} holds {len(images)} images{kinds}; the largest, {series.shape}, is read: "
            "choose another by its scene, or save the others as files of their own",
            SparcellWarning,
            stacklevel=3,
        )
    size = one_pixel_size(facts.y, facts.x, str(path))
    stored = displayed.stored
    labels = None if stored is None else Image(stored, letters, source=str(path))
    names = facts.channels
    if not names and "C" in displayed.axes and "C" not in series.axes:
        names = channel_names(series.keyframe, displayed.pixels.shape[displayed.axes.index("C")])
    source = str(ImageRef(path, scene))
    return Image(displayed.pixels, displayed.axes, size, names, source, label_values=labels)


def scenes_of(path: Path) -> tuple[Scene, ...]:
    """List the images of a TIFF, without thumbnails, masks and photographs of the slide.

    Raises
    ------
    InputError
        If the file is no TIFF, or is damaged.
    """
    with _readable(path), tifffile.TiffFile(path) as tif:
        images = _images_of(tif, path)
        main = largest(images)
        return tuple(
            Scene(
                name,
                _unknown_as_question(_letters(one)),
                tuple(one.shape),
                one is main or one.kind == OME,
            )
            for name, one in zip(_names_of(images), images, strict=True)
        )


def main_names(path: Path) -> tuple[str, ...]:
    """Names of the images of an OME-TIFF; of other TIFF files that of the largest."""
    return tuple(scene.name for scene in scenes_of(path) if scene.main)


def _images_of(tif: tifffile.TiffFile, path: Path) -> list[Any]:
    """Find the series that are images and, of a set of OME-TIFF files, lie in this file.

    The files of a set name each other, so tifffile gives the images of all. A file with none of
    them, such as one that only describes the others, stands for all.
    """
    # Of negative lengths the search for series would never end.
    if any(length < 0 for length in (tif.pages[0].imagewidth, tif.pages[0].imagelength)):
        raise _damaged(path, "a width or height below 0")
    if not tif.series:
        raise _damaged(path, "no image in it")
    full = full_images(list(tif.series))
    return [one for one in full if _lies_in(one, tif)] or full


def _lies_in(series: Any, tif: tifffile.TiffFile) -> bool:
    if series.keyframe.parent is tif:
        return True
    return any(page is not None and page.parent is tif for page in series.pages)


def _names_of(images: list[Any]) -> list[str]:
    """Names of OME's images; tifffile's own names of other series mean nothing to a user."""
    return unique_scene_names([one.name if one.kind == OME else "" for one in images])


class MappedPixels:
    """Uncompressed pixels that lie in one piece, mapped only while they are copied.

    A map that stayed open would hold a file handle for every image of a data set.
    """

    def __init__(
        self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.path, self.offset, self.shape, self.dtype = path, offset, shape, dtype
        self._state = FileState(path)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        # A map of a file that has become shorter kills the process that touches it.
        self._state.check()
        stored = np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        region = np.array(stored[index])
        self._state.check()
        return region


class SegmentedPixels:
    """Pixels in tiles or strips, of which only those are decoded that a region touches."""

    def __init__(self, series: Any, path: Path) -> None:
        self.shape: tuple[int, ...] = series.shape
        self.dtype: np.dtype[Any] = series.dtype
        self.lossy = series.keyframe.compression in LOSSY
        self._store = series.aszarr(level=0)
        self._state = FileState(path)

    @cached_property
    def _array(self) -> Any:
        import zarr

        return zarr.open_array(self._store, mode="r")

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the pieces that are decoded as a whole."""
        return tuple(self._array.chunks)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        try:
            region = np.asarray(self._array[index])
        except Exception:
            # A file that is written anew shows as a damaged one.
            self._state.check()
            raise
        finally:
            # The store opens the file again when it needs it.
            self._store.close()
        self._state.check()
        return region


def _pixels(series: Any, path: Path) -> MappedPixels | SegmentedPixels:
    """Choose how to read the pixels, and check that all bytes which the header declares exist."""
    if series.dtype is None or series.dtype.kind not in "biuf":
        raise InputError(
            f"{path} of dtype {series.dtype}", "real numbers", "save it as integers or floats"
        )
    keyframe = series.keyframe
    if series.dataoffset is not None and keyframe.is_memmappable:
        dtype = np.dtype(keyframe.parent.byteorder + series.dtype.char)
        if series.dataoffset + series.nbytes > path.stat().st_size:
            raise _damaged(path, "it ends before its last pixel")
        return MappedPixels(path, series.dataoffset, series.shape, dtype)
    pages = list(series.pages)
    missing = sum(page is None for page in pages)
    if missing:
        raise InputError(
            f"{missing} of {len(pages)} planes missing in {path}",
            "all planes",
            "put the other files of the set beside it or export the image again",
        )
    for page in pages:
        ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
        if max(ends, default=0) > page.parent.filehandle.size:
            raise _damaged(path, "it ends before its last pixel")
    return SegmentedPixels(series, path)


def _choose_axes(series: Any, given: str | None, path: Path) -> str:
    """Letters of ``TCZYX`` for the series, from the user or from the metadata."""
    shape, stored = series.shape, series.axes
    if "S" in stored and "C" in stored and shape[stored.index("C")] > 1:
        raise colours_in_channels(path, shape[stored.index("C")])
    if given is not None:
        return check_axes(given, len(shape), f"{path} of shape {shape}")
    letters = _letters(series)
    unknown = [letter for letter in letters if letter not in LETTERS]
    if not unknown and len(set(letters)) == len(letters) and {"Y", "X"} <= set(letters):
        return letters
    raise ask_for_axes(shape, letters, path)


def _letters(series: Any) -> str:
    """Axes of a series as the file names them; colour samples are channels."""
    shape, letters = series.shape, str(series.axes)
    if "S" in letters:
        # A channel axis of length 1 beside them says nothing.
        letters = letters.replace("C", "Q")
    if "C" not in letters:
        letters = letters.replace("S", "C")
    # An unknown axis of length 1 may be called anything.
    for position, letter in enumerate(letters):
        if letter not in LETTERS and shape[position] == 1:
            free = next((f for f in "CTZ" if f not in letters), letter)
            letters = letters[:position] + free + letters[position + 1 :]
    return letters


def _unknown_as_question(letters: str) -> str:
    return "".join(letter if letter in LETTERS else "?" for letter in letters)


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"a damaged TIFF {path} ({what})", "a complete file", "copy it again")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn everything that tifffile raises or logs about a file into errors and warnings.

    A stack that was cut short is only logged: tifffile returns the pages it still finds, and a
    stack with fewer planes would pass for a whole one.
    """
    complaints = _Complaints()
    logger = logging.getLogger("tifffile")
    logger.addHandler(complaints)
    try:
        yield
    except (InputError, SparcellWarning):
        raise
    except tifffile.TiffFileError as error:
        if "not a TIFF" in str(error):
            raise InputError(
                f"{path}, which is no TIFF", "a microscopy image", "convert it to TIFF or OME-Zarr"
            ) from error
        raise _damaged(path, str(error)) from error
    except OSError:
        raise
    except Exception as error:
        # Parsing a damaged file ends in whatever the bytes happen to mean.
        raise _damaged(path, str(error)) from error
    finally:
        logger.removeHandler(complaints)
    for line in dict.fromkeys(complaints.lines):
        if "TiffPages" in line:
            raise _damaged(path, "its list of pages ends too early")
        warnings.warn(f"odd metadata in {path}: {line}", SparcellWarning, stacklevel=4)


class _Complaints(logging.Handler):
    """Collects what is logged in this thread, so that it is not printed twice."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        if record.thread == self._thread:
            self.lines.append(record.getMessage())
