"""Many damaged images and a few good ones in one command: all good ones get their results.

    python benchmarks/robustness/batch.py [--size small] [--only predict] [--seed 0]

The results of the good images are those that they have alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas
from campaign import Campaign, Row, Words, load_libraries, run_forked, run_script, spell
from mutations import copy_damaged
from results import contents, leftovers
from sample_field import NAMES, RUNTIME, write_base
from samples import KINDS

SECONDS = 1200
DAMAGED = ("TIFF", "OME-TIFF", "OME-Zarr", "zipped OME-Zarr", "plate", "CZI", "ND2", "LIF", "OIF")
"""Kinds whose files lie in one folder as images."""
COMMANDS: dict[str, tuple[Words, Words]] = {
    "predict": (("predict", "model.zip", "images", "-o", "out", *RUNTIME), ("images",)),
    "predict in blocks": (
        ("predict", "model.zip", "images", "-o", "out", "--block", "64", *RUNTIME),
        ("images",),
    ),
    "label": (("label", ".", "-o", "out"), ("images", "stain")),
    "measure": (("measure", "labels", "--images", "images", "-o", "out"), ("images",)),
    "measure labels": (("measure", "labels", "-o", "out"), ("labels",)),
    "evaluate": (("evaluate", "labels", "found", "--json", "out/scores.json"), ("labels", "found")),
    "info": (("info", "images"), ("images",)),
}
"""Commands, and the folders among whose files there are damaged ones."""


def batch(campaign: Campaign, work: Path) -> None:
    """Run each command over good and damaged files together."""
    load_libraries()
    base = work / "base"
    write_base(base)
    shutil.copytree(base / "images", base / "stain")
    shutil.copytree(base / "labels", base / "found")
    samples = _write_samples(work / "samples")
    for name, (words, folders) in COMMANDS.items():
        if not (row := campaign.row(f"good among damaged: {name}")):
            continue
        for trial in range(campaign.count(1, 2, 3)):
            random = np.random.default_rng([campaign.seed, trial])
            count = campaign.count(20, 60, 200)
            _run(campaign, row, work, words, folders, samples, count, random)


def _write_samples(folder: Path) -> list[Path]:
    """Write good files of all kinds of images that can be written here."""
    samples = []
    for kind in KINDS:
        if kind.name in DAMAGED:
            place = folder / kind.name
            place.mkdir(parents=True)
            try:
                samples += kind.write(place)
            except ImportError:
                continue
    return samples


def _run(
    campaign: Campaign, row: Row, work: Path, words: Words, folders: Words,
    samples: list[Path], count: int, random: np.random.Generator,
) -> None:  # fmt: skip
    good, mixed = work / "good", work / "mixed"
    for folder in (good, mixed):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(work / "base", folder)
        (folder / "out").mkdir()
    for number in range(count):
        sample = samples[random.integers(len(samples))]
        suffixes = "".join(sample.suffixes)
        target = mixed / folders[0] / f"x{number:03}{suffixes}"
        copy_damaged(sample, target, random)
        for other in folders[1:]:
            copy_damaged(sample, mixed / other / target.name, random)
    alone = run_forked(good, [words])
    if alone.problem({0}):
        raise RuntimeError(f"{spell(words)}, undamaged: {alone}")
    outcome = run_forked(mixed, [words], SECONDS)
    problem = outcome.problem() or leftovers(mixed) or _lost(good / "out", mixed / "out")
    campaign.judge(row, problem, spell(words), mixed)


def _lost(good: Path, mixed: Path) -> str:
    """Say which result of a good image is missing or another; "" if none."""
    expected, found = contents(good), contents(mixed)
    for name, content in expected.items():
        # Tables and scores of all images have rows of the damaged ones, too.
        if Path(name).stem in NAMES and found.get(name) != content:
            return f"{name} " + ("differs" if name in found else "is missing")
    table = mixed / "counts.csv"
    if (good / "counts.csv").exists():
        rows = [str(name) for name in pandas.read_csv(table)["image"]] if table.exists() else []
        # Beside fields of plates, names have their folder in front.
        if lacking := [name for name in NAMES if not any(row.endswith(name) for row in rows)]:
            return f"{lacking[0]} is not in counts.csv"
    return ""


if __name__ == "__main__":
    run_script(batch)
