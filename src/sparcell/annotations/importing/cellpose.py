"""Read results of Cellpose: ``_seg.npy`` and ``_cp_outlines.txt``.

A ``_seg.npy`` file is a pickle. It is read without its objects: only arrays of numbers are taken
from it, by functions of this module, and nothing that it names is imported or called.
"""

from __future__ import annotations

import io
import math
import pickle
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from sparcell.annotations.importing.shapes import Outline, Shapes, fill_ring
from sparcell.core.errors import InputError
from sparcell.core.image import Plane

SEGMENTED = "_seg.npy"
OUTLINES = "_cp_outlines.txt"
FARTHEST = 1 << 30
"""Coordinates from here on are none of an image, px."""
REMEDY = "save the masks as TIFF in Cellpose (File > Save masks), and use them as labels/NAME.tif"


class _Numbers:
    """The type of an array in the file; only numbers and lists of other values."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or code.strip("<>=|")[:1] not in "biufO":
            raise pickle.UnpicklingError(f"an array of type {code}")
        self.code = code.strip("<>=|")
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "="

    @property
    def is_object(self) -> bool:
        """Whether the elements are Python objects instead of numbers."""
        return self.code.startswith("O")


class _Array:
    """An array in the file; its content follows after its creation."""

    def __init__(self, *_: object) -> None:
        self.content: NDArray[Any] | list[Any] = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, numbers, columns_first, raw = state
        if isinstance(numbers, _Numbers) and numbers.is_object and isinstance(raw, list):
            self.content = raw
        else:
            self.content = _numbers(raw, numbers, shape, bool(columns_first))


def _numbers(raw: Any, numbers: Any, shape: Any, columns_first: bool = False) -> NDArray[Any]:
    if not isinstance(numbers, _Numbers) or numbers.is_object:
        raise pickle.UnpicklingError("an array of objects")
    dtype: np.dtype[Any] = np.dtype(numbers.order + numbers.code)
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise pickle.UnpicklingError("an array of another length")
    array: NDArray[Any] = np.frombuffer(raw, dtype)
    return array.reshape(shape, order="F" if columns_first else "C")


def _from_buffer(raw: Any, numbers: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.content = _numbers(raw, numbers, shape, order == "F")
    return array


def _single_number(numbers: Any, raw: Any = b"") -> Any:
    return _numbers(raw, numbers, ()).item()


NUMPY_MODULES = (
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
)
STAND_INS = {
    "ndarray": _Array,
    "dtype": _Numbers,
    "_reconstruct": _Array,
    "_frombuffer": _from_buffer,
    "scalar": _single_number,
}


class _Reader(pickle.Unpickler):
    """Reads plain values and arrays of numbers, and refuses everything else."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Return the stand-in for a part of an array; never the object that the file names."""
        if module in NUMPY_MODULES and name in STAND_INS:
            return STAND_INS[name]
        raise pickle.UnpicklingError(f"an object of {module}.{name}")

    def persistent_load(self, pid: Any, /) -> NoReturn:
        """Refuse objects outside the file."""
        raise pickle.UnpicklingError("an object of another file")


def read_segmented(path: Path) -> Shapes:
    """Take the masks from Cellpose's ``_seg.npy``; nothing in the file is executed.

    Returns
    -------
    Shapes
        An outline for each id of ``masks``, (Y, X) or (Z, Y, X) with 0 = background.

    Raises
    ------
    InputError
        If it is no such file, or holds other objects than numbers, text, lists and arrays.
    """
    try:
        stream = io.BytesIO(path.read_bytes())
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0
        header = read(stream) if version == (1, 0) else np.lib.format.read_array_header_2_0(stream)
        if header[2] != np.dtype(object):
            raise ValueError("an array alone")
        content = _Reader(stream).load().content[0]
        masks = content["masks"].content
        if not isinstance(masks, np.ndarray) or masks.ndim not in (2, 3) or masks.dtype.kind == "f":
            raise ValueError("masks that are no label image")
    except Exception as error:
        # A damaged pickle raises errors of any type.
        raise InputError(
            f"{path}, from which the masks of Cellpose cannot be taken ({error})",
            "a _seg.npy file of Cellpose with masks",
            REMEDY,
        ) from error
    height, width = masks.shape[-2:]
    shapes = Shapes(path, size=(int(height), int(width)), nothing=not masks.any())
    for z, labels in enumerate(masks if masks.ndim == 3 else masks[None]):
        _add_objects(shapes, labels.astype(np.int64), Plane(0, z))
    return shapes


def _add_objects(shapes: Shapes, labels: NDArray[np.int64], plane: Plane) -> None:
    from scipy.ndimage import find_objects

    ids = np.unique(labels[labels > 0])
    # Ids without gaps, so that there are as many boxes as objects.
    compact = np.where(labels > 0, np.searchsorted(ids, labels) + 1, 0)
    for number, (y, x) in enumerate(find_objects(compact), 1):
        mask = compact[y, x] == number
        shapes.outlines.append(Outline(mask, int(y.start), int(x.start), plane=plane))


def read_cellpose_outlines(path: Path) -> Shapes:
    """Read ``_cp_outlines.txt``: a line for each cell, x and y of the pixels along its edge.

    These pixels belong to the cell, and so does what they enclose.

    Raises
    ------
    InputError
        If a line has other things than pairs of numbers.
    """
    shapes = Shapes(path)
    for number, line in enumerate(path.read_text("utf8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            numbers = np.array(line.strip().strip(",").split(","), np.float64)
            # Larger ones are no integers any more.
            if not (np.abs(numbers) < FARTHEST).all():
                raise ValueError
            edge = np.rint(numbers).astype(int).reshape(-1, 2)[:, ::-1]
        except (ValueError, OverflowError) as error:
            raise InputError(
                f"line {number} of {path} without pairs of numbers", "x,y,x,y,...", REMEDY
            ) from error
        low, size = edge.min(0), np.ptp(edge, 0) + 1
        if size.max() > 1 << 14:
            raise InputError(
                f"a cell of {size[0]} x {size[1]} px in line {number} of {path}",
                "the edge of a cell, px",
                REMEDY,
            )
        mask = fill_ring((edge - low).astype(float), (size[0], size[1]))
        mask[tuple((edge - low).T)] = True
        shapes.outlines.append(Outline(mask, int(low[0]), int(low[1])))
    shapes.nothing = not shapes.outlines
    return shapes
