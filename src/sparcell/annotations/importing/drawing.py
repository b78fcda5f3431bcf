"""Draw outlines, which may overlap, into one label image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sparcell.annotations.importing.shapes import Outline
from sparcell.core.labels import Labels, connected_labels, largest_pieces


class Drawing(NamedTuple):
    """Outlines as labels.

    Attributes
    ----------
    labels : (Y, X) int32
        Under the label contract.
    names : list of str
        Class of objects 1..n.
    disputed : int
        Pixels inside several outlines.
    hidden : int
        Objects of which nothing was left, under smaller ones or beyond the edge.
    pieces : int
        Further objects that came of outlines in several pieces.
    """

    labels: Labels
    names: list[str]
    disputed: int
    hidden: int
    pieces: int


def draw(outlines: Sequence[Outline], shape: tuple[int, int]) -> Drawing:
    """Draw outlines; a pixel inside several of them belongs to the smallest.

    So a small object on a large one stays whole. Of an object that others cut into pieces the
    largest remains. An outline that was drawn in pieces becomes as many objects.

    Parameters
    ----------
    outlines : sequence of Outline
        In one plane.
    shape : (int, int)
        Height and width of the image, px.
    """
    objects = []
    for outline in outlines:
        pieces = connected_labels(outline.mask)
        objects += [(outline, pieces == number + 1) for number in range(int(pieces.max()))]
    owner = np.zeros(shape, np.int32)
    times_covered = np.zeros(shape, np.int32)
    sizes = [int(inside.sum()) for _, inside in objects]
    # Smaller objects are drawn later, over larger ones.
    for number in np.argsort(sizes, kind="stable")[::-1]:
        outline, inside = objects[number]
        # What lies beyond the image may be most of an outline.
        top, left = max(-outline.top, 0), max(-outline.left, 0)
        bottom, right = max(shape[0] - outline.top, 0), max(shape[1] - outline.left, 0)
        rows, columns = np.nonzero(inside[top:bottom, left:right])
        at = rows + max(outline.top, 0), columns + max(outline.left, 0)
        owner[at] = number + 1
        times_covered[at] += 1
    labels, ids = largest_pieces(owner)
    return Drawing(
        labels,
        [objects[number - 1][0].name for number in ids],
        disputed=int((times_covered > 1).sum()),
        hidden=len(objects) - len(ids),
        pieces=len(objects) - len(outlines),
    )
