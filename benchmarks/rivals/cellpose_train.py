"""Train Cellpose 3 from scratch for a given processor time and predict the test images.

    python cellpose_train.py WORK --budget 5 --seed 0 --cpu-seconds 360

Started by `run.py`, which sets one thread. Cellpose's own `train_seg` with its defaults but for:
batches of one crop, since a few minutes on one core hold too few steps of the default eight;
images with few nuclei are kept; the learning rate follows the processor time that is used up, since
the number of epochs cannot be known beforehand.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from typing import Any

import numpy as np
import torch
from cellpose import dynamics, metrics, models
from cellpose.train import train_seg
from task import Part, Stopwatch, Task
from torch.optim.optimizer import register_optimizer_step_pre_hook

DIAMETER = 17
LEARNING_RATE = 0.005
# A network trained on one image with small nuclei would enlarge every test image, without limit.
LARGEST_RESCALE = 2.0
CELLPROB_THRESHOLDS = (-2.0, -1.0, 0.0, 1.0)
FLOW_THRESHOLDS = (0.4, 0.8, 0.0)


def main() -> None:
    task = Task.from_command_line("cellpose3", __doc__)
    torch.manual_seed(task.seed)
    train, tune, test = map(task.read, (task.train_names, task.tune_names, task.test_names))
    # mkldnn=True is for inference alone.
    model = models.CellposeModel(gpu=False, pretrained_model=None, diam_mean=DIAMETER, mkldnn=False)
    watch = Stopwatch()
    steps = train_for(model, train, task.cpu_seconds, watch)
    facts = watch.facts("train") | {"steps": steps}
    (task.out / "model").mkdir(parents=True, exist_ok=True)
    model.net.save_model(task.out / "model" / "cellpose")
    model.diam_labels = model.net.diam_labels.item()
    rescale = min(DIAMETER / model.diam_labels, LARGEST_RESCALE)
    watch = Stopwatch()
    thresholds = tune_thresholds(
        [run_network(model, x, rescale) for x in tune.images], tune, rescale
    )
    facts |= watch.facts("tune") | {
        "decode": {**thresholds, "diameter": model.diam_labels, "rescale": rescale},
        "parameters": sum(weights.numel() for weights in model.net.parameters()),
    }
    watch = Stopwatch()
    predictions = [
        find_masks(run_network(model, image, rescale), rescale, **thresholds)
        for image in test.images
    ]
    facts |= watch.facts("predict")
    task.hand_in(predictions, facts, "cellpose", "torch")


class TimeUp(Exception):
    """The processor time is used up."""


def train_for(
    model: models.CellposeModel, train: Part, cpu_seconds: float, watch: Stopwatch
) -> int:
    """Train until the time is used up and return the number of steps.

    `train_seg` has neither callbacks nor a limit of time, so a hook that PyTorch calls before
    every step sets the learning rate and ends the training.
    """
    steps = 0

    def before_step(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        nonlocal steps
        if watch.cpu_s >= cpu_seconds:
            raise TimeUp
        steps += 1
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * rate(watch.cpu_s / cpu_seconds)

    hook = register_optimizer_step_pre_hook(before_step)
    try:
        with tempfile.TemporaryDirectory() as folder:
            train_seg(
                model.net,
                train_data=train.images,
                train_labels=train.labels,
                channels=[0, 0],
                batch_size=1,
                nimg_per_epoch=1,
                min_train_masks=1,
                learning_rate=LEARNING_RATE,
                # More than any budget allows: time ends the training.
                n_epochs=1_000_000,
                save_every=sys.maxsize,
                save_path=folder,
            )
    except TimeUp:
        return steps
    finally:
        hook.remove()
    raise SystemExit("train_seg ended before its time was used up")


def rate(share: float) -> float:
    """Share of the learning rate when a `share` of the budget is used: `train_seg`'s at 200 epochs.

    It climbs for the first 10 epochs, and in the last 50 is halved every 5.
    """
    if share < 0.05:
        return share / 0.05
    halvings = np.clip(np.floor((share - 0.75) / 0.025) + 1, 0, 10)
    return float(0.5**halvings)


def run_network(
    model: models.CellposeModel, image: np.ndarray, rescale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return flows (2, Y, X) and cell probability (Y, X) of one image, in its own size."""
    flows = model.eval(image, channels=[0, 0], rescale=rescale, compute_masks=False)[1]
    return flows[1], flows[2]


def find_masks(
    outputs: tuple[np.ndarray, np.ndarray],
    rescale: float,
    cellprob_threshold: float,
    flow_threshold: float,
) -> np.ndarray:
    """Follow the flows to label images, as `CellposeModel.eval` does it."""
    return dynamics.resize_and_compute_masks(
        *outputs,
        niter=200 / rescale,
        cellprob_threshold=cellprob_threshold,
        flow_threshold=flow_threshold,
        min_size=15,
        device=torch.device("cpu"),
    )


def tune_thresholds(
    outputs: list[tuple[np.ndarray, np.ndarray]], tune: Part, rescale: float
) -> dict[str, float]:
    """Choose the thresholds with the best mean AP, counts pooled over the images."""
    best, chosen = -1.0, {}
    for cellprob, flow in itertools.product(CELLPROB_THRESHOLDS, FLOW_THRESHOLDS):
        trial = {"cellprob_threshold": cellprob, "flow_threshold": flow}
        masks = [find_masks(each, rescale, **trial) for each in outputs]
        levels = [0.5, 0.6, 0.7, 0.8, 0.9]
        _, tp, fp, fn = metrics.average_precision(tune.labels, masks, threshold=levels)
        score = float((tp.sum(0) / np.maximum(tp + fp + fn, 1).sum(0)).mean())
        if score > best:
            best, chosen = score, trial
    return chosen


if __name__ == "__main__":
    main()
