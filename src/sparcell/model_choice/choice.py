"""Rank models by what they find in a sample of images."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_ref import ImageRef
from sparcell.core.progress import track
from sparcell.core.text import about
from sparcell.io import open_image
from sparcell.methods import METHODS
from sparcell.methods.task import INSTANCES
from sparcell.model_choice.trial import Trial, middle_part, try_model
from sparcell.models.catalogue import entries
from sparcell.models.loading import load_model, read_spec
from sparcell.models.model import ModelSpec
from sparcell.prediction.inputs import Inputs, find_inputs
from sparcell.prediction.loaded_model import LoadedModel

logger = logging.getLogger(__name__)

MOST_IMAGES = 8
"""Images of which a part is predicted, evenly spaced."""


@dataclass(frozen=True)
class ModelTrials:
    """A model on all parts.

    Attributes
    ----------
    name : str
    trials : tuple of Trial
        One for each image.
    general : bool
        Whether it finds objects of many kinds, so that one that was made for the images is better.
    """

    name: str
    trials: tuple[Trial, ...]
    general: bool = False

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Order of models: the largest is the best."""
        return self.fits, not self.general, self.score

    @property
    def fitting(self) -> int:
        """Number of images that the model fits."""
        return sum(trial.fits for trial in self.trials)

    @property
    def fits(self) -> bool:
        """Whether the model fits at least half of the images."""
        return 2 * self.fitting >= len(self.trials)

    @property
    def score(self) -> float:
        """Mean of the trials' scores."""
        return float(np.mean([trial.score for trial in self.trials]))

    def median(self, name: str) -> float:
        """Median of an attribute of the trials that have it; NaN if none has."""
        values = [float(getattr(one, name)) for one in self.trials if not one.failure]
        known = [value for value in values if np.isfinite(value)]
        return float(np.median(known)) if known else float("nan")

    @property
    def failure(self) -> str:
        """Why the model predicts none of the images; empty if it predicts some."""
        failures = [trial.failure for trial in self.trials]
        return failures[0] if all(failures) else ""


@dataclass(frozen=True)
class Choice:
    """Models in the order of how well they fit some images.

    Attributes
    ----------
    names : tuple of str
        Of the images.
    parts : tuple of Image
        What was predicted of each.
    models : tuple of ModelTrials
        The best first.
    total : int
        Number of images of which `names` are a sample.
    """

    names: tuple[str, ...]
    parts: tuple[Image, ...]
    models: tuple[ModelTrials, ...]
    total: int

    @property
    def best(self) -> ModelTrials | None:
        """The first model, if it fits."""
        return self.models[0] if self.models and self.models[0].fits else None


def try_models(inputs: Inputs, models: Sequence[Path | str] = (), *, threads: int = 0) -> Choice:
    """Predict a sample of images by several models, and rank the models without truth.

    Parameters
    ----------
    inputs : sequence of Path or str, Path or str
        Images, folders, patterns, as `sparcell.prediction.predict.predict` takes them. The middle
        of the middle plane of up to `MOST_IMAGES` is predicted, evenly spaced among them.
    models : sequence of Path or str
        Further models, beside those with a name that find objects.
    threads : int
        Of each network; 0 lets the runtime choose.

    Returns
    -------
    Choice

    Raises
    ------
    InputError
        If there is no image or no model, or a model cannot be opened.
    """
    names = _candidates(models)
    refs = list(find_inputs(inputs, Path("predicted")))
    numbers = sample_evenly(len(refs), MOST_IMAGES)
    images = list(_open_images([refs[number] for number in numbers]))
    if not images:
        raise InputError("no image that can be read", "at least one", "check the files")
    tried = rank_models(names, [image for _, image in images], threads=threads)
    parts = tuple(middle_part(image) for _, image in images)
    return Choice(tuple(name for name, _ in images), parts, tried, len(refs))


def rank_models(
    names: Sequence[str], images: Sequence[Image], *, threads: int = 0
) -> tuple[ModelTrials, ...]:
    """Predict the middle of images by several models, and order the models without truth.

    Parameters
    ----------
    names : sequence of str
        Names or files of models.
    images : sequence of Image
    threads : int
        Of each network; 0 lets the runtime choose.

    Returns
    -------
    tuple of ModelTrials
        The best first.

    Raises
    ------
    InputError
        If a model cannot be opened.
    """
    tried = []
    for name in track(names, "trying", len(names), "models"):
        loaded = LoadedModel(load_model(name), "auto", threads)
        trials = tuple(try_model(loaded, image) for image in images)
        tried.append(ModelTrials(name, trials, loaded.model.spec.general))
    return tuple(sorted(tried, key=lambda one: one.rank, reverse=True))


def sample_evenly(count: int, most: int) -> list[int]:
    """List at most `most` numbers from 0 to `count` - 1, evenly spaced."""
    return [int(number) for number in np.linspace(0, count - 1, min(count, most)).astype(int)]


def _candidates(models: Sequence[Path | str]) -> list[str]:
    """Names of the models that find objects, and further models.

    Raises
    ------
    InputError
        If there is none.
    """
    specs = {name: read_spec(entry.path) for name, entry in entries().items()}
    named = [n for n, spec in specs.items() if spec is None or _finds_objects(spec)]
    found = list(dict.fromkeys([*named, *map(str, models)]))
    if not found:
        raise InputError(
            "no model that finds objects", "at least one", "train one, or name its file"
        )
    return found


def _finds_objects(spec: ModelSpec) -> bool:
    return METHODS[spec.method].task is INSTANCES


def _open_images(refs: Sequence[ImageRef]) -> Iterator[tuple[str, Image]]:
    """Open images; those that cannot be read are named and left out."""
    for ref in refs:
        try:
            image = open_image(ref)
            middle_part(image)
            yield ref.name, image
        except InputError as error:
            logger.warning(about(ref.path, error))
