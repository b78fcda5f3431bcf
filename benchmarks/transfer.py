"""Outlines of one set of images, then points of another: what the first are worth.

    python benchmarks/transfer.py SOURCE DATASET -o FOLDER [--steps 100] [--images 10] [--seeds 0]
        [--recipe points-light] [--set key=value ...]

SOURCE is a run that learned from outlines, of other images. DATASET is learned from points in the
middle of its outlines and a mask that is their union, with equal steps, once from weights of
ImageNet and once from SOURCE (`--pretrained`); `unchanged` is SOURCE as it is. Validation images
choose the decoding of what is trained, by outlines. Counts are pooled over the test images. FOLDER
gets the runs and `transfer.csv`; a call that was stopped goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trainings import Row, show, summarize, train, write_rows

from sparcell.core.dataset import Dataset
from sparcell.evaluation import evaluate
from sparcell.models import load_model
from sparcell.prediction.predict import predict


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, metavar="SOURCE")
    parser.add_argument("dataset", type=Path, metavar="DATASET")
    parser.add_argument("-o", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--recipe", default="points-light")
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    options = parser.parse_args()
    rows: list[Row] = [
        {"start": "unchanged"} | predict_with(options.source, options.dataset, options.o)
    ]
    show(rows)
    for seed in options.seeds:
        settings = [
            "data.annotations=[points, mask]",
            f"data.images={options.images}",
            f"fit.max_steps={options.steps}",
            f"seed={seed}",
            *options.set,
        ]
        for start, pretrained in (("imagenet", None), ("source", options.source)):
            out = options.o / f"{start}-{seed}"
            row = train(options.recipe, options.dataset, out, settings, pretrained)
            rows.append({"start": start, "seed": seed} | row)
            write_rows(rows, options.o / "transfer.csv")
            show(rows)


def predict_with(source: Path, dataset: Path, out: Path) -> Row:
    """Score the source as it is on the test images."""
    test = [one for one in Dataset.open(dataset).having("labels").samples if one.split == "test"]
    images, truth = (
        [one.image.path for one in test],
        {one.name: one.files["labels"] for one in test},
    )
    predict(load_model(str(source)), images, out / "unchanged", resume=True)
    predicted = out / "unchanged" / "labels"
    evaluation = evaluate(truth, predicted).total.to_dict()
    return summarize(evaluation, truth, predicted) | {"steps": 0}


if __name__ == "__main__":
    main()
