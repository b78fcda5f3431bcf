"""Run networks of other tools as if they were Sparcell's own.

Sparcell's networks take (1, C, Y, X) and give the maps that their method decodes. Those of other
tools have axes in any order, take certain sizes only, and give channels of other meanings. An
`ExternalLayout` describes this, and an `ExternalRuntime` converts inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sparcell.core.errors import InputError
from sparcell.models.runtime import Runtime
from sparcell.preprocessing.padding import pad_to
from sparcell.preprocessing.processing import Pixels, Steps

Maps = Mapping[str, Pixels]
"""Meaning of a channel to its values, (Y, X) float32 in 0..1."""


class ChannelMapping(NamedTuple):
    """Converts channels of certain meanings to the maps of a method.

    Attributes
    ----------
    meanings : tuple of str
        What must be there.
    method : str
    maps : callable
        ``maps(channels by meaning) -> the method's maps``.
    """

    meanings: tuple[str, ...]
    method: str
    maps: Callable[[Maps], Sequence[Pixels]]


def _as_they_are(*names: str) -> Callable[[Maps], Sequence[Pixels]]:
    return lambda maps: [maps[name] for name in names]


def _whole_and_boundary(maps: Maps) -> Sequence[Pixels]:
    """Foreground that includes the boundary, and a boundary that may reach beyond it."""
    whole, boundary = maps["foreground"], maps["boundary"]
    return [1 - whole, whole * (1 - boundary), whole * boundary]


def _inside_and_boundary(maps: Maps) -> Sequence[Pixels]:
    inside, boundary = maps["interior"], maps["boundary"]
    return [np.clip(1 - inside - boundary, 0, 1), inside, boundary]


MAPPINGS = (
    ChannelMapping(("inner", "outer"), "watershed", _as_they_are("inner", "outer")),
    ChannelMapping(("foreground", "distance"), "distance", _as_they_are("foreground", "distance")),
    # Three classes exclude each other, so this foreground has no boundary in it.
    ChannelMapping(
        ("background", "foreground", "boundary"),
        "pixelwise",
        _as_they_are("background", "foreground", "boundary"),
    ),
    ChannelMapping(
        ("background", "interior", "boundary"),
        "pixelwise",
        _as_they_are("background", "interior", "boundary"),
    ),
    ChannelMapping(("foreground", "boundary"), "pixelwise", _whole_and_boundary),
    ChannelMapping(("interior", "boundary"), "pixelwise", _inside_and_boundary),
    ChannelMapping(("foreground",), "semantic", _as_they_are("foreground")),
)
"""Supported sets of channels, in order of preference."""
UNUSED = "-"
MEANINGS = ("foreground", "background", "interior", "boundary", "distance", "inner", "outer")
# Background may be a further channel of any of them.
SUPPORTED = "; ".join(
    " and ".join(mapping.meanings) for mapping in MAPPINGS if "background" not in mapping.meanings
)
OTHER_NAMES = {
    "foreground": ("fg", "nuclei", "nucleus", "cell", "cells", "mask", "object", "objects"),
    "background": ("bg",),
    "boundary": ("boundaries", "border", "borders", "contour", "contours", "edge", "edges"),
    "interior": ("inside",),
}


def meaning_of(name: str) -> str:
    """Meaning of a channel by its name; `UNUSED` where the name is not known."""
    for meaning in MEANINGS:
        if name.lower() in (meaning, *OTHER_NAMES.get(meaning, ())):
            return meaning
    return UNUSED


def find_mapping(meanings: Sequence[str]) -> ChannelMapping | None:
    """Choose the mapping for channels of these meanings; None where none fits."""
    return next((one for one in MAPPINGS if set(one.meanings) <= set(meanings)), None)


class OutputLayout(BaseModel):
    """One output of the graph and what follows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    axes: str = Field(description="letters, the batch first; empty if it is not used")
    steps: Steps = Steps()


class ExternalLayout(BaseModel):
    """Axes, sizes and channels of another tool's network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    axes: str = Field(description="of the input, the batch first, such as bcyx or byxc")
    smallest: tuple[int, int] = Field(description="height and width that it takes at least, px")
    step: tuple[int, int] = Field(description="by which these may grow, px; 0: only that size")
    outputs: tuple[OutputLayout, ...]
    meanings: tuple[str, ...] = Field(description="of all channels of all outputs, in order")

    @property
    def largest(self) -> int | None:
        """Largest edge of a window, px; None where there is no limit."""
        fixed = [s for s, step in zip(self.smallest, self.step, strict=True) if step == 0]
        return min(fixed, default=None)

    @property
    def mapping(self) -> ChannelMapping:
        """Conversion of the channels to the maps of a method.

        Raises
        ------
        InputError
            If they cannot.
        """
        mapping = find_mapping(self.meanings)
        if mapping is None:
            raise InputError(
                f"output channels {', '.join(self.meanings)}",
                SUPPORTED,
                "use another model",
            )
        return mapping

    def read(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Turn outputs without batch axis into the maps of the method, (K, Y, X) in 0..1."""
        parts = []
        for found, output in zip(outputs, self.outputs, strict=True):
            if output.axes:
                pixels = to_cyx(found, output.axes[1:])
                parts.append(output.steps.fit(pixels)(pixels))
        return self.maps(np.concatenate(parts))

    def maps(self, channels: Pixels) -> NDArray[np.float32]:
        """Turn channels (C, Y, X) that show `meanings` into the maps of the method."""
        named = {m: channels[at] for at, m in enumerate(self.meanings) if m != UNUSED}
        maps = np.stack(self.mapping.maps(named)).astype(np.float32, copy=False)
        return np.clip(maps, 0, 1)

    def window(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Smallest height and width that the network takes for a window of `shape`."""
        edges = []
        for edge, smallest, step in zip(shape, self.smallest, self.step, strict=True):
            if edge > smallest and step == 0:
                raise ValueError(f"a window of {edge} px for a network of {smallest} px")
            steps = -(-max(edge - smallest, 0) // step) if step else 0
            edges.append(smallest + steps * step)
        return edges[0], edges[1]


class ExternalRuntime:
    """A runtime that runs another tool's network with Sparcell's axes and maps."""

    def __init__(self, runtime: Runtime, layout: ExternalLayout) -> None:
        self.name, self._runtime, self._layout = runtime.name, runtime, layout

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on one window, (C, Y, X), grown by reflection to a size it takes."""
        height, width = image.shape[1:]
        padded = pad_to(image, self._layout.window((height, width)))
        outputs = self._runtime(from_cyx(padded, self._layout.axes[1:]))
        return [self._layout.read(outputs)[:, :height, :width]]


def to_cyx(array: NDArray[np.float32], axes: str) -> NDArray[np.float32]:
    """Bring an array with named axes to (C, Y, X); those beside must have length 1."""
    used = [at for at, letter in enumerate(axes) if letter in "cyx"]
    array = array.reshape([array.shape[at] for at in used])
    letters = "".join(axes[at] for at in used)
    if "c" not in letters:
        array, letters = array[None], "c" + letters
    return np.ascontiguousarray(array.transpose([letters.index(a) for a in "cyx"]))


def from_cyx(array: NDArray[np.float32], axes: str) -> NDArray[np.float32]:
    """Bring (C, Y, X) to the named axes; those beside get length 1."""
    letters = [letter for letter in axes if letter in "cyx"]
    if "c" not in letters:
        array = array[0]
    present = [letter for letter in "cyx" if letter in letters]
    array = array.transpose([present.index(letter) for letter in letters])
    sizes = dict(zip(letters, array.shape, strict=True))
    return np.ascontiguousarray(array.reshape([sizes.get(letter, 1) for letter in axes]))
