"""The start of a training with ``network.weights: closest``, chosen by its images without truth.

A model that fits the images has learned what such objects look like, so few outlines suffice to
adapt it. Without one, training starts from ImageNet.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

from sparcell.core.errors import InputError
from sparcell.io import open_sample
from sparcell.model_choice import ModelTrials, rank_models
from sparcell.model_choice.choice import sample_evenly
from sparcell.model_choice.trial import EDGE
from sparcell.models.catalogue import Entry, entries
from sparcell.models.loading import read_spec
from sparcell.nets.config import NetworkConfig
from sparcell.prediction.domain_check import middle_of_plane
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.effects import reset_idle
from sparcell.training.initialise import ARCHITECTURE, CLOSEST, adopt, network_of, report_taken_over
from sparcell.training.recipe import Recipe

logger = logging.getLogger(__name__)

IMAGENET = "imagenet"
MOST_IMAGES = 6
"""Training images that are predicted by each model, evenly spaced."""
TAKEN_OVER = ("shrink",)
"""Settings of a network that may become those of the model."""


def choose_start(
    recipe: Recipe, places: Sequence[FieldRef], channels: int, typed: Collection[str] = ()
) -> tuple[Recipe, dict[str, Any]]:
    """Choose the start weights by images alone, and say so in one line.

    Parameters
    ----------
    recipe : Recipe
        Nothing is chosen if its `network.weights` is not `CLOSEST`.
    places : sequence of FieldRef
        Training fields; of many, evenly spaced ones are predicted.
    channels : int
        Of each image.
    typed : collection of str
        Dotted names of the user's settings, which stay as they are.

    Returns
    -------
    recipe : Recipe
        With the weights, and the settings that they need.
    record : dict
        Name of the start and the trials of each model; empty if nothing was chosen.
    """
    if recipe.network.weights != CLOSEST:
        return recipe, {}
    candidates = _candidates(recipe, channels, typed)
    chosen = [places[number] for number in sample_evenly(len(places), MOST_IMAGES)]
    images = [middle_of_plane(open_sample(place.sample), place.plane, 1, EDGE) for place in chosen]
    tried = rank_models(list(candidates), images)
    record = {"chosen": CLOSEST, "trials": [_describe(one) for one in tried]}
    best = tried[0] if tried else None
    if best is None or not best.fits:
        nearest = f" ({best.name} fits {best.fitting} of {len(images)})" if best else ""
        logger.info(
            f"Starting from ImageNet, since no model fits these images{nearest}. "
            "`pretrained` chooses another start."
        )
        return start_from_imagenet(recipe), {"name": IMAGENET, **record}
    logger.info(
        f"Starting from the model {best.name}, which fits {best.fitting} of {len(images)} training "
        "images; no outline was used to choose it. If it was made from these images, test on "
        "others. `pretrained=imagenet` starts from ImageNet."
    )
    report_taken_over(recipe, candidates[best.name])
    return candidates[best.name], {"name": best.name, **record}


def start_from_imagenet(recipe: Recipe) -> Recipe:
    """Replace `CLOSEST` by ImageNet."""
    network = recipe.network.model_copy(update={"weights": IMAGENET})
    return reset_idle(recipe.model_copy(update={"network": network}))


def _candidates(recipe: Recipe, channels: int, typed: Collection[str]) -> dict[str, Recipe]:
    """Models with a name whose weights fit the network, and the recipe with each as its start."""
    found = {}
    for name, entry in entries().items():
        started = _start_from(entry, recipe, channels, typed)
        if started is not None:
            found[name] = started
    return found


def _start_from(
    entry: Entry, recipe: Recipe, channels: int, typed: Collection[str]
) -> Recipe | None:
    """Return the recipe with a model as its start; None if method, channels or network differ."""
    try:
        spec = read_spec(entry.path)
        if spec is None or (spec.method, spec.channels) != (recipe.method.name, channels):
            return None
        if spec.general:
            # Whether it is a better start than ImageNet was not measured.
            return None
        theirs = network_of(spec)
        if theirs is None:
            return None
        started = adopt(entry.path, recipe, typed)
    except (InputError, ValueError, KeyError) as error:
        # A damaged model in the cache, or a setting of the user that it has no use for.
        logger.debug(f"{entry.name} is no start: {error}")
        return None
    same = [name for name in ARCHITECTURE if name not in TAKEN_OVER]
    fits = _agree(theirs, started.network, ARCHITECTURE) and _agree(theirs, recipe.network, same)
    return started if fits else None


def _agree(one: NetworkConfig, other: NetworkConfig, names: Sequence[str]) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _describe(tried: ModelTrials) -> dict[str, Any]:
    """Describe the trials of a model, for the record."""
    figures = {name: tried.median(name) for name in ("objects", "agreement", "known_distance")}
    return {
        "model": tried.name,
        "images": len(tried.trials),
        "fitting": tried.fitting,
        **{name: None if value != value else round(value, 3) for name, value in figures.items()},
    }
