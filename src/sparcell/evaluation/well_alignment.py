"""Where the picture of a well that was joined from tiles lies in that of its truth.

A stage that misses its places shows a little more than the well, or less, and nobody knows where
the first pixel of the joined picture lies. So it is placed where the masks agree best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.tracks import Track, TrackedMovie

Integers = NDArray[np.int64]
LARGEST = 700
"""Edge to which masks are reduced to find about where they agree, px."""
FRAMES, EXACT_FRAMES = 8, 2
"""Frames that are compared, spread over the movie, and those of them that settle the pixel."""


@dataclass(frozen=True)
class _WellPart:
    """The part of a label movie that begins at `corner`, (y, x), and is 0 beyond the movie."""

    movie: Image
    corner: tuple[int, int]
    shape: tuple[int, int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int32)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.int32]:
        frame, y, x = index
        labels = self.movie.read_labels(plane=Plane(frame))
        found = np.zeros(self.shape[1:], np.int32)
        low = np.maximum(self.corner, 0)
        high = np.minimum(np.add(self.corner, found.shape), labels.shape)
        if (high > low).all():
            to = low - self.corner
            size = high - low
            found[to[0] : to[0] + size[0], to[1] : to[1] + size[1]] = labels[
                low[0] : high[0], low[1] : high[1]
            ]
        part: NDArray[np.int32] = found[y, x]
        return part


def fit_well(truth: Image, well: TrackedMovie) -> TrackedMovie:
    """Cut the picture of a well to the field of its truth.

    Parameters
    ----------
    truth : Image
        Label movie of the whole well, axes TYX.
    well : TrackedMovie
        Of label images.

    Raises
    ------
    InputError
        If the numbers of frames differ, or the masks agree nowhere.
    """
    movie = well.objects
    assert isinstance(movie, Image)
    frames = truth.size("T")
    if movie.size("T") != frames:
        raise InputError(
            f"{movie.size('T')} frames in {well.source}, and {frames} in the truth",
            "the same frames",
            "give the truth of this well",
        )
    corner = find_corner(truth, movie)
    if corner is None:
        raise InputError(
            f"no place in {well.source} where its objects agree with {truth.source}",
            "movies of the same cells",
            "give the truth of this well",
        )
    part = _WellPart(movie, corner, (frames, *truth.shape))
    image = Image(part, "TYX", movie.pixel_size, source=movie.source)
    return TrackedMovie(image, _shown(well.tracks, image), well.source)


def find_corner(truth: Image, movie: Image) -> tuple[int, int] | None:
    """Pixel of a movie that shows what the first pixel of the truth does, (y, x).

    None where the masks agree no better than by chance.
    """
    count = truth.size("T")
    picked = np.unique(np.linspace(0, count - 1, FRAMES).round().astype(int)).tolist()
    step = int(np.ceil(max(*truth.shape, *movie.shape) / LARGEST))
    padded = [
        next_fast_len(-(-a // step) + -(-b // step), real=True)
        for a, b in zip(truth.shape, movie.shape, strict=True)
    ]
    total = np.zeros(padded, np.float32)
    for t in picked:
        true, found = (_mask(one, t)[::step, ::step].astype(np.float32) for one in (truth, movie))
        total += irfft2(np.conj(rfft2(true, padded)) * rfft2(found, padded), padded)
    # Shared pixels by displacement; chance gives a smooth hill, and the right place a peak.
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    peak = [int(at if at < size // 2 else at - size) * step
            for at, size in zip((row, column), padded, strict=True)]  # fmt: skip
    settle = picked[:: max(len(picked) // EXACT_FRAMES, 1)]
    pairs = [(_mask(truth, t), _mask(movie, t)) for t in settle]
    around = [(y, x) for y in range(-step, step + 1) for x in range(-step, step + 1)]
    tried = {(peak[0] + y, peak[1] + x): 0 for y, x in around}
    for corner in tried:
        tried[corner] = sum(_shared(true, found, corner) for true, found in pairs)
    best = max(tried, key=lambda one: tried[one])
    true_pixels = sum(int(true.sum()) for true, _ in pairs)
    return best if 2 * tried[best] > true_pixels else None


def _mask(movie: Image, t: int) -> NDArray[np.bool_]:
    return np.asarray(movie.read_labels(plane=Plane(t)) > 0)


def _shared(true: NDArray[np.bool_], found: NDArray[np.bool_], corner: tuple[int, int]) -> int:
    """Pixels that are objects in both once the second begins at `corner`."""
    low = np.maximum(corner, 0)
    high = np.minimum(np.add(corner, true.shape), found.shape)
    if (high <= low).any():
        return 0
    a = low - corner
    size = high - low
    part = true[a[0] : a[0] + size[0], a[1] : a[1] + size[1]]
    return int((part & found[low[0] : high[0], low[1] : high[1]]).sum())


def _shown(tracks: tuple[Track, ...], movie: Image) -> tuple[Track, ...]:
    """Tracks that a movie shows, from the first frame that does to the last."""
    frames: dict[int, list[int]] = {}
    for t in range(movie.size("T")):
        labels = movie.read_labels(plane=Plane(t))
        for one in np.unique(labels[labels > 0]).tolist():
            frames.setdefault(one, []).append(t)
    parents = {track.id: track.parent for track in tracks}
    return tuple(
        Track(one, seen[0], seen[-1], mother if (mother := parents.get(one, 0)) in frames else 0)
        for one, seen in sorted(frames.items())
    )
