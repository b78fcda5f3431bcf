"""Studies: many trainings under one plan, compared in one table."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Study": "sparcell.studies.config",
    "load_study": "sparcell.studies.config",
    "plan_study": "sparcell.studies.design",
    "run_study": "sparcell.studies.run",
}
__all__ = ["Study", "load_study", "plan_study", "run_study"]


def __getattr__(name: str) -> Any:
    # The command line loads this package at its start; pandas waits until a study runs.
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'sparcell.studies' has no attribute '{name}'")
