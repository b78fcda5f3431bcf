"""Lightning callbacks: budget, metrics table, averaged weights, complete checkpoints."""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, WeightAveraging
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from sparcell.core.files import remove_partial_files, whole_file
from sparcell.core.progress import report_progress
from sparcell.core.text import time_left
from sparcell.methods.task import IMAGE, INSTANCES
from sparcell.nets.head import is_pretrained
from sparcell.training.recipe import Recipe

logger = logging.getLogger(__name__)

SCORES = {task.score: task.score_title for task in (INSTANCES, IMAGE)}
LAST = "last.ckpt"
WEIGHTS = ("epoch", "global_step", "pytorch-lightning_version", "state_dict")
"""Entries of checkpoints other than `LAST`."""
COLUMNS = ("epoch", "step", "train_loss", "val_loss", *SCORES, "lr", "seconds")


LAG = 0.05
"""Share of a budget by which the clock must be ahead of the steps to decide the learning rate."""
STILL_RISING = 0.01
"""Gain of the score in the last quarter of a training from which more time may help."""


class Stopwatch:
    """Seconds by a clock since the start, and those carried over from before it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.start()

    def start(self, carried: float = 0.0) -> None:
        """Start with the seconds of an earlier run."""
        self.carried, self._began = carried, self.clock()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self.carried + self.clock() - self._began


class Budget(Callback):
    """Sets the learning rate by the used part of the budget, and ends the training with it.

    The budget is that of the recipe: processor seconds, steps, or else epochs, and minutes by the
    clock beside any of them. Processor time is that of this process, validation included; on a GPU
    wall time stands in. Both times are carried through checkpoints, so a resumed run gets no more
    than an unbroken one.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.fit, self.optimiser = recipe.fit, recipe.optimiser
        processor = time.monotonic if torch.cuda.is_available() else time.process_time
        self._processor, self._wall = Stopwatch(processor), Stopwatch(time.monotonic)

    @property
    def seconds(self) -> float:
        """Processor time used so far."""
        return self._processor.seconds

    @property
    def minutes(self) -> float:
        """Minutes by the clock so far."""
        return self._wall.seconds / 60

    @property
    def is_out_of_time(self) -> bool:
        """Whether the minutes are used up."""
        return bool(self.fit.minutes) and self.minutes >= self.fit.minutes

    def state_dict(self) -> dict[str, Any]:
        """Give the times used to a checkpoint."""
        return {"seconds": self.seconds, "wall_seconds": self._wall.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the times that the run had used."""
        self._processor.start(state_dict["seconds"])
        # Checkpoints of earlier versions lack it; they had no limit by the clock.
        self._wall.start(state_dict.get("wall_seconds", 0.0))

    def on_fit_start(self, trainer: lightning.Trainer, module: Any) -> None:
        """Start the clocks."""
        for watch in (self._processor, self._wall):
            watch.start(watch.carried)

    def on_train_start(self, trainer: lightning.Trainer, module: Any) -> None:
        """Take no step more in a resumed run that had only its model to write."""
        patience = trainer.early_stopping_callback
        out_of_patience = patience is not None and patience.wait_count >= patience.patience
        if out_of_patience or self.progress(trainer) >= 1:
            trainer.should_stop = True

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Set the learning rates; freeze or unfreeze pretrained parameters."""
        progress = self.progress(trainer)
        rate = self.optimiser.lr * schedule_rate(progress, self.optimiser.schedule)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        if self.fit.freeze_fraction:
            freeze_pretrained(module.network, progress < self.fit.freeze_fraction)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End the training when nothing is left."""
        if self.progress(trainer) >= 1:
            trainer.should_stop = True

    def progress(self, trainer: lightning.Trainer) -> float:
        """Share of the budget that is used up, 0..1.

        The clock counts where it is ahead by more than `LAG`. So a run that ends with its steps
        does not depend on it.
        """
        used = self._used(trainer)
        by_clock = self.minutes / self.fit.minutes if self.fit.minutes else 0.0
        ahead = by_clock >= 1 or by_clock > used + LAG
        return float(min(by_clock if ahead else used, 1.0))

    def _used(self, trainer: lightning.Trainer) -> float:
        """Used share of processor time, steps or epochs."""
        if self.fit.cpu_seconds:
            return self.seconds / self.fit.cpu_seconds
        batches = int(trainer.num_training_batches) // trainer.accumulate_grad_batches
        steps = self.fit.max_steps or self.fit.epochs * max(batches, 1)
        return float(trainer.global_step / steps)


def freeze_pretrained(network: torch.nn.Module, frozen: bool) -> None:
    """Freeze or unfreeze pretrained parameters, unless all parameters are pretrained."""
    parameters = list(network.parameters())
    if all(is_pretrained(parameter) for parameter in parameters):
        return
    for parameter in parameters:
        # Gradients of frozen parameters are not computed, which saves much of a step.
        if is_pretrained(parameter) and parameter.requires_grad == frozen:
            parameter.requires_grad_(not frozen)
            parameter.grad = None


def schedule_rate(progress: float, schedule: str, warm_up: float = 0.2) -> float:
    """Share of the highest learning rate at a `progress` of 0..1.

    ``one-cycle`` (Smith and Topin, 2018) climbs for the first `warm_up` of the budget from 1/25 to
    1 and falls to nearly nothing, both along half a cosine; ``cosine`` only falls.
    """
    if schedule == "constant":
        return 1.0
    start, low = (warm_up, 1 / 25) if schedule == "one-cycle" else (0.0, 1.0)
    if progress < start:
        return low + (1 - low) * (1 - math.cos(math.pi * progress / start)) / 2
    return (1 + math.cos(math.pi * (progress - start) / (1 - start))) / 2


class AveragedWeights(WeightAveraging):
    """Exponential moving average of the weights, which is validated and saved."""

    def __init__(self, keep: float) -> None:
        super().__init__(
            use_buffers=True, avg_fn=lambda mean, new, steps: running_mean(mean, new, steps, keep)
        )


def running_mean(mean: Tensor, new: Tensor, steps: Tensor | int, keep: float) -> Tensor:
    """Move the mean towards `new` with the decay `keep`, or less in the first steps.

    Otherwise the mean of a short run would consist of weights of an untrained network.
    """
    share = min(keep, (1 + int(steps)) / (10 + int(steps)))
    return share * mean + (1 - share) * new


def mix_weights(
    start: dict[str, Tensor], end: dict[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Interpolate between start and end weights (Wortsman et al. 2022, WiSE-FT).

    Parameters
    ----------
    start, end : dict
        State dicts of one network; counters, which are integers, are those of `end`.
    share : float
        Fraction of `start`, 0..1.
    """
    if not share:
        return end
    return {
        name: share * start[name].to(value) + (1 - share) * value
        if value.is_floating_point()
        else value
        for name, value in end.items()
    }


class MetricsTable(Callback):
    """Keeps a row per epoch and writes ``metrics.csv``; the rows travel with the checkpoints.

    Row 0 is the network before training: what a tuned model is compared with. A resumed run
    takes up the rows of its checkpoint, so the table is that of an unbroken run but for the
    column `seconds`.
    """

    def __init__(self, path: Path, budget: Budget) -> None:
        self.path, self.budget = path, budget
        self.rows: list[dict[str, float]] = []
        self._began = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Give the rows to a checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: Any) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Add a row, write the table, say where the run is."""
        self.add(trainer, trainer.current_epoch + 1, time.monotonic() - self._began)
        row = self.rows[-1]
        done = max(self.budget.progress(trainer), 1e-6)
        left = sum(row["seconds"] for row in self.rows) * (1 - done) / done
        score = next(name for name in SCORES if name in row)
        if trainer.is_global_zero:
            defined = module.validation_score.is_defined
            reached = f"{row[score]:.2f} of 1" if defined else "none, they have no object"
            until = time_left(left) if done < 1 else "done"
            scores = {key: row[key] for key in (score, "train_loss", "val_loss") if key in row}
            report_progress("training", done, 1, "", left=left, epoch=row["epoch"], **scores)
            logger.info(f"{done:4.0%}  score on the check images {reached}  {until}")
            logger.debug(
                f"epoch {row['epoch']:.0f}: train loss {row['train_loss']:.4f}, val loss "
                f"{row['val_loss']:.4f}, {SCORES[score]} {row[score]:.3f}, {row['seconds']:.0f} s"
            )

    def add(self, trainer: lightning.Trainer, epoch: int, seconds: float) -> None:
        """Add the row of `epoch` from the logged metrics."""
        logged = trainer.callback_metrics
        row = {name: float(logged[name]) for name in COLUMNS if name in logged}
        rate = trainer.optimizers[0].param_groups[0]["lr"] if trainer.optimizers else 0.0
        row |= {"epoch": epoch, "step": trainer.global_step, "lr": rate, "seconds": seconds}
        self.rows.append(row)
        if trainer.is_global_zero:
            self.write()

    def write(self) -> None:
        """Write ``metrics.csv``."""
        with whole_file(self.path) as partial, partial.open("w", newline="") as stream:
            table = csv.DictWriter(stream, COLUMNS, restval="")
            table.writeheader()
            table.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in self.rows)


def report_end(trainer: lightning.Trainer, table: MetricsTable, budget: Budget) -> None:
    """Say why a training ended before its steps or epochs did, and whether more could help."""
    score = next((name for name in SCORES if name in table.rows[-1]), "")
    scores = [row[score] for row in table.rows if score in row]
    stopping = trainer.early_stopping_callback
    if budget.is_out_of_time:
        message = f"Stopped after {budget.minutes:.2g} min, the time allowed."
        earlier = scores[: max(1, len(scores) * 3 // 4)]
        if scores and scores[-1] > max(earlier) + STILL_RISING:
            more = math.ceil(2 * budget.fit.minutes)
            message += f" The score was still rising: `minutes={more}` may give a better model."
        logger.info(message)
    elif stopping is not None and stopping.wait_count >= stopping.patience:
        logger.info(f"Stopped: {stopping.patience} rounds brought nothing more.")


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are complete or absent, also when the process is killed.

    Training goes on from ``last.ckpt`` alone, so no other holds more than its weights.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write under another name, then rename."""
        if Path(path).name != LAST:
            # Lightning's own `save_weights_only` would save others than the averaged weights.
            checkpoint = {name: checkpoint[name] for name in WEIGHTS}
        # PyTorch reports a full disk as such only where Python writes the file.
        with whole_file(Path(path)) as partial, partial.open("wb") as stream:
            try:
                torch.save(checkpoint, stream)
            except RuntimeError as error:
                # PyTorch ends the file all the same, and fails once more.
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise


def drop_last(checkpoints: Path) -> None:
    """Remove the checkpoint for resuming, and files of a killed run."""
    (checkpoints / LAST).unlink(missing_ok=True)
    remove_partial_files(checkpoints)
