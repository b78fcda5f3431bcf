"""The plan of a prediction: model, images, files, and conflicts with earlier results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.image_files import url_of
from sparcell.core.record import read_record
from sparcell.models.model import Model
from sparcell.models.model_cache import MODELS
from sparcell.prediction.inputs import Inputs, find_inputs
from sparcell.prediction.items import Item, list_items
from sparcell.prediction.overwrite import check_overwrite, holds_no_results
from sparcell.prediction.results import Results
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.size import check_diameter
from sparcell.prediction.tasks import PredictionTask, task_of


@dataclass(frozen=True)
class PredictionPlan:
    """A prediction before it is run; `sparcell.prediction.predict.run_plan` runs it.

    Attributes
    ----------
    model : Model
    task : PredictionTask
        What the model predicts.
    out : Path
        Folder of the results.
    settings : PredictSettings
        With the test-time augmentation that is used.
    resume : bool
        Results of an earlier call are kept.
    items : list of Item
        All images.
    remaining : list of Item
        Those without results.
    results : Results
        Which images have results, and from which state of their files.
    earlier : dict
        The record of an earlier call in this folder; empty where there is none.
    recorded : dict
        Settings that decide what is found, as the record holds them.
    conflict : InputError or None
        The reason why nothing can be written into the folder.
    overwrite : bool
        Results of an earlier call are replaced.
    """

    model: Model
    task: PredictionTask
    out: Path
    settings: PredictSettings
    resume: bool
    items: list[Item]
    remaining: list[Item]
    results: Results
    earlier: dict[str, Any]
    recorded: dict[str, Any]
    conflict: InputError | None
    overwrite: bool = False


def plan_prediction(
    model: Model | Path | str,
    inputs: Inputs,
    out: Path | str,
    settings: PredictSettings = DEFAULTS,
    *,
    resume: bool = False,
    overwrite: bool = False,
    absolute: bool = False,
) -> PredictionPlan:
    """Decide what a prediction does; nothing is written and no pixels are read.

    Parameters
    ----------
    model, inputs, out, settings, resume, overwrite
        As for `sparcell.prediction.predict.predict`.
    absolute : bool
        Make all paths absolute, for workers that were started in another folder.

    Raises
    ------
    InputError
        If the model, the settings or the list of inputs cannot be used.
    """
    out = Path(out)
    model = MODELS.get(model)
    task = task_of(model)
    check_diameter(settings.diameter)
    task.check_settings(settings, model)
    settings = replace(settings, tta=settings.tta or model.spec.tta)
    images = find_inputs(inputs, out, settings.scene)
    if absolute:
        out = out.absolute()
        images = {
            one if url_of(one.path) else replace(one, path=one.path.absolute()): name
            for one, name in images.items()
        }
    items = list_items(images, out, settings, resume)
    recorded = _recorded(model, settings)
    if resume and overwrite:
        raise InputError("`resume=True` and `overwrite=True`", "one of them", "leave one out")
    earlier, conflict = read_record(out) if resume else {}, None
    overwrite = overwrite or (not resume and holds_no_results(out))
    try:
        if overwrite and (out / "record.json").exists():
            check_overwrite(out)
        else:
            _check_out(out, task.written(settings), recorded, earlier, resume)
    except InputError as error:
        conflict = error
    results = Results(out, earlier, task)
    if not resume:
        # A killed call has left some, which are replaced.
        results.entries.clear()
    remaining = [item for item in items if not (resume and results.is_finished(item))]
    return PredictionPlan(
        model, task, out, settings, resume, items, remaining, results, earlier, recorded, conflict,
        overwrite,
    )  # fmt: skip


def _recorded(model: Model, settings: PredictSettings) -> dict[str, Any]:
    recorded: dict[str, Any] = {"model_sha256": model.digest, **asdict(settings)}
    # A limit on what may be read does not change what is found.
    del recorded["max_pixels"]
    # Scenes are in the names of the results; earlier versions recorded none.
    del recorded["scene"]
    del recorded["pictures"]
    # Newer settings count where they are used, so earlier predictions can be resumed.
    if recorded["project"] is None:
        del recorded["project"]
    if not recorded["hypotheses"]:
        del recorded["hypotheses"]
    return recorded


def _check_out(
    out: Path,
    written: tuple[str, ...],
    recorded: Mapping[str, Any],
    earlier: Mapping[str, Any],
    resume: bool,
) -> None:
    """Refuse to mix the results of two calls, or to replace files of others.

    Raises
    ------
    InputError
        If there are results of a call that is not resumed or had other settings, or files that
        no prediction wrote.
    """
    if not (out / "record.json").exists():
        for path in (out / name for name in written):
            if path.exists() and not (path.is_dir() and not any(path.iterdir())):
                raise InputError(
                    f"{path}, which no prediction wrote",
                    "a folder without this file",
                    "choose another `out`",
                )
        return
    if not resume:
        raise InputError(
            f"results in {out}",
            "a new folder",
            "choose another `out`",
            f'"{out}" holds earlier results. Add `overwrite=True` to replace them, `resume=True` '
            "to finish them, or choose another `out`.",
        )
    settings = earlier.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    # Compared as JSON, in which tuples are lists.
    for name, value in json.loads(json.dumps(recorded)).items():
        if settings.get(name) != value:
            what = "model" if name == "model_sha256" else f"setting {name}"
            raise InputError(
                f"results of another {what} in {out}",
                f"results of the same {what}",
                "choose another `out`",
            )
