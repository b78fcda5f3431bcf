"""Calibrate the score of a model of the watershed method, and refuse unlikely objects.

    python benchmarks/calibrate_score.py MODEL.zip [-o NEW.zip] [--least 0.4] [--min-size PX]
        [--solidity SHARE] --fit DATASET[:SPLIT,...] ... --judge DATASET[:SPLIT,...] ...
        [--figure FILE.svg]

An object is right if its IoU with a true one is 0.5 or more. A logistic regression on the features
of `sparcell.methods.watershed.score` is fitted to the objects of the --fit data sets, each of which
has the same weight. Splits are val by default for --fit, and test for --judge. Each row of the
table is a data set that is judged. The calibration error (ECE) is the mean difference between score
and share of right objects, over ten bins. Without -o, the model is judged as it is.
"""

from __future__ import annotations

import argparse
import logging
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bundled import read_fields
from numpy.typing import NDArray
from scipy.optimize import minimize

from sparcell.core.dataset import Dataset
from sparcell.core.image import Image
from sparcell.core.labels import Labels
from sparcell.evaluation import count_overlaps, match_objects
from sparcell.methods.watershed.score import FEATURES, score_features
from sparcell.models import load_model
from sparcell.models.model import Model, write_zip
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.maps import predict_maps
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import PredictSettings

BINS = 10
PENALTY = 1e-3
"""Of the squared coefficients, where the mean loss of all objects is 1."""
Floats = NDArray[np.float64]


class Objects(NamedTuple):
    """Features (n, 6), right ones (n,) and scores (n,) of one source, and its true objects."""

    features: Floats
    right: NDArray[np.bool_]
    scores: Floats
    true: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="MODEL.zip")
    parser.add_argument("-o", type=Path, metavar="NEW.zip")
    parser.add_argument("--least", type=float, default=0.4, metavar="SCORE")
    parser.add_argument("--min-size", type=int, metavar="PX", help="smallest object")
    parser.add_argument("--solidity", type=float, metavar="SHARE", help="of parts that are joined")
    parser.add_argument("--fit", nargs="+", default=[], metavar="DATASET[:SPLIT,...]")
    parser.add_argument("--judge", nargs="+", default=[], metavar="DATASET[:SPLIT,...]")
    parser.add_argument("--figure", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    model = load_model(options.model)
    if options.o:
        given = {"min_size": options.min_size, "solidity": options.solidity}
        model = with_decode(model, {n: one for n, one in given.items() if one is not None})
        coefficients = fit([find(model, source, "val") for source in options.fit])
        model = with_decode(model, {"calibration": coefficients, "least_score": options.least})
        save(model, options.model, options.o)
        print(", ".join(f"{n} {c:.3f}" for n, c in zip(FEATURES, coefficients, strict=True)))
    judged = {source: find(model, source, "test") for source in options.judge}
    print("\n| | objects | AP50 | AP50 without refusal | ECE |\n|---|---|---|---|---|")
    for source, objects in judged.items():
        name = Path(source.partition(":")[0]).name
        least = model.decode_settings.least_score
        print(
            f"| {name} | {objects.true} | {ap(objects, least):.3f} | {ap(objects, 0):.3f} | "
            f"{calibration_error(objects, least):.3f} |"
        )
    if options.figure:
        draw(judged, model.decode_settings.least_score, options.figure)


def find(model: Model, source: str, split: str) -> Objects:
    """Find the objects of a data set, the unlikely ones included."""
    path, _, splits = source.partition(":")
    dataset = Dataset.open(Path(path)).where(split=(splits or split).split(","))
    loaded = LoadedModel(model, "auto", 1)
    parts = [_find_in(loaded, *field) for field in read_fields(dataset, None)]
    return Objects(
        np.concatenate([one.features for one in parts]),
        np.concatenate([one.right for one in parts]),
        np.concatenate([one.scores for one in parts]),
        sum(one.true for one in parts),
    )


def _find_in(loaded: LoadedModel, image: Image, truth: Labels) -> Objects:
    model = loaded.model
    prepared = PreparedImage.of(image, loaded, PredictSettings(diameter="none"))
    maps = predict_maps(prepared)
    assert maps is not None
    maps = maps[:, : truth.shape[0], : truth.shape[1]]
    settings = model.decode_settings.model_copy(update={"least_score": 0.0})
    labels, scores = model.method.decode(maps, settings)
    overlaps = count_overlaps(truth, labels)
    right = np.zeros(len(scores), bool)
    right[matched(truth, labels)] = True
    assert match_objects(overlaps, (0.5,))[0].confusion.tp == right.sum()
    return Objects(score_features(labels, maps), right, scores.astype(float), int(truth.max()))


def matched(truth: Labels, labels: Labels) -> NDArray[np.intp]:
    """Indices of the objects whose IoU with a true one is 0.5 or more."""
    both = truth * (int(labels.max()) + 1) + labels
    pairs, shared = np.unique(both[(truth > 0) & (labels > 0)], return_counts=True)
    true, found = np.divmod(pairs, int(labels.max()) + 1)
    sizes = np.bincount(truth.ravel())[true] + np.bincount(labels.ravel())[found] - shared
    return np.unique(found[shared / sizes >= 0.5]) - 1


def fit(sources: Sequence[Objects]) -> list[float]:
    """Fit the coefficients of the logistic regression."""
    features = np.concatenate([one.features for one in sources])
    right = np.concatenate([one.right for one in sources])
    weight = np.concatenate([np.full(len(one.right), 1 / len(one.right)) for one in sources])
    weight /= weight.sum()

    def loss(coefficients: Floats) -> float:
        value = features @ coefficients
        likelihood = weight @ (np.logaddexp(0, value) - right * value)
        return float(likelihood + PENALTY * (coefficients[:-1] ** 2).sum() / len(right))

    found = minimize(loss, np.zeros(features.shape[1]), method="L-BFGS-B")
    return [round(float(one), 4) for one in found.x]


def with_decode(model: Model, changes: dict[str, object]) -> Model:
    """Change settings of decoding."""
    spec = model.spec.model_copy(update={"decode": model.spec.decode | changes})
    return replace(model, spec=spec)


def save(model: Model, old: Path, new: Path) -> None:
    """Write a model whose spec was changed; all other files stay as they are."""
    with zipfile.ZipFile(old) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    parts["sparcell.json"] = model.spec.model_dump_json(indent=1).encode()
    write_zip(new, parts)


def ap(objects: Objects, least: float) -> float:
    """TP / (TP + FP + FN) of the objects that are not refused."""
    kept = objects.scores >= least
    return float((objects.right & kept).sum() / (objects.true + (kept & ~objects.right).sum()))


def bins(objects: Objects, least: float) -> list[tuple[float, float, int]]:
    """Mean score, share of right objects and their number, in bins of the score."""
    kept = objects.scores >= least
    scores, right = objects.scores[kept], objects.right[kept]
    number = np.minimum((scores * BINS).astype(int), BINS - 1)
    return [
        (float(scores[number == n].mean()), float(right[number == n].mean()), int(own))
        for n in range(BINS)
        if (own := (number == n).sum())
    ]


def calibration_error(objects: Objects, least: float) -> float:
    """Mean difference of score and share of right objects, over the bins."""
    found = bins(objects, least)
    total = sum(count for *_, count in found)
    return sum(abs(score - share) * count for score, share, count in found) / max(total, 1)


def draw(judged: dict[str, Objects], least: float, path: Path) -> None:
    """Draw the reliability diagram: share of right objects over the score."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(4.2, 4.2), layout="constrained")
    axis.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
    for source, objects in judged.items():
        score, share, _ = zip(*bins(objects, least), strict=True)
        axis.plot(score, share, marker="o", label=Path(source.partition(":")[0]).name)
    axis.set(xlabel="score", ylabel="share of right objects", xlim=(0, 1), ylim=(0, 1))
    axis.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
