"""The end of a run: decoding tuned, model exported, test fields predicted and scored."""

from __future__ import annotations

import csv
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.annotations.derive import grow_outlines
from sparcell.core.channel_selection import WHOLE
from sparcell.core.dataset import Sample
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file, write_json
from sparcell.core.image_files import stem
from sparcell.core.record import now
from sparcell.evaluation import Groups, evaluate
from sparcell.evaluation.boundary import OutlineShift, outline_shift
from sparcell.io import list_images, open_sample
from sparcell.measurement import write_tables
from sparcell.methods.base import Maps
from sparcell.models.description import normalised
from sparcell.models.model import Model, ModelSpec
from sparcell.prediction.predict import predict
from sparcell.preprocessing.padding import pad_to
from sparcell.training.callbacks import SCORES
from sparcell.training.data.field_refs import FieldRef, shared_selection
from sparcell.training.data.fields import Fields, TrainingField
from sparcell.training.data.selection import contain_objects, find_groups
from sparcell.training.data.stain_scaling import open_stains
from sparcell.training.export import export_onnx
from sparcell.training.module import SegmentationModule
from sparcell.training.recipe import Recipe
from sparcell.training.recipe_parts import DataConfig
from sparcell.training.scoring import MatchCounts, score_field

logger = logging.getLogger(__name__)

GOLDEN_EDGE = 256
TUNING_FIELDS = 50
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 19))
"""Thresholds that are tried where outlines shall lie on the true ones."""


def export_model(
    trainee: SegmentationModule,
    fields: dict[str, Fields],
    places: dict[str, list[FieldRef]],
    out: Path,
    record: dict[str, Any],
    pixel_size: float | None,
) -> Model:
    """Turn trained weights into ``model.zip``, which `score_model` will add scores to.

    It is written before anything is predicted or scored, so no failure there loses the training.
    """
    recipe, val = trainee.recipe, fields["val"]
    trainee.eval()
    stains = fields["train"].stains
    typical_area, largest = (None, GOLDEN_EDGE / 2.0) if stains else _object_sizes(fields["train"])
    settings = trainee.decode_settings
    scores: dict[str, Any] = {}
    judged = bool(stains) or contain_objects(places["val"])
    if judged:
        scores["before_training"] = _start_scores(out, trainee.method.score)
    if recipe.fit.tune_decoding == "outlines" and typical_area and judged:
        settings, scores["tuning"] = fit_outlines(trainee, val)
    elif recipe.fit.tune_decoding and typical_area and judged:
        settings, scores["tuning"] = tune_decoding(trainee, val, typical_area)
    golden = _golden_input(val, recipe)
    onnx, maps = export_onnx(trainee.network, golden, trainee.activate, trainee.method.output)
    if stains:
        record["left_out"] = stains.faults
    spec = ModelSpec(
        name=recipe.name,
        method=recipe.method.name,
        decode=settings.model_dump(),
        normalise=recipe.normalise,
        channels=golden.shape[0] // recipe.network.frames,
        selection=shared_selection([place for held in places.values() for place in held]),
        frames=recipe.network.frames,
        tta=recipe.predict.tta,
        pixel_size=pixel_size,
        multiple=recipe.multiple,
        window=recipe.window,
        typical_area=typical_area,
        largest_diameter=largest,
        stain=stains.range if stains else None,
        scores=scores,
        record=record,
    )
    model = Model(spec, onnx, golden, maps)
    write_json(out / "record.json", record)
    model.save(out / "model.zip")
    return model


def score_model(
    model: Model, places: dict[str, list[FieldRef]], config: DataConfig, out: Path
) -> dict[str, str]:
    """Predict and score whole test fields, or else validation fields, and finish the run.

    Writes ``predictions/``, ``evaluation.json`` and ``model.zip`` with the scores. The run is
    finished once ``record.json`` says when. Returns the images that could not be predicted, and
    why; they cost the others no score.
    """
    scores, record = dict(model.spec.scores), dict(model.spec.record)
    part = "test" if places["test"] else "val"
    kind = "stain" if model.spec.stain else "labels"
    samples = {
        place.sample.name: place.sample
        for place in places[part]
        if place.x == slice(None) and kind in place.sample.files
    }
    failures: dict[str, str] = {}
    if samples:
        samples, failures = _predict_files(model, samples, out / "predictions")
        groups = find_groups(samples.values(), config)
        if model.spec.stain:
            scores[part] = _correlate_files(samples, out)
        else:
            scores[part] = _evaluate_files(samples, out, groups)
        record["evaluated_part"] = part
        record["evaluated"] = {
            name: _describe_sample(sample, kind, groups) for name, sample in samples.items()
        }
    model.spec = model.spec.model_copy(update={"scores": scores, "record": record})
    model.save(out / "model.zip")
    write_json(out / "record.json", record | {"finished": now()})
    return failures


def _describe_sample(sample: Sample, kind: str, groups: Groups | None) -> dict[str, Any]:
    """Say which files of a field were compared, for the report."""
    return {
        "image": str(sample.image.path.resolve()),
        **{
            one: str(file.path.resolve())
            for one, file in sample.files.items()
            if one.partition(":")[0] in (kind, "stain")
        },
        "selections": {
            one: file.selection.model_dump(mode="json", exclude_none=True)
            for one, file in sample.files.items()
            if file.selection != WHOLE
        },
        "kind": groups.values.get(sample.name, "") if groups else "",
    }


@contextmanager
def keep_model(out: Path) -> Iterator[None]:
    """Turn any failure to score or to report into one line that says where the model is.

    The traceback of a failure that is not the user's goes to ``failure.txt``.

    Raises
    ------
    InputError
        If the block fails.
    """
    failure = out / "failure.txt"
    fix = f"the model is whole, in {out / 'model.zip'}; --resume tries this step again"
    try:
        yield
    except InputError as error:
        raise InputError(error.found, error.expected, f"{error.fix}; {fix}") from error
    except Exception as error:
        with whole_file(failure) as partial:
            partial.write_text(traceback.format_exc(), "utf8")
        raise InputError(
            f"no scores or report of {out} ({type(error).__name__}, see {failure})",
            "predictions that can be scored",
            fix,
        ) from error
    failure.unlink(missing_ok=True)


def tune_decoding(
    trainee: SegmentationModule, val: Fields, typical_area: float
) -> tuple[Any, dict[str, float]]:
    """Choose the decode settings with the best F1 on validation fields (IoU 0.5 and 0.75).

    Points say nothing of outlines, so fields that have these alone are outlined as for
    `sparcell label`.
    """
    method = trainee.method
    chosen = [val[index] for index in range(0, len(val), -(-len(val) // TUNING_FIELDS))]
    judged = [
        (field if field.labels.any() else _outlined(field), _maps(trainee, field.image))
        for field in chosen
    ]

    def score(settings: Any) -> float:
        total = MatchCounts()
        for field, held in judged:
            total += score_field(field, method.decode(held, settings).labels)
        return (total.f1 + total.f1_strict) / 2

    start = score(trainee.decode_settings)
    best, best_score = trainee.decode_settings, start
    for candidate in method.candidates(trainee.decode_settings, typical_area):
        if (reached := score(candidate)) > best_score:
            best, best_score = candidate, reached
    logger.info(
        f"decoding tuned on {len(judged)} validation fields: "
        f"F1 {start:.3f} -> {best_score:.3f}, {best}"
    )
    return best, {"fields": len(judged), "f1_default": start, "f1_tuned": best_score}


def fit_outlines(trainee: SegmentationModule, val: Fields) -> tuple[Any, dict[str, float]]:
    """Choose the threshold by which outlines lie, on average, on the true ones.

    One number, which a single labelled field decides; a grid of settings would fit its noise.
    """
    method = trainee.method
    chosen = [val[index] for index in range(0, len(val), -(-len(val) // TUNING_FIELDS))]
    judged = [
        (field if field.labels.any() else _outlined(field), _maps(trainee, field.image))
        for field in chosen
    ]

    def shift(threshold: float) -> OutlineShift:
        settings = trainee.decode_settings.model_copy(update={"threshold": threshold})
        found = [
            outline_shift(
                np.where(field.valid, field.labels, 0),
                np.where(field.valid, method.decode(maps, settings).labels, 0),
            )
            for field, maps in judged
        ]
        return reduce(add, found)

    start = trainee.decode_settings.threshold
    shifts = {threshold: shift(threshold) for threshold in (*THRESHOLDS, start)}
    # Outlines of a few objects that happen to match say nothing of the rest.
    most = max(found.pairs for found in shifts.values())
    usual = [threshold for threshold, found in shifts.items() if found.pairs > most / 2]
    best = min(usual, key=lambda threshold: abs(shifts[threshold].mean)) if usual else start
    logger.info(
        f"threshold {best:.2f}: outlines lie {shifts[best].mean:+.2f} px outside the true ones on "
        f"{len(judged)} fields, {shifts[start].mean:+.2f} px with {start:.2f}"
    )
    return trainee.decode_settings.model_copy(update={"threshold": best}), {
        "fields": len(judged),
        "shift_default": shifts[start].mean,
        "shift_tuned": shifts[best].mean,
    }


def _maps(trainee: SegmentationModule, image: NDArray[np.float32]) -> Maps:
    height, width = image.shape[1:]
    multiple = trainee.recipe.multiple
    size = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
    maps: Maps = trainee.predict_maps(pad_to(image, size), (height, width))
    return maps


def _object_sizes(fields: Fields) -> tuple[float, float]:
    """Median area (px) and 99th percentile of the extent (px) of the training objects.

    Objects of which only points are learned from are outlined as for `sparcell label`.
    """
    areas: list[int] = []
    extents: list[int] = []
    for index in range(min(fields.outlined, 200)):
        field = fields[index]
        labels = (field if "outlines" in field.annotation else _outlined(field)).labels
        areas += np.bincount(labels.ravel())[1:].tolist()
        for box in ndimage.find_objects(labels):
            extents.append(max(edge.stop - edge.start for edge in box))
    if not areas:
        return 1.0, 32.0
    return float(np.median(areas)), float(np.percentile(extents, 99))


def _outlined(field: TrainingField) -> TrainingField:
    """Propose outlines for a field that has points and a mask."""
    if field.points is None or field.mask is None:
        return field
    return field._replace(labels=grow_outlines(field.image, field.points, field.mask))


def _golden_input(fields: Fields, recipe: Recipe) -> NDArray[np.float32]:
    """Cut the middle of a field, at most `GOLDEN_EDGE` px wide, or a window of the network's."""
    image = fields[0].image
    height, width = image.shape[1:]
    most, multiple = recipe.window or GOLDEN_EDGE, recipe.multiple
    top, left = max(0, (height - most) // 2), max(0, (width - most) // 2)
    middle = image[:, top : top + most, left : left + most]
    edges = [-(-edge // multiple) * multiple for edge in middle.shape[1:]]
    return normalised(pad_to(middle, (edges[0], edges[1])), recipe.normalise)


def _start_scores(out: Path, score: str) -> dict[str, float]:
    """What the network scored on the validation fields before training, and at best."""
    with (out / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    start, best = float(rows[0][score]), max(float(row[score]) for row in rows[1:])
    verdict = "better than" if best > start else "NOT better than"
    logger.info(f"validation {SCORES[score]} {best:.3f}, {verdict} {start:.3f} before training")
    return {score: start, f"best_{score}": best}


def _evaluate_files(samples: dict[str, Sample], out: Path, groups: Groups | None) -> dict[str, Any]:
    """Score the predicted files of whole fields against their labels."""
    predictions = out / "predictions"
    write_tables(predictions / "labels", out=out / "tables")
    truth = {name: sample.files["labels"] for name, sample in samples.items()}
    evaluation = evaluate(truth, _written(predictions / "labels", samples))
    content = evaluation.to_json(groups)
    write_json(out / "evaluation.json", content)
    if not evaluation.total.count.truth:
        # Ratios of nothing are 1 by definition, which nobody should take for a score.
        return {"count": content["count"], "fields": list(samples)}
    return {key: content[key] for key in ("pixel", "overlap", "map", "count")} | {
        "f1": content["matching"][0]["f1"],
        "fields": list(samples),
    }


def _correlate_files(samples: dict[str, Sample], out: Path) -> dict[str, Any]:
    """Correlate the predicted stains of whole fields with the real ones, from files."""
    predictions = out / "predictions"
    real = {name: open_stains(sample, open_sample(sample)) for name, sample in samples.items()}
    truth = [dict(zip(real, held, strict=True)) for held in zip(*real.values(), strict=True)]
    found = evaluate(truth, _written(predictions / "stain", samples), metric="stain")
    content = found.to_json()
    write_json(out / "evaluation.json", content)
    for name in found.total.correlations:
        logger.info(f"{name} of {len(samples)} fields: correlation {found.total.describe(name)}")
    return {**content["stains"], "fields": sorted(samples)}


def _predict_files(
    model: Model, samples: dict[str, Sample], predictions: Path
) -> tuple[dict[str, Sample], dict[str, str]]:
    """Predict fields into files of the fields' names, whatever their images are called.

    Returns
    -------
    predicted : dict
        The fields that have a prediction.
    failures : dict
        Image to why it has none.

    Raises
    ------
    InputError
        If no field has one.
    """
    images = {name: sample.image.path for name, sample in samples.items()}
    failures = predict(model, images, predictions, resume=True).failures
    left = {name: s for name, s in samples.items() if str(s.image.path) not in failures}
    if not left:
        path, reason = next(iter(failures.items()))
        raise InputError(
            f"no prediction of {path} ({reason})", "one of a test field", "check that image"
        )
    return left, failures


def _written(folder: Path, samples: dict[str, Sample]) -> dict[str, Path]:
    """List the predictions of fields; an earlier version may have left others beside them."""
    return {stem(path): path for path in list_images([folder]) if stem(path) in samples}
