"""What points and a mask teach, beside outlines of the same objects.

    python benchmarks/weak_supervision.py DATASET... -o FOLDER [--steps 1000] [--seeds 0]
        [--recipe points-light] [--only outlines points points-auxnet] [--set key=value ...]

Every dataset is learned from three times, with the same network and as many steps: from its
outlines; from the points in the middle of the same outlines and a mask that is their union; and
from these with the auxnet, which learns where edges are. Validation images choose the decoding, by
their outlines in all three. Counts are pooled over the test images; a ratio is to `outlines` of
the same seed. FOLDER gets the runs and `weak_supervision.csv`; a call that was stopped goes on.
Where both `points` and `points-auxnet` are learned, `auxnet-DATASET-SEED.png` shows the outlines of
both, as figure S1 of the LACSS paper does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trainings import Row, show, train, write_rows

from sparcell.core.dataset import Dataset
from sparcell.core.files import whole_file
from sparcell.reports.pictures import png
from sparcell.studies.comparison import draw_comparison

SHOWN = 3
"""Test images in a picture."""
WAYS = {
    "outlines": ["data.annotations=[outlines]"],
    "points": ["data.annotations=[points, mask]", "method.auxnet=false"],
    "points-auxnet": ["data.annotations=[points, mask]", "method.auxnet=true"],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("datasets", nargs="+", type=Path, metavar="DATASET")
    parser.add_argument("-o", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--recipe", default="points-light")
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    options = parser.parse_args()
    rows: list[Row] = []
    for seed in options.seeds:
        for dataset in options.datasets:
            full = None
            for way in options.only:
                settings = [*WAYS[way], f"fit.max_steps={options.steps}", f"seed={seed}"]
                out = options.o / f"{dataset.name}-{way}-{seed}"
                row = train(options.recipe, dataset, out, [*settings, *options.set])
                full = row["AP50"] if way == "outlines" else full
                about = {"dataset": dataset.name, "learned from": way, "seed": seed}
                rows.append(about | row | ({"of full AP50": row["AP50"] / full} if full else {}))
                write_rows(rows, options.o / "weak_supervision.csv")
                show(rows)
            if {"points", "points-auxnet"} <= set(options.only):
                draw_auxnet(dataset, options.o, seed)


def draw_auxnet(dataset: Path, out: Path, seed: int) -> None:
    """Draw the first test images with the outlines found without and with the auxnet."""
    tested = [one for one in Dataset.open(dataset).having("labels").samples if one.split == "test"]
    ways = {"without auxnet": "points", "with auxnet": "points-auxnet"}
    folders = {
        title: out / f"{dataset.name}-{way}-{seed}" / "predictions" / "labels"
        for title, way in ways.items()
    }
    figure = draw_comparison(tested[:SHOWN], folders, "outlines", f"seed {seed}")
    with whole_file(out / f"auxnet-{dataset.name}-{seed}.png") as partial:
        partial.write_bytes(png(figure))


if __name__ == "__main__":
    main()
