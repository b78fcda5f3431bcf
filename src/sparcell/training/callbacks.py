"""What happens around the epochs: the metrics table, progress, checkpoints that are whole."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO

from sparcell.core.files import whole_file
from sparcell.core.progress import say

COLUMNS = ("epoch", "step", "train_loss", "val_loss", "val_f1", "lr", "seconds")


class MetricsTable(Callback):
    """Keeps a row per epoch and writes ``metrics.csv``; the rows travel with the checkpoints.

    Row 0 is the network before training: what a tuned model is compared with. A resumed run
    takes up the rows of its checkpoint, so the table is that of an unbroken run but for the
    column `seconds`.
    """

    def __init__(self, path: Path, epochs: int) -> None:
        self.path, self.epochs = path, epochs
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
        left = (self.epochs - row["epoch"]) * row["seconds"]
        if trainer.is_global_zero:
            say(
                f"epoch {row['epoch']:.0f}/{self.epochs}  train loss {row['train_loss']:.4f}  "
                f"val loss {row['val_loss']:.4f}  val F1 {row['val_f1']:.3f}  "
                f"{row['seconds']:.0f} s, at most {left / 60:.0f} min left"
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


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are complete or absent, also when the process is killed."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write under another name, then rename."""
        with whole_file(Path(path)) as partial:
            torch.save(checkpoint, partial)
