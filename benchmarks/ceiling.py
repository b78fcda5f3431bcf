"""How far the hand-made outlines limit AP50: look at a sample of a model's errors and judge them.

    python benchmarks/ceiling.py draw MODEL DATASET -o FOLDER [--errors 120] [--seed 0]
    python benchmarks/ceiling.py count FOLDER

`draw` predicts the test images and writes, for a random sample of what does not match at IoU 0.5,
pages of pictures and `errors.csv`. Each picture stands twice, as it is and with outlines: the truth
green, the prediction magenta, the object in question bright, the others dim. A person fills in the
column `verdict`:

    label    the outline, or that there is none, is wrong: experts would side with the model
    model    the model is wrong
    unclear  experts would not agree, or the picture does not say

`count` reads the verdicts. *Counted as right* is AP50 with the labels' faults put right: what the
model found there is a true positive, what it missed is nothing. The *ceiling* is the AP50 of a
model that finds every true object but shares those faults: (true objects - label's missed) / (true
objects + label's spurious). Intervals are 95 %, from the number of verdicts alone: shares drawn
10,000 times from their posteriors under Jeffreys' prior (Brown, Cai & DasGupta 2001, Stat. Sci.
16(2):101). Unclear ones are left out, or count for the model or the label.

`draw` also says which share of the true objects falls below an IoU of 0.5 or 0.75 with itself, when
its outline is moved, grown or shrunk by one pixel: where outlines are drawn to the nearest pixel,
nobody agrees better than that.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.dataset import Dataset
from sparcell.core.files import whole_file, write_json
from sparcell.core.labels import Labels, connected_labels
from sparcell.core.record import start_record
from sparcell.evaluation import count_overlaps
from sparcell.evaluation.matching import match_pairs
from sparcell.io import open_image, write_table
from sparcell.models import load_model
from sparcell.morphology.boundaries import inner_boundary
from sparcell.prediction.predict import predict

IOU = 0.5
VERDICTS = ("label", "model", "unclear")
KINDS = ("missed", "spurious")
COLUMNS, ROWS = 4, 6
"""Pictures on a page."""
LEAST_EDGE, AROUND = 64, 2.5
"""Edge of a picture: px of the image at least, and times the extent of the object."""
PICTURE = 256
"""Its pixels as drawn, where the image has fewer."""
GREEN, MAGENTA = (0.1, 1.0, 0.3), (1.0, 0.2, 1.0)
DIM = 0.7
DRAWS = 10_000


@dataclass(frozen=True)
class Field:
    """An image, (Y, X) float32, with its true and its predicted objects, (Y, X) int32."""

    name: str
    pixels: NDArray[np.float32]
    truth: Labels
    found: Labels


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    draw = verbs.add_parser("draw")
    draw.add_argument("model")
    draw.add_argument("dataset", type=Path)
    draw.add_argument("-o", "--out", type=Path, required=True)
    draw.add_argument("--split", default="test")
    draw.add_argument("--errors", type=int, default=120, help="size of the sample")
    draw.add_argument("--seed", type=int, default=0)
    draw.add_argument("--images", type=int, help="the first of the split; all if not given")
    draw.add_argument("--threads", type=int, default=0)
    count = verbs.add_parser("count")
    count.add_argument("out", type=Path)
    options = parser.parse_args()
    if options.verb == "draw":
        draw_sample(options)
    else:
        count_verdicts(options.out)


def draw_sample(options: argparse.Namespace) -> None:
    if (options.out / "errors.csv").exists():
        raise SystemExit(f"{options.out} holds a sample, perhaps with verdicts: choose another -o")
    fields = find_fields(options)
    errors = pd.concat([list_errors(field) for field in fields], ignore_index=True)
    true = sum(int(field.truth.max()) for field in fields)
    counts = errors["kind"].value_counts().reindex(KINDS, fill_value=0)
    totals = {"true": true, **{kind: int(counts[kind]) for kind in KINDS}}
    sample = errors.sample(min(options.errors, len(errors)), random_state=options.seed)
    sample = sample.reset_index(drop=True)
    sample.insert(0, "number", np.arange(1, len(sample) + 1))
    by_name = {field.name: field for field in fields}
    draw_pages(sample, by_name, options.out)
    settings = {key: str(value) for key, value in vars(options).items()}
    record = start_record(settings | {"digest": load_model(options.model).digest})
    shaken = shake([field.truth for field in fields])
    write_json(options.out / "totals.json", record | totals | {"one_pixel": shaken})
    write_table(sample.assign(verdict=""), options.out / "errors.csv")
    print(f"{totals}; {len(sample)} errors to judge: {options.out / 'errors.csv'}")
    for row in shaken:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


def find_fields(options: argparse.Namespace) -> list[Field]:
    """Predict the images of the split."""
    samples = Dataset.open(options.dataset).split(options.split).having("labels").samples
    samples = samples[: options.images]
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "found"
        summary = predict(
            options.model, [one.image.path for one in samples], out, threads=options.threads
        )
        if summary.failures:
            raise SystemExit(str(summary.failures))
        return [
            Field(
                one.name,
                open_image(one.image).read()[0],
                connected_labels(open_image(one.files["labels"]).read_labels()),
                open_image(out / "labels" / f"{one.name}.tif").read_labels(),
            )
            for one in samples
        ]


def list_errors(field: Field) -> pd.DataFrame:
    """Objects without partner: image, kind, id, y and x of the centre, area_px, best_iou."""
    overlaps = count_overlaps(field.truth, field.found)
    iou = overlaps.iou
    matched = match_pairs(overlaps.pair_truth, overlaps.pair_pred, iou, IOU)
    tables = []
    for kind, labels, areas, pair in (
        ("missed", field.truth, overlaps.truth_areas, overlaps.pair_truth),
        ("spurious", field.found, overlaps.pred_areas, overlaps.pair_pred),
    ):
        best = np.zeros(len(areas))
        np.maximum.at(best, pair, iou)
        alone = np.setdiff1d(np.arange(len(areas)), pair[matched])
        centres = ndimage.center_of_mass(labels > 0, labels, alone + 1) if len(alone) else []
        y, x = np.array(centres).reshape(-1, 2).T
        columns = {"id": alone + 1, "y": y.round(1), "x": x.round(1), "area_px": areas[alone]}
        columns["best_iou"] = best[alone].round(3)
        tables.append(pd.DataFrame({"image": field.name, "kind": kind, **columns}))
    return pd.concat(tables, ignore_index=True)


def draw_pages(sample: pd.DataFrame, fields: dict[str, Field], out: Path) -> None:
    """Write `errors_01.png` and so on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    errors = list(sample.itertuples())
    for page, start in enumerate(range(0, len(errors), COLUMNS * ROWS), 1):
        figure = Figure(figsize=(5.2 * COLUMNS, 2.9 * ROWS), layout="constrained")
        places = figure.subplots(ROWS, COLUMNS)
        for place in places.ravel():
            place.set_axis_off()
        for place, error in zip(places.ravel(), errors[start:], strict=False):
            place.imshow(draw_error(error, fields[error.image]), interpolation="nearest")
            place.set_title(f"{error.number}: {error.kind}, best IoU {error.best_iou}", fontsize=9)
        with whole_file(out / f"errors_{page:02}.png") as partial:
            FigureCanvasAgg(figure).print_figure(str(partial), dpi=90)


def draw_error(error: Any, field: Field) -> NDArray[np.float64]:
    """Draw the surroundings of an object twice, without and with outlines, (h, 2 w + 1, 3)."""
    labels = field.truth if error.kind == "missed" else field.found
    box = ndimage.find_objects(labels)[error.id - 1]
    extent = max(side.stop - side.start for side in box)
    edge = int(max(LEAST_EDGE, AROUND * extent))
    # Inside the image, and enlarged so that outlines are thin.
    larger = np.ones((max(PICTURE // edge, 1),) * 2, np.uint8)
    place = tuple(
        slice(start := int(np.clip(at - edge / 2, 0, max(length - edge, 0))), start + edge)
        for at, length in zip((error.y, error.x), field.pixels.shape, strict=True)
    )
    grey, truth, found = (
        np.kron(plane[place], larger.astype(plane.dtype))
        for plane in (field.pixels, field.truth, field.found)
    )
    low, high = np.percentile(grey, (1, 99.8))
    # The square root shows dim nuclei beside bright ones.
    shown = np.sqrt(np.clip((grey - low) / max(high - low, 1e-6), 0, 1))
    plain = np.repeat(shown[:, :, None], 3, axis=2)
    outlined = plain.copy()
    for ids, colour in ((truth, GREEN), (found, MAGENTA)):
        rim = inner_boundary(ids, connectivity=4)
        outlined[rim] = DIM * np.array(colour) + (1 - DIM) * outlined[rim]
    mine, colour = (truth, GREEN) if error.kind == "missed" else (found, MAGENTA)
    outlined[ndimage.binary_dilation(inner_boundary(mine == error.id, connectivity=4))] = colour
    return np.concatenate([plain, np.ones((len(plain), 4, 3)), outlined], axis=1)


def shake(truths: list[Labels]) -> list[dict[str, Any]]:
    """Share of objects that no longer agree with themselves after one pixel, by area."""
    moves: dict[str, Callable[[NDArray[np.bool_]], NDArray[np.bool_]]] = {
        "moved right": lambda mask: np.roll(mask, 1, axis=1),
        "moved down and right": lambda mask: np.roll(mask, 1, axis=(0, 1)),
        "grown": ndimage.binary_dilation,
        "shrunk": ndimage.binary_erosion,
    }
    areas: list[int] = []
    agreement: dict[str, list[float]] = {move: [] for move in moves}
    for truth in truths:
        for number, box in enumerate(ndimage.find_objects(truth), 1):
            mask = np.pad(truth[box] == number, 2)
            areas.append(int(mask.sum()))
            for move, change in moves.items():
                other = change(mask)
                agreement[move].append((mask & other).sum() / (mask | other).sum())
    area = np.array(areas)
    rows = []
    for size, chosen in (("all", area > 0), ("under 90 px", area < 90)):
        for move, of_all in agreement.items():
            iou = np.array(of_all)[chosen]
            below = {
                f"below {level}": round(float((iou < level).mean()), 4) for level in (0.5, 0.75)
            }
            rows.append({"objects": size, "number": int(chosen.sum()), "outline": move, **below})
    return rows


def count_verdicts(out: Path) -> None:
    totals = json.loads((out / "totals.json").read_text("utf8"))
    errors = pd.read_csv(out / "errors.csv", dtype={"verdict": str}).fillna({"verdict": ""})
    errors["verdict"] = errors["verdict"].str.strip()
    if strange := sorted(set(errors["verdict"]) - {"", *VERDICTS}):
        raise SystemExit(f"verdicts {strange} in errors.csv: write {', '.join(VERDICTS)}")
    judged = errors[errors["verdict"] != ""]
    if not len(judged):
        raise SystemExit(f"no verdict in {out / 'errors.csv'}: fill in the column")
    print(f"{len(judged)} of {len(errors)} errors judged; of the whole set {totals['true']} true,")
    print(f"{totals['missed']} missed, {totals['spurious']} spurious")
    table = pd.crosstab(judged["kind"], judged["verdict"])
    table = table.reindex(index=KINDS, columns=VERDICTS, fill_value=0)
    print(table.to_string())
    measured = corrected(totals, 0, 0)
    print(f"AP50 as measured: {measured['counted as right']:.3f}")
    for unclear in ("left out", "the model's", "the label's"):
        faults = table["label"] + (table["unclear"] if unclear == "the label's" else 0)
        others = table["model"] + (table["unclear"] if unclear == "the model's" else 0)
        rng = np.random.default_rng(0)
        drawn = [rng.beta(faults[k] + 0.5, others[k] + 0.5, DRAWS) for k in KINDS]
        share = [faults[k] / max(faults[k] + others[k], 1) for k in KINDS]
        for name, value in corrected(totals, *share).items():
            low, high = np.percentile(corrected(totals, *drawn)[name], (2.5, 97.5))
            print(f"unclear {unclear}: {name} {value:.3f} ({low:.3f} to {high:.3f})")


def corrected(totals: dict[str, int], missed_share: Any, spurious_share: Any) -> dict[str, Any]:
    """AP50 if these shares of the missed and spurious objects are the labels' fault."""
    true, missed, spurious = totals["true"], totals["missed"], totals["spurious"]
    unjust, unseen = missed * missed_share, spurious * spurious_share
    hits = true - missed
    return {
        "counted as right": (hits + unseen) / (hits + missed - unjust + spurious),
        "ceiling": (true - unjust) / (true + unseen),
    }


if __name__ == "__main__":
    main()
