"""Training: recipe in, run folder out (PyTorch and Lightning)."""

from __future__ import annotations

import importlib
from typing import Any

from sparcell.training.recipe import Recipe, dump_recipe, load_recipe, recipe_names

__all__ = ["Recipe", "dump_recipe", "load_recipe", "recipe_names", "train"]


def __getattr__(name: str) -> Any:
    # Reading a recipe needs no PyTorch; training does.
    if name == "train":
        return importlib.import_module("sparcell.training.fit").train
    raise AttributeError(f"module 'sparcell.training' has no attribute '{name}'")
