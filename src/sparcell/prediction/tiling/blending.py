"""Blend the maps of windows into one image without seams.

Where a network predicts intensities, even a small step at the border of two tiles is visible: the
context of a tile ends there. So neighbouring windows are cross-faded over some pixels on both sides
of the border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparcell.core.image import Image, Plane
from sparcell.models.runtime import Runtime
from sparcell.prediction.tiling.tiles import CONTEXT, TileWindows
from sparcell.preprocessing.padding import pad_to

Maps = NDArray[np.float32]


@dataclass(frozen=True)
class Faded:
    """The part of one axis that a window contributes to, and its weights there.

    Attributes
    ----------
    reach : slice
        Pixels of the axis: the window's core and half a fade beyond it on either side.
    inside : slice
        The same pixels in the window.
    done : int
        Number of them that no later window contributes to.
    weight : (len(reach),) float32
        Sums to 1 at every pixel over all windows.
    """

    reach: slice
    inside: slice
    done: int
    weight: NDArray[np.float32]


def fade(cuts: TileWindows) -> list[Faded]:
    """Weights of the windows of an axis, which cross-fade into each other."""
    shortest = min(core.stop - core.start for core in cuts.cores)
    half = min(CONTEXT, shortest) // 2
    length, faded = cuts.cores[-1].stop, []
    for core, start in zip(cuts.cores, cuts.starts, strict=True):
        reach = slice(max(core.start - half, 0), min(core.stop + half, length))
        centres = np.arange(reach.start, reach.stop) + 0.5
        weight = np.ones(len(centres))
        if half and core.start:
            weight = np.minimum(weight, (centres - core.start + half) / (2 * half))
        if half and core.stop < length:
            weight = np.minimum(weight, (core.stop + half - centres) / (2 * half))
        done = (core.stop - half if core.stop < length else length) - reach.start
        inside = slice(reach.start - start, reach.stop - start)
        faded.append(Faded(reach, inside, done, weight.astype(np.float32)))
    return faded


def blend_rows(
    image: Image,
    plane: Plane,
    scaling: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    runtime: Runtime,
    cuts: tuple[TileWindows, TileWindows],
) -> Iterator[tuple[slice, Maps]]:
    """Run a dense network over a plane; memory is bounded by a row of tiles.

    Yields
    ------
    rows : slice
        Rows of the image, px, from top to bottom without gap.
    maps : (K, len(rows), X) float32
        0..1.
    """
    vertical, horizontal = cuts
    across = fade(horizontal)
    carried: Maps | None = None
    for down, top in zip(fade(vertical), vertical.starts, strict=True):
        band: Maps | None = None
        for part, left in zip(across, horizontal.starts, strict=True):
            y = slice(top, min(top + vertical.size, image.shape[0]))
            x = slice(left, min(left + horizontal.size, image.shape[1]))
            window = pad_to(scaling(image.read(y, x, plane)), (vertical.size, horizontal.size))
            maps = runtime(window)[0][:, down.inside, part.inside]
            if band is None:
                band = np.zeros((len(maps), maps.shape[1], image.shape[1]), np.float32)
            band[:, :, part.reach] += maps * (down.weight[:, None] * part.weight)
        assert band is not None
        if carried is not None:
            band[:, : carried.shape[1]] += carried
        yield slice(down.reach.start, down.reach.start + down.done), band[:, : down.done]
        carried = band[:, down.done :]
