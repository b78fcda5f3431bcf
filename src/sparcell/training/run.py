"""A training run: from a recipe and labelled fields to a run folder.

::

    RUN/
      recipe.yaml      every setting        record.json   versions, hashes, start weights
      metrics.csv      a row per epoch      curves.png    the same, drawn
      checkpoints/     best.ckpt, the weights; last.ckpt, to go on from, until the run is finished
      model.zip        what prediction needs; without test scores until these are known
      failure.txt      only if scores or report failed: the traceback
      evaluation.json  scores on test fields (or validation fields)
      predictions/     of those fields
      teacher/         pseudo-labels of fields without annotation, where there is a teacher
      report.html      scores, curves and example fields
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch

from sparcell.core.errors import InputError, first_line
from sparcell.core.files import whole_file, write_json
from sparcell.core.image import FIRST_PLANE
from sparcell.core.record import is_finished, peak_memory, read_record, start_record
from sparcell.core.text import counted
from sparcell.methods import METHODS
from sparcell.models.catalogue import entries, find_entry
from sparcell.reports import write_report
from sparcell.system.lock import lock_folder
from sparcell.system.malloc import tune_malloc
from sparcell.training.callbacks import LAST, drop_last, mix_weights, report_end
from sparcell.training.closest import choose_start
from sparcell.training.data.field_refs import FieldRef, check_channels
from sparcell.training.data.fields import Fields, learned_diameter
from sparcell.training.data.pseudo_labels import add_pseudo_labels, find_teacher
from sparcell.training.data.selection import (
    contain_objects,
    find_auto,
    find_fields,
    open_datasets,
)
from sparcell.training.effects import name_settings
from sparcell.training.finalise import export_model, keep_model, score_model
from sparcell.training.initialise import describe_start, start_from
from sparcell.training.mixing import choose_share
from sparcell.training.module import CropDataModule, NotFiniteLoss, SegmentationModule
from sparcell.training.recipe import Recipe, dump_recipe, load_recipe
from sparcell.training.resuming import check_inputs, check_run
from sparcell.training.settings import override
from sparcell.training.tasks import task_of
from sparcell.training.trainer import make_trainer, silence_libraries

logger = logging.getLogger(__name__)

RESUMED = ("epoch", "global_step", "loops", "callbacks", "optimizer_states", "lr_schedulers")
"""Parts of a checkpoint by which Lightning resumes a training."""


def train(
    recipe: Recipe | str,
    data: Sequence[Path | str] | Path | str,
    out: Path | str,
    *,
    overrides: Sequence[str] = (),
    pretrained: Path | str | None = None,
    resume: bool = False,
    minutes: float | None = None,
) -> Path:
    """Train a model on labelled fields.

    Parameters
    ----------
    recipe : Recipe or str
        A recipe, the name of one, or the path of a YAML file.
    data : Path, str or sequence of them
        Dataset folders; several make a mixed training set.
    out : Path or str
        The run folder: new, or with `resume` that of a run that was stopped.
    overrides : sequence of str
        ``"fit.epochs=20"``.
    pretrained : Path or str, optional
        A run folder, or what else `network.weights` may be, to start from; see `start_from`. By
        default as the recipe says: `nuclei-light` chooses by the images, see `choose_start`.
    resume : bool
        Go on from the last finished epoch; the run ends as one that was never stopped. `minutes`
        may be others than before.
    minutes : float, optional
        Longest time of the training by the clock, min: the setting `fit.minutes`. Adjusting
        cut-offs, scores and report come afterwards.

    Returns
    -------
    Path
        The run folder.

    Raises
    ------
    InputError
        If recipe, data or run folder cannot be used, another process works in the latter, or the
        loss becomes NaN.
    """
    out = Path(out)
    if minutes is not None:
        overrides = [*overrides, f"fit.minutes={minutes:g}"]
    typed: set[str] = set()
    if isinstance(recipe, str):
        recipe = load_recipe(recipe, list(overrides), pretrained=pretrained is not None)
        typed = name_settings(override({}, overrides))
    if pretrained is not None:
        recipe = start_from(pretrained, recipe, overrides)
    recipe = _find_start(recipe)
    roots = [data] if isinstance(data, str | Path) else list(data)
    with lock_folder(out):
        _train(recipe, [Path(root) for root in roots], out, resume, typed)
    return out


def _train(recipe: Recipe, roots: list[Path], out: Path, resume: bool, typed: set[str]) -> None:
    """Train in a folder that this process has locked; `typed` are settings of the user."""
    recipe = check_run(out, recipe, resume, typed)
    if (out / "model.zip").exists() and is_finished(out):
        logger.info(
            f"The training in {out} is finished already. To train for longer, start from it: "
            f"`pretrained={out}` and another `out`."
        )
        drop_last(out / "checkpoints")
        with keep_model(out):
            write_report(out)
        return
    datasets = open_datasets(roots, recipe.data)
    learns_from = METHODS[recipe.method.name].learns_from
    places = find_fields(datasets, recipe.data, recipe.seed, learns_from)
    auto = find_auto(recipe.data, places)
    teacher = find_teacher(datasets, recipe.data, learns_from, places | {"auto": auto})
    every = [*auto, *(place for refs in places.values() for place in refs)]
    every += [FieldRef(sample, FIRST_PLANE) for sample in teacher.unlabelled] if teacher else []
    channels, pixel_size = check_channels(every, recipe.network.frames)

    silence_libraries()
    tune_malloc()
    recipe, choice = choose_start(recipe, places["train"], channels, typed)
    lightning.seed_everything(recipe.seed, verbose=False)
    stains, places = task_of(recipe.method.name).select_fields(places, recipe.method)
    reading = (recipe.normalise, recipe.network.frames)
    diameter = learned_diameter(places["train"], recipe.data.diameter)
    val = Fields(places["val"], *reading, stains=stains, diameter=diameter)
    module = SegmentationModule(recipe, channels, val)
    # Only now, so that a setting that cannot work leaves no run folder.
    with whole_file(out / "recipe.yaml") as partial:
        partial.write_text(dump_recipe(recipe), "utf8")
    pseudo_labelled, summary = (
        add_pseudo_labels(teacher, out / "teacher") if teacher else ([], None)
    )
    train_fields = Fields(
        places["train"],
        *reading,
        auto=[*auto, *pseudo_labelled],
        stains=stains,
        every_frame=recipe.network.every_frame,
        diameter=diameter,
    )
    train_fields.read_ahead()
    fields = {"train": train_fields, "val": val}
    record = _record(
        recipe, places | {"auto": auto, "pseudo_labelled": pseudo_labelled}, module.start
    ) | {
        "datasets": [str(d.root) for d in datasets],
        "teacher": summary,
        "start": (choice or read_record(out).get("start", {})) | describe_start(recipe),
    }
    check_inputs(out, record)
    write_json(out / "record.json", record)
    start_words = "a random" if recipe.network.weights == "none" else "a pretrained"
    logger.info(
        f"Learning from {counted(train_fields.outlined, 'image')}, starting from {start_words} "
        "network."
    )
    logger.debug(
        f"{recipe.name}: {sum(p.numel() for p in module.network.parameters()) / 1e6:.1f} M weights "
        f"from {module.start}"
    )
    start = {name: value.detach().clone() for name, value in module.state_dict().items()}
    record["training"] = _fit(module, fields, out)
    best = _check_checkpoint(out / "checkpoints" / "best.ckpt", module)
    share = recipe.fit.initial_weight_fraction
    if share == "validated":
        # Without validation fields of their own, those that were learned from decide nothing.
        apart = places["val"] != places["train"] and contain_objects(places["val"])
        end = best["state_dict"]
        tuned = recipe.fit.tune_decoding in (True, "threshold")
        area = module.task.object_sizes(train_fields)[0] if tuned else None
        share = choose_share(module.cpu().eval(), start, end, val, area) if apart else 0.0
        record["training"]["initial_weight_fraction"] = share
    module.load_state_dict(mix_weights(start, best["state_dict"], share))
    model = export_model(module.cpu(), fields, places, out, record, pixel_size)
    with keep_model(out):
        failures = score_model(model, places, recipe, out)
        drop_last(out / "checkpoints")
        write_report(out)
    if failures:
        raise InputError(
            "no prediction of " + "; ".join(f"{path} ({why})" for path, why in failures.items()),
            "images that can be predicted",
            f"model, report and scores of the other images are in {out}",
        )


def _find_start(recipe: Recipe) -> Recipe:
    """Replace the name of a model in `network.weights` by its file."""
    start = recipe.network.weights
    if Path(start).exists() or start not in entries():
        return recipe
    network = recipe.network.model_copy(update={"weights": str(find_entry(start).path)})
    return recipe.model_copy(update={"network": network})


def _fit(
    module: SegmentationModule, fields: dict[str, Fields], out: Path
) -> dict[str, float | None]:
    """Fit until budget or patience end; halve the batch if memory does not suffice.

    Returns numbers of steps and parameters, times (s) and memory (MiB).
    """
    recipe = module.recipe
    batch, accumulate = recipe.fit.batch, 1
    while True:
        trainer, table, budget = make_trainer(recipe, out, accumulate)
        crops = CropDataModule(fields["train"], fields["val"], recipe, batch)
        last = out / "checkpoints" / LAST
        if last.exists():
            _check_checkpoint(last, module, RESUMED)
        try:
            if not last.exists():
                trainer.validate(module, crops.val_dataloader(), verbose=False)
                table.add(trainer, 0, 0.0)
            start = str(last) if last.exists() else None
            trainer.fit(module, crops, ckpt_path=start, weights_only=True)
            report_end(trainer, table, budget)
            return {
                "steps": trainer.global_step,
                "cpu_seconds": round(budget.seconds, 1),
                "minutes": round(budget.minutes, 2),
                "seconds": round(sum(row["seconds"] for row in table.rows), 1),
                "parameters": sum(p.numel() for p in module.network.parameters()),
                "peak_mib": peak_memory(),
                "gpu_mib": torch.cuda.max_memory_allocated() / 2**20
                if torch.cuda.is_available()
                else None,
            }
        except NotFiniteLoss as error:
            raise InputError(
                f"a loss that is not a number at step {error.step}",
                "a finite loss",
                f"lower optimiser.lr; the last good weights are in {out / 'checkpoints'}",
            ) from error
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            if batch == 1:
                raise InputError(
                    f"too little memory for one crop of {recipe.fit.crop} px ({first_line(error)})",
                    "memory for a step of training",
                    "make `fit.crop` smaller, or close other programs",
                ) from error
            batch, accumulate = batch // 2, accumulate * 2
            logger.warning(
                f"out of memory: continuing with {batch} crops at once, {accumulate} times a step"
            )
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        except SystemExit as stop:
            # Lightning ends the process on Ctrl-C; who called decides that here.
            raise KeyboardInterrupt from stop


def _check_checkpoint(
    path: Path, module: SegmentationModule, parts: Sequence[str] = ()
) -> dict[str, Any]:
    """Read a checkpoint, as PyTorch's own errors on a damaged one differ and mislead.

    Nothing in it is executed.

    Parameters
    ----------
    path : Path
    module : SegmentationModule
        Whose weights it should hold.
    parts : sequence of str
        What it should hold besides.

    Raises
    ------
    InputError
        If it is damaged, or of another network.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
        if {name: tensor.shape for name, tensor in state["state_dict"].items()} != expected:
            raise ValueError("the weights of another network")
        if missing := [part for part in parts if part not in state]:
            raise ValueError(f"no {missing[0]}")
    except Exception as error:
        raise InputError(
            f"a damaged checkpoint {path}",
            "the file as train wrote it",
            f"move {path.parent} away and add `resume=True` to begin anew, or choose another `out`",
        ) from error
    return state


def _record(recipe: Recipe, places: dict[str, list[FieldRef]], start: str) -> dict[str, Any]:
    """Start the record of the run, with the fields that it is trained on."""
    used = {
        file.path
        for part in ("train", "val", "auto", "pseudo_labelled")
        for place in places[part]
        for file in place.sample.files.values()
    }
    record = start_record(recipe.model_dump(mode="json"), sorted(used))
    record["fields"] = {part: [ref.name for ref in refs] for part, refs in places.items() if refs}
    record["start_weights"] = start
    record["device"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    record["input_multiple"] = recipe.multiple
    return record


def _out_of_memory(error: BaseException) -> bool:
    """Whether an error of PyTorch is one of memory; the last is that of its oneDNN."""
    texts = ("out of memory", "can't allocate memory", "could not create a primitive")
    return isinstance(error, MemoryError) or any(text in str(error).lower() for text in texts)
