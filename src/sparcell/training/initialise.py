"""Start from another run: its weights, and the settings that they need."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from sparcell.core.errors import InputError
from sparcell.core.yaml_files import read_yaml
from sparcell.methods import METHODS
from sparcell.models.catalogue import entries
from sparcell.training.effects import check_effects, name_settings, reset_idle
from sparcell.training.migration import migrate
from sparcell.training.recipe import Recipe
from sparcell.training.settings import override

logger = logging.getLogger(__name__)

ARCHITECTURE = (
    "decoder", "encoder", "decoder_channels", "pixel_unshuffle_skip", "shrink", "pyramid_width",
    "location", "frames", "temporal", "every_frame", "deep_supervision", "nested_depth", "filters",
)  # fmt: skip
"""Settings of a network that define the shapes of its weights."""
CENTRE = 0.5
"""Output for probability 1/2 of a network trained on stains (Bonte et al. 2023, eq. 1)."""


def start_from(run: Path | str, recipe: Recipe, overrides: Sequence[str] = ()) -> Recipe:
    """Change a recipe so that it starts from a run.

    `network.weights` is set to the run. The architecture becomes that of the run, since its
    weights fit no other, and so does the normalisation that the run was trained with. If a
    semantic network keeps the last convolution of a network that predicts a stain, its sigmoid is
    centred on 0.5.

    Parameters
    ----------
    run : Path or str
        A run folder. A model or a file of weights has only weights, so no setting changes.
    recipe : Recipe
    overrides : sequence of str
        Settings of the user, ``"network.shrink=1"``, which take precedence over the run's.

    Raises
    ------
    InputError
        If the folder has no run in it, a setting of the user has no effect with those of the
        run, or `network.weights` is another start.
    """
    folder = Path(run)
    update: dict[str, Any] = {"network": {"weights": str(run)}}
    if folder.is_dir():
        update = _like(folder, recipe)
    typed = name_settings(override({}, overrides))
    if "network.weights" in typed:
        raise InputError(
            f"both `pretrained={run}` and the setting network.weights",
            "one start of the weights",
            "leave one of them out",
        )
    changed = recipe.model_dump()
    for part, settings in update.items():
        taken_over = {key: value for key, value in settings.items() if f"{part}.{key}" not in typed}
        changed[part] = changed[part] | taken_over
    started = Recipe.model_validate(changed)
    check_effects(started, typed)
    return reset_idle(started)


def check_starts(recipes: Iterable[Recipe], coming: Collection[str] = ()) -> None:
    """Check that the start weights of recipes are available, before anything is trained.

    Parameters
    ----------
    recipes : iterable of Recipe
        Missing weights are downloaded.
    coming : collection of str
        Runs that will exist before they are needed.

    Raises
    ------
    InputError
        If some are not available.
    """
    from sparcell.nets.weights import fetch_published

    networks = {(n.weights, n.encoder, n.decoder): n for n in (r.network for r in recipes)}
    for (weights, _, _), network in networks.items():
        if weights in ("imagenet", "coco"):
            fetch_published(network)
        elif not (weights in ("none", *coming, *entries()) or Path(weights).exists()):
            raise InputError(
                f"no weights at {weights}",
                "a run folder, a model or a file",
                "train that first, or correct network.weights",
            )


def _like(run: Path, recipe: Recipe) -> dict[str, Any]:
    if not (run / "recipe.yaml").exists():
        raise InputError(f"no recipe.yaml in {run}", "a run folder", "name one that train wrote")
    path, own = run / "recipe.yaml", recipe.network.model_dump(mode="json")
    try:
        run_recipe = migrate(dict(read_yaml(path.read_bytes())), path)
        theirs, method_of_run = dict(run_recipe["network"]), str(run_recipe["method"]["name"])
        normalise = dict(run_recipe["normalise"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise InputError(
            f"a damaged {path}", "the recipe as train wrote it", "name another run"
        ) from error
    method = METHODS[recipe.method.name]
    # A method with a network of its own shares the encoder at most.
    shared = ("encoder", "location") if method.own_network else ARCHITECTURE
    network = {key: theirs[key] for key in shared if key in theirs}
    changed = [f"{key}={network[key]}" for key in network if network[key] != own[key]]
    if changed:
        logger.info(f"network as in {run}: {', '.join(changed)}")
    update = {"network": {"weights": str(run), **network}, "normalise": normalise}
    from_image = not METHODS[method_of_run].task.finds_objects and recipe.network.head == "kept"
    if from_image and recipe.method.name == "semantic":
        update["method"] = {"offset": CENTRE}
    return update
