"""Sparcell: microscopy images into counted, measured and tracked cells.

The names below are what a user needs; each is loaded when first touched, so importing the
package stays fast and prediction never imports PyTorch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "open_image": "sparcell.io",
    "import_annotations": "sparcell.annotations.importing",
    "export_labels": "sparcell.annotations.exporting",
    "label": "sparcell.labeling",
    "train": "sparcell.training",
    "load_model": "sparcell.models",
    "predict": "sparcell.prediction.predict",
    "predict_array": "sparcell.prediction.array",
    "Prediction": "sparcell.prediction.array",
    "predict_stain_array": "sparcell.prediction.predict_stain",
    "PredictSettings": "sparcell.prediction.settings",
    "evaluate": "sparcell.evaluation",
    "measure": "sparcell.measurement",
    "TableOptions": "sparcell.measurement.result_tables",
    "track": "sparcell.tracking",
    "Tracks": "sparcell.tracking.results",
    "run_study": "sparcell.studies",
    "InputError": "sparcell.core.errors",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sparcell' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
