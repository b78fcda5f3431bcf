"""Tune the decoding of a trained network on validation fields."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.annotations.derive import grow_outlines
from sparcell.core.text import counted
from sparcell.evaluation.boundary import OutlineShift, outline_shift
from sparcell.methods.base import Maps
from sparcell.preprocessing.padding import pad_to
from sparcell.training.data.fields import SIZED_FIELDS, Fields, TrainingField
from sparcell.training.scoring import MatchCounts, score_field

if TYPE_CHECKING:
    from sparcell.training.module import SegmentationModule

logger = logging.getLogger(__name__)

TUNING_FIELDS = 50
"""Most fields that the decoding is tuned on."""
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 19))
"""Thresholds that are tried for outlines without a shift."""


def tune(
    module: SegmentationModule, fields: Fields, typical_area: float | None
) -> tuple[Any, dict[str, float]]:
    """Tune the decoding as the recipe says.

    Returns
    -------
    settings : DecodeSettings
        Those of the recipe where nothing is tuned.
    record : dict
        What the scores say of it; empty where nothing is tuned.
    """
    wanted = module.recipe.fit.tune_decoding
    if not (wanted and typical_area):
        return module.decode_settings, {}
    if wanted == "outlines":
        return fit_outlines(module, fields)
    return tune_decoding(module, fields, typical_area)


def tune_decoding(
    module: SegmentationModule, fields: Fields, typical_area: float
) -> tuple[Any, dict[str, float]]:
    """Choose the decode settings with the best F1 on validation fields (IoU 0.5 and 0.75).

    Points say nothing of outlines: for fields with points alone, outlines are proposed as in
    `sparcell label`.
    """
    predicted = predict_fields(module, fields)
    within = module.recipe.fit.match_within
    start = score_decoding(module, predicted, module.decode_settings)
    candidates = (
        levels_to_try(module, typical_area, sizes=True)
        if module.recipe.fit.tune_decoding == "threshold"
        else module.method.candidates(module.decode_settings, typical_area)
    )
    best, best_score = best_decoding(module, predicted, candidates)
    loose = f"within {within:g} px and at IoU 0.5" if within else "at IoU 0.5 and 0.75"
    logger.info(
        f"Cut-offs adjusted on {counted(len(predicted), 'check image')}: {start:.2f} -> "
        f"{best_score:.2f} (mean of F1 {loose})"
    )
    logger.debug(f"decoding: {best}")
    return best, {"fields": len(predicted), "f1_default": start, "f1_tuned": best_score}


def levels_to_try(
    module: SegmentationModule, typical_area: float, sizes: bool = False
) -> list[Any]:
    """The module's decode settings with each threshold that tuning tries.

    With `sizes`, each also with the two smallest of the smallest sizes that it tries. The others
    suit fields in which all objects have the typical size, and images are not all like that.
    """
    candidates = module.method.candidates(module.decode_settings, typical_area)
    tried = sorted({one.min_size for one in candidates})[:2]
    smallest = tried if sizes else [module.decode_settings.min_size]
    return [
        module.decode_settings.model_copy(update={"threshold": threshold, "min_size": size})
        for threshold in sorted({candidate.threshold for candidate in candidates})
        for size in smallest
    ]


def best_decoding(
    module: SegmentationModule,
    predicted: Sequence[tuple[TrainingField, Maps]],
    candidates: Sequence[Any],
) -> tuple[Any, float]:
    """Find the decode settings with the best score of predicted fields, and that score.

    They are those of the module where no candidate is better.
    """
    best = module.decode_settings
    best_score = score_decoding(module, predicted, best)
    for candidate in candidates:
        if (reached := score_decoding(module, predicted, candidate)) > best_score:
            best, best_score = candidate, reached
    return best, best_score


def score_decoding(
    module: SegmentationModule, predicted: Sequence[tuple[TrainingField, Maps]], settings: Any
) -> float:
    """Score the decoding of predicted fields: mean of F1 at IoU 0.5 and 0.75."""
    total = MatchCounts()
    for field, maps in predicted:
        labels = module.method.decode(maps, settings).labels
        total += score_field(field, labels, module.recipe.fit.match_within)
    return (total.f1 + total.f1_strict) / 2


def fit_outlines(module: SegmentationModule, fields: Fields) -> tuple[Any, dict[str, float]]:
    """Choose the threshold whose outlines have no mean shift from the true ones.

    A single labelled field determines one number; a grid of settings would fit its noise.
    """
    method, predicted = module.method, predict_fields(module, fields)

    def shift(threshold: float) -> OutlineShift:
        settings = module.decode_settings.model_copy(update={"threshold": threshold})
        found = [
            outline_shift(
                np.where(field.valid, field.labels, 0),
                np.where(field.valid, method.decode(maps, settings).labels, 0),
            )
            for field, maps in predicted
        ]
        return reduce(add, found)

    start = module.decode_settings.threshold
    shifts = {threshold: shift(threshold) for threshold in (*THRESHOLDS, start)}
    # A threshold with few matched objects says little about the others' outlines.
    most = max(found.pairs for found in shifts.values())
    candidates = [threshold for threshold, found in shifts.items() if found.pairs > most / 2]
    best = min(candidates, key=lambda t: abs(shifts[t].mean)) if candidates else start
    logger.info(
        f"Threshold adjusted on {counted(len(predicted), 'check image')}: outlines lie "
        f"{shifts[best].mean:+.2f} px outside the true ones, before {shifts[start].mean:+.2f} px"
    )
    logger.debug(f"threshold {start:.2f} -> {best:.2f}")
    return module.decode_settings.model_copy(update={"threshold": best}), {
        "fields": len(predicted),
        "shift_default": shifts[start].mean,
        "shift_tuned": shifts[best].mean,
    }


def predict_fields(module: SegmentationModule, fields: Fields) -> list[tuple[TrainingField, Maps]]:
    """Fields at equal distances in the list, with outlines, and the network's maps of them."""
    step = -(-len(fields) // TUNING_FIELDS)
    chosen = [fields[index] for index in range(0, len(fields), step)]
    return [
        (field if field.labels.any() else _outlined(field), _maps(module, field.image))
        for field in chosen
    ]


def _maps(module: SegmentationModule, image: NDArray[np.float32]) -> Maps:
    height, width = image.shape[1:]
    multiple = module.recipe.multiple
    size = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
    maps: Maps = module.predict_maps(pad_to(image, size), (height, width))
    return maps


def object_sizes(fields: Fields) -> tuple[float, float]:
    """Median area (px) and 99th percentile of the extent (px) of the training objects.

    Where points are learned from, outlines are proposed as in `sparcell label`. Where fields are
    enlarged, the area is that of the diameter which they get, so that `predict` enlarges alike.
    """
    areas: list[int] = []
    extents: list[int] = []
    for index in range(min(fields.outlined, SIZED_FIELDS)):
        field = fields[index]
        labels = (field if "outlines" in field.annotation else _outlined(field)).labels
        areas += np.bincount(labels.ravel())[1:].tolist()
        for box in ndimage.find_objects(labels):
            extents.append(max(edge.stop - edge.start for edge in box))
    if not areas:
        return 1.0, 32.0
    area = np.pi / 4 * fields.diameter**2 if fields.diameter else np.median(areas)
    return float(area), float(np.percentile(extents, 99))


def _outlined(field: TrainingField) -> TrainingField:
    """Propose outlines for a field that has points and a mask."""
    if field.points is None or field.mask is None:
        return field
    return field._replace(labels=grow_outlines(field.image, field.points, field.mask))
