"""Does it pay to correct the most uncertain objects first? Simulated experts answer, with mistakes.

::

    OUT/
      predicted/          training images, as the model predicts them
      correction/         these objects in the order of their uncertainty
      ARM-SEED/           an order of the queue and a seed
        correction/       what the simulated expert edited
        N/data, N/run     the dataset after N verdicts, and the model that learned from it
        N/test            its prediction of the test images
      before/             the model's own prediction of the test images
      results.csv         a row per order, seed and number of verdicts
      images.csv          AP50 of each test image
      correction.html     what it shows

No training uses the test images. Outlines from scratch get the time that the correction took.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.core.image import FIRST_PLANE
from sparcell.core.label_kinds import separate_objects
from sparcell.core.labels import Labels, connected_labels
from sparcell.core.record import start_record
from sparcell.core.text import counted
from sparcell.evaluation import evaluate
from sparcell.io import open_image, read_table, write_table
from sparcell.models import load_model
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings
from sparcell.review import Correction, new_correction, open_correction
from sparcell.review.exporting_corrections import CONFIDENT
from sparcell.studies.annotating import ARMS, annotate
from sparcell.studies.retraining import retrain
from sparcell.studies.simulated_expert import MISTAKES, SAME_OBJECT
from sparcell.training.recipe import load_recipe

logger = logging.getLogger(__name__)

BEFORE = "before"
RECORD = "study.json"
ADAPTS = "nuclei-light"
"""Recipe that changes a model little where a few images are not all that it will see."""


@dataclass(frozen=True)
class CorrectionStudy:
    """Settings of a correction study.

    Attributes
    ----------
    data : Path
        Dataset folder with labels, of which some are marked test.
    model : str
        A model that was not trained on any of its images.
    recipe : str
        For the trainings, which start from the model. Empty: `ADAPTS`, which is made to adapt
        models, where it has the model's method; else that of the model's own run.
    verdicts : tuple of int
        Numbers of judged objects after which a model is trained.
    seeds : int
        Repetitions, each with its own random order, mistakes and training.
    images : int
        Number of training images that are corrected, the first by name; 0 for all.
    mistakes : float
        Share of wrong verdicts, 0 to 1.
    confident : float or None
        See `sparcell.review.export_corrections`.
    settings : tuple of str
        Other settings of the recipe, ``fit.max_steps=100``.
    """

    data: Path
    model: str
    recipe: str = ""
    verdicts: tuple[int, ...] = (100, 400)
    seeds: int = 3
    images: int = 0
    mistakes: float = MISTAKES
    confident: float | None = CONFIDENT
    settings: tuple[str, ...] = ()


def run_correction_study(study: CorrectionStudy, out: Path, resume: bool = False) -> Path:
    """Carry out the study, and write its tables and page.

    Finished trainings of a stopped study are kept when it is resumed.

    Returns
    -------
    Path
        ``correction.html``.

    Raises
    ------
    InputError
        If the dataset lacks labelled training or test images, or `out` holds another study.
    """
    from sparcell.studies.correction_page import write_correction_page

    learned, tested = _split(study)
    recipe = study.recipe or _choose_recipe(study.model)
    _check_out(study, out, resume)
    truth = {sample.name: _read_truth(sample) for sample in learned}
    before = _ap_of_images(study, study.model, tested, out / BEFORE, resume)
    rows: list[dict[str, Any]] = [_row(BEFORE, 0, 0, {}, before)]
    images = _image_rows(rows[0], before)
    correction = _make_correction(study, learned, out, resume)
    decoding = _own_decoding(study.model)
    for seed in range(study.seeds):
        seconds: dict[int, float] = {}
        for arm in ARMS:
            folder = out / f"{arm}-{seed}"
            made = annotate(
                arm,
                seed,
                correction,
                truth,
                folder,
                study.verdicts,
                study.mistakes,
                study.confident,
                seconds,
            )
            for number, data, facts in made:
                run = folder / str(number) / "run"
                retrain(study.model, recipe, data, run, seed, (*decoding, *study.settings))
                scores = _ap_of_images(
                    study, str(run), tested, folder / str(number) / "test", resume=True
                )
                rows.append(_row(arm, seed, number, facts, scores))
                images += _image_rows(rows[-1], scores)
                logger.info(f"{arm}, seed {seed}, {number} verdicts: AP50 {rows[-1]['ap50']:.3f}")
                write_table(pd.DataFrame(rows), out / "results.csv")
                write_table(pd.DataFrame(images), out / "images.csv")
    return write_correction_page(out)


def _check_out(study: CorrectionStudy, out: Path, resume: bool) -> None:
    """Begin a folder, or check that it holds the same study."""
    own = {name: value for name, value in vars(study).items() if name != "data"}
    own = {key: list(v) if isinstance(v, tuple) else v for key, v in own.items()}
    own["data"] = str(study.data)
    path = out / RECORD
    if path.exists():
        known = json.loads(path.read_text("utf8"))["settings"]
        if not resume:
            raise InputError(
                f"{out}, which holds a study", "a new folder", "choose another `out`, or `resume`"
            )
        if known != own:
            different = next(key for key in own if known.get(key) != own[key])
            raise InputError(
                f"another {different} than in {path}", "the same study", "choose another `out`"
            )
        return
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}, which holds files", "a new folder", "choose another `out`")
    write_json(path, start_record(own))


def _split(study: CorrectionStudy) -> tuple[list[Sample], list[Sample]]:
    """Labelled images to correct, and to test on."""
    labelled = [s for s in Dataset.open(study.data).samples if "labels" in s.files]
    tested = [sample for sample in labelled if sample.split == "test"]
    learned = [sample for sample in labelled if sample.split != "test"]
    learned = learned[: study.images or None]
    if not tested or len(learned) < 2:
        raise InputError(
            f"{len(learned)} labelled images to learn from and {len(tested)} marked test "
            f"in {study.data}",
            "two or more, and some",
            "mark images in split.csv",
        )
    return learned, tested


def _read_truth(sample: Sample) -> Labels:
    labels = separate_objects(open_image(sample.files["labels"]))
    return connected_labels(labels.read_labels(plane=FIRST_PLANE))


def _make_correction(
    study: CorrectionStudy, learned: Sequence[Sample], out: Path, resume: bool
) -> Correction:
    """Predict the training images, and order their objects by uncertainty."""
    if (out / "correction").exists():
        return open_correction(out / "correction")
    images = {sample.name: sample.image for sample in learned}
    _predict(study.model, images, out / "predicted", resume)
    return new_correction(out / "predicted", out / "correction", model=study.model)


def _choose_recipe(model: str) -> str:
    """Recipe that a model is trained further with.

    Raises
    ------
    InputError
        If it is that of a run folder, and the model is not one.
    """
    if load_model(model).spec.method == load_recipe(ADAPTS).method.name:
        return ADAPTS
    path = Path(model) / "recipe.yaml"
    if not path.is_file():
        raise InputError(
            f"no recipe for {model}", "a recipe, or the run folder of the model", "name a `recipe`"
        )
    return str(path)


def _own_decoding(model: str) -> list[str]:
    """Settings by which the trainings decode as the model does, before any tuning."""
    known = load_model(model).spec.decode
    return [f"decode.{name}={json.dumps(value)}" for name, value in known.items()]


def _predict(model: str, images: dict[str, Any], out: Path, resume: bool) -> None:
    settings = PredictSettings(pictures=False)
    summary = predict(model, images, out, settings=settings, resume=resume or out.exists())
    if summary.failures:
        name, reason = next(iter(summary.failures.items()))
        raise InputError(f"no prediction of {name} ({reason})", "all images", "correct the image")


def _ap_of_images(
    study: CorrectionStudy, model: str, tested: Sequence[Sample], out: Path, resume: bool
) -> pd.DataFrame:
    """TP, FP and FN of each test image, at an IoU of 0.5."""
    _predict(model, {sample.name: sample.image for sample in tested}, out, resume)
    files = {sample.name: sample.files["labels"] for sample in tested}
    report = evaluate(files, out, metric="matching")
    found = {name: scores.level(SAME_OBJECT).confusion for name, scores in report.images.items()}
    return pd.DataFrame(
        [
            {"image": name, "tp": c.tp, "fp": c.fp, "fn": c.fn, "ap50": c.iou}
            for name, c in found.items()
        ]
    )


def _row(
    arm: str, seed: int, verdicts: int, facts: dict[str, Any], scores: pd.DataFrame
) -> dict[str, Any]:
    total = scores[["tp", "fp", "fn"]].to_numpy().sum(0)
    return {
        "order": arm,
        "seed": seed,
        "verdicts": verdicts,
        "wrong": facts.get("wrong", 0),
        "mistakes": facts.get("mistakes", 0),
        "seconds": facts.get("seconds", 0.0),
        "ap50": total[0] / max(total.sum(), 1),
    }


def _image_rows(row: dict[str, Any], scores: pd.DataFrame) -> list[dict[str, Any]]:
    key = {name: row[name] for name in ("order", "seed", "verdicts")}
    return [
        {**key, **{str(name): value for name, value in one.items()}}
        for one in scores.to_dict("records")
    ]


def read_results(out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the tables of a study; an `InputError` if there are none."""
    if not (out / "results.csv").is_file():
        raise InputError(f"no results.csv in {out}", "the folder of a study", "check the path")
    return read_table(out / "results.csv"), read_table(out / "images.csv")


def describe_study(study: CorrectionStudy) -> str:
    """Say in a line what the study will do."""
    trainings = len(ARMS) * study.seeds * len(study.verdicts)
    return f"{counted(trainings, 'training')}: {', '.join(ARMS)}; verdicts {study.verdicts}"
