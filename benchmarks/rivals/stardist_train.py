"""Train StarDist from scratch for a given processor time and predict the test images.

    python stardist_train.py WORK --budget 5 --seed 0 --cpu-seconds 360

Started by `run.py`, which sets one thread. StarDist's defaults but for: grid (2, 2), as in its own
example; epochs of 25 steps instead of 100, so that its choice of the best epoch and its scheduler
have something to act on in so short a time.
"""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
from csbdeep.utils import normalize
from stardist import fill_label_holes
from stardist.models import Config2D, StarDist2D
from task import Stopwatch, Task

STEPS_PER_EPOCH = 25
PATCH = 256
# The network halves a patch four times: once for the grid, three times in the U-Net.
PATCH_MULTIPLE = 16


def main() -> None:
    task = Task.from_command_line("stardist", __doc__)
    keras.utils.set_random_seed(task.seed)
    train, tune, test = map(task.read, (task.train_names, task.tune_names, task.test_names))
    side = min(PATCH, *(min(image.shape) for image in train.images + tune.images))
    patch = side // PATCH_MULTIPLE * PATCH_MULTIPLE
    config = Config2D(
        n_rays=32, grid=(2, 2), train_patch_size=(patch, patch), train_tensorboard=False
    )
    model = StarDist2D(config, name="model", basedir=str(task.out))
    model.prepare_for_training()
    watch = Stopwatch()
    budget = Budget(watch, task.cpu_seconds)
    model.callbacks.append(budget)
    model.train(
        scaled(train.images),
        [fill_label_holes(labels) for labels in train.labels],
        validation_data=(scaled(tune.images), [fill_label_holes(y) for y in tune.labels]),
        augmenter=partial(augment, rng=np.random.default_rng(task.seed)),
        seed=task.seed,
        # More than any budget allows: time ends the training.
        epochs=10_000,
        steps_per_epoch=STEPS_PER_EPOCH,
    )
    facts = watch.facts("train") | {"steps": budget.steps, "val_loss": budget.losses}
    watch = Stopwatch()
    model.optimize_thresholds(scaled(tune.images), tune.labels)
    facts |= watch.facts("tune") | {
        "decode": {name: float(value) for name, value in model.thresholds._asdict().items()},
        "parameters": model.keras_model.count_params(),
    }
    watch = Stopwatch()
    predictions = [model.predict_instances(image)[0] for image in scaled(test.images)]
    facts |= watch.facts("predict")
    task.hand_in(predictions, facts, "stardist", "csbdeep", "tensorflow-cpu", "keras")


class Budget(keras.callbacks.Callback):
    """Stops the training when its processor time is used up."""

    def __init__(self, watch: Stopwatch, cpu_seconds: float) -> None:
        super().__init__()
        self.watch, self.cpu_seconds = watch, cpu_seconds
        self.steps = 0
        self.losses: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count the step; stop after the last."""
        self.steps += 1
        if self.watch.cpu_s >= self.cpu_seconds:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keep the validation loss."""
        self.losses.append(round(float((logs or {})["val_loss"]), 4))


def scaled(images: list[np.ndarray]) -> list[np.ndarray]:
    """Map the percentiles 1 and 99.8 to 0 and 1, as StarDist's documentation does."""
    return [normalize(image, 1, 99.8) for image in images]


def augment(
    image: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Turn, flip, stretch and shift intensities, add noise: the ranges of StarDist's 2D example."""
    turns, flip = rng.integers(4), rng.integers(2)
    image, labels = (np.rot90(plane, turns) for plane in (image, labels))
    if flip:
        image, labels = image[::-1], labels[::-1]
    image = image * rng.uniform(0.6, 2) + rng.uniform(-0.2, 0.2)
    noise = 0.02 * rng.uniform() * rng.normal(size=image.shape)
    return (image + noise).astype(np.float32), labels


if __name__ == "__main__":
    main()
