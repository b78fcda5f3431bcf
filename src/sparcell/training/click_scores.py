"""Score predicted images that people clicked on and nobody outlined."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.core.dataset import Sample
from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.core.text import counted
from sparcell.io import open_image, open_sample
from sparcell.io.points import read_points

logger = logging.getLogger(__name__)


def score_clicks(samples: dict[str, Sample], out: Path) -> dict[str, Any]:
    """Compare the predicted objects of whole images with clicks, one on each true object.

    A click is found if an object lies under it that lies under no earlier click. So two clicks on
    one object are one found and one missed. An object without a click is extra.

    Parameters
    ----------
    samples : dict
        Images with points, predicted in ``predictions/labels`` of the run.
    out : Path
        The run folder; ``clicks.json`` is written into it.

    Returns
    -------
    dict
        Numbers of ``clicks``, ``objects``, ``found``, ``missed`` and ``extra``, of all images and,
        as ``images``, of each.
    """
    images: dict[str, dict[str, int]] = {}
    for name, sample in samples.items():
        try:
            images[name] = _score(sample, out / "predictions" / "labels" / f"{name}.tif")
        except InputError as error:
            logger.warning(f"{name} is not compared with its points: {error}")
    keys = ("clicks", "objects", "found", "missed", "extra")
    total = {key: sum(one[key] for one in images.values()) for key in keys}
    logger.info(
        f"On {counted(len(images), 'image')} kept aside, {total['found']} of {total['clicks']} "
        f"points have an object of their own; {total['extra']} of {total['objects']} objects have "
        "no point."
    )
    scores = total | {"images": images}
    write_json(out / "clicks.json", scores)
    return scores


def _score(sample: Sample, labels: Path) -> dict[str, int]:
    image, predicted = open_sample(sample), open_image(labels)
    clicks = objects = found = 0
    for plane in image.planes():
        points = read_points(sample.files["points"].path, image, plane)
        ids = predicted.read_labels(plane=plane)
        rows, columns = np.rint(points).astype(int).T
        clicks += len(points)
        objects += len(np.unique(ids[ids > 0]))
        under = ids[rows, columns]
        found += len(np.unique(under[under > 0]))
    return {
        "clicks": clicks, "objects": objects, "found": found,
        "missed": clicks - found, "extra": objects - found,
    }  # fmt: skip
