"""Whether a new model is better than an old one, on images that neither was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.core.record import start_record
from sparcell.core.text import counted
from sparcell.evaluation import evaluate
from sparcell.evaluation.agreement import bootstrap_interval
from sparcell.evaluation.confusion import Confusion
from sparcell.prediction.predict import predict

FILE = "comparison.json"
SAME_OBJECT = 0.5
"""IoU from which a predicted object is the true one."""
FEWEST_IMAGES = 6
"""Images from which a gain in every one of them could be significant: 2 / 2^6 < 0.05."""
Verdict = Literal["better", "no difference shown", "worse"]


@dataclass(frozen=True)
class ComparedImage:
    """One held-out image: its true objects, and the AP50 of both models on it, 0..1."""

    name: str
    objects: int
    old: float
    new: float


@dataclass(frozen=True)
class ModelComparison:
    """An old and a new model on the same held-out images.

    Attributes
    ----------
    images : tuple of ComparedImage
        Those that gained least first.
    old, new : float
        AP50 = TP / (TP + FP + FN) of all images together, 0..1.
    difference, low, high : float
        AP50 of the new model less that of the old, and its 95 % interval: a percentile bootstrap
        over images (Efron 1979), the same images for both. NaN where there are too few.
    """

    images: tuple[ComparedImage, ...]
    old: float
    new: float
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """Better or worse where the interval excludes 0, and there are `FEWEST_IMAGES`."""
        if len(self.images) >= FEWEST_IMAGES:
            if self.low > 0:
                return "better"
            if self.high < 0:
                return "worse"
        return "no difference shown"

    @property
    def sentence(self) -> str:
        """The verdict for a reader, with the numbers behind it."""
        images = counted(len(self.images), "held-out image")
        scores = f"AP50 {self.old:.3f} of the old model, {self.new:.3f} of the new"
        if len(self.images) < FEWEST_IMAGES:
            return (
                f"No difference shown: {images} are too few to tell, {FEWEST_IMAGES} the fewest. "
                f"{scores}."
            )
        interval = f"difference {self.difference:+.3f}, 95 % interval {self.low:+.3f} to "
        start = self.verdict[0].upper() + self.verdict[1:]
        return f"{start} on {images}. {scores}; {interval}{self.high:+.3f}."

    def to_json(self) -> dict[str, Any]:
        """Give all of it as JSON types."""
        content: dict[str, Any] = _without_nan(asdict(self))
        return content | {"verdict": self.verdict, "sentence": self.sentence}


def compare_models(
    old: Path | str,
    new: Path | str,
    data: Path | str,
    out: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    runtime: str = "auto",
    threads: int = 0,
) -> ModelComparison:
    """Predict the test images of a dataset by two models, and compare their scores.

    The predictions are in ``old/`` and ``new/`` of the output folder, the result in
    ``comparison.json``.

    Parameters
    ----------
    old, new : Path or str
        Models, as `sparcell.models.load_model` takes them.
    data : Path or str
        Dataset folder, whose ``split.csv`` marks ``test`` images with labels. Neither model may
        have been trained on them.
    out : Path or str
        A new folder; see `resume` and `overwrite` of `sparcell.prediction.predict.predict`.
    resume, overwrite, runtime, threads
        As in `sparcell.prediction.predict.predict`.

    Raises
    ------
    InputError
        If no test image has labels, or a model or an image cannot be used.
    """
    root, out = Path(data), Path(out)
    samples = _held_out(root)
    predicted = {"old": old, "new": new}
    for name, model in predicted.items():
        summary = predict(
            model,
            {sample.name: sample.image for sample in samples},
            out / name,
            resume=resume,
            overwrite=overwrite,
            runtime=runtime,
            threads=threads,
        )
        if summary.failures:
            image, reason = next(iter(summary.failures.items()))
            raise InputError(
                f"no prediction of {image} by the {name} model ({reason})",
                "both models to predict all test images",
                "correct the image, or choose another model",
            )
    counts = {name: _count_matches(samples, out / name) for name in predicted}
    compared = _compare(counts["old"], counts["new"])
    sources = {"old": str(old), "new": str(new), "data": str(root)}
    record = start_record({**sources, "iou": SAME_OBJECT})
    write_json(out / FILE, {**compared.to_json(), "record": record})
    return compared


def _held_out(root: Path) -> list[Sample]:
    """Return the test images that have labels.

    Raises
    ------
    InputError
        If there is none.
    """
    samples = [
        one for one in Dataset.open(root).samples if one.split == "test" and "labels" in one.files
    ]
    if not samples:
        raise InputError(
            f"no test image with labels in {root}",
            "images that are marked test in split.csv, with labels",
            "mark some that no training used, and outline their objects",
        )
    return samples


def _count_matches(samples: list[Sample], predicted: Path) -> dict[str, Confusion]:
    """Count true positives, false positives and false negatives of each image."""

    def files(kind: str) -> dict[str, Any]:
        return {one.name: one.files[kind] for one in samples if kind in one.files}

    report = evaluate(files("labels"), predicted, metric="matching", ignore=files("ignore") or None)
    return {name: scores.level(SAME_OBJECT).confusion for name, scores in report.images.items()}


def _compare(old: Mapping[str, Confusion], new: Mapping[str, Confusion]) -> ModelComparison:
    images = [
        ComparedImage(name, int(old[name].tp + old[name].fn), old[name].iou, new[name].iou)
        for name in old
    ]
    images.sort(key=lambda one: one.new - one.old)
    # (images, 6): TP, FP and FN of both models, so that an image is drawn for both together.
    counts = np.array(
        [[old[n].tp, old[n].fp, old[n].fn, new[n].tp, new[n].fp, new[n].fn] for n in old]
    )
    difference, low, high = bootstrap_interval(counts, _gain)
    first, second = (sum(one.values(), Confusion()).iou for one in (old, new))
    return ModelComparison(tuple(images), first, second, difference, low, high)


def _gain(counts: NDArray[Any]) -> NDArray[np.float64]:
    """AP of the new less that of the old model, from (..., 6) counts; AP without objects is 1."""
    counts = counts.reshape(*counts.shape[:-1], 2, 3)
    total = counts.sum(-1)
    ap = np.divide(counts[..., 0], total, out=np.ones(total.shape), where=total > 0)
    return np.asarray(ap[..., 1] - ap[..., 0])


def _without_nan(value: Any) -> Any:
    """Replace NaN, which JSON lacks, by None."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and np.isnan(value) else value
