"""Go on predicting the stain while objects are learned: what is not practised is forgotten.

A network that starts from stain prediction knows the nuclei of every field that was stained. One
that then learns from a few labelled fields keeps of that what these few show. So its last layer
gets a map more for each stain, and half of each batch are crops of stained fields, labelled or
not. The finished model leaves these maps out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.progress import say
from sparcell.io import open_image
from sparcell.methods import METHODS
from sparcell.methods.stain.config import StainConfig
from sparcell.training.fields import FieldPlace, Fields, choose_stains
from sparcell.training.recipe import Recipe


class Rehearsal(NamedTuple):
    """What is practised beside.

    Attributes
    ----------
    fields : Fields
        With their stains.
    recipe : Recipe
        That of the training, with stain prediction as its method.
    """

    fields: Fields
    recipe: Recipe

    @property
    def places(self) -> list[FieldPlace]:
        """Where the fields come from."""
        return self.fields.places

    @property
    def maps(self) -> int:
        """Number of stains."""
        stains = self.fields.stains
        return len(stains.range.names) if stains else 0


def find_rehearsal(
    datasets: Sequence[Dataset], recipe: Recipe, judged: Sequence[FieldPlace]
) -> Rehearsal | None:
    """Find the stained fields that `recipe.fit.rehearsal` asks to go on predicting.

    Parameters
    ----------
    datasets : sequence of Dataset
    recipe : Recipe
    judged : sequence of FieldPlace
        Fields of validation and test, which are left out.

    Raises
    ------
    InputError
        If the method's network has no maps to add to, or there is no such field.
    """
    if not recipe.fit.rehearsal:
        return None
    if METHODS[recipe.method.name].own_network or recipe.method.name == "stain":
        raise InputError(
            f"fit.rehearsal for the method {recipe.method.name}",
            "a method that maps every pixel to objects",
            "set fit.rehearsal=0 or choose watershed, semantic or distance",
        )
    names = {place.sample.name for place in judged}
    stained = [place for place in _stained(datasets, recipe) if place.sample.name not in names]
    if not stained:
        raise InputError(
            "no training field with a stain, for fit.rehearsal",
            "the fields that the stain was learned from",
            "set fit.rehearsal=0, or check the folder of the stains",
        )
    config = _as_learned(Path(recipe.network.weights))
    fit = recipe.fit.model_copy(update={"fixed_crops": 0})
    practised = recipe.model_copy(update={"method": config, "fit": fit})
    stains, left = choose_stains({"train": stained}, config)
    reading = (recipe.normalise, recipe.network.frames)
    fields = Fields(left["train"], *reading, stains=stains)
    say(f"{len(fields)} stained fields are gone on with")
    return Rehearsal(fields, practised)


def _as_learned(run: Path) -> StainConfig:
    """Settings of the stain run that a training starts from; the usual ones of other weights."""
    recipe = run / "recipe.yaml"
    held = yaml.safe_load(recipe.read_text("utf8"))["method"] if recipe.exists() else {}
    return StainConfig(**held) if held.get("name") == "stain" else StainConfig()


def _stained(datasets: Sequence[Dataset], recipe: Recipe) -> Iterator[FieldPlace]:
    for dataset in datasets:
        for sample in dataset.where(**recipe.data.where).having("stain").samples:
            if sample.split in ("", "train"):
                for plane in open_image(sample.image).planes():
                    yield FieldPlace(sample, plane)
