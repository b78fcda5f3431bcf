"""Find nuclei of a stain by Cellpose, where that is installed.

Bonte et al. 2023 (section 2.2) made their ground truth so and corrected it by hand.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.classical.stain_statistics import Pixels, StainStatistics
from sparcell.core.errors import InputError
from sparcell.core.labels import Labels, connected_labels


def by_cellpose(signal: Pixels, stats: StainStatistics, weights: str = "") -> Labels:
    """Find nuclei of the typical diameter by Cellpose, (Y, X) int32 under the label contract."""
    masks = open_cellpose(weights).eval(signal, diameter=stats.diameter)[0]
    return connected_labels(np.asarray(masks).astype(np.int32))


@cache
def open_cellpose(weights: str = "") -> Any:
    """Load a model of Cellpose: its own for nuclei (from version 4 on, its only one), or a file.

    Raises
    ------
    InputError
        If it is not installed, or its weights cannot be loaded.
    """
    try:
        from cellpose import core, models
    except ImportError as error:
        raise InputError(
            "the preset cellpose without Cellpose", "Cellpose installed", "pip install cellpose"
        ) from error
    # Cellpose takes weights of its own, with a warning, where it does not find the file.
    if weights and not Path(weights).is_file():
        raise InputError(f"no file {weights}", "weights of Cellpose", "check the path")
    chosen = {"pretrained_model": weights} if weights else {"model_type": "nuclei"}
    try:
        return models.CellposeModel(gpu=core.use_gpu(), **chosen)
    except Exception as error:
        # Cellpose fetches its weights at the first use, and every way to fail has its own type.
        raise InputError(
            f"no weights of Cellpose{f' in {weights}' if weights else ''} ({error})",
            "weights that it can load",
            "let it fetch its own once where there is internet, or name a file: cellpose:FILE",
        ) from error
