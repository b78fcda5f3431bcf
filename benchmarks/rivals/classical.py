"""Segment the test images without a network: threshold and watershed, tuned on images with labels.

    python classical.py WORK --budget 0

Runs in Sparcell's environment. CLAHE or none, Gaussian, Otsu's threshold of the whole image or a
local one above a share of it; then the watershed of the smoothed distance transform from its peaks.
One set of settings for all images, found on the tuning images by changing one setting at a time
until none helps: the mean of F1 at IoU 0.5 and 0.75, as Sparcell tunes its decoding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage
from skimage import exposure, feature, filters, segmentation
from task import Part, Stopwatch, Task

from sparcell.evaluation import THRESHOLDS, Matching, count_overlaps, match_objects

THRESHOLDS_TUNED = (THRESHOLDS[0], THRESHOLDS[5])
CHOICES: dict[str, tuple[Any, ...]] = {
    "clip_limit": (0.0, 0.01, 0.03),
    "factor": (0.4, 0.6, 0.8, 1.0, 1.2, 1.4),
    "blur_px": (0.5, 1.0, 2.0),
    "distance_blur_px": (0.5, 1.0, 2.0, 3.0),
    "peak_distance_px": (3, 5, 7, 10),
    "min_area_px": (0, 20, 40),
}
START = {
    "clip_limit": 0.0,
    "factor": 1.0,
    "blur_px": 1.0,
    "distance_blur_px": 1.0,
    "peak_distance_px": 5,
    "min_area_px": 20,
}


def main() -> None:
    task = Task.from_command_line("classical", __doc__)
    tune, test = task.read(task.tune_names), task.read(task.test_names)
    watch = Stopwatch()
    climbs = [climb({"local": local, **START}, tune) for local in (False, True)]
    reached, settings = max(climbs, key=lambda found: found[0])
    facts = watch.facts("tune") | {"decode": settings, "tuned_to": round(reached, 4)}
    watch = Stopwatch()
    predictions = [segment(image, **settings) for image in test.images]
    facts |= watch.facts("predict") | {"train_cpu_s": 0, "train_s": 0, "steps": 0, "parameters": 0}
    task.hand_in(predictions, facts, "scikit-image", "scipy")


def segment(
    image: np.ndarray,
    local: bool,
    clip_limit: float,
    factor: float,
    blur_px: float,
    distance_blur_px: float,
    peak_distance_px: int,
    min_area_px: int,
) -> np.ndarray:
    """Label bright nuclei of a (Y, X) image."""
    low, high = np.percentile(image, (0.1, 99.9))
    pixels = np.clip((image - low) / max(high - low, 1), 0, 1)
    if clip_limit:
        pixels = exposure.equalize_adapthist(pixels, clip_limit=clip_limit)
    pixels = filters.gaussian(pixels, blur_px)
    threshold = factor * filters.threshold_otsu(pixels)
    mask = pixels > (threshold / 2 if local else threshold)
    if local:
        window = min(image.shape) // 4 | 1
        mask &= pixels > filters.threshold_local(pixels, window, method="gaussian")
    mask = ndimage.binary_fill_holes(ndimage.binary_opening(mask))
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), distance_blur_px)
    peaks = feature.peak_local_max(
        distance,
        min_distance=peak_distance_px,
        labels=ndimage.label(mask)[0],
        exclude_border=False,
    )
    markers = np.zeros(image.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = segmentation.watershed(-distance, markers, mask=mask)
    labels[np.bincount(labels.ravel())[labels] < min_area_px] = 0
    return segmentation.relabel_sequential(labels)[0]


def climb(settings: dict[str, Any], part: Part) -> tuple[float, dict[str, Any]]:
    """Change one setting at a time while that helps; return the best score and its settings."""
    best = score(settings, part)
    improved = True
    while improved:
        improved = False
        for name, values in CHOICES.items():
            for value in values:
                trial = settings | {name: value}
                found = score(trial, part)
                if found > best:
                    best, settings, improved = found, trial, True
    return best, settings


def score(settings: dict[str, Any], part: Part) -> float:
    """Mean F1 at the two thresholds, counts pooled over the images."""
    total: list[Matching] = []
    for image, truth in zip(part.images, part.labels, strict=True):
        overlaps = count_overlaps(truth, segment(image, **settings))
        levels = match_objects(overlaps, THRESHOLDS_TUNED)
        total = [a + b for a, b in zip(total, levels, strict=True)] if total else list(levels)
    return float(np.mean([level.confusion.dice for level in total]))


if __name__ == "__main__":
    main()
