"""From points to outlines that somebody looks at and corrects."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.dataset import Sample
from sparcell.core.image import Image, Plane
from sparcell.core.labels import check_labels
from sparcell.io import create_image, open_alike, open_image
from sparcell.io.points import check_against_mask, read_points
from sparcell.labeling.appearance import View
from sparcell.labeling.derive import find_mask, grow_outlines
from sparcell.labeling.field import Verdict, segment_stain
from sparcell.labeling.sheet import Thumbnail, thin_out

MOST_MISSED = 0.25
"""Proposals are refused where more of the points lie off the mask that they grow in."""


def propose_field(sample: Sample, target: Path) -> Verdict:
    """Grow an outline from every point of a field; write ``labels/NAME.tif``.

    They grow in the field's mask if it has one, else where its stain shows objects, else where
    its image does (`find_mask`).

    Parameters
    ----------
    sample : Sample
        With points.
    target : Path
        Dataset folder to write to.

    Raises
    ------
    InputError
        If the field's files cannot be used; nothing is written then.
    """
    image = open_image(sample.image)
    axes = "".join(axis for axis in image.axes if axis in "TZ") + "YX"
    shape = [image.size(axis) for axis in axes]
    create = partial(create_image, axes=axes, shape=shape, pixel_size=image.pixel_size)
    points = objects = covered = missed = 0.0
    ways: dict[str, None] = {}
    thumbnail = None
    with create(target / "labels" / f"{sample.name}.tif", dtype=np.int32, labels=True) as labels:
        for plane in image.planes():
            places = read_points(sample.files["points"], image, plane)
            pixels = image.read(plane=plane)
            mask, way, off = _mask(sample, image, pixels, places, plane)
            found = check_labels(grow_outlines(pixels, places, mask), "proposed outlines")
            at = tuple({"T": plane.t, "Z": plane.z}[axis] for axis in axes[:-2])
            labels[at] = found
            ways[way] = None
            points, objects = points + len(places), objects + found.max(initial=0)
            covered, missed = covered + (found > 0).sum(), missed + off * len(places)
            if thumbnail is None:
                small, step = thin_out(View.of(pixels.mean(0)))
                thumbnail = small, found[::step, ::step], np.zeros_like(small, np.uint8)
    reason = _judge(points, missed)
    row = {
        "name": sample.name,
        "accepted": not reason,
        "reason": reason,
        "preset": "points",
        "strategy": " ".join(ways),
        "objects": int(objects),
        "points": int(points),
        "off_mask": missed / max(points, 1),
        "covered": covered / np.prod(shape),
    }
    return Verdict(row, Thumbnail(sample.name, reason, *(thumbnail or ())))


def _mask(
    sample: Sample, image: Image, pixels: NDArray[np.float32], points: NDArray[Any], plane: Plane
) -> tuple[NDArray[np.bool_], str, float]:
    """Mask, where it comes from, and the share of the points that are off it."""
    if "masks" in sample.files:
        mask = open_alike(sample, "masks", image).read_ids(plane=plane) > 0
        check_against_mask(points, mask, sample.files["points"], sample.files["masks"])
        way = "mask"
    elif "stain" in sample.files:
        mask, way = segment_stain(sample, plane) > 0, "stain"
    else:
        mask, by, missed = find_mask(pixels, points)
        return mask, f"image-{by}", missed
    off = ~mask[tuple(np.rint(points).astype(int).T)]
    return mask, way, float(off.mean()) if len(points) else 0.0


def _judge(points: float, missed: float) -> str:
    if not points:
        return "no points"
    if missed > MOST_MISSED * points:
        return f"off the mask: {missed:.0f} of {points:.0f} points (limit {MOST_MISSED:.0%})"
    return ""
