"""Commands that are stopped at random moments, and continued: the results are those of no stop.

    python benchmarks/robustness/kill.py [--size small] [--only predict] [--seed 0]

SIGKILL, SIGINT and SIGTERM end a command after a random part of the time that it takes unbroken.
The same command with `--resume` (`--overwrite` for labels) then has to give the same files: equal
byte for byte, pixels of TIFF files, weights and metrics of trainings. SIGKILL goes to all processes
of the command. A command that was asked to stop ends with code 130 within `SECONDS_TO_STOP`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
import yaml
from campaign import SECONDS, Campaign, Outcome, Row, run_process, run_script, spell, start
from results import compare, leftovers

from sparcell.io import write_image
from sparcell.simulation import SimulationSettings, write_dataset

SECONDS_TO_STOP = 20
LONGEST = 20 * SECONDS
"""Time that an unbroken command may take, s; that of a study on a busy machine."""
STOPPED = 130
STOPS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
TINY = {
    "network.weights": "none", "network.filters": 4, "data.labels": "truth", "fit.crop": 64,
    "fit.batch": 4, "fit.crops_per_epoch": 16, "fit.epochs": 4,
}  # fmt: skip
TINY_SET = tuple(word for name, value in TINY.items() for word in ("--set", f"{name}={value}"))


@dataclass(frozen=True)
class Job:
    """A command, the words that continue it, the folder it writes, and how often it is stopped."""

    name: str
    words: tuple[str, ...]
    again: tuple[str, ...]
    trials: tuple[int, int, int]


JOBS = (
    Job("predict a folder", ("predict", "nuclei", "d", "-o", "out"), ("--resume",), (2, 6, 20)),
    Job(
        "predict one OME-Zarr in blocks",
        ("predict", "nuclei", "big.ome.zarr", "--block", "192", "--zarr", "-o", "out"),
        ("--resume",),
        (2, 6, 20),
    ),
    Job(
        "predict with workers",
        ("predict", "nuclei", "d", "--workers", "2", "-o", "out"),
        ("--resume",),
        (1, 3, 10),
    ),
    Job("label", ("label", "d", "-o", "out"), ("--overwrite",), (2, 6, 20)),
    Job(
        "train",
        ("train", "salomon2023-unet", "--data", "d", "-o", "out", *TINY_SET),
        ("--resume",),
        (1, 3, 8),
    ),
    Job("study", ("study", "study.yaml", "--data", "d", "-o", "out"), ("--resume",), (1, 2, 4)),
)


def kill(campaign: Campaign, work: Path) -> None:
    """Stop every command in every way."""
    write_inputs(work / "inputs")
    for number, job in enumerate(JOBS):
        test = f"stopped and continued: {job.name}"
        if "--workers" in job.words and importlib.util.find_spec("distributed") is None:
            campaign.skip(test, "distributed not installed")
            continue
        if not (row := campaign.row(test)):
            continue
        unbroken = work / "unbroken"
        shutil.copytree(work / "inputs", unbroken)
        outcome = run_process(unbroken, *job.words, seconds=LONGEST)
        if outcome.code:
            raise RuntimeError(f"{job.name}, not stopped: {outcome}")
        random = np.random.default_rng([campaign.seed, number])
        for trial in range(campaign.count(*job.trials)):
            _stop(
                campaign, row, job, STOPS[trial % 3], random.uniform(0, outcome.seconds), unbroken
            )
        shutil.rmtree(unbroken)


def write_inputs(folder: Path) -> None:
    """Write simulated fields, a large OME-Zarr of them, and a study of tiny trainings."""
    settings = SimulationSettings(size=(160, 160), cells=12, nucleus_diameter=14)
    write_dataset(folder / "d", settings, seed=3, train=6, val=1, test=1)
    field = tifffile.imread(folder / "d" / "images" / "field_000.tif")
    write_image(folder / "big.ome.zarr", np.tile(field, (4, 4)), "YX")
    tiny = {
        name: value for name, value in TINY.items() if name not in ("data.labels", "fit.epochs")
    }
    study = {
        "name": "s", "recipes": ["salomon2023-unet"], "budgets": [1, 2], "seeds": [0],
        "labels": "truth", "set": tiny, "limit": {"steps": 8},
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(study), "utf8")


def _stop(
    campaign: Campaign, row: Row, job: Job, by: signal.Signals, after: float, unbroken: Path
) -> None:
    folder = unbroken.with_name("stopped")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(unbroken.with_name("inputs"), folder)
    log = folder.with_name("stopped.log")
    log.unlink(missing_ok=True)
    stopped = _stop_process(start(folder, job.words), by, after, log)
    problem = "" if stopped.code == -signal.SIGKILL else stopped.problem({0, STOPPED})
    if not problem:
        again = run_process(folder, *job.words, *_again(job, folder, stopped), seconds=LONGEST)
        problem = (
            again.problem({0}) or leftovers(folder) or compare(unbroken / "out", folder / "out")
        )
    command = f"timeout -s {by.name[3:]} {after:.1f} {spell(job.words)}; the same {job.again[0]}"
    campaign.judge(row, problem, command, folder)


def _again(job: Job, folder: Path, stopped: Outcome) -> tuple[str, ...]:
    """Words that continue a command; none where it was stopped before it wrote anything."""
    begun = (folder / "out").exists() and any((folder / "out").iterdir())
    return job.again if begun or stopped.code == 0 else ()


def _stop_process(
    process: subprocess.Popen[bytes], by: signal.Signals, after: float, log: Path
) -> Outcome:
    """Send a signal after a time, s, and wait for the end."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        if by is signal.SIGKILL:
            os.killpg(process.pid, by)
        else:
            process.send_signal(by)
    try:
        code = process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        code = -signal.SIGALRM
    return Outcome(code, log.read_text("utf8", "replace"))


if __name__ == "__main__":
    run_script(kill)
