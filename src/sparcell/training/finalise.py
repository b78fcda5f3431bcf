"""The end of a training run: export the model, then predict and score test fields."""

from __future__ import annotations

import csv
import logging
import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.dataset import Sample
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file, write_json
from sparcell.core.record import now
from sparcell.methods import METHODS
from sparcell.methods.task import Task
from sparcell.models.description import normalised
from sparcell.models.model import Model, ModelSpec
from sparcell.prediction.domain_check import measure_domain
from sparcell.prediction.found_size import SMALL
from sparcell.prediction.size import model_diameter
from sparcell.preprocessing.padding import pad_to
from sparcell.reports.verdict import SMALL_DIAMETER
from sparcell.training.click_scores import score_clicks
from sparcell.training.data.field_refs import FieldRef, shared_selection
from sparcell.training.data.fields import Fields
from sparcell.training.data.selection import find_groups
from sparcell.training.export import export_onnx
from sparcell.training.file_scores import describe_sample, predict_files
from sparcell.training.module import SegmentationModule
from sparcell.training.recipe import Recipe
from sparcell.training.tasks import task_of

logger = logging.getLogger(__name__)

GOLDEN_EDGE = 256
WORKED = 0.02
"""Score on validation fields up to which a training did not work."""


def export_model(
    module: SegmentationModule,
    fields: dict[str, Fields],
    places: dict[str, list[FieldRef]],
    out: Path,
    record: dict[str, Any],
    pixel_size: float | None,
) -> Model:
    """Write trained weights as ``model.zip``, to which `score_model` adds test scores.

    It is written before anything is predicted or scored, so no failure there loses the training.

    Parameters
    ----------
    module : SegmentationModule
    fields, places : dict
        Fields of the parts train and val, and where those of all parts are.
    out : Path
        The run folder.
    record : dict
        Of the run; changed in place.
    pixel_size : float or None
        Of the training images, um per px.
    """
    recipe, task = module.recipe, task_of(module.recipe.method.name)
    module.eval()
    typical_area, largest = task.object_sizes(fields["train"])
    settings, scores = module.decode_settings, {}
    if task.has_truth(places["val"]):
        scores["before_training"] = _start_scores(
            out, module.method.task, typical_area, record["training"]
        )
        settings, tuning = task.tune(module, fields["val"], typical_area)
        scores |= {"tuning": tuning} if tuning else {}
    record["typical_area"] = typical_area
    golden = _golden_input(fields["val"], recipe)
    onnx, maps = export_onnx(module.network, golden, module.activate, module.method.output)
    left_out = task.left_out(fields["train"])
    if left_out is not None:
        record["left_out"] = left_out
    spec = ModelSpec(
        name=recipe.name,
        method=recipe.method.name,
        decode=settings.model_dump(),
        normalise=recipe.normalise,
        channels=golden.shape[0] // recipe.network.frames,
        selection=shared_selection([place for part in places.values() for place in part]),
        frames=recipe.network.frames,
        tta=recipe.predict.tta,
        pixel_size=pixel_size,
        multiple=recipe.multiple,
        window=recipe.window,
        typical_area=typical_area,
        largest_diameter=largest or GOLDEN_EDGE / 2,
        stain=task.intensity_range(fields["train"]),
        scores=scores,
        record=record,
    )
    model = Model(spec, onnx, golden, maps)
    write_json(out / "record.json", record)
    model.save(out / "model.zip")
    return model


def score_model(
    model: Model, places: dict[str, list[FieldRef]], recipe: Recipe, out: Path
) -> dict[str, str]:
    """Predict and score whole test fields, or else validation fields, and finish the run.

    The model gets the statistics of the images that it was made with, by which it judges others.
    Writes ``predictions/``, ``evaluation.json`` and ``model.zip`` with the scores. The run is
    finished once ``record.json`` says when.

    Returns
    -------
    dict
        Image that could not be predicted to the reason; the others are scored without it.
    """
    scores, record = dict(model.spec.scores), dict(model.spec.record)
    seen = [(ref.sample.image, ref.plane) for part in ("train", "val") for ref in places[part]]
    small = SMALL * (model_diameter(model.spec) or 0.0) if recipe.data.diameter else 0.0
    domain = measure_domain(model, list(dict.fromkeys(seen)), small)
    # Before files are predicted: images of sizes that it does not know would be resized.
    model.spec = model.spec.model_copy(update={"domain": domain})
    part = "test" if places["test"] else "val"
    truth = METHODS[model.spec.method].task.truth
    samples = {
        place.sample.name: place.sample
        for place in places[part]
        if place.x == slice(None) and truth in place.sample.files
    }
    failures: dict[str, str] = {}
    if samples:
        samples, failures = predict_files(model, samples, out / "predictions")
        groups = find_groups(samples.values(), recipe.data)
        within = recipe.fit.match_within
        scores[part] = task_of(model.spec.method).evaluate(samples, out, groups, within)
        record["evaluated_part"] = part
        record["evaluated"] = {
            name: describe_sample(sample, truth, groups) for name, sample in samples.items()
        }
    elif clicked := _clicked(places[part]):
        clicked, failures = predict_files(model, clicked, out / "predictions")
        scores[part] = {"clicks": score_clicks(clicked, out)}
        record["evaluated_part"] = part
        record["clicked"] = {
            name: describe_sample(sample, "points", None) for name, sample in clicked.items()
        }
    model.spec = model.spec.model_copy(update={"scores": scores, "record": record})
    model.save(out / "model.zip")
    write_json(out / "record.json", record | {"finished": now()})
    return failures


def _clicked(places: list[FieldRef]) -> dict[str, Sample]:
    """Whole images that have points."""
    return {
        place.sample.name: place.sample
        for place in places
        if place.x == slice(None) and "points" in place.sample.files
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
    fix = f"the model is whole, in {out / 'model.zip'}; `resume=True` tries this step again"
    try:
        yield
    except InputError as error:
        raise InputError(error.found, error.expected, f"{error.fix}; {fix}") from error
    except Exception as error:
        with whole_file(failure) as partial:
            partial.write_text(traceback.format_exc(), "utf8", errors="backslashreplace")
        raise InputError(
            f"no scores or report of {out} ({type(error).__name__}, see {failure})",
            "predictions that can be scored",
            fix,
        ) from error
    failure.unlink(missing_ok=True)


def _golden_input(fields: Fields, recipe: Recipe) -> NDArray[np.float32]:
    """Cut the middle of a field, at most `GOLDEN_EDGE` px wide, or of the network's window."""
    image = fields[0].image
    height, width = image.shape[1:]
    most, multiple = recipe.window or GOLDEN_EDGE, recipe.multiple
    top, left = max(0, (height - most) // 2), max(0, (width - most) // 2)
    middle = image[:, top : top + most, left : left + most]
    edges = [-(-edge // multiple) * multiple for edge in middle.shape[1:]]
    return normalised(pad_to(middle, (edges[0], edges[1])), recipe.normalise)


def _why_not(best: float, start: float, typical_area: float | None) -> str:
    """Say that a training did not work or brought nothing, and what to try."""
    size = 2 * (typical_area / math.pi) ** 0.5 if typical_area else math.inf
    if best <= WORKED:
        what = "Training did not work: almost nothing was found on the check images"
    else:
        what = (
            "Training did not raise the score on the check images: at best "
            f"{best:.2f}, before training {start:.2f}"
        )
    if size < SMALL_DIAMETER:
        advice = f"Objects are about {size:.0f} px wide: try the recipe particles-light."
    else:
        advice = "Train for longer, outline more images, or check the outlines in report.html."
    return f"{what}. {advice}"


def _start_scores(
    out: Path, task: Task, typical_area: float | None, training: dict[str, Any]
) -> dict[str, float]:
    """Scores of the validation fields before training, and of the best epoch."""
    with (out / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    score = task.score
    start, best = float(rows[0][score]), max(float(row[score]) for row in rows[1:])
    # `choose_share` has reported how good the start and mixtures with it are.
    if training.get("initial_weight_fraction"):
        return {score: start, f"best_{score}": best}
    if best > max(start, WORKED):
        logger.info(f"Score on the check images: {best:.2f} of 1, before training {start:.2f}")
    else:
        logger.warning(_why_not(best, start, typical_area))
    return {score: start, f"best_{score}": best}
