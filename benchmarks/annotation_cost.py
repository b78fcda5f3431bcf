"""AP50 against minutes of annotation, for points and outlines on the same images.

    python benchmarks/annotation_cost.py DATASET -o FOLDER [--images 1 3 10 30] [--steps 400]
        [--seeds 0] [--recipe points-light] [--only outlines points] [--set key=value ...]

Trainings with equal steps on 1, 3, 10 and 30 images, the smaller sets within the larger, from

- outlines;
- points, with the mask that Sparcell finds in the image by them, which costs nothing;
- points, and a mask by hand: all objects brushed over at once, as the union of the outlines.

Minutes are not measured but counted: 1 s a point, 30 s an outline, 120 s a mask. Validation images
are not counted; their outlines choose the decoding in all cases. FOLDER gets the runs,
`annotation_cost.csv` and `annotation_cost.png`; a call that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from trainings import Row, show, train, write_rows

from sparcell.core.dataset import Dataset
from sparcell.core.labels import connected_labels
from sparcell.io import open_image

POINT, OUTLINE, MASK = 1.0, 30.0, 120.0
"""Seconds of work: assumptions."""
WAYS = {
    "outlines": ("[outlines]", OUTLINE, 0.0),
    "points": ("[points]", POINT, 0.0),
    "points and mask": ("[points, mask]", POINT, MASK),
}
"""Annotations, seconds for an object, seconds for an image."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET")
    parser.add_argument("-o", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--images", type=int, nargs="+", default=[1, 3, 10, 30])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--recipe", default="points-light")
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    options = parser.parse_args()
    rows: list[Row] = []
    for seed in options.seeds:
        for images in options.images:
            for way in options.only:
                kinds, each, whole = WAYS[way]
                settings = [
                    f"data.annotations={kinds}",
                    f"data.images={images}",
                    f"fit.max_steps={options.steps}",
                    f"seed={seed}",
                    *options.set,
                ]
                out = options.o / f"{way.replace(' ', '-')}-{images}-{seed}"
                scores = train(options.recipe, options.dataset, out, settings)
                objects = count_objects(options.dataset, out)
                minutes = (each * objects + whole * images) / 60
                about = {"learned from": way, "images": images, "objects": objects, "seed": seed}
                rows.append(about | {"minutes": minutes} | scores)
                write_rows(rows, options.o / "annotation_cost.csv")
                draw(rows, options.o / "annotation_cost.png")
                show(rows)


def count_objects(dataset: Path, run: Path) -> int:
    """Count the true objects of the images that a run was trained on."""
    names = set(json.loads((run / "record.json").read_text())["fields"]["train"])
    samples = [one for one in Dataset.open(dataset).samples if one.name in names]
    labels = [open_image(one.files["labels"]).read_labels() for one in samples]
    return sum(int(connected_labels(one).max(initial=0)) for one in labels)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw AP50 against minutes, a line for each way; of several seeds each is a point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="minutes of annotation", ylabel="AP50")
    axes.xaxis.set_major_formatter("{x:g}")
    for colour, way in zip(("tab:blue", "tab:orange", "tab:green"), WAYS, strict=True):
        ours = [row for row in rows if row["learned from"] == way]
        if not ours:
            continue
        counts = sorted({row["images"] for row in ours})
        grouped = [[row for row in ours if row["images"] == count] for count in counts]
        middle = [(fmean(r["minutes"] for r in g), fmean(r["AP50"] for r in g)) for g in grouped]
        axes.plot(*zip(*middle, strict=True), color=colour, label=way)
        axes.scatter([r["minutes"] for r in ours], [r["AP50"] for r in ours], color=colour, s=16)
        for count, place in zip(counts, middle, strict=True):
            axes.annotate(
                f"{count}", place, (0, 5), textcoords="offset points", ha="center", fontsize=8
            )
    axes.margins(0.08, 0.12)
    axes.grid(alpha=0.3)
    axes.legend(title="numbers: images", loc="lower right")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
