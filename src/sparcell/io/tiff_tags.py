"""Reads the tags of a TIFF: which pages are images, and what their numbers mean.

Specification: TIFF revision 6.0, sections 4 to 8 (photometric interpretation), 18 (extra samples)
and the list of tags (NewSubfileType, Orientation).
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC

from sparcell.core.errors import InputError, SparcellWarning
from sparcell.io.views import (
    RGB,
    DisplayedImage,
    FirstChannels,
    InvertedPixels,
    show_palette,
    warn_of_orientation,
)

# What slide scanners call the photographs beside the scan.
PHOTOGRAPHS = ("label", "macro", "thumbnail", "label image", "macro image", "overview")
REDUCED, MASK = 1, 4
ALPHA = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
LOSSY = (COMPRESSION.OJPEG, COMPRESSION.JPEG, COMPRESSION.JPEG_LOSSY)
COLOURS = {
    PHOTOMETRIC.SEPARATED: "printing colours (CMYK)",
    PHOTOMETRIC.CIELAB: "CIE Lab colours",
    PHOTOMETRIC.ICCLAB: "ICC Lab colours",
    PHOTOMETRIC.ITULAB: "ITU Lab colours",
    PHOTOMETRIC.LOGL: "logarithms of brightness (LogL)",
    PHOTOMETRIC.LOGLUV: "LogLuv colours",
    PHOTOMETRIC.CFA: "a camera's raw colour mosaic (CFA)",
}


def full_images(series: list[Any]) -> list[Any]:
    """Leave out thumbnails, masks and photographs of the slide; tifffile's series, at least one."""
    return [one for one in series if not _is_extra(one)] or series


def largest(images: list[Any]) -> Any:
    """Return the image with most pixels; the first of several as large."""
    return max(images, key=lambda one: math.prod(one.shape))


def _is_extra(series: Any) -> bool:
    kind = int(series.keyframe.subfiletype)
    return bool(kind & (REDUCED | MASK)) or series.name.strip().lower() in PHOTOGRAPHS


def check_colours(page: Any, path: Path) -> None:
    """Refuse colours that are no red, green and blue, by their name.

    Raises
    ------
    InputError
    """
    what = COLOURS.get(page.photometric)
    if page.photometric == PHOTOMETRIC.YCBCR and page.compression not in LOSSY:
        what = "YCbCr colours"
    if what:
        raise InputError(f"{what} in {path}", "grey values or RGB", "save it as RGB or grey")


def channel_names(page: Any, count: int) -> tuple[str, ...]:
    """Names of the colour samples of a page; none where they are no colours."""
    if page.photometric not in (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR, PHOTOMETRIC.PALETTE):
        return ()
    return (*RGB, *(f"extra {n}" for n in range(1, count - 2)))[:count]


def show(pixels: Any, axes: str, scene: Any, inside_imagej: bool, path: Path) -> DisplayedImage:
    """Show stored numbers as viewers do: bright is large, palettes are colours, no transparency.

    ImageJ's palettes only colour a grey image, as does any whose colours grow with the number; so
    their numbers are the image.

    Parameters
    ----------
    pixels : array-like
        As stored.
    axes : str
    scene : TiffScene
    inside_imagej : bool
        ImageJ wrote the file.
    path : Path
        For messages.

    Warns
    -----
    SparcellWarning
        If the grey scale is inverted, or the orientation tag says that the image is turned.
    """
    page = scene.series.keyframe
    warn_of_orientation(int(page.tags.valueof("Orientation", 1)), path)
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        return _inverted(pixels, axes, page, path)
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None and not inside_imagej:
        return show_palette(pixels, axes, np.asarray(page.colormap).T)
    if "S" in scene.axes and page.extrasamples:
        axis, samples = scene.axes.index("S"), scene.shape[scene.axes.index("S")]
        alphas = sum(extra in ALPHA for extra in page.extrasamples)
        # Transparency is the last sample wherever programs write it.
        if alphas and page.extrasamples[-alphas:] == page.extrasamples:
            return DisplayedImage(FirstChannels(pixels, axis, samples - alphas), axes)
    return DisplayedImage(pixels, axes)


def _inverted(pixels: Any, axes: str, page: Any, path: Path) -> DisplayedImage:
    dtype = np.dtype(pixels.dtype)
    if dtype.kind == "b":
        # A mask: tifffile, for one, calls it so by default and means what it stores.
        return DisplayedImage(pixels, axes)
    begin = f"{path} says that 0 is white (PhotometricInterpretation 0)"
    if dtype.kind != "u":
        warnings.warn(
            f"{begin}, but has values of {dtype}, which are read as stored: "
            "invert it by hand where bright objects should be bright",
            SparcellWarning,
            stacklevel=2,
        )
        return DisplayedImage(pixels, axes)
    warnings.warn(
        f"{begin}: its values are inverted, so that bright is large as in a viewer; "
        "a label image or mask is read as stored",
        SparcellWarning,
        stacklevel=2,
    )
    largest = 2 ** int(page.bitspersample) - 1
    return DisplayedImage(InvertedPixels(pixels, largest), axes, pixels)
