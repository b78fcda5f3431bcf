"""Objects of a movie in all of its frames, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
FEW = 3
"""So few objects have no typical distance."""
SAME_SIZE = 0.02
"""Standard deviation of log areas below which all objects were drawn with one size."""


@dataclass(frozen=True)
class MovieObjects:
    """Objects of a movie, ordered by frame.

    Attributes
    ----------
    frames : (N,) int64
        Frame of each object, from 0, ascending.
    ids : (N,) int64
        Id in the label image of its frame, or row of its table.
    places : (N, 2) float64
        y and x of its centre, px.
    areas : (N,) float64
        In px; NaN for points.
    at_border : (N,) bool
        It touches the border of the image.
    count : int
        Number of frames.
    shape : (int, int)
        Height and width of the field, px.
    """

    frames: Integers
    ids: Integers
    places: Floats
    areas: Floats
    at_border: NDArray[np.bool_]
    count: int
    shape: tuple[float, float]

    @classmethod
    def of_table(cls, table: DataFrame, count: int, shape: tuple[float, float]) -> MovieObjects:
        """Take the columns t, id, y, x, and area_px and touches_border if there are such.

        Parameters
        ----------
        table : DataFrame
            Ordered by t.
        count : int
        shape : (int, int)
        """
        places = table[["y", "x"]].to_numpy(np.float64)
        has_area = "area_px" in table
        border = (
            table["touches_border"].to_numpy(np.bool_)
            if "touches_border" in table
            else np.zeros(len(table), np.bool_)
        )
        return cls(
            table["t"].to_numpy(np.int64),
            table["id"].to_numpy(np.int64),
            places,
            table["area_px"].to_numpy(np.float64) if has_area else np.full(len(table), np.nan),
            border,
            count,
            shape,
        )

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def bounds(self) -> Integers:
        """Where the objects of each frame begin, (count + 1,)."""
        return np.searchsorted(self.frames, np.arange(self.count + 1))

    def of_frame(self, frame: int) -> slice:
        """Return the objects of a frame."""
        return slice(int(self.bounds[frame]), int(self.bounds[frame + 1]))

    @cached_property
    def has_areas(self) -> bool:
        """Whether these are objects with an area, not points."""
        return bool(len(self)) and not bool(np.isnan(self.areas).any())

    @cached_property
    def has_sizes(self) -> bool:
        """Whether areas tell objects from each other: they are known, and not all the same."""
        return self.has_areas and float(np.std(np.log(self.areas))) > SAME_SIZE

    @cached_property
    def diameters(self) -> Floats:
        """Diameter of the circle of each object's area, px; of points half of their spacing."""
        if self.has_areas:
            return np.asarray(np.sqrt(4 * self.areas / np.pi))
        return np.full(len(self), self.spacing / 2)

    @cached_property
    def diameter(self) -> float:
        """Median diameter, px; 1 without objects."""
        return float(np.median(self.diameters)) if len(self) else 1.0

    @cached_property
    def whole_diameters(self) -> Floats:
        """Diameters, where objects that the border cuts count as large as a typical one, px."""
        cut = np.maximum(self.diameters, self.diameter)
        return np.where(self.at_border, cut, self.diameters)

    @cached_property
    def spacing(self) -> float:
        """Median distance from an object to its nearest neighbour in the same frame, px."""
        nearest = []
        for frame in range(self.count):
            places = self.places[self.of_frame(frame)]
            if len(places) >= FEW:
                nearest.append(KDTree(places).query(places, k=2)[0][:, 1])
        if not nearest:
            return float(max(self.shape)) / 4
        return float(np.median(np.concatenate(nearest)))

    @cached_property
    def depth(self) -> Floats:
        """How far inside each object is, (N,): 0 at the edge of the field, 1 one length inside.

        The field is the part that has objects at all.
        """
        if not len(self):
            return np.zeros(0)
        low, high = self.places.min(axis=0), self.places.max(axis=0)
        distance = np.minimum(self.places - low, high - self.places).min(axis=1)
        depth = np.clip(distance / max(self.diameter, self.spacing / 2), 0, 1)
        depth[self.at_border] = 0
        return np.asarray(depth)

    def moved(self, offsets: Floats) -> MovieObjects:
        """Return the objects with (N, 2) px added to their places."""
        return replace(self, places=self.places + offsets)
