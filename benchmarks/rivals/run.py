"""Train the rivals one after another, score them and join the scores; what is done stays done.

    python run.py WORK --classical --stardist PYTHON --cellpose PYTHON
    python run.py WORK --stardist PYTHON --budgets 5 --seeds 0
    python run.py WORK

PYTHON is the interpreter of the environment that a rival is installed in; a rival without it does
not run. The first line does everything, the second one training, the third joins the scores alone.
Each training has one thread: to use a second core, start a second line for other trainings.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from score import collect
from task import read_plan, run_folder

HERE = Path(__file__).parent
# Freed memory that glibc hands back is a third of the time of some steps; Sparcell's own training
# keeps it too.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--classical", action="store_true")
    parser.add_argument("--stardist", metavar="PYTHON")
    parser.add_argument("--cellpose", metavar="PYTHON")
    parser.add_argument("--budgets", nargs="+", help="all of the study if not given")
    parser.add_argument("--seeds", nargs="+", help="all of the study if not given")
    parser.add_argument("--cpu-seconds", help="instead of the study's, for a trial")
    options = parser.parse_args()
    trainings = [
        (budget, seed)
        for training in read_plan(options.work)["trainings"]
        for budget, seed in [(str(training["budget"]), str(training["seed"]))]
        if budget in (options.budgets or [budget]) and seed in (options.seeds or [seed])
    ]
    asked = []
    if options.classical:
        asked.append(("classical", "classical.py", sys.executable, [("0", "0")]))
    if options.stardist:
        asked.append(("stardist", "stardist_train.py", options.stardist, trainings))
    if options.cellpose:
        asked.append(("cellpose3", "cellpose_train.py", options.cellpose, trainings))
    failed = 0
    for recipe, script, python, runs in asked:
        for budget, seed in runs:
            command = [python, HERE / script, options.work, "--budget", budget, "--seed", seed]
            if options.cpu_seconds:
                command += ["--cpu-seconds", options.cpu_seconds]
            failed += not run(run_folder(options.work, recipe, budget, int(seed)), command)
    collect(options.work)
    sys.exit(failed > 0)


def run(folder: Path, command: list[object]) -> bool:
    """Run one training unless it is done; return whether it is done now."""
    if (folder / "run.json").exists():
        return True
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{folder.name} ...", flush=True)
    with (folder / "log.txt").open("w") as log:
        done = subprocess.run(
            [str(part) for part in command],
            env=os.environ | ENVIRONMENT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        print(f"{folder.name} failed: see {folder / 'log.txt'}", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    main()
