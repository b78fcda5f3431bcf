"""Channels and depths of an image file that form one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.max_projection import project


def _as_list(value: Any) -> Any:
    """One channel may stand alone."""
    return (value,) if isinstance(value, str | int) else value


def _read_old_name(value: Any) -> Any:
    """Files of versions before 0.2 call the maximum along Z "brightest"."""
    return "max" if value == "brightest" else value


Channels = Annotated[
    tuple[Annotated[int, Field(ge=0, strict=True)] | Annotated[str, Field(strict=True)], ...],
    BeforeValidator(_as_list),
    Field(min_length=1),
]
Depths = Annotated[
    tuple[Annotated[int, Field(ge=0, strict=True)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, int) else value),
    Field(min_length=1),
]


class ChannelSelection(BaseModel):
    """Channels and depths of an image file that form one image.

    One file may hold label-free planes and stains of a field. Two channel selections make two
    images of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: Channels | None = Field(
        None, description="names, or numbers from 0, in the order wanted; all if not given"
    )
    depths: Annotated[
        Literal["channels", "max"] | Depths | None, BeforeValidator(_read_old_name)
    ] = Field(
        None,
        description="channels: every depth becomes a channel; numbers from 0: these do; "
        "max: the maximum-intensity projection along Z; each depth is an image of its own if "
        "not given",
    )

    def of(self, image: Image) -> Image:
        """Select this part of an image; its pixels are read on demand.

        Raises
        ------
        InputError
            If the image lacks a channel or depth, or several channels have the name.
        """
        if self.channels is not None:
            image = image.select_channels([_number(channel, image) for channel in self.channels])
        if self.depths is None:
            return image
        if self.depths == "max":
            return project(image)
        count = image.size("Z")
        depths = range(count) if self.depths == "channels" else self.depths
        if beyond := [depth for depth in depths if depth >= count]:
            raise InputError(
                f"depth {beyond[0]} of {image.source}",
                f"0 to {count - 1}",
                "choose one of these",
            )
        return stack(image, depths)

    def __str__(self) -> str:
        parts = []
        if self.channels is not None:
            plural = "s" if len(self.channels) > 1 else ""
            parts.append(f"channel{plural} " + ", ".join(map(str, self.channels)))
        if isinstance(self.depths, tuple):
            parts.append("depths " + ", ".join(map(str, self.depths)) + " as channels")
        elif self.depths:
            parts.append("maximum along Z" if self.depths == "max" else "depths as channels")
        return "; ".join(parts) or "everything"


WHOLE = ChannelSelection()


def stack(image: Image, depths: Sequence[int]) -> Image:
    """Give a view of an image whose depths are channels: all channels of a depth, then the next.

    Parameters
    ----------
    image : Image
    depths : sequence of int
        Those that are wanted, in this order.

    Returns
    -------
    Image
        ``CYX`` or ``TCYX``, float32; `image` itself where it has no Z.
    """
    if "Z" not in image.axes:
        return image
    names = tuple(_name(name, z, image) for z in depths for name in image.channels)
    axes = "TCYX" if "T" in image.axes else "CYX"
    single = replace(image, frames=1)
    view = Image(
        _StackedSelections(single, tuple(depths)), axes, image.pixel_size, names, image.source
    )
    return replace(view, frames=image.frames)


def _name(channel: str, depth: int, image: Image) -> str:
    return f"z{depth}" if len(image.channels) == 1 else f"{channel} z{depth}"


def _number(channel: int | str, image: Image) -> int:
    if isinstance(channel, int):
        return channel
    found = [number for number, name in enumerate(image.channels) if name == channel]
    if len(found) != 1:
        what = "no" if not found else f"{len(found)} times the"
        raise InputError(
            f"{what} channel '{channel}' in {image.source}",
            f"one of {', '.join(image.channels)}",
            "name one of these, or give its number, counted from 0",
        )
    return found[0]


class _StackedSelections:
    """Pixels of depths side by side; regions are float32, `dtype` is that of the file."""

    def __init__(self, image: Image, depths: tuple[int, ...]) -> None:
        self.image, self.depths = image, depths
        self.dtype: np.dtype[Any] = image.data.dtype
        times = (image.size("T"),) if "T" in image.axes else ()
        self.shape = (*times, image.size("C") * len(depths), *image.shape)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.float32]:
        *times, channels, y, x = index
        t = times[0] if times else 0
        planes = [self.image.read(y, x, Plane(t, z)) for z in self.depths]
        selected: NDArray[np.float32] = np.concatenate(planes)[channels]
        return selected
