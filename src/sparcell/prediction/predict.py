"""Predict image files: write label images, object tables and counts, or predicted stains."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from sparcell.core.columns import Columns
from sparcell.core.errors import InputError, first_line
from sparcell.core.files import remove_partial_files, whole_file, write_json
from sparcell.core.log import collected_warnings
from sparcell.core.record import now, start_record
from sparcell.core.text import about
from sparcell.measurement.result_tables import DEFAULT_TABLES, TABLES, WELL_FILES, TableOptions
from sparcell.models.model import Model
from sparcell.prediction.batch import predict_items
from sparcell.prediction.empty_images import warn_empty
from sparcell.prediction.inputs import Inputs
from sparcell.prediction.loaded_model import RuntimeSpec
from sparcell.prediction.overwrite import DATASET, dataset_hash, remove_results
from sparcell.prediction.planning.prediction_plan import PredictionPlan, plan_prediction
from sparcell.prediction.result_dataset import describe_dataset
from sparcell.prediction.results import KEY as RESULTS
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.size import Scale
from sparcell.system.cluster import call_on_workers, check_workers, connect
from sparcell.system.lock import lock_folder

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


@dataclass
class Summary:
    """The outcome of a prediction.

    Attributes
    ----------
    columns : Columns
        What `counts` is made of.
    failures : dict
        Image to the reason why it has no result.
    stains : list of Path
        Images of predicted stains, of a model that predicts them; `counts` is then empty.
    skipped : dict
        Image to its constant planes, which were skipped; the other planes have results.
    headline : str
        The outcome in one line.
    """

    columns: Columns
    failures: dict[str, str] = field(default_factory=dict)
    stains: list[Path] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    headline: str = ""

    @cached_property
    def counts(self) -> pd.DataFrame:
        """One row per image and plane; see `sparcell.prediction.counts.count_objects`."""
        return self.columns.frame()


def predict(
    model: Model | Path | str,
    inputs: Inputs,
    out: Path | str,
    *,
    settings: PredictSettings = DEFAULTS,
    runtime: str = "auto",
    threads: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    dask: str = "",
    tables: TableOptions = DEFAULT_TABLES,
) -> Summary:
    """Find objects in images, or predict their stains.

    Writes ``labels/NAME.tif`` and ``objects/NAME.csv`` for every input, ``counts.csv`` and
    ``record.json`` for all. Where names tell wells, or images are movies, it also writes the
    tables and the page of `sparcell.measurement.result_tables.write_well_tables`.
    ``pictures/NAME.png`` shows each image with outlines of its objects, and ``overview.html`` shows
    all of them, with counts and sizes. Large images are predicted in blocks, and their labels are
    OME-Zarr. A model that predicts stains writes ``stain/NAME.tif``, pictures and ``record.json``.
    With the images, if they lie in one folder, the result is a dataset, to train on or to label:
    ``dataset.yaml``.

    Parameters
    ----------
    model : Model, Path or str
        A model, or what `load_model` takes.
    inputs : sequence of Path or str, or mapping from name to Path or ImageRef
        Images, folders of images, patterns, OME-Zarr folders, plates, dataset folders. A mapping
        names the results.
    out : Path or str
        A new folder; with `resume` one that an earlier call has begun to fill.
    settings : PredictSettings
    runtime : str
        ``auto`` or a name in `sparcell.models.runtime.RUNTIMES`.
    threads : int
        Of the network; 0 lets the runtime choose, and is 1 on Dask's workers.
    resume : bool
        Skip the inputs whose results are there already, and the blocks of those that are begun.
        Images that have changed since are predicted anew.
    overwrite : bool
        Remove the results of an earlier prediction in `out` first. Files of others stay.
    dask : str
        Where images and blocks are predicted; see `sparcell.system.cluster.check_workers`. In a
        script, call it under ``if __name__ == "__main__"``, which new processes do not run.
    tables : TableOptions
        Wells, and files of all tables. They do not change what is found, so a call with `resume`
        may have others.

    Returns
    -------
    Summary
        One bad image does not stop the others; it is listed under `failures`.

    Raises
    ------
    InputError
        If the model, the list of inputs or the output folder cannot be used, such as one that
        holds files of others, another process works in it, or the cluster is lost.
    """
    check_workers(dask)
    with lock_folder(Path(out)):
        plan = plan_prediction(
            model, inputs, out, settings, resume=resume, overwrite=overwrite, absolute=bool(dask)
        )
        return run_plan(plan, runtime=runtime, threads=threads, dask=dask, tables=tables)


def run_plan(
    plan: PredictionPlan,
    *,
    runtime: str = "auto",
    threads: int = 0,
    dask: str = "",
    tables: TableOptions = DEFAULT_TABLES,
) -> Summary:
    """Run a prediction that is planned, in a folder that this process has locked.

    Parameters
    ----------
    plan : PredictionPlan
    runtime, threads, dask, tables
        As for `predict`.

    Raises
    ------
    InputError
        If the output folder or the runtime cannot be used, or the cluster is lost.
    """
    if plan.conflict:
        raise plan.conflict
    tables = tables.with_files(plan.earlier.get(TABLES) or ())
    plan.task.check_tables(tables, plan.out, [item.name for item in plan.items])
    with collected_warnings() as warnings:
        return _run(plan, warnings, runtime, threads, dask, tables)


def _run(
    plan: PredictionPlan,
    warnings: list[str],
    runtime: str,
    threads: int,
    dask: str,
    tables: TableOptions,
) -> Summary:
    """Do as `run_plan`; `warnings` grows while it runs."""
    model, out, results = plan.model, plan.out, plan.results
    if plan.resume:
        _remove_partial_files(plan)
    if plan.overwrite:
        remove_results(out)
    unfinished = out / "unfinished"
    runtime_spec = RuntimeSpec.start(
        model, unfinished / ".model.zip", runtime, threads or int(bool(dask)), plan.settings.tta
    )
    if any(item.unfinished.exists() for item in plan.remaining):
        _check_runtime(plan, runtime_spec)
    logger.info(plan.task.announce(model, len(plan.items)))
    logger.debug(f"{model.spec.name} ({model.spec.method}) on {runtime_spec.name}")
    record = start_record({"model": model.source, **plan.recorded})
    scales = _valid_scales(plan.earlier.get("scales"))
    record |= {"runtime": runtime_spec.name, "scales": scales}
    record |= {DATASET: plan.earlier.get(DATASET)}
    write_json(out / "record.json", record | {RESULTS: plan.earlier.get(RESULTS, {})})
    results.begin(plan.remaining)
    if plan.settings.pictures:
        # The first window waits for the network, which opens without Python.
        Thread(target=_load_drawing).start()

    failures: dict[str, str] = {}
    traces = ""
    seconds = megapixels = 0.0
    with (
        closing(runtime_spec),
        _workers(dask if plan.remaining else "", model, runtime_spec) as client,
    ):
        for item, outcome in predict_items(runtime_spec, plan.remaining, client):
            if outcome.scale is None:
                failures[str(item.image)] = outcome.failure
                traces += outcome.trace and f"{item.image}\n{outcome.trace}\n"
                # The command line lists all of them at the end.
                logger.debug(about(item.image, outcome.failure))
            else:
                scales[item.name] = outcome.scale._asdict()
                results.finish(item, outcome.skipped, outcome.empty, outcome.fit)
            seconds += outcome.seconds
            megapixels += outcome.megapixels
    finished = [item for item in plan.items if item in results]
    if describe_dataset(finished, out, model):
        record[DATASET] = dataset_hash(out)
    of_all = plan.task.finish(finished, model, scales, results.fits(finished), out, tables)
    warn_empty(results.empty(finished))
    record["warnings"] = warnings
    record[TABLES] = [name for name in WELL_FILES if (out / name).exists()] + tables.exports
    record |= {"seconds": round(seconds, 3), "megapixels": megapixels}
    record |= {"finished": now(), "failures": failures, RESULTS: results.entries}
    write_json(out / "record.json", record)
    results.close()
    plan.task.write_exports(finished, of_all, out, tables)
    headline = of_all.summary
    if plan.settings.pictures:
        from sparcell.prediction.overview.page import Problems

        problems = Problems(failures, results.skipped(finished), warnings)
        try:
            if page := plan.task.write_overview(finished, of_all, model, out, problems):
                headline += f"\n  Pictures  {page}"
        except Exception as error:
            # All results are written, and the page can be had again by --resume.
            logger.warning(f"overview.html was not written: {first_line(error)}")
    if traces:
        with whole_file(out / "failure.txt") as partial:
            partial.write_text(traces, "utf8", errors="backslashreplace")
    with suppress(OSError):
        unfinished.rmdir()
    return Summary(of_all.counts, failures, of_all.images, results.skipped(finished), headline)


def _load_drawing() -> None:
    """Load what draws pictures and the page of all."""
    from sparcell.prediction.overview.page import load_page

    load_page()


def _valid_scales(content: Any) -> dict[str, Any]:
    """Leave out of the recorded scales what is none; missing ones are computed anew."""
    items = content.items() if isinstance(content, dict) else ()
    return {
        name: scale
        for name, scale in items
        if isinstance(scale, dict) and scale.keys() == set(Scale._fields)
    }


def _remove_partial_files(plan: PredictionPlan) -> None:
    """Remove what a killed call has left of files that it was writing."""
    folders = {plan.out / "objects", plan.out / "stain"}
    folders |= {item.labels(in_blocks=False).parent for item in plan.items}
    for folder in {plan.out, *folders}:
        remove_partial_files(folder)


def _check_runtime(plan: PredictionPlan, runtime_spec: RuntimeSpec) -> None:
    """Refuse to mix blocks of two runtimes, whose numbers differ in the last bits."""
    earlier = plan.earlier.get("runtime")
    if plan.earlier and earlier != runtime_spec.name:
        raise InputError(
            f"an unfinished image in {plan.out} on {earlier}",
            f"the same runtime as now, {runtime_spec.name}",
            "choose that `runtime`, or choose another `out`",
        )


@contextmanager
def _workers(dask: str, model: Model, runtime_spec: RuntimeSpec) -> Iterator[Any]:
    """Connect to workers, who read the model from a file; None where there are none."""
    if not dask:
        yield None
        return
    model.save(runtime_spec.model)
    try:
        with connect(dask, threads=runtime_spec.threads) as client:
            call_on_workers(client, runtime_spec.warm_up)
            yield client
    finally:
        runtime_spec.model.unlink(missing_ok=True)
