"""Damaged files of every kind: each ends in a result or in a plain line.

    python benchmarks/robustness/fuzz.py [--size small] [--only TIFF] [--seed 0]

Each trial damages one good file at random, and runs the commands that read such files.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
from campaign import Campaign, Row, Words, load_libraries, run_forked, run_script, spell
from mutations import mutate
from results import leftovers
from sample_field import write_base
from samples import KINDS, Kind


def fuzz(campaign: Campaign, work: Path) -> None:
    """Damage files of all kinds."""
    load_libraries()
    write_base(work / "base")
    for kind in KINDS:
        test = f"damaged {kind.name}"
        missing = [name for name in kind.libraries if importlib.util.find_spec(name) is None]
        if missing:
            campaign.skip(test, f"{', '.join(missing)} not installed")
        elif row := campaign.row(test):
            _fuzz_kind(campaign, kind, row, work)


def _fuzz_kind(campaign: Campaign, kind: Kind, row: Row, work: Path) -> None:
    good = work / kind.name
    shutil.copytree(work / "base", good)
    files = [file.relative_to(good) for file in kind.write(good)]
    _check_good(kind, good, files, work)
    for number in range(campaign.count(10, 60, 1000)):
        random = np.random.default_rng([campaign.seed, number])
        folder = work / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(good, folder)
        file = files[number % len(files)]
        done = mutate(folder / file, random)
        commands = _commands(kind, file)
        problem = run_forked(folder, commands).problem() or leftovers(folder)
        # Results are not needed to reproduce a failure.
        campaign.judge(row, problem, f"{spell(*commands)}  # {done}", folder)
    shutil.rmtree(good)


def _commands(kind: Kind, file: Path) -> list[Words]:
    return [
        tuple(str(file) if word == "FILE" else word for word in words) for words in kind.commands
    ]


def _check_good(kind: Kind, good: Path, files: list[Path], work: Path) -> None:
    """Check that the undamaged files have a result, so that a refusal is one of the damage."""
    for file in files:
        folder = work / "undamaged"
        shutil.copytree(good, folder)
        outcome = run_forked(folder, _commands(kind, file))
        shutil.rmtree(folder)
        if outcome.problem({0}):
            raise RuntimeError(f"{kind.name}, {file}, undamaged: {outcome}")


if __name__ == "__main__":
    run_script(fuzz)
