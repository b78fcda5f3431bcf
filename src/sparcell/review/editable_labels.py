"""A label image that changes, and where each of its objects is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from sparcell.core.errors import InputError
from sparcell.core.labels import Labels
from sparcell.review.patches import Box, Patch, apply_patch, box_of
from sparcell.review.shapes import Mask, join_boxes


@dataclass
class EditableLabels:
    """A label image that changes, and the window of each of its objects.

    Ids stay the same while it is edited, and a new object gets an id that none had before. So they
    are not 1..n, but every object is one connected piece.

    Attributes
    ----------
    labels : (Y, X) int32
        Changed in place.
    boxes : dict of int to Box
        Smallest window of each object.
    last : int
        Largest id that there has been.
    """

    labels: Labels
    boxes: dict[int, Box] = field(init=False)
    last: int = field(init=False)

    def __post_init__(self) -> None:
        self.labels = np.array(self.labels, np.int32, order="C")
        found = ndimage.find_objects(self.labels)
        self.boxes = {n: box for n, box in enumerate(found, 1) if box is not None}
        self.last = int(self.labels.max(initial=0))

    def box(self, number: int) -> Box:
        """Window of an object.

        Raises
        ------
        InputError
            If there is none with this id.
        """
        if number not in self.boxes:
            raise InputError(f"object {number}", "an object of the image", "select one")
        return self.boxes[number]

    def pixels(self, number: int, box: Box) -> Mask:
        """Pixels of an object in a window."""
        return np.asarray(self.labels[box] == number)

    def object_at(self, y: float, x: float) -> int:
        """Id at a place; 0 for the background.

        Raises
        ------
        InputError
            If the place is outside the image.
        """
        row, column = round(y), round(x)
        height, width = self.labels.shape
        if not (0 <= row < height and 0 <= column < width):
            raise InputError(
                f"y {y:g}, x {x:g}", f"a place in {height} x {width} px", "click in the image"
            )
        return int(self.labels[row, column])

    def apply(self, patch: Patch, backwards: bool = False) -> set[int]:
        """Apply a patch, and return the ids that it concerns."""
        if not len(patch):
            return set()
        apply_patch(self.labels, patch, backwards)
        changed = box_of(patch, self.labels.shape[1])
        concerned = {int(one) for one in np.unique(patch[:, 2:]) if one}
        for number in concerned:
            known = [self.boxes[number]] if number in self.boxes else []
            box = join_boxes([*known, changed])
            rows, columns = np.nonzero(self.labels[box] == number)
            if not len(rows):
                self.boxes.pop(number, None)
                continue
            top, left = box[0].start, box[1].start
            self.boxes[number] = (
                slice(top + int(rows.min()), top + int(rows.max()) + 1),
                slice(left + int(columns.min()), left + int(columns.max()) + 1),
            )
        self.last = max(self.last, *concerned)
        return concerned
