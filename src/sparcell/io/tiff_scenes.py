"""Finds the images of a TIFF: series, positions of Micro-Manager, and previews beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import TiffFile

from sparcell.core.errors import InputError
from sparcell.io.micro_manager import ignore_other_files
from sparcell.io.scenes import unique_scene_names
from sparcell.io.tiff_tags import full_images

OME = "ome"
DESCRIBED = re.compile(r'<(?:\w+:)?BinaryOnly\b[^>]*\bMetadataFile="([^"]+)"')
"""In files of an OME-TIFF set: the file with the description of all."""
MICRO_MANAGER = "mmstack"
POSITION = "R"
"""Letter that tifffile gives to the axis of Micro-Manager's positions."""
PREVIEW_SHARE = 0.26
"""A preview has at most so many of an image's pixels: a half of its width and height."""


@dataclass(frozen=True)
class TiffScene:
    """One image of a TIFF.

    Attributes
    ----------
    series : tifffile.TiffPageSeries
    name : str
    main : bool
        An image in its own right, not perhaps a preview of another.
    position : int or None
        Number along the axis of positions, where the series has one.
    """

    series: Any
    name: str = ""
    main: bool = True
    position: int | None = None

    @property
    def axes(self) -> str:
        """Letters of tifffile, without that of positions."""
        letters = str(self.series.axes)
        return letters if self.position is None else letters.replace(POSITION, "")

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths along `axes`."""
        if self.position is None:
            return tuple(self.series.shape)
        at = self.series.axes.index(POSITION)
        return (*self.series.shape[:at], *self.series.shape[at + 1 :])

    @property
    def pages(self) -> list[Any]:
        """Pages of the image in order; None for one that is missing."""
        pages = list(self.series.pages)
        if self.position is None:
            return pages
        # Axes before Y and X count pages.
        before = self.series.shape[: len(self.series.shape) - len(self.series.keyframe.shape)]
        numbers = np.arange(len(pages)).reshape(before)
        at = self.series.axes.index(POSITION)
        return [pages[number] for number in numbers.take(self.position, at).ravel()]

    def begins_in(self, tif: Any) -> bool:
        """Whether the first page that is there lies in a file, one of a set."""
        return self.first_file == str(tif.filehandle.path)

    def lies_in(self, tif: Any) -> bool:
        """Whether any page lies in a file, one of a set."""
        path = tif.filehandle.path
        return any(page is not None and page.parent.filehandle.path == path for page in self.pages)

    @property
    def first_file(self) -> str | None:
        """Path of the file with the first page; None where no page is there."""
        first = next((page for page in self.pages if page is not None), None)
        return None if first is None else str(first.parent.filehandle.path)


@contextmanager
def open_tiff(path: Path) -> Iterator[TiffFile]:
    """Open a TIFF; one of a set that another file describes, with that description.

    Raises
    ------
    InputError
        If that file is not beside it.
    """
    with TiffFile(path) as tif:
        elsewhere = DESCRIBED.search(tif.ome_metadata or "") if tif.is_ome else None
        if elsewhere is None:
            ignore_other_files(tif)
            yield tif
            return
    # Only files of the same folder are opened, whatever the description says.
    description = path.parent / Path(elsewhere[1].replace("\\", "/")).name
    if not description.is_file():
        raise InputError(
            f"{path} of a set without the file that describes it, {description.name}",
            "the whole set",
            "copy that file beside it",
        )
    if description.suffix.lower() in (".ome", ".xml"):
        text: str | None = description.read_text("utf8")
    else:
        with TiffFile(description) as other:
            text = other.ome_metadata
    with TiffFile(path, omexml=text) as tif:
        yield tif


def find_tiff_scenes(tif: Any) -> list[TiffScene]:
    """Find the images that lie in a TIFF, without thumbnails, masks and photographs of a slide.

    The files of an OME-TIFF set name each other, and those of Micro-Manager lie in one folder, so
    tifffile gives the images of all. A file with none of them, such as one that only describes the
    others, stands for all.

    Parameters
    ----------
    tif : tifffile.TiffFile
    """
    series = full_images(list(tif.series))
    described = [scene for one in series for scene in _positions(one, tif)]
    described = [scene for scene in described if scene.lies_in(tif)] or described
    names = unique_scene_names([scene.name for scene in described])
    main = _main(described)
    return [
        TiffScene(scene.series, name, is_main, scene.position)
        for scene, name, is_main in zip(described, names, main, strict=True)
    ]


def _positions(series: Any, tif: Any) -> list[TiffScene]:
    if series.kind == MICRO_MANAGER:
        if POSITION not in series.axes:
            return [TiffScene(series, _position_names(tif, 1)[0])]
        count = series.shape[series.axes.index(POSITION)]
        names = _position_names(tif, count)
        return [TiffScene(series, name, position=n) for n, name in enumerate(names)]
    # Other names are tifffile's own, which mean nothing to a user.
    return [TiffScene(series, series.name if series.kind == OME else "")]


def _position_names(tif: Any, count: int) -> list[str]:
    """Labels of the stage positions as Micro-Manager 2 writes them, else its default names."""
    summary = (tif.micromanager_metadata or {}).get("Summary", {})
    labels = [str(one.get("Label", "")) for one in summary.get("StagePositions") or ()]
    return labels if len(labels) == count and all(labels) else [f"Pos{n}" for n in range(count)]


def _main(scenes: Sequence[TiffScene]) -> list[bool]:
    """Tell images from smaller ones that may be previews of the largest.

    OME's images are what they say. Of other series, a preview has at most `PREVIEW_SHARE` of the
    pixels, and a grey image is none of colours.
    """
    areas = [math.prod(scene.series.keyframe.shape[:2]) for scene in scenes]
    colours = [scene.series.keyframe.samplesperpixel >= 3 for scene in scenes]
    largest = int(np.argmax(areas))
    return [
        scene.series.kind == OME
        or area > PREVIEW_SHARE * areas[largest]
        or (colours[largest] and not colour)
        for scene, area, colour in zip(scenes, areas, colours, strict=True)
    ]
