"""Edits of single objects in a label image, each of which keeps every object in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from sparcell.core.errors import InputError
from sparcell.core.labels import Labels, number_pieces
from sparcell.core.text import counted
from sparcell.review.editable_labels import EditableLabels
from sparcell.review.patches import Box, Patch, make_patch
from sparcell.review.shapes import (
    Mask,
    Places,
    box_around,
    draw_line,
    fill_polygon,
    join_boxes,
    stroke,
    widen,
)

SMALLEST = 9
"""Pieces of fewer pixels that an edit cuts off are dropped."""
GAP = 2
"""Most pixels between objects that are merged; the merge fills them."""
CROSS = ndimage.generate_binary_structure(2, 1)
SQUARE = ndimage.generate_binary_structure(2, 2)


class Change(NamedTuple):
    """Changes that an edit makes to the labels.

    Attributes
    ----------
    patch : (N, 4) int64
        See `sparcell.review.patches`.
    ids : tuple of int
        Objects that the edit leaves behind as a person wants them.
    notes : tuple of str
        What the edit did beside what was asked for.
    """

    patch: Patch
    ids: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def delete(state: EditableLabels, ids: Sequence[int]) -> Change:
    """Remove objects."""
    box = join_boxes([state.box(number) for number in ids])
    window = state.labels[box].copy()
    window[np.isin(window, ids)] = 0
    return Change(make_patch(state.labels, box, window))


def merge(state: EditableLabels, ids: Sequence[int]) -> Change:
    """Make one object of several that touch or are at most `GAP` px apart; the first id stays.

    Raises
    ------
    InputError
        If they are further apart.
    """
    chosen = sorted(set(ids), key=list(ids).index)
    if len(chosen) < 2:
        raise InputError("one object to merge", "two or more", "click another object")
    box = widen(join_boxes([state.box(n) for n in chosen]), GAP, state.labels.shape)
    window = state.labels[box].copy()
    union = np.isin(window, chosen)
    if number_pieces(union).max() > 1:
        # Background that is near to two of them: half of the gap from either side.
        near = np.zeros(window.shape, np.int32)
        for number in chosen:
            near += ndimage.binary_dilation(window == number, SQUARE, iterations=GAP)
        union |= (near > 1) & (window == 0)
    pieces = number_pieces(union)
    if pieces.max() > 1:
        raise InputError(
            f"objects {' and '.join(map(str, chosen))}, which do not touch",
            f"objects with at most {GAP} px between them",
            "paint the gap with the brush first, or redraw one of them",
        )
    window[union] = chosen[0]
    return Change(make_patch(state.labels, box, window), (chosen[0],))


def split(state: EditableLabels, number: int, places: Places) -> Change:
    """Split an object along a line, or between two places in it.

    A line that begins or ends inside the object is no cut; two places inside it are the middles of
    two cells, between which a watershed of the distance to the outline finds the border.

    Raises
    ------
    InputError
        If that makes no two objects.
    """
    box = state.box(number)
    inside = state.pixels(number, box)
    if len(places) == 2 and all(_meets(state, number, place) for place in places):
        parts = _flood_from(inside, box, places)
    else:
        parts = _cut(inside, draw_line(places, box))
    count = int(parts.max())
    if count < 2:
        raise InputError(
            f"no two parts of object {number}",
            "a line from outside to outside through it, or a click on each of two cells",
            "draw the line further",
        )
    window = state.labels[box].copy()
    sizes = np.bincount(parts.ravel())[1:]
    ids = np.zeros(count + 1, np.int32)
    order = np.argsort(-sizes, kind="stable") + 1
    ids[order] = [number, *range(state.last + 1, state.last + count)]
    window[inside] = ids[parts[inside]]
    return _settle(state, box, window, [int(one) for one in ids[order]])


def _meets(state: EditableLabels, number: int, place: tuple[float, float]) -> bool:
    """Whether a place, which may be outside the image, is on an object."""
    row, column = round(place[0]), round(place[1])
    height, width = state.labels.shape
    inside = 0 <= row < height and 0 <= column < width
    return inside and bool(state.labels[row, column] == number)


def _flood_from(inside: Mask, box: Box, places: Places) -> Labels:
    from skimage.segmentation import watershed

    seeds = np.zeros(inside.shape, np.int32)
    for n, (y, x) in enumerate(places, 1):
        seeds[round(y) - box[0].start, round(x) - box[1].start] = n
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    return np.asarray(watershed(-depth, seeds, connectivity=SQUARE, mask=inside), np.int32)


def _cut(inside: Mask, line: Mask) -> Labels:
    """Parts of an object on the sides of a line, whose pixels go to the parts around them."""
    from skimage.segmentation import watershed

    # A diagonal line of single pixels would not part what touches at corners.
    pieces = number_pieces(inside & ~ndimage.binary_dilation(line, CROSS))
    sizes = np.bincount(pieces.ravel())
    small = sizes < SMALLEST
    small[0] = False
    pieces[small[pieces]] = 0
    seeds = np.unique(pieces, return_inverse=True)[1].reshape(pieces.shape).astype(np.int32)
    if not seeds.any():
        return seeds
    flat = np.zeros(inside.shape)
    return np.asarray(watershed(flat, seeds, connectivity=SQUARE, mask=inside), np.int32)


def redraw(state: EditableLabels, number: int, polygon: Places) -> Change:
    """Give an object another outline, or add one (`number` 0); other objects keep their pixels.

    Raises
    ------
    InputError
        If nothing is left of it.
    """
    _check_places(polygon, 3, "an outline")
    box = box_around(polygon, 1, state.labels.shape)
    if number:
        box = join_boxes([box, state.box(number)])
    window = state.labels[box].copy()
    window[window == number] = 0
    new = number or state.last + 1
    window[fill_polygon(polygon, box) & (window == 0)] = new
    return _settle_drawn(state, box, window, new)


def paint(state: EditableLabels, number: int, places: Places, radius: float) -> Change:
    """Add the background along a stroke to an object, or to a new one (`number` 0)."""
    _check_places(places, 1, "a stroke")
    box = box_around(places, radius + 1, state.labels.shape)
    if number:
        box = join_boxes([box, state.box(number)])
    window = state.labels[box].copy()
    new = number or state.last + 1
    window[stroke(places, radius, box) & (window == 0)] = new
    return _settle_drawn(state, box, window, new)


def erase(state: EditableLabels, number: int, places: Places, radius: float) -> Change:
    """Remove pixels along a stroke from an object, or from all (`number` 0)."""
    _check_places(places, 1, "a stroke")
    box = box_around(places, radius + 1, state.labels.shape)
    touched = stroke(places, radius, box) & (state.labels[box] > 0)
    if number:
        touched &= state.labels[box] == number
    ids = [int(one) for one in np.unique(state.labels[box][touched])]
    if not ids:
        raise InputError("a stroke that meets no object", "pixels of an object", "draw over it")
    around = join_boxes([box, *(state.box(one) for one in ids)])
    window = state.labels[around].copy()
    at = tuple(
        slice(part.start - whole.start, part.stop - whole.start)
        for part, whole in zip(box, around, strict=True)
    )
    window[at][touched] = 0
    return _settle(state, around, window, ids)


def resize(state: EditableLabels, number: int, pixels: int) -> Change:
    """Grow an object into the background by some pixels, or shrink it (negative)."""
    box = widen(state.box(number), max(pixels, 0), state.labels.shape)
    window = state.labels[box].copy()
    inside = window == number
    if pixels > 0:
        window[ndimage.binary_dilation(inside, CROSS, pixels) & (window == 0)] = number
    else:
        shrunk = _shrink(inside, -pixels, box, state.labels.shape)
        if not shrunk.any():
            raise InputError(
                f"object {number}, which would vanish", "a larger object", "delete it instead"
            )
        window[inside & ~shrunk] = 0
    return _settle(state, box, window, [number])


def _shrink(inside: Mask, pixels: int, box: Box, shape: tuple[int, ...]) -> Mask:
    """Erode an object, but not from the edge of the image, beyond which a cut cell goes on."""
    sides = [
        (pixels if part.start == 0 else 0, pixels if part.stop == size else 0)
        for part, size in zip(box, shape, strict=True)
    ]
    wide = np.pad(np.pad(inside, sides, mode="edge"), pixels)
    shrunk = ndimage.binary_erosion(wide, CROSS, pixels)
    (top, _), (left, _) = sides
    height, width = inside.shape
    top, left = top + pixels, left + pixels
    return np.asarray(shrunk[top : top + height, left : left + width])


def add(state: EditableLabels, rows: slice, columns: slice, mask: Mask) -> Change:
    """Add an object where a mask of a window covers background."""
    box = (rows, columns)
    window = state.labels[box].copy()
    new = state.last + 1
    window[mask & (window == 0)] = new
    return _settle_drawn(state, box, window, new)


def _check_places(places: Places, least: int, what: str) -> None:
    if len(places) < least:
        raise InputError(
            f"{what} of {counted(len(places), 'place')}", f"{least} or more", "draw it again"
        )


def _settle_drawn(state: EditableLabels, box: Box, window: Labels, number: int) -> Change:
    if not (window == number).any():
        raise InputError(
            "an outline on other objects alone", "some background inside it", "draw it elsewhere"
        )
    return _settle(state, box, window, [number])


def _settle(state: EditableLabels, box: Box, window: Labels, ids: Sequence[int]) -> Change:
    """Number pieces that an edit has cut off as objects of their own, or drop small ones.

    `window` holds the whole of each object in `ids`.
    """
    last = max(state.last, int(window.max(initial=0)))
    left, notes = [], []
    for number in ids:
        pieces = number_pieces(window == number)
        sizes = np.bincount(pieces.ravel())[1:]
        if not len(sizes):
            notes.append(f"nothing is left of object {number}")
            continue
        left.append(number)
        for piece in np.argsort(-sizes, kind="stable")[1:] + 1:
            if sizes[piece - 1] < SMALLEST:
                window[pieces == piece] = 0
                notes.append(f"a piece of {sizes[piece - 1]} px was dropped")
            else:
                last += 1
                window[pieces == piece] = last
                left.append(last)
                notes.append(f"a piece that was cut off is now object {last}")
    return Change(make_patch(state.labels, box, window), tuple(left), tuple(notes))
