"""Predict whole fields into files, and score these against the dataset's."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sparcell.core.channel_selection import WHOLE
from sparcell.core.dataset import Sample
from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.core.image_files import stem
from sparcell.core.text import counted
from sparcell.evaluation import Groups, evaluate
from sparcell.io import list_images, open_sample
from sparcell.measurement import write_tables
from sparcell.models.model import Model
from sparcell.prediction.predict import predict
from sparcell.training.data.stain_scaling import open_stains

logger = logging.getLogger(__name__)


def predict_files(
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
    images = {name: sample.whole_image for name, sample in samples.items()}
    failures = predict(model, images, predictions, resume=True).failures
    predicted = {name: s for name, s in samples.items() if str(s.whole_image) not in failures}
    if not predicted:
        path, reason = next(iter(failures.items()))
        raise InputError(
            f"no prediction of {path} ({reason})", "one of a test image", "check that image"
        )
    return predicted, failures


def evaluate_files(
    samples: dict[str, Sample], out: Path, groups: Groups | None, within: float = 0.0
) -> dict[str, Any]:
    """Score the predicted files of whole fields against their labels.

    Where `within` is not 0, objects are also matched by this distance, px: the scores of all fields
    and of each then have a part ``detection``.
    """
    predictions = out / "predictions"
    write_tables(predictions / "labels", out=out / "tables")
    truth = {name: sample.files["labels"] for name, sample in samples.items()}
    found = _written(predictions / "labels", samples)
    evaluation = evaluate(truth, found)
    content = evaluation.to_json(groups)
    if within:
        near = evaluate(truth, found, metric="detection", radius=within)
        content["detection"] = {"radius": within, **near.total.to_dict()}
        for name, scores in near.images.items():
            content["images"][name]["detection"] = scores.to_dict()
    write_json(out / "evaluation.json", content)
    if not evaluation.total.count.truth:
        # Without objects ratios are 1 by definition, which is no score.
        return {"count": content["count"], "fields": list(samples)}
    return {key: content[key] for key in ("pixel", "overlap", "map", "count")} | {
        "f1": content["matching"][0]["f1"],
        "fields": list(samples),
    }


def correlate_files(samples: dict[str, Sample], out: Path) -> dict[str, Any]:
    """Correlate the predicted stains of whole fields with the real ones, from files."""
    predictions = out / "predictions"
    real = {name: open_stains(sample, open_sample(sample)) for name, sample in samples.items()}
    by_stain = zip(*real.values(), strict=True)
    truth = [dict(zip(real, images, strict=True)) for images in by_stain]
    found = evaluate(truth, _written(predictions / "stain", samples), metric="stain")
    content = found.to_json()
    write_json(out / "evaluation.json", content)
    for name in found.total.correlations:
        logger.info(
            f"{name} of {counted(len(samples), 'image')}: correlation {found.total.describe(name)}"
        )
    return {**content["stains"], "fields": sorted(samples)}


def describe_sample(sample: Sample, kind: str, groups: Groups | None) -> dict[str, Any]:
    """Describe which files of a field were compared, for the report."""
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


def _written(folder: Path, samples: dict[str, Sample]) -> dict[str, Path]:
    """Predicted files of these fields; the folder may have others of an earlier run."""
    return {stem(path): path for path in list_images([folder]) if stem(path) in samples}
