"""How fast maps become objects: megapixels per second on one core, in one run.

    python benchmarks/decoding.py [--size 2048] [--nuclei 1500] [--repeats 5] [--csv FILE]

The field: nuclei of 25 px, a third of them touching another one, at the density of a common
2048 x 2048 field. Each method's targets are blurred and given correlated noise, as much as the maps
of a network trained on some twenty images have. `reference` is the straightforward pipeline of
scikit-image on the same maps: h-maxima (or, for `pixelwise` and `semantic`, components), then a
watershed of the field. The time is the processor's, the best of the repeats; F1 (IoU 0.5) says
that both find the nuclei.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from sparcell.core.labels import connected_labels
from sparcell.evaluation import count_overlaps, match_objects
from sparcell.methods import METHODS
from sparcell.methods.base import Maps, to_uint8

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparcell.core.labels import Labels

MIN_SIZE = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048, help="edge of the field, px")
    parser.add_argument("--nuclei", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    truth = draw_nuclei(options.size, options.nuclei)
    print(f"{truth.max()} nuclei on {(truth > 0).mean():.0%} of {truth.size / 1e6:.1f} Mpx")
    rows = []
    for name, reference in REFERENCES.items():
        method = METHODS[name]
        settings = method.decode_settings(min_size=MIN_SIZE)
        maps = predicted(method.targets(truth, method.config()))
        ours, seconds = best_of(options.repeats, method.decode, maps, settings)
        theirs, slow = best_of(options.repeats, reference, maps, settings)
        rows.append(
            {
                "method": name,
                "Mpx/s": truth.size / 1e6 / seconds,
                "reference Mpx/s": truth.size / 1e6 / slow,
                "times faster": slow / seconds,
                "F1": f1(truth, ours.labels),
                "reference F1": f1(truth, theirs),
            }
        )
        shown = (f"{key} {value:.3g}" for key, value in rows[-1].items() if key != "method")
        print(f"{name:10}", *shown, sep="  ")
    if options.csv:
        with options.csv.open("w", newline="") as stream:
            table = csv.DictWriter(stream, list(rows[0]))
            table.writeheader()
            table.writerows(rows)


def draw_nuclei(size: int, count: int) -> Labels:
    """Ellipses of about 25 px; one in three is put beside another one and touches it."""
    rng = np.random.default_rng(0)
    labels = np.zeros((size, size), np.int32)
    centres: list[tuple[float, float]] = []
    reach = 16
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    while len(centres) < count:
        row, column = rng.uniform(reach, size - reach - 1, 2)
        if centres and rng.random() < 1 / 3:
            angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(20, 26)
            row, column = centres[rng.integers(len(centres))]
            row, column = row + away * np.sin(angle), column + away * np.cos(angle)
        top, left = int(row) - reach, int(column) - reach
        if min(top, left) < 0 or max(top, left) + 2 * reach + 1 > size:
            continue
        turn, half = rng.uniform(0, np.pi), rng.uniform(10, 15, 2)
        along = y * np.cos(turn) + x * np.sin(turn)
        across = x * np.cos(turn) - y * np.sin(turn)
        ellipse = (along / half[0]) ** 2 + (across / half[1]) ** 2 <= 1
        place = labels[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
        if (place[ellipse] > 0).mean() > 0.1:
            continue
        centres.append((row, column))
        place[ellipse & (place == 0)] = len(centres)
    return connected_labels(labels)


def predicted(targets: NDArray[np.float32]) -> Maps:
    """Blur maps (sigma 1 px) and add smooth noise, less of it in the background."""
    rng = np.random.default_rng(1)
    blurred = ndimage.gaussian_filter(targets, (0, 1, 1))
    noise = ndimage.gaussian_filter(rng.standard_normal(targets.shape, np.float32), (0, 1.5, 1.5))
    noise *= 0.04 / noise.std()
    return to_uint8(np.clip(blurred + noise * (0.2 + np.minimum(1, 1.2 * blurred)), 0, 1))


def by_h_maxima(mask: NDArray[np.bool_], peaks: Maps, height: Maps, h: float) -> Labels:
    """Watershed of `height` (Y, X) from the h-maxima of `peaks` (Y, X)."""
    markers = label(h_maxima(np.where(mask, peaks, 0), int(h * 255)), connectivity=2)
    return connected_labels(
        watershed(-height.astype(int), markers, mask=mask, connectivity=2), MIN_SIZE
    )


def semantic(maps: Maps, settings: Any) -> Labels:
    return connected_labels(label(maps[0] >= settings.threshold * 255, connectivity=2), MIN_SIZE)


def pixelwise(maps: Maps, settings: Any) -> Labels:
    mask = maps[0] <= (1 - settings.threshold) * 255
    cores = label(mask & (maps[1] >= settings.interior * 255), connectivity=2)
    return connected_labels(
        watershed(-maps[1].astype(int), cores, mask=mask, connectivity=2), MIN_SIZE
    )


def deep_watershed(maps: Maps, settings: Any) -> Labels:
    return by_h_maxima(maps[1] >= settings.threshold * 255, maps[0], maps[1], settings.h)


def distance(maps: Maps, settings: Any) -> Labels:
    return by_h_maxima(maps[0] >= settings.threshold * 255, maps[1], maps[1], settings.h)


REFERENCES: dict[str, Callable[[Maps, Any], Labels]] = {
    "semantic": semantic,
    "pixelwise": pixelwise,
    "watershed": deep_watershed,
    "distance": distance,
}


def best_of(repeats: int, work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Result and the shortest processor time of several runs, s."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = work(*arguments)
        times.append(time.process_time() - start)
    return result, min(times)


def f1(truth: Labels, found: Labels) -> float:
    return match_objects(count_overlaps(truth, found), (0.5,))[0].confusion.dice


if __name__ == "__main__":
    main()
