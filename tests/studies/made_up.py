"""Tables of made-up studies, as `run_study` and other tools write them."""

from __future__ import annotations

import numpy as np
import pandas as pd

TRUE_OBJECTS = 40


def made_up_study(scores, *, seeds=3, folds=1, images=40, spread=0.02, random_seed=0):
    """Runs and images of a study whose scores are known.

    Parameters
    ----------
    scores : mapping from (recipe, budget) to float
        Expected F1.
    spread : float
        Standard deviation from run to run, and twice that from image to image.
    """
    random = np.random.default_rng(random_seed)
    difficulty = random.normal(0, 2 * spread, images)
    runs, rows = [], []
    for (recipe, budget), mean in scores.items():
        for fold in range(folds):
            for seed in range(seeds):
                key = {"recipe": recipe, "budget": budget, "fold": fold, "seed": seed}
                of_run = mean + random.normal(0, spread)
                held = np.arange(images) % folds == fold
                f1 = np.clip(of_run + difficulty + random.normal(0, spread, images), 0, 1)[held]
                rows += [
                    key | {"image": f"i{number:03d}", "f1": value}
                    for number, value in zip(np.flatnonzero(held), f1, strict=True)
                ]
                runs.append(key | costs(recipe, budget, f1.mean()))
    return pd.DataFrame(runs), pd.DataFrame(rows)


def costs(recipe, budget, f1):
    """The other columns of a run."""
    fields = 100 if budget == "all" else budget
    wrong = round(100 * (1 - f1))
    return {
        "n_train": fields,
        "objects_train": fields * TRUE_OBJECTS,
        "f1": f1,
        "ap50": f1 / (2 - f1),
        "f1_no_small": min(1.0, f1 + 0.02),
        "missed": wrong,
        "spurious": wrong // 2,
        "split": 1,
        "merge": 2,
        "catastrophe": 0,
        "count_true": 1000,
        "train_s": 60.0 * (1 + len(recipe)),
        "peak_mib": 500.0,
        "parameters_m": 4.0,
        "error": "",
    }
