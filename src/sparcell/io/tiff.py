"""TIFF, OME-TIFF and ImageJ TIFF, read lazily."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from sparcell.core.axes import LETTERS, check_axes
from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image import Image
from sparcell.io.lengths import one_pixel_size, to_um

RGB = ("red", "green", "blue", "alpha")
# Resolution tags are filled with print resolutions (72 dpi is 353 um) by whoever did not know
# better. No microscope's pixel is larger than this.
LARGEST_UM = 20.0
SMALLEST_UM = 0.001


def open_tiff(path: Path, axes: str | None = None) -> Image:
    """Open a TIFF of any flavour without reading pixels.

    Parameters
    ----------
    path : Path
    axes : str, optional
        One letter per dimension, instead of what the metadata says.

    Raises
    ------
    InputError
        If the file is no TIFF, is damaged, incomplete or empty, holds other things than real
        numbers, or its axes cannot be told.
    """
    with _readable(path), tifffile.TiffFile(path) as tif:
        # Of negative lengths the search for series would never end.
        if any(length < 0 for length in (tif.pages[0].imagewidth, tif.pages[0].imagelength)):
            raise _damaged(path, "a width or height below 0")
        if not tif.series:
            raise _damaged(path, "no image in it")
        series = tif.series[0]
        if 0 in series.shape:
            raise InputError(
                f"an empty image {series.shape} in {path}", "at least one pixel", "write it again"
            )
        letters = _choose_axes(series, axes, path)
        pixels = _pixels(series, path)
        sizes, channels = _metadata(tif, series)
        images = len(tif.series)
    if images > 1:
        warnings.warn(
            f"{path} holds {images} images of different kinds; the first, {series.shape}, is read: "
            "save the others as files of their own",
            SparcellWarning,
            stacklevel=3,
        )
    return Image(pixels, letters, one_pixel_size(*sizes, str(path)), channels, str(path))


class _FileState:
    """What a file was like when its header was read; pixels must come from the same file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened = self._now()

    def check(self) -> None:
        """Raise `InputError` if the file is another by now."""
        if self._now() != self.opened:
            raise InputError(
                f"{self.path} that changes while it is read",
                "a finished file",
                "wait until it is written, and repeat",
            )

    def _now(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns


class MappedPixels:
    """Uncompressed pixels that lie in one piece, mapped only while they are copied.

    A map that stayed open would hold a file handle for every image of a data set.
    """

    def __init__(
        self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.path, self.offset, self.shape, self.dtype = path, offset, shape, dtype
        self._state = _FileState(path)

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
        self._store = series.aszarr(level=0)
        self._state = _FileState(path)

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
    """Choose how to read, and check that every byte which the file promises is there."""
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
    shape, letters = series.shape, series.axes
    if given is not None:
        return check_axes(given, len(shape), f"{path} of shape {shape}")
    if "C" not in letters:
        letters = letters.replace("S", "C")
    # An unknown axis of length 1 may be called anything.
    for position, letter in enumerate(letters):
        if letter not in LETTERS and shape[position] == 1:
            free = next((f for f in "CTZ" if f not in letters), letter)
            letters = letters[:position] + free + letters[position + 1 :]
    unknown = [letter for letter in letters if letter not in LETTERS]
    if not unknown and len(set(letters)) == len(letters) and {"Y", "X"} <= set(letters):
        return str(letters)
    choices = []
    for chosen in combinations([letter for letter in "TCZ" if letter not in letters], len(unknown)):
        names = iter(chosen)
        choices.append("".join(a if a in LETTERS else next(names) for a in letters))
    *others, last = sorted(choices) or ["TCZYX"[-len(shape) :]]
    raise InputError(
        f"{path} of shape {shape} without names for its axes",
        "metadata that name them, or your word",
        "give --axes " + (", ".join(others) + " or " + last if others else last),
    )


def _metadata(tif: Any, series: Any) -> tuple[tuple[float | None, float | None], tuple[str, ...]]:
    """Pixel height and width in um, and channel names, as far as the file gives them."""
    sizes: tuple[float | None, float | None] = None, None
    channels: tuple[str, ...] = ()
    if tif.is_ome and tif.ome_metadata:
        sizes, channels = _ome(tif.ome_metadata)
    elif tif.is_imagej and tif.imagej_metadata:
        unit = str(tif.imagej_metadata.get("unit", ""))
        y, x = _per_resolution(series.keyframe)
        sizes = to_um(y, unit), to_um(x, unit)
    elif tif.is_shaped and tif.shaped_metadata:
        sizes, channels = _shaped(tif.shaped_metadata[0])
    if sizes == (None, None):
        unit = {2: "inch", 3: "cm"}.get(int(series.keyframe.resolutionunit), "")
        y, x = (to_um(length, unit) for length in _per_resolution(series.keyframe))
        if all(length and SMALLEST_UM <= length <= LARGEST_UM for length in (y, x)):
            sizes = y, x
    if not channels and "S" in series.axes and "C" not in series.axes:
        channels = RGB[: series.shape[series.axes.index("S")]]
    return sizes, channels


def _ome(text: str) -> tuple[tuple[float | None, float | None], tuple[str, ...]]:
    try:
        pixels = ElementTree.fromstring(text).find(".//{*}Image/{*}Pixels")
    except ElementTree.ParseError:
        pixels = None
    if pixels is None:
        return (None, None), ()
    sizes = [
        to_um(_number(pixels.get(f"PhysicalSize{a}")), pixels.get(f"PhysicalSize{a}Unit", "um"))
        for a in "YX"
    ]
    names = [channel.get("Name", "") for channel in pixels.iterfind("{*}Channel")]
    return (sizes[0], sizes[1]), tuple(names) if all(names) else ()


def _shaped(
    description: dict[str, Any],
) -> tuple[tuple[float | None, float | None], tuple[str, ...]]:
    sizes = [
        to_um(
            _number(description.get(f"PhysicalSize{a}")),
            str(description.get(f"PhysicalSize{a}Unit", "um")),
        )
        for a in "YX"
    ]
    channel = description.get("Channel")
    names = channel.get("Name", ()) if isinstance(channel, dict) else ()
    return (sizes[0], sizes[1]), tuple(map(str, names)) if isinstance(names, list) else ()


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _per_resolution(page: Any) -> tuple[float | None, float | None]:
    """Pixel height and width in the unit of the resolution tags."""
    lengths: list[float | None] = []
    for name in ("YResolution", "XResolution"):
        count, unit = page.tags.valueof(name, (0, 1))
        lengths.append(unit / count if count else None)
    return lengths[0], lengths[1]


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"a damaged TIFF {path} ({what})", "a complete file", "copy it again")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn everything that tifffile raises or logs about a file into words for the user.

    A stack that was cut short is only logged: tifffile returns the pages it still finds, and a
    stack with fewer planes would pass for a whole one.
    """
    complaints = _Complaints()
    logger = logging.getLogger("tifffile")
    logger.addHandler(complaints)
    try:
        yield
    except InputError:
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
    """Collects what is logged in this thread, so it is not printed beside our own line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        if record.thread == self._thread:
            self.lines.append(record.getMessage())
