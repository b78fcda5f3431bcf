"""A study from its plan to its page.

::

    OUT/
      study.yaml       every setting
      plan.json        recipes and runs resolved, each run with its fields
      runs/RECIPE/BUDGET-fFOLD-sSEED/        run folders, as `sparcell train` makes them
      runs/RECIPE/BUDGET-fFOLD-sSEED.json    rows of that run
      runs/RECIPE/BUDGET-fFOLD-sSEED.log     its messages
      results.csv      a row per run
      groups.csv       a row per run and group of test images, where there are groups
      images.csv       a row per run and test image
      study.html       the page
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import pandas as pd

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.text import counted
from sparcell.io import write_table
from sparcell.studies.config import Study, dump_study, load_study
from sparcell.studies.design import Plan, Run, describe_plan, plan_study, read_plan
from sparcell.studies.external import Tables, read_external
from sparcell.studies.rows import group_columns, image_columns, run_columns
from sparcell.studies.single import result_path
from sparcell.studies.workers import carry_out
from sparcell.system.cluster import check_workers
from sparcell.system.lock import is_unused, lock_folder
from sparcell.training.initialise import check_starts

logger = logging.getLogger(__name__)


def run_study(
    study: Study | Path | str,
    data: Path | str,
    out: Path | str,
    *,
    resume: bool = False,
    dask: str = "",
) -> Path:
    """Train, predict and score every run of a study, and write tables and page.

    Parameters
    ----------
    study : Study, Path or str
        A study or the YAML file of one.
    data : Path or str
        Dataset folder.
    out : Path or str
        Folder of the study: new, or with `resume` that of one that was stopped.
    resume : bool
        Keep finished runs, go on with stopped ones, and try failed ones again.
    dask : str
        Empty: one run after another. ``local:N``, ``slurm[:N]`` or an address; see `carry_out`.

    Returns
    -------
    Path
        The folder of the study.

    Raises
    ------
    InputError
        If study and data do not fit, weights that a recipe starts from cannot be had, another
        process works in the folder, or every run has failed. A run that fails on its own is noted
        in the column `error` of ``results.csv`` and the study goes on.
    """
    from sparcell.studies.page import write_study_page

    out = Path(out)
    check_workers(dask)
    study = study if isinstance(study, Study) else load_study(Path(study))
    plan = plan_study(study, Path(data))
    external = read_external(study)
    # One start in place of another would be compared under the wrong name.
    check_starts(plan.recipes[run.recipe] for run in plan.runs if not is_finished(out, run))
    with lock_folder(out):
        prepare(plan, out, resume)
        results = _carry_out(plan, out, external, dask)
    good = results["error"].isna() | (results["error"] == "")
    if not good.any():
        raise InputError(
            f"no run of {len(results)} that came to an end ({results['error'].iloc[0]})",
            "at least one",
            "correct that and add `resume=True`",
        )
    if not good.all():
        logger.warning(
            f"{counted((~good).sum(), 'run')} failed; see the column error of {out / 'results.csv'}"
        )
    logger.info(f"study: {write_study_page(out)}")
    return out


def _carry_out(plan: Plan, out: Path, external: Tables, dask: str) -> pd.DataFrame:
    """Carry out the runs that are not finished; return the table of all."""
    done = [run for run in plan.runs if is_finished(out, run)]
    left = [run for run in plan.runs if not is_finished(out, run)]
    logger.info(describe_plan(plan) + (f"\n  {len(done)} runs are finished" if done else ""))
    began = time.monotonic()
    for number, run in enumerate(carry_out(out, left, dask, plan.study.threads), 1):
        passed = time.monotonic() - began
        remaining = passed / number * (len(left) - number)
        logger.info(
            f"{len(done) + number}/{len(plan.runs)}  {run.key}  {_outcome(out, run)}  "
            f"about {_duration(remaining)} left"
        )
        write_tables(plan, out, external)
    return write_tables(plan, out, external)


def prepare(plan: Plan, out: Path, resume: bool) -> None:
    """Write the plan, or check that the folder holds the very same one.

    Raises
    ------
    InputError
        If the folder holds something else, or a study and `resume` is not asked for.
    """
    path, text = out / "plan.json", plan.model_dump_json(indent=1)
    if path.exists():
        if not resume:
            raise InputError(
                f"a study in {out}",
                "a new folder",
                "add `resume=True` to go on, or choose another `out`",
            )
        if _what_decides(read_plan(out)) != _what_decides(plan):
            raise InputError(
                f"another study or other data in {path} than now",
                "the same study, recipes and images",
                "undo the change, or choose another `out`",
            )
    elif not is_unused(out):
        raise InputError(f"something else at {out}", "a new folder", "choose another `out`")
    with whole_file(out / "study.yaml") as partial:
        partial.write_text(dump_study(plan.study), "utf8")
    with whole_file(path) as partial:
        partial.write_text(text, "utf8")


def _what_decides(plan: Plan) -> Plan:
    """Return a plan without what may change while its runs stay the same."""
    free = {"name": "", "description": "", "external": (), "threads": 0}
    words = {"description": "", "source": ""}
    recipes = {label: recipe.model_copy(update=words) for label, recipe in plan.recipes.items()}
    study = plan.study.model_copy(update=free)
    return plan.model_copy(update={"study": study, "recipes": recipes})


def is_finished(out: Path, run: Run) -> bool:
    """Tell whether a run has its model and its rows."""
    return (out / "runs" / run.key / "model.zip").exists() and not _read(out, run)["row"]["error"]


def write_tables(plan: Plan, out: Path, external: Tables) -> pd.DataFrame:
    """Write ``results.csv``, ``groups.csv`` and ``images.csv`` of the runs so far.

    Returns
    -------
    DataFrame
        What is in ``results.csv``.
    """
    entries = [_read(out, run) for run in plan.runs if result_path(out, run).exists()]
    runs = pd.DataFrame([entry["row"] for entry in entries], columns=list(run_columns()))
    groups, images = (
        pd.DataFrame([row for entry in entries for row in entry[kind]], columns=list(columns))
        for kind, columns in (("groups", group_columns()), ("images", image_columns()))
    )
    results = _join(runs, external.runs)
    # Counts stay whole numbers though some runs have none.
    write_table(results.convert_dtypes(), out / "results.csv")
    write_table(_join(images, external.images).convert_dtypes(), out / "images.csv")
    of_groups = _join(groups, external.groups)
    if len(of_groups):
        write_table(of_groups.convert_dtypes(), out / "groups.csv")
    return results


def _join(ours: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([ours, others], ignore_index=True) if len(others) else ours


def _read(out: Path, run: Run) -> dict[str, Any]:
    path = result_path(out, run)
    if not path.exists():
        return {"row": {"error": "not run yet"}, "groups": [], "images": []}
    try:
        result: dict[str, Any] = dict(json.loads(path.read_text("utf8")))
        result["row"] = dict(result["row"])
        if not all(isinstance(result.get(kind, []), list) for kind in ("groups", "images")):
            raise ValueError("rows that are no list")
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {"row": {"error": f"damaged rows in {path}"}, "groups": [], "images": []}
    # Rows without groups are of a former version: that run is scored again.
    known = {"error": "" if "groups" in result else "scored by a former version"}
    return {"groups": [], "images": []} | result | {"row": known | result["row"]}


def _outcome(out: Path, run: Run) -> str:
    row = _read(out, run)["row"]
    return f"failed: {row['error']}" if row["error"] else f"F1 {row['f1']:.3f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
