"""TIFF, OME-TIFF and ImageJ TIFF, read lazily."""

from __future__ import annotations

import logging
import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from sparcell.core.axes import LETTERS, check_axes
from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image import Image
from sparcell.core.image_ref import ImageRef
from sparcell.core.text import counted, one_line
from sparcell.io.lengths import one_pixel_size
from sparcell.io.micro_manager import first_file
from sparcell.io.scenes import Scene, find_scene
from sparcell.io.tiff_metadata import TiffFacts, read_facts
from sparcell.io.tiff_pixels import MappedPixels, SegmentedPixels, SmallPixels
from sparcell.io.tiff_scenes import POSITION, TiffScene, find_tiff_scenes, open_tiff
from sparcell.io.tiff_segments import describe_mismatch
from sparcell.io.tiff_tags import channel_names, check_colours, largest, show
from sparcell.io.unnamed_axes import ask_for_axes
from sparcell.io.views import SelectedPosition, colours_in_channels

logger = logging.getLogger(__name__)


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
    return open_levels(path, axes, scene, most=1)[0]


def open_levels(
    path: Path,
    axes: str | None = None,
    scene: str | None = None,
    labels: bool = False,
    most: int | None = None,
) -> tuple[Image, ...]:
    """Open the levels of the pyramid of one image of a TIFF, the full resolution first.

    They are the pages in SubIFDs, and those that makers of slide scanners write one after another.

    Parameters
    ----------
    path, axes, scene
        As in `open_file`.
    labels : bool
        Pixels are ids, so only the full resolution counts: a TIFF does not say whether the others
        mix ids.
    most : int, optional
        Number of levels to open; all without it.

    Returns
    -------
    tuple of Image
        At least one. Levels that cannot be read are left out.

    Raises
    ------
    InputError
        As `open_file`.
    """
    with _readable(path), open_tiff(path) as tif:
        scenes = _scenes(tif, path)
        number = find_scene(scene, [one.name for one in scenes], path)
        chosen = largest(scenes) if number is None else scenes[number]
        if 0 in chosen.shape:
            raise InputError(
                f"an empty image {chosen.shape} in {path}", "at least one pixel", "write it again"
            )
        check_colours(chosen.series.keyframe, path)
        facts = read_facts(tif, chosen.series, path)
        imagej, source = bool(tif.is_imagej), ImageRef(path, scene)
        levels = [_open_level(chosen, facts, axes, source, imagej)]
        for series in [] if labels else chosen.series.levels[1:most]:
            # The full resolution has warned of what they share; a damaged one is left out.
            with suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                smaller = replace(chosen, series=series)
                levels.append(_open_level(smaller, facts, axes, source, imagej))
    if len(scenes) > 1 and scene is None:
        warnings.warn(
            f"{path} holds {len(scenes)} images; the largest, {chosen.shape}, is read: "
            "choose another by its scene",
            SparcellWarning,
            stacklevel=3,
        )
    return tuple(levels)


def _open_level(
    chosen: TiffScene, facts: TiffFacts, axes: str | None, source: ImageRef, imagej: bool
) -> Image:
    path, keyframe = source.path, chosen.series.keyframe
    letters = _choose_axes(chosen, axes, path)
    displayed = show(_pixels(chosen, path), letters, chosen, imagej, path)
    size = one_pixel_size(facts.y, facts.x, str(path))
    stored = displayed.stored
    labels = None if stored is None else Image(stored, letters, source=str(path))
    names = facts.channels
    if not names and "C" in displayed.axes and "C" not in chosen.axes:
        names = channel_names(keyframe, displayed.pixels.shape[displayed.axes.index("C")])
    return Image(displayed.pixels, displayed.axes, size, names, str(source), label_values=labels)


def scenes_of(path: Path) -> tuple[Scene, ...]:
    """List the images of a TIFF, without thumbnails, masks and photographs of the slide.

    Raises
    ------
    InputError
        If the file is no TIFF, or is damaged.
    """
    with _readable(path), open_tiff(path) as tif:
        return tuple(
            Scene(one.name, _unknown_as_question(_letters(one)), one.shape, one.main)
            for one in _scenes(tif, path)
        )


def main_names(path: Path) -> tuple[str, ...]:
    """Names of the images of a TIFF, without smaller ones that may be previews."""
    scenes = scenes_of(path)
    names = tuple(scene.name for scene in scenes if scene.main)
    if 1 < len(names) < len(scenes):
        small = next(scene for scene in scenes if not scene.main)
        count = counted(len(scenes) - len(names), "small image")
        logger.warning(
            f"{path}: {count} left out as previews, such as scene {small.name} of {small.shape}"
        )
    return names


def continued_file(path: Path) -> Path | None:
    """Find the file of a set in which all images of this file begin; None where one begins here.

    Large images, and the channels of some programs, are spread over several files. Each of them
    gives the whole image.
    """
    if first := first_file(path):
        return first
    with _readable(path), open_tiff(path) as tif:
        scenes = _scenes(tif, path)
        if any(scene.begins_in(tif) for scene in scenes):
            return None
        files = [scene.first_file for scene in scenes if scene.lies_in(tif)]
    return Path(files[0]) if files and files[0] else None


def _scenes(tif: tifffile.TiffFile, path: Path) -> list[TiffScene]:
    # Of negative lengths the search for series would never end.
    if any(length < 0 for length in (tif.pages[0].imagewidth, tif.pages[0].imagelength)):
        raise _damaged(path, "a width or height below 0")
    if not tif.series:
        raise _damaged(path, "no image in it")
    if tif.is_imagej:
        _check_count(tif, path)
    return find_tiff_scenes(tif)


def _check_count(tif: Any, path: Path) -> None:
    """Check that an ImageJ stack whose images follow each other without headers is whole."""
    metadata = tif.imagej_metadata or {}
    page, declared = tif.pages.first, int(metadata.get("images", 1))
    named = [int(metadata.get(name, 1)) for name in ("channels", "slices", "frames")]
    if max(named) > 1 and math.prod(named) < declared:
        channels, slices, frames = named
        raise _damaged(
            path, f"{declared} images of {channels} channels, {slices} slices and {frames} frames"
        )
    there = sum(len(series.pages) for series in tif.series)
    begin, size = page.dataoffsets[0], int(page.nbytes)
    if declared > there == 1 and page.is_final and page.is_contiguous:
        whole = (tif.filehandle.size - begin) // size
        if 1 < whole < declared:
            raise _damaged(path, f"{whole} of {declared} images are there")


LARGEST_SMALL = 1 << 21
"""Bytes of the largest image that is decoded whole."""


def _pixels(scene: TiffScene, path: Path) -> Any:
    """Choose how to read the pixels, and check that all bytes which the header declares exist."""
    series = scene.series
    if series.dtype is None or series.dtype.kind not in "biuf":
        raise InputError(
            f"{path} of dtype {series.dtype}", "real numbers", "save it as integers or floats"
        )
    keyframe = series.keyframe
    if mismatch := describe_mismatch(keyframe):
        warnings.warn(
            f"{path}: its header contradicts its pixels ({mismatch}), so the image may be cut or "
            "sheared: look at it, and save it again",
            SparcellWarning,
            stacklevel=4,
        )
    if scene.position is None and series.dataoffset is not None and keyframe.is_memmappable:
        dtype = np.dtype(keyframe.parent.byteorder + series.dtype.char)
        if series.dataoffset + series.nbytes > path.stat().st_size:
            raise _damaged(path, "it ends before its last pixel")
        return MappedPixels(path, series.dataoffset, series.shape, dtype)
    pages = scene.pages
    missing = sum(page is None for page in pages)
    if missing:
        raise InputError(
            f"{missing} of {len(pages)} planes missing in {path}",
            "all planes",
            "put the other files of the set beside it, under their first names, or export it again",
        )
    for page in pages:
        ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
        if max(ends, default=0) > page.parent.filehandle.size:
            raise _damaged(path, "it ends before its last pixel")
    small = series.nbytes <= LARGEST_SMALL and len(series.pages) == 1
    # Without Zarr, whose import takes longer than most predictions.
    pixels = SmallPixels(series, path) if small else SegmentedPixels(series, path)
    if scene.position is None:
        return pixels
    return SelectedPosition(pixels, series.axes.index(POSITION), scene.position)


def _choose_axes(scene: TiffScene, given: str | None, path: Path) -> str:
    """Letters of ``TCZYX`` for the image, from the user or from the metadata."""
    shape, stored = scene.shape, scene.axes
    if "S" in stored and "C" in stored and shape[stored.index("C")] > 1:
        raise colours_in_channels(path, shape[stored.index("C")])
    if given is not None:
        return check_axes(given, len(shape), f"{path} of shape {shape}")
    letters = _letters(scene)
    unknown = [letter for letter in letters if letter not in LETTERS]
    if not unknown and len(set(letters)) == len(letters) and {"Y", "X"} <= set(letters):
        return letters
    raise ask_for_axes(shape, letters, path)


def _letters(scene: TiffScene) -> str:
    """Axes of an image as the file names them; colour samples are channels."""
    shape, letters = scene.shape, scene.axes
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
        if "MMStack" in line:
            line = "planned with more images than are there, or other files of its set are missing"
        said = one_line(line, 200)
        warnings.warn(f"odd metadata in {path}: {said}", SparcellWarning, stacklevel=4)


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
