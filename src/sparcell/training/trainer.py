"""Lightning's trainer of a run: budget, checkpoints, early stopping, logs of the curves."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from sparcell.core.errors import InputError
from sparcell.training.callbacks import AveragedWeights, Budget, MetricsTable, WholeCheckpoints
from sparcell.training.progress import TrainingProgress
from sparcell.training.recipe import Recipe
from sparcell.training.recipe_parts import Fit


def make_trainer(
    recipe: Recipe, out: Path, accumulate: int
) -> tuple[lightning.Trainer, MetricsTable, Budget]:
    """Make Lightning's trainer of a run, which writes its checkpoints and ``metrics.csv``.

    Parameters
    ----------
    recipe : Recipe
    out : Path
        Run folder.
    accumulate : int
        Batches whose gradients are added up for one step.

    Returns
    -------
    trainer : Trainer
    table : MetricsTable
        Its rows are those of ``metrics.csv``.
    budget : Budget
        Steps or processor time that are used up.

    Raises
    ------
    InputError
        If a further log of the curves is wanted and its package is missing.
    """
    fit = recipe.fit
    precision = fit.precision
    if precision == "auto":
        precision = "16-mixed" if torch.cuda.is_available() else "32"
    budget = Budget(recipe)
    table = MetricsTable(out / "metrics.csv", budget)
    keep: dict[str, Any] = {
        "dirpath": out / "checkpoints",
        "enable_version_counter": False,
        "save_on_train_epoch_end": True,
    }
    decay = recipe.optimiser.ema_decay
    trainer = lightning.Trainer(
        max_epochs=-1 if fit.max_steps or fit.cpu_seconds else fit.epochs,
        accumulate_grad_batches=accumulate,
        precision=precision,
        callbacks=[
            budget,
            table,
            *_choose_weights(fit, keep),
            ModelCheckpoint(filename="last", **keep),
            *([AveragedWeights(decay)] if decay else []),
            TrainingProgress(budget),
        ],
        plugins=[WholeCheckpoints()],
        num_sanity_val_steps=0,
        # Left to itself, Lightning starts this command anew for every further GPU.
        devices=1,
        logger=_logger(fit.log_to, out),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=out,
    )
    return trainer, table, budget


def _choose_weights(fit: Fit, keep: dict[str, Any]) -> list[lightning.Callback]:
    """Callbacks that save the best weights and stop without improvement, or save the last."""
    if fit.monitor == "last":
        # The mode tells Lightning this one from the checkpoint to go on from; it has no effect.
        return [ModelCheckpoint(filename="best", mode="max", **keep)]
    how: dict[str, Any] = {
        "monitor": fit.monitor,
        "mode": "min" if fit.monitor == "val_loss" else "max",
    }
    return [
        EarlyStopping(**how, patience=fit.patience, check_on_train_epoch_end=True),
        ModelCheckpoint(filename="best", **how, **keep),
    ]


def _logger(kind: str, out: Path) -> Any:
    """Open a further log of the curves in the run folder."""
    from lightning.pytorch import loggers

    try:
        if kind == "tensorboard":
            return loggers.TensorBoardLogger(out, name="tensorboard", version="")
        if kind == "mlflow":
            return loggers.MLFlowLogger(out.name, save_dir=str(out / "mlflow"))
    except ImportError as error:
        raise InputError(
            f"fit.log_to={kind} without {kind}", f"{kind} installed", f"pip install {kind}"
        ) from error
    return False


def silence_libraries() -> None:
    """Silence messages of the libraries that are meant for developers."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (".*num_workers.*", ".*does not have many workers.*", ".*isinstance.treespec.*"):
        warnings.filterwarnings("ignore", message)
    warnings.filterwarnings("ignore", module="lightning.*")
