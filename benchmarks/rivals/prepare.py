"""Write what every rival is given: plain images, which of them it may learn from, and how long.

    python prepare.py STUDY.yaml DATA -o WORK

All of it is what `sparcell study STUDY.yaml --data DATA` gives its own recipes: the nested subsets
of every budget and seed, the validation fields, the test fields, the processor time.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import tifffile

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file, write_json
from sparcell.core.progress import track
from sparcell.io import open_image
from sparcell.studies.config import Study, load_study
from sparcell.studies.design import plan_study


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--work", type=Path, required=True)
    options = parser.parse_args()
    try:
        prepare(load_study(options.study), options.data, options.work)
    except InputError as error:
        sys.exit(str(error))


def prepare(study: Study, data: Path, work: Path) -> None:
    """Write plan.json, images/ and labels/ below `work`."""
    if study.folds or study.val == 0 or not (study.limit and study.limit.cpu_seconds):
        raise InputError(
            "a study that rivals cannot join",
            "folds: 0, validation fields, and limit: {cpu_seconds: ...}",
            "change these settings",
        )
    plan = plan_study(study, data)
    runs = [run for run in plan.runs if run.recipe == plan.runs[0].recipe]
    first = runs[0]
    trainings = [{"budget": run.budget, "seed": run.seed, "train": run.train} for run in runs]
    names = {name for run in runs for name in (*run.train, *run.val, *run.test)}
    samples = [
        sample for sample in Dataset.open(data, labels=study.labels).samples if sample.name in names
    ]
    for sample in track(samples, "copying", len(samples), "fields"):
        image = open_image(sample.image)
        if image.size("T") * image.size("Z") * image.size("C") > 1:
            raise InputError(
                f"several planes or channels in {sample.image}",
                "one grey plane, which is what all rivals take",
                "choose another dataset",
            )
        pixels = image.read()[0].astype(image.data.dtype)
        write_tiff(work / "images" / f"{sample.name}.tif", pixels)
        labels = open_image(sample.files["labels"]).read_labels()
        write_tiff(work / "labels" / f"{sample.name}.tif", labels)
    write_json(
        work / "plan.json",
        {
            "study": study.name,
            "cpu_seconds": study.limit.cpu_seconds,
            "min_size": study.min_size,
            "trainings": trainings,
            "tune": first.val,
            "test": first.test,
        },
    )


def write_tiff(path: Path, pixels: np.ndarray) -> None:
    with whole_file(path) as partial:
        tifffile.imwrite(partial, pixels, compression="zlib")


if __name__ == "__main__":
    main()
