"""One image, whose pixels are read on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.axes import check_axes, reorder
from sparcell.core.errors import InputError


class Plane(NamedTuple):
    """Position of one (C, Y, X) plane in an image: time point and depth, counted from 0."""

    t: int = 0
    z: int = 0


FIRST_PLANE = Plane()
LARGEST_ID = int(np.iinfo(np.int32).max)


@dataclass(frozen=True)
class Image:
    """A microscopy image whose pixels are read on demand.

    Attributes
    ----------
    data : array-like
        Anything with ``shape``, ``dtype`` and slicing: a NumPy array, a memory map, a Zarr array.
        Values as stored in the file.
    axes : str
        One letter of ``TCZYX`` per dimension of `data`, in its order.
    pixel_size : float or None
        Edge of a pixel in Y and X in um; None where the file does not say.
    channels : tuple of str
        Channel names; numbers as text where the file names none.
    source : str
        Path or description, for messages.
    selected : tuple of int, optional
        Channels that count, by number in the file; all where None. See `select_channels`.
    frames : int
        Time points that are read together. See `with_temporal_context`.
    label_values : Image, optional
        The numbers as stored, which a label image means, where `data` gives others: colours of a
        palette, an inverted grey scale.
    """

    data: Any
    axes: str
    pixel_size: float | None = None
    channels: tuple[str, ...] = ()
    source: str = "array"
    selected: tuple[int, ...] | None = None
    frames: int = 1
    label_values: Image | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", check_axes(self.axes, len(self.data.shape), self.source))
        if 0 in self.data.shape:
            raise InputError(
                f"an empty image {tuple(self.data.shape)} in {self.source}",
                "at least one pixel",
                "write the file again",
            )
        count = self.size("C") // self.frames
        if len(self.channels) != count:
            object.__setattr__(self, "channels", tuple(str(c) for c in range(count)))

    def size(self, letter: str) -> int:
        """Length of one axis as it is read; 1 where the image lacks it."""
        if letter == "C":
            channels = self._length("C") if self.selected is None else len(self.selected)
            return channels * self.frames
        return self._length(letter)

    def _length(self, letter: str) -> int:
        return int(self.data.shape[self.axes.index(letter)]) if letter in self.axes else 1

    def select_channels(self, channels: Sequence[int]) -> Image:
        """Return the image with these channels alone, in this order.

        Raises
        ------
        InputError
            If it lacks one of them.
        """
        if not channels:
            raise InputError(
                f"an empty list of channels for {self.source}", "one or more", "name some"
            )
        for channel in channels:
            if not 0 <= channel < len(self.channels):
                raise InputError(
                    f"channel {channel} of {self.source}",
                    f"0 to {len(self.channels) - 1} ({', '.join(self.channels)})",
                    "choose one of these",
                )
        # A second selection counts within the first.
        numbers = self.selected or tuple(range(len(self.channels)))
        names = tuple(self.channels[c] for c in channels)
        return replace(self, selected=tuple(numbers[c] for c in channels), channels=names)

    def with_temporal_context(self, count: int) -> Image:
        """Return the image with every time point read together with those before it.

        Reading time point t gives the frames t - count + 1 to t, the oldest first, as channels:
        (count * C, Y, X). Before the beginning of the movie the first frame is repeated.

        Raises
        ------
        InputError
            If the movie is shorter.
        """
        if self.size("T") < count:
            raise InputError(
                f"{self.size('T')} frames in {self.source}",
                f"a movie of {count} or more, for a model that reads {count} frames together",
                "give the whole movie as one file with a T axis, or use a model of single images",
            )
        return replace(self, frames=count)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.size("Y"), self.size("X")

    @property
    def tzyx(self) -> tuple[int, int, int, int]:
        """Number of time points and depths, height and width in pixels."""
        return self.size("T"), self.size("Z"), *self.shape

    def planes(self) -> Iterator[Plane]:
        """Every time point and depth, in order."""
        for t in range(self.size("T")):
            for z in range(self.size("Z")):
                yield Plane(t, z)

    def read(
        self,
        y: slice = slice(None),
        x: slice = slice(None),
        plane: Plane = FIRST_PLANE,
    ) -> NDArray[np.float32]:
        """Read one region of one plane.

        Parameters
        ----------
        y, x : slice
            Rows and columns in pixels, inside the image.
        plane : Plane
            Time point and depth.

        Returns
        -------
        (C, Y, X) float32
            Values in the units of the file; of several frames, see `with_temporal_context`.

        Raises
        ------
        InputError
            If the file is corrupt there, or holds values that are not numbers.
        """
        times = (max(plane.t - back, 0) for back in reversed(range(self.frames)))
        regions = [self._stored(y, x, plane._replace(t=t)) for t in times]
        stored = regions[0] if len(regions) == 1 else np.concatenate(regions)
        # What is too large for 32 bits becomes infinite, and is refused for that.
        with np.errstate(over="ignore"):
            region = np.array(stored, np.float32, order="C")
        # Whole numbers of 64 bits are finite as floats, too.
        if stored.dtype.kind not in "iub" and not np.isfinite(region).all():
            raise InputError(
                f"pixels that are NaN or infinite in {self.source}",
                "finite numbers",
                "write the image again without them",
            )
        return region

    def read_labels(
        self, y: slice = slice(None), x: slice = slice(None), plane: Plane = FIRST_PLANE
    ) -> NDArray[np.int32]:
        """Read one region of one plane of a label image as (Y, X) int32.

        Raises
        ------
        InputError
            If the image has several channels or does not hold whole numbers of 0 to 2^31 - 1;
            their type may be floating point.
        """
        if self.label_values is not None:
            return self.label_values.read_labels(y, x, plane)
        self._check_type()
        region = self._stored(y, x, plane)
        if region.dtype.kind == "f":
            whole = np.isfinite(region) & (region == np.rint(region))
            if not whole.all():
                raise InputError(
                    f"values such as {region[~whole][0]:g} in {self.source}",
                    "a label image or mask: whole numbers, 0 = background",
                    "threshold it, or save the label image instead of the probabilities",
                )
        if int(region.min()) < 0 or int(region.max()) > LARGEST_ID:
            raise InputError(
                f"values of {region.min()} to {region.max()} in {self.source}",
                "a label image: whole numbers of 0 to 2^31 - 1, 0 = background",
                "number the objects from 1",
            )
        ids: NDArray[np.int32] = region[0].astype(np.int32)
        return ids

    def check_label_image(self) -> None:
        """Check that it can be a label image or a mask.

        Only floating point is read: some programs save whole numbers so.

        Raises
        ------
        InputError
            If it has several channels, no whole numbers, or a compression that changes them.
        """
        if self.label_values is not None:
            self.label_values.check_label_image()
            return
        self._check_type()
        if np.dtype(self.data.dtype).kind == "f":
            for plane in self.planes():
                self.read_labels(plane=plane)

    def _check_type(self) -> None:
        if getattr(self.data, "lossy", False):
            raise InputError(
                f"the label image or mask {self.source} in JPEG, which changes numbers",
                "each pixel's number as it was drawn",
                "save it anew as TIFF or PNG from where it was made",
            )
        dtype = np.dtype(self.data.dtype)
        if self.size("C") != 1 or dtype.kind not in "iubf":
            raise InputError(
                f"{self.source} with {self.size('C')} channels of dtype {dtype}",
                "a label image or mask: one channel of whole numbers, 0 = background",
                "save it as a grey image of integers",
            )

    def _stored(self, y: slice, x: slice, plane: Plane) -> NDArray[Any]:
        """One region of one plane, (C, Y, X), dtype and values as stored."""
        where = {"T": plane.t, "Z": plane.z, "Y": y, "X": x, "C": slice(None)}
        index = tuple(where[letter] for letter in self.axes)
        axes = "".join(a for a in self.axes if a in "CYX")
        try:
            raw = np.asarray(self.data[index])
        except InputError:
            raise
        except Exception as error:
            # Codecs raise exceptions of any type on a damaged block.
            raise InputError(
                f"unreadable pixels in {self.source} ({error})", "a complete file", "copy it again"
            ) from error
        region = reorder(raw, axes, "CYX")
        return region if self.selected is None else region[list(self.selected)]

    def sample(
        self, plane: Plane = FIRST_PLANE, limit: int = 1_000_000, block: int = 256
    ) -> NDArray[np.float32]:
        """Pixels of one plane for statistics, bounded whatever the size of the image.

        Returns
        -------
        (C, N) float32
            Those of `sample_blocks`; N is at most about `limit`.
        """
        parts = [part.reshape(len(part), -1) for part in self.sample_blocks(plane, limit, block)]
        return np.concatenate(parts, axis=1)

    def sample_blocks(
        self, plane: Plane = FIRST_PLANE, limit: int = 1_000_000, block: int = 256
    ) -> list[NDArray[np.float32]]:
        """Regions of one plane for statistics, bounded whatever the size of the image.

        The whole plane where it has at most `limit` pixels; else square blocks of `block` px
        on a regular grid, so the same image gives the same sample. Frames that are read together
        share the statistics of the last, so what changes between them stays visible.

        Returns
        -------
        list of (C, Y, X) float32
            Their pixels are at most about `limit`.
        """
        if self.frames > 1:
            last = replace(self, frames=1).sample_blocks(plane, limit, block)
            return [np.tile(part, (self.frames, 1, 1)) for part in last]
        height, width = self.shape
        if height * width <= limit:
            return [self.read(plane=plane)]
        count = max(1, int(np.sqrt(limit)) // block)
        rows = np.linspace(0, max(height - block, 0), count).astype(int)
        columns = np.linspace(0, max(width - block, 0), count).astype(int)
        return [
            self.read(slice(r, r + block), slice(c, c + block), plane)
            for r in np.unique(rows)
            for c in np.unique(columns)
        ]
