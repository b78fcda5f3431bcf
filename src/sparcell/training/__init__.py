"""Training: recipe in, run folder out (PyTorch and Lightning)."""

from __future__ import annotations

import importlib
import os
from typing import Any

from sparcell.training.recipe import Recipe, dump_recipe, load_recipe
from sparcell.training.settings import recipe_names

__all__ = ["Recipe", "dump_recipe", "load_recipe", "recipe_names", "train"]


def __getattr__(name: str) -> Any:
    # Reading a recipe needs no PyTorch; training does.
    if name == "train":
        # Threads that spin while they wait take the cores from those that work: with a second
        # busy program on two cores a step took ten times as long. Read when PyTorch is loaded.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        return importlib.import_module("sparcell.training.run").train
    raise AttributeError(f"module 'sparcell.training' has no attribute '{name}'")
