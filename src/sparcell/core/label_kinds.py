"""Tells label images of objects from masks, N-colour images and classes of pixels."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.core.labels import connected_labels, number_pieces

logger = logging.getLogger(__name__)

FEW = 8
"""More ids are no mask and no colours."""
PIECES = 3
"""So many pieces for each of several ids are those of different objects."""
STRIP_PIXELS = 1 << 20
LARGEST = 1 << 28


class _Content(NamedTuple):
    """Ids of a label image, whether it has background, and the number of its pieces."""

    ids: NDArray[np.int32]
    background: bool
    pieces: int = 0
    largest: float = 0.0


@dataclass(frozen=True)
class PieceLabels(Image):
    """A label image of which each 8-connected piece of an id is an object."""

    known: dict[Plane, NDArray[np.int32]] = field(default_factory=dict, compare=False)

    def read_labels(
        self, y: slice = slice(None), x: slice = slice(None), plane: Plane = FIRST_PLANE
    ) -> NDArray[np.int32]:
        """Read one region of one plane, as `Image.read_labels`, with an id for each piece."""
        if plane not in self.known:
            # Rows are read in order: one plane is enough to keep.
            self.known.clear()
            self.known[plane] = connected_labels(super().read_labels(plane=plane))
        return self.known[plane][y, x]


def separate_objects(image: Image) -> Image:
    """Return a label image in which each object has an id of its own; warn if it had none.

    A mask has one number for all objects, an N-colour image a few of which neighbours differ.
    There each piece becomes an object. An image of more than `FEW` ids is returned as it is, after
    its first rows were read.

    Raises
    ------
    InputError
        If there is no background and a few numbers, as in classes of pixels, or the image holds
        no whole numbers of 0 or more.
    """
    content = _summarise(image)
    if not content.background:
        _refuse_without_background(content, image)
    count = len(content.ids)
    if not 0 < count <= FEW or content.pieces < (2 if count == 1 else PIECES * count):
        if 0 < count < content.pieces:
            logger.warning(
                f"{image.source} has {content.pieces} pieces of {count} numbers; each number "
                "counts as an object"
            )
        return image
    what = (
        f"a mask: all its pixels are 0 or {content.ids[0]}"
        if count == 1
        else f"no image of objects: it has {content.pieces} pieces of {count} numbers"
    )
    logger.warning(f"{image.source} is {what}; each of its pieces is counted as an object")
    return PieceLabels(**{f.name: getattr(image, f.name) for f in fields(Image)})


def check_background(image: Image) -> None:
    """Check that a label image does not hold classes of pixels, 1 and 2, without background.

    Rows are read until there is background, which are few in a label image.

    Raises
    ------
    InputError
        As `separate_objects`.
    """
    height, width = image.shape
    rows = max(1, STRIP_PIXELS // width)
    for plane in image.planes():
        for top in range(0, height, rows):
            if image.read_labels(slice(top, min(top + rows, height)), plane=plane).min() == 0:
                return
    _refuse_without_background(_summarise(image), image)


def _summarise(image: Image) -> _Content:
    height, width = image.shape
    rows = max(1, STRIP_PIXELS // width)
    ids, background, pieces, largest = np.zeros(0, np.int32), False, 0, 0
    for plane in image.planes():
        for top in range(0, height, rows):
            found = np.unique(image.read_labels(slice(top, min(top + rows, height)), plane=plane))
            background |= bool(found[0] == 0)
            ids = np.union1d(ids, found[found > 0]).astype(np.int32)
            if background and len(ids) > FEW:
                return _Content(ids, background)
        if len(ids) <= FEW and height * width <= LARGEST:
            labels = image.read_labels(plane=plane)
            pieces = max(pieces, int(number_pieces(labels).max(initial=0)))
            largest = max(largest, int(_sizes(labels, ids).max(initial=0)))
    return _Content(ids, background, pieces, largest / (height * width))


def _sizes(labels: NDArray[np.int32], ids: NDArray[np.int32]) -> NDArray[np.int64]:
    """Pixels of each id, (N,)."""
    # Position of each pixel's id in the sorted ids, from 1; 0 for background, which is below all.
    number = np.searchsorted(ids, labels.ravel(), side="right")
    return np.bincount(number, minlength=len(ids) + 1)[1:]


def _refuse_without_background(content: _Content, image: Image) -> None:
    """Raise or warn for an image without background."""
    count = len(content.ids)
    if not _is_ours(image) and count <= FEW and (content.pieces > count or content.largest > 0.5):
        raise InputError(
            f"{image.source} without background: its values are "
            f"{', '.join(map(str, content.ids.tolist()))} and never 0, as in classes of pixels",
            "a label image: 0 = background, and a number for each object",
            "set the class of the background to 0 (ilastik numbers classes from 1)",
        )
    logger.warning(
        f"{image.source} has no background: no pixel is 0; check that it is a label image"
    )


def _is_ours(image: Image) -> bool:
    """Tell whether Sparcell wrote a label image: a record lies beside its folder."""
    return (Path(image.source).parent.parent / "record.json").exists()
