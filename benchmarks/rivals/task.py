"""What a rival is given and what it hands back; needs only NumPy and tifffile.

The rivals run in environments of their own, without Sparcell, so this file stands between:
`prepare.py` writes a folder of plain images and ``plan.json``, and a rival leaves label images and
``run.json`` for `score.py`.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tifffile


@dataclass(frozen=True)
class Part:
    """Images and labels of one part of the data, by position.

    Attributes
    ----------
    names : list of str
    images : list of (Y, X) arrays
        Values as stored.
    labels : list of (Y, X) int32
        0 = background.
    """

    names: list[str]
    images: list[np.ndarray]
    labels: list[np.ndarray]


class Task:
    """One training: which images, how long, and the folder for what comes of it."""

    def __init__(
        self, work: Path, recipe: str, budget: str, seed: int, cpu_seconds: float | None
    ) -> None:
        plan = read_plan(work)
        self.work, self.recipe, self.budget, self.seed = work, recipe, budget, seed
        self.cpu_seconds: float = cpu_seconds or plan["cpu_seconds"]
        self.out = run_folder(work, recipe, budget, seed)
        # A method that learns nothing has the budget 0.
        self.train_names: list[str] = next(
            (
                t["train"]
                for t in plan["trainings"]
                if (str(t["budget"]), t["seed"]) == (budget, seed)
            ),
            [],
        )
        self.tune_names: list[str] = plan["tune"]
        self.test_names: list[str] = plan["test"]

    @classmethod
    def from_command_line(cls, recipe: str, description: str) -> Task:
        """Read WORK --budget N --seed S --cpu-seconds C."""
        parser = argparse.ArgumentParser(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("work", type=Path)
        parser.add_argument("--budget", required=True, help="number of training images, or all")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--cpu-seconds", type=float, help="instead of the study's")
        return cls(recipe=recipe, **vars(parser.parse_args()))

    def read(self, names: list[str]) -> Part:
        """Read images and labels."""
        images = [tifffile.imread(self.work / "images" / f"{name}.tif") for name in names]
        labels = [tifffile.imread(self.work / "labels" / f"{name}.tif") for name in names]
        return Part(names, images, [label.astype(np.int32) for label in labels])

    def hand_in(self, predictions: list[np.ndarray], facts: dict[str, Any], *tools: str) -> None:
        """Write the label images of the test images, then ``run.json``.

        Parameters
        ----------
        predictions : list of (Y, X) integer arrays
            In the order of `test_names`.
        facts : dict
            What training and prediction took (``train_cpu_s``, ``train_s``, ``predict_s``,
            ``steps``), ``decode``: the settings that were tuned, ``parameters``: their number in
            the network, and whatever else is worth keeping.
        *tools : str
            Installed packages whose versions shall be kept.
        """
        folder = self.out / "predictions"
        folder.mkdir(parents=True, exist_ok=True)
        for name, labels in zip(self.test_names, predictions, strict=True):
            tifffile.imwrite(folder / f"{name}.tif", labels.astype(np.uint16), compression="zlib")
        about = {
            "recipe": self.recipe,
            "budget": self.budget,
            "seed": self.seed,
            "cpu_seconds": self.cpu_seconds,
            **facts,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "versions": {tool: version(tool) for tool in ("numpy", *tools)},
            "train": self.train_names,
        }
        # Last and at once: a run with this file is done.
        partial = self.out / "run.json.partial"
        partial.write_text(json.dumps(about, indent=1) + "\n", "utf8")
        partial.replace(self.out / "run.json")


class Stopwatch:
    """Processor and wall time since it was made; one rival is one process, so both are its own."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.monotonic()

    @property
    def cpu_s(self) -> float:
        """Processor seconds of all threads."""
        return time.process_time() - self._cpu

    def facts(self, what: str) -> dict[str, float]:
        """Both times, as ``WHAT_cpu_s`` and ``WHAT_s``."""
        wall = time.monotonic() - self._wall
        return {f"{what}_cpu_s": round(self.cpu_s, 1), f"{what}_s": round(wall, 1)}


def read_plan(work: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((work / "plan.json").read_text("utf8"))
    return plan


def run_folder(work: Path, recipe: str, budget: str, seed: int) -> Path:
    return work / "runs" / f"{recipe}-{budget}-{seed}"
