"""Statistics of a stain image: noise, background, brightness and size of nuclei.

They are estimated once per plane, from a bounded number of pixels. So all tiles of a large image
are treated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.tiles import tiles
from sparcell.morphology.filters import gaussian_blur
from sparcell.preprocessing.background import interpolate_background

Pixels = NDArray[np.float32]
READ_TILE = 1024
SAMPLE_WINDOW = 1024
# Planes up to this many pixels are measured and segmented as a whole.
WHOLE_PIXELS = 4_000_000
BACKGROUND_QUANTILE = 0.25


@dataclass(frozen=True)
class StainView:
    """One plane of a stain, read region by region.

    Attributes
    ----------
    shape : (int, int)
        Height and width in px.
    read : callable
        ``read(rows, columns)`` gives (Y, X) float32.
    whole_pixels : int
        A plane of at most this many pixels is measured and segmented as a whole.
    scale : int
        Pixels of the file along each side of a pixel, where the plane is reduced.
    """

    shape: tuple[int, int]
    read: Callable[[slice, slice], Pixels]
    whole_pixels: int = WHOLE_PIXELS
    scale: int = 1

    @classmethod
    def of(cls, array: NDArray[Any], whole_pixels: int = WHOLE_PIXELS) -> StainView:
        """View of an array in memory."""
        pixels = np.asarray(array, np.float32)
        return cls((pixels.shape[0], pixels.shape[1]), lambda y, x: pixels[y, x], whole_pixels)

    def reduced(self, scale: int) -> StainView:
        """Reduce the plane: each pixel is the mean of `scale` x `scale`, or fewer at the edge."""
        if scale == 1:
            return self

        def read(y: slice, x: slice) -> Pixels:
            rows, columns = (
                slice(s.start * scale, min(s.stop * scale, edge))
                for s, edge in zip((y, x), self.shape, strict=True)
            )
            return block_mean(self.read(rows, columns), scale)

        shape = (-(-self.shape[0] // scale), -(-self.shape[1] // scale))
        if self.small:
            whole = read(slice(0, shape[0]), slice(0, shape[1]))
            return replace(StainView.of(whole), scale=scale)
        return StainView(shape, read, self.whole_pixels // scale**2, scale)

    @property
    def small(self) -> bool:
        """Whether the plane is measured and segmented as a whole."""
        return self.shape[0] * self.shape[1] <= self.whole_pixels

    def sample(self) -> Iterator[tuple[slice, slice]]:
        """Windows to estimate from: the whole plane, or four spread over a large one."""
        height, width = self.shape
        if self.small:
            yield slice(0, height), slice(0, width)
            return
        reach = SAMPLE_WINDOW // 2 // self.scale
        for part in (1, 3):
            for other in (1, 3):
                y, x = (
                    slice(max(at - reach, 0), min(at + reach, edge))
                    for at, edge in ((height * part // 4, height), (width * other // 4, width))
                )
                yield y, x


@dataclass(frozen=True)
class StainStatistics:
    """Estimates from one plane, in pixels of its view.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the plane in px.
    noise : float
        Standard deviation of the pixel noise of the file, in its units.
    background : (ny, nx) float32
        Background level on a coarse grid over the plane.
    smoothing : float
        Sigma in px of the Gaussian that smooths the stain before every step. In a reduced plane
        the mean over blocks is part of it.
    scale : int
        Pixels of the file along each side of a pixel.
    sigma : float
        Standard deviation of the smoothed background.
    detection_limit : float
        Lowest signal above background that can be distinguished from noise.
    min_signal : float
        Lowest signal where nuclei are sought. Not below `detection_limit`, nor below 0.2 of a
        typical nucleus's signal.
    bright : float
        Signal of the brightest nuclei (99.9 % quantile).
    diameter : float
        Typical diameter of a nucleus in px.
    threshold : float
        One threshold on the signal for the whole plane.
    """

    shape: tuple[int, int]
    noise: float
    background: Pixels
    smoothing: float
    scale: int = 1
    sigma: float = 0.0
    detection_limit: float = 0.0
    min_signal: float = 0.0
    bright: float = 0.0
    diameter: float = 0.0
    threshold: float = 0.0

    @property
    def area(self) -> float:
        """Area in px of a nucleus of typical diameter."""
        return float(np.pi * self.diameter**2 / 4)

    def at(self, view: StainView) -> StainStatistics:
        """The same estimates in the pixels of another view of the plane."""
        factor = self.scale / view.scale
        return replace(
            self,
            shape=view.shape,
            scale=view.scale,
            smoothing=self.smoothing * factor,
            diameter=self.diameter * factor,
        )

    def signal(self, view: StainView, y: slice, x: slice) -> Pixels:
        """Smoothed stain above its background in one window, (Y, X) float32."""
        # The mean over s pixels along a side has the variance (s^2 - 1) / 12 in pixels of the
        # file.
        by_blocks = (1 - self.scale**-2) / 12
        sigma = np.sqrt(max(self.smoothing**2 - by_blocks, 0))
        margin = int(np.ceil(4 * sigma))
        rows, columns = (
            slice(max(s.start - margin, 0), min(s.stop + margin, edge))
            for s, edge in zip((y, x), self.shape, strict=True)
        )
        smooth = gaussian_blur(view.read(rows, columns), sigma)
        inner = tuple(
            slice(s.start - w.start, s.stop - w.start)
            for s, w in zip((y, x), (rows, columns), strict=True)
        )
        level = interpolate_background(self.background, self.shape, y, x)
        return np.asarray(smooth[inner] - level, np.float32)


def block_mean(pixels: Pixels, scale: int) -> Pixels:
    """Mean over blocks of `scale` x `scale` px; those at the lower and right edge are smaller."""
    height, width = pixels.shape
    padded = np.pad(pixels, ((0, -height % scale), (0, -width % scale)), mode="edge")
    rows = np.sum([padded[k::scale] for k in range(scale)], axis=0)
    total = np.sum([rows[:, k::scale] for k in range(scale)], axis=0)
    return np.asarray(total / scale**2, np.float32)


def grid_background(view: StainView, cell: int) -> Pixels:
    """Estimate the background on a grid of cells about `cell` px wide, (ny, nx) float32.

    It is the lower quartile of each cell.

    A cell full of nuclei would be too bright, so none may exceed the median of its 3 x 3
    neighbourhood.
    """
    height, width = view.shape
    ny, nx = max(1, round(height / cell)), max(1, round(width / cell))
    rows = np.linspace(0, height, ny + 1).astype(int)
    columns = np.linspace(0, width, nx + 1).astype(int)
    grid = np.zeros((ny, nx), np.float32)
    per_read = max(1, READ_TILE // cell)
    for tile in tiles((ny, nx), per_read, 0):
        cy, cx = tile.core
        pixels = view.read(
            slice(rows[cy.start], rows[cy.stop]), slice(columns[cx.start], columns[cx.stop])
        )
        for i in range(cy.start, cy.stop):
            for j in range(cx.start, cx.stop):
                part = pixels[
                    rows[i] - rows[cy.start] : rows[i + 1] - rows[cy.start],
                    columns[j] - columns[cx.start] : columns[j + 1] - columns[cx.start],
                ]
                grid[i, j] = _background_level(part)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(grid, 1, mode="edge"), (3, 3))
    return np.asarray(np.minimum(grid, np.median(around, axis=(2, 3))), np.float32)


def _background_level(part: Pixels) -> float:
    """The quantile `BACKGROUND_QUANTILE`, as `numpy.quantile` in a fifth of its time."""
    rank = BACKGROUND_QUANTILE * (part.size - 1)
    low, high = int(np.floor(rank)), int(np.ceil(rank))
    ordered = np.partition(part, [low, high], axis=None)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (rank - low))
