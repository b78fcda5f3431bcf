"""One run of a study, in a process of its own: ``python -m sparcell.studies.single OUT KEY``.

A fresh process makes a run's processor time and memory its own, gives them back at the end, and
lets a crash end one run and not the study. It reads ``OUT/plan.json`` and leaves the run's rows as
``OUT/runs/KEY.json``, whether it succeeds or fails.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.core.log import print_messages
from sparcell.core.record import is_finished
from sparcell.studies.design import Plan, Run, read_plan
from sparcell.studies.rows import count_objects, key_row, read_rows
from sparcell.system.lock import lock_folder

# As a process of its own this module has the name `__main__`.
logger = logging.getLogger("sparcell.studies.single")

TIME_TO_STOP = 60
"""Time that a run may take to stop when its study ends, s."""


def run_single(out: Path, key: str) -> dict[str, Any]:
    """Train, predict and score one run, or go on with it where it was stopped.

    Parameters
    ----------
    out : Path
        Folder of the study, with ``plan.json``.
    key : str
        As in `Run.key`.

    Returns
    -------
    dict
        ``row``, ``groups`` and ``images``, as they are written to ``OUT/runs/KEY.json``. What is
        wrong with the input stands in ``row`` as ``error``.
    """
    plan = read_plan(out)
    run, folder = plan.find(key), out / "runs" / key
    try:
        _check_objects(plan, run)
        _train(plan, run, folder)
        row, groups, images = read_rows(plan, run, folder)
        result: dict[str, Any] = {"row": plain(row), "groups": list(map(plain, groups))}
        result["images"] = list(map(plain, images))
    except InputError as error:
        logger.warning(f"{key}: {error}")
        result = failed(run, str(error))
    write_json(result_path(out, run), result)
    return result


def result_path(out: Path, run: Run) -> Path:
    """Path of the rows of a run: beside its folder, which is there for good runs alone."""
    return out / "runs" / f"{run.key}.json"


def failed(run: Run, reason: str) -> dict[str, Any]:
    """Return the rows of a run that came to nothing."""
    return {"row": key_row(run) | {"error": reason}, "groups": [], "images": []}


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Turn what JSON cannot say, NaN, into nothing."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }


def _train(plan: Plan, run: Run, folder: Path) -> None:
    from sparcell.training import train
    from sparcell.training.callbacks import drop_last

    if folder.exists():
        # A process whose study was killed stops at its next step.
        with lock_folder(folder, patience=TIME_TO_STOP):
            pass
    if (folder / "model.zip").exists() and is_finished(folder):
        # Another version may write the same recipe in other words, and only scores are missing.
        drop_last(folder / "checkpoints")
        return
    train(plan.recipe(run), plan.data, folder, resume=True)


def _check_objects(plan: Plan, run: Run) -> None:
    """Check that there is something to learn, before hours go into it."""
    from sparcell.core.dataset import Dataset

    dataset = Dataset.open(plan.data, labels=plan.study.labels)
    names = set(run.train)
    fields = [sample for sample in dataset.samples if sample.name in names]
    labelled = [sample for sample in fields if "labels" in sample.files]
    if not count_objects(labelled):
        raise InputError(
            f"no object in the labels of {', '.join(sorted(names)[:3])}",
            "at least one in the training images of a run",
            "take larger budgets, or leave empty images out with where",
        )


def _end_with_parent() -> None:
    """Stop as Ctrl-C would when standard input closes, which it does when the study ends."""

    def watch() -> None:
        # Not through `sys.stdin`, whose lock would be held when the process ends.
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    # A shell's background jobs begin with this signal ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    _end_with_parent()
    print_messages(logging.INFO)
    try:
        run_single(Path(sys.argv[1]), sys.argv[2])
    except KeyboardInterrupt:
        sys.exit(130)
