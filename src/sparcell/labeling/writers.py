"""Write the labels of a field plane by plane: as label images, or as points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sparcell.annotations.derive import find_points
from sparcell.core.image import Image, Plane
from sparcell.io import create_image
from sparcell.io.points import write_points


class PlanePixels(Protocol):
    """Pixels of one plane, (Y, X), read and written region by region."""

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[Any]: ...

    def __setitem__(self, region: tuple[slice, slice], block: NDArray[Any]) -> None: ...


class FieldWriter(ABC):
    """Takes labels and ignore mask of a field, one plane after the other.

    Attributes
    ----------
    accepted : bool
        Set to False before the end if the field is refused.
    """

    accepted = True

    @abstractmethod
    def open_plane(self, plane: Plane) -> tuple[PlanePixels, PlanePixels]:
        """Give labels (int32) and ignore mask (uint8) of a plane to write to; all 0 at first."""

    def close_plane(self, plane: Plane) -> None:  # noqa: B027
        """Take note that a plane is complete."""


@contextmanager
def write_labels(target: Path, name: str, stain: Image) -> Iterator[FieldWriter]:
    """Write ``labels/NAME.tif`` and ``ignore/NAME.tif``, of accepted and refused fields alike.

    Both files appear when the block ends without an error. Memory holds a few tiles.
    """
    with (
        _create(target / "labels" / f"{name}.tif", stain, np.int32) as labels,
        _create(target / "ignore" / f"{name}.tif", stain, np.uint8) as ignore,
    ):
        yield _LabelFiles(stain, labels, ignore)


@contextmanager
def write_nuclei_as_points(target: Path, name: str, stain: Image) -> Iterator[FieldWriter]:
    """Write ``points/NAME.csv``, a point in each object, and ``ignore/NAME.tif``.

    Nothing is written of a refused field: nobody would see that its points are wrong. Memory holds
    the labels of one plane.
    """
    with (
        suppress(_RefusedFieldError),
        _create(target / "ignore" / f"{name}.tif", stain, np.uint8) as ignore,
    ):
        writer = _PointTable(stain, ignore)
        yield writer
        if not writer.accepted:
            # An error in the block is what keeps the ignore mask from appearing.
            raise _RefusedFieldError
        write_points(target / "points" / f"{name}.csv", *writer.table())


class _RefusedFieldError(Exception):
    """A field whose files shall not appear."""


class _LabelFiles(FieldWriter):
    def __init__(self, stain: Image, labels: Any, ignore: Any) -> None:
        self.axes, self.labels, self.ignore = _stack_axes(stain), labels, ignore

    def open_plane(self, plane: Plane) -> tuple[PlanePixels, PlanePixels]:
        return _PlaneOfFile(self.labels, self.axes, plane), _PlaneOfFile(
            self.ignore, self.axes, plane
        )


class _PointTable(FieldWriter):
    def __init__(self, stain: Image, ignore: Any) -> None:
        self.shape, self.ignore = stain.shape, ignore
        self.axes = _stack_axes(stain)
        self.columns = [axis for axis in "TZ" if stain.size(axis) > 1]
        self.labels = np.zeros((0, 0), np.int32)
        self.found: list[tuple[Plane, NDArray[np.float32]]] = []

    def open_plane(self, plane: Plane) -> tuple[PlanePixels, PlanePixels]:
        self.labels = np.zeros(self.shape, np.int32)
        return self.labels, _PlaneOfFile(self.ignore, self.axes, plane)

    def close_plane(self, plane: Plane) -> None:
        self.found.append((plane, find_points(self.labels)))

    def table(self) -> tuple[NDArray[np.float32], dict[str, list[int]]]:
        """Points (n, 2) of all planes, and their ``t`` and ``z`` where there are several."""
        columns = {
            axis.lower(): [
                getattr(plane, axis.lower()) for plane, points in self.found for _ in points
            ]
            for axis in self.columns
        }
        return np.concatenate([points for _, points in self.found]), columns


class _PlaneOfFile:
    """One plane of a stack that is written region by region."""

    def __init__(self, pixels: Any, axes: str, plane: Plane) -> None:
        self.pixels = pixels
        self.at = tuple({"T": plane.t, "Z": plane.z}[axis] for axis in axes)

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[Any]:
        return np.asarray(self.pixels[(*self.at, *region)])

    def __setitem__(self, region: tuple[slice, slice], block: NDArray[Any]) -> None:
        self.pixels[(*self.at, *region)] = block


def _stack_axes(stain: Image) -> str:
    return "".join(axis for axis in stain.axes if axis in "TZ")


def _create(path: Path, stain: Image, dtype: DTypeLike) -> AbstractContextManager[Any]:
    axes = _stack_axes(stain) + "YX"
    shape = [stain.size(axis) for axis in axes]
    return create_image(path, axes, shape, dtype, stain.pixel_size, labels=True)
