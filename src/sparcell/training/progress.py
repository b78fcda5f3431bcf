"""How far a training is: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import logging
import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sparcell.core.progress import console
from sparcell.core.text import time_left
from sparcell.training.callbacks import Budget

logger = logging.getLogger(__name__)

EVERY_S = 30.0
"""Longest time without a line, where there is no terminal."""


class TrainingProgress(Callback):
    """Shows the used share of the budget and the minutes left."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._last = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def on_train_start(self, trainer: lightning.Trainer, module: Any) -> None:
        """Open the bar."""
        self._last = time.monotonic()
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[left]}"),
            )
            self._bar = Progress(*columns, console=console, transient=True)
            self._task = self._bar.add_task("Training", total=1.0, left="")
            self._bar.start()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the progress after a step."""
        self._show(trainer)

    def on_validation_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, *batch: Any
    ) -> None:
        """Show the progress after a validation field."""
        if trainer.state.fn == "fit":
            self._show(trainer)
        elif time.monotonic() - self._last >= EVERY_S:
            self._last = time.monotonic()
            logger.info("Scoring the check images before the training")

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Wait for the next line: the table of metrics has just printed one."""
        self._last = time.monotonic()

    def on_train_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Close the bar."""
        self._close()

    def on_exception(
        self, trainer: lightning.Trainer, module: Any, exception: BaseException
    ) -> None:
        """Close the bar of a training that is stopped."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show(self, trainer: lightning.Trainer) -> None:
        done = self.budget.progress(trainer)
        # Before the first per cent an estimate is a guess.
        left = time_left(self.budget.minutes * 60 * (1 - done) / done) if done > 0.01 else ""
        if self._bar is not None:
            self._bar.update(
                self._task, completed=done, description=f"Training {done:.0%}", left=left
            )
        elif time.monotonic() - self._last >= EVERY_S:
            self._last = time.monotonic()
            logger.info(f"Training {done:.0%}" + (f", {left}" if left else ""))
