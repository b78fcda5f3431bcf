"""Start from another run: its weights, and the settings that they need."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from sparcell.core.errors import InputError
from sparcell.core.files import sha256
from sparcell.core.yaml_files import read_yaml
from sparcell.methods import METHODS
from sparcell.models.catalogue import entries
from sparcell.models.loading import read_spec
from sparcell.models.model import ModelSpec
from sparcell.nets.config import NetworkConfig, input_multiple
from sparcell.prediction.found_size import SMALL, wanted_diameter
from sparcell.training.effects import check_effects, name_settings, reset_idle
from sparcell.training.migration import migrate
from sparcell.training.recipe import Recipe
from sparcell.training.recipe_parts import Augment
from sparcell.training.settings import override

logger = logging.getLogger(__name__)

ARCHITECTURE = (
    "decoder", "encoder", "decoder_channels", "pixel_unshuffle_skip", "shrink", "pyramid_width",
    "location", "frames", "temporal", "every_frame", "deep_supervision", "nested_depth", "filters",
)  # fmt: skip
"""Settings of a network that define the shapes of its weights."""
CLOSEST = "closest"
"""Value of `network.weights`: the model that fits the training images, else ImageNet."""
FINE_TUNING: dict[str, dict[str, Any]] = {
    "optimiser": {"lr": 1e-3},
    "fit": {
        "crops_per_epoch": 300,
        "freeze_batchnorm": True,
        "initial_weight_fraction": "validated",
        "monitor": "val_loss",
        "tune_decoding": "threshold",
    },
}
"""Settings of a training that starts from a model of the same method.

The best weights have the least loss: F1 with the threshold of the start falls as soon as the
training moves the level at which outlines fit. The other settings of decoding suit the model, and a
few validation images would change them by chance.
"""
LARGER = 1.3
"""Diameter to which small objects are enlarged, over that of the start's objects. The start finds
small objects a third too large, so an image whose objects shall get the size of its own is enlarged
too little, or not at all."""
CENTRE = 0.5
"""Output for probability 1/2 of a network trained on stains (Bonte et al. 2023, eq. 1)."""


def start_from(run: Path | str, recipe: Recipe, overrides: Sequence[str] = ()) -> Recipe:
    """Change a recipe so that it starts from a run or a model.

    `network.weights` is set to it. The architecture becomes that of the run, since its weights fit
    no other, and so does the normalisation that the run was trained with. Crops are enlarged to
    the next size that the network takes. If a semantic network keeps the last convolution of a
    network that predicts a stain, its sigmoid is centred on 0.5.

    A recipe with ``network.weights: closest`` is made to adapt models. From a model file, or the
    one of a finished run, it takes over network and normalisation, too. If the methods are the
    same, augmentation and first thresholds of decoding are the model's, and `FINE_TUNING` holds.
    Other recipes take only the weights of a file.

    Parameters
    ----------
    run : Path or str
        A run folder, a model's name or file, or another file of weights.
    recipe : Recipe
    overrides : sequence of str
        Settings of the user, ``"network.shrink=1"``, which take precedence over the run's.

    Raises
    ------
    InputError
        If the folder has no run in it, a setting of the user has no effect with those of the
        run, or `network.weights` is another start.
    """
    typed = name_settings(override({}, overrides))
    if "network.weights" in typed:
        raise InputError(
            f"both `pretrained={run}` and the setting network.weights",
            "one start of the weights",
            "leave one of them out",
        )
    started = adopt(run, recipe, typed)
    report_taken_over(recipe, started)
    return started


def adopt(run: Path | str, recipe: Recipe, typed: Collection[str] = ()) -> Recipe:
    """Change a recipe as `start_from` does; `typed` are the dotted names of the user's settings."""
    update = _settings_of(run, recipe)
    changed = recipe.model_dump()
    for part, settings in update.items():
        taken_over = {key: value for key, value in settings.items() if f"{part}.{key}" not in typed}
        changed[part] = changed[part] | taken_over
    if "fit.crop" not in typed:
        changed["fit"]["crop"] = _enlarged(recipe, changed["network"])
    started = Recipe.model_validate(changed)
    check_effects(started, typed)
    return reset_idle(started)


def report_taken_over(recipe: Recipe, started: Recipe) -> None:
    """Report the settings of network and size that became those of a run or model."""
    before, after = recipe.network.model_dump(), started.network.model_dump()
    changed = [f"{k}={after[k]}" for k in ARCHITECTURE if before[k] != after[k]]
    if changed:
        logger.info(f"network as in {Path(started.network.weights).name}: {', '.join(changed)}")
    if (diameter := started.data.diameter) != recipe.data.diameter:
        logger.info(
            f"Images with objects below {SMALL * diameter:.0f} px are enlarged for it, to objects "
            f"of {diameter:.0f} px."
        )


def network_of(spec: ModelSpec) -> NetworkConfig | None:
    """Return the network of a model file; None where the file does not say."""
    if "settings" not in spec.record:
        return None
    settings = migrate(spec.record["settings"], spec.name, report=False)
    return NetworkConfig.model_validate(settings["network"])


def _settings_of(run: Path | str, recipe: Recipe) -> dict[str, Any]:
    """Settings that the weights of a run or model need, by group."""
    file = _model_file(run) if recipe.network.weights == CLOSEST else None
    spec = read_spec(file) if file is not None else None
    if file is not None and spec is not None and "settings" in spec.record:
        settings = migrate(spec.record["settings"], str(file), report=False)
        if spec.method == recipe.method.name:
            # A run's checkpoint lacks what it kept of its own start; its model has it.
            return _to_adapt(file if Path(run).is_dir() else run, settings, spec, recipe)
        if not Path(run).is_dir():
            return _like(run, settings, recipe)
    if Path(run).is_dir():
        return _like(run, _read_run(Path(run)), recipe)
    return {"network": {"weights": str(run)}}


def _model_file(run: Path | str) -> Path | None:
    """File of a model by its name, of a finished run, or the file itself; None of other weights."""
    path = entries()[str(run)].path if str(run) in entries() else Path(run)
    path = path / "model.zip" if path.is_dir() else path
    return path if path.suffix == ".zip" and path.is_file() else None


def _to_adapt(
    weights: Path | str, settings: dict[str, Any], spec: ModelSpec, recipe: Recipe
) -> dict[str, Any]:
    """Settings of a training that adapts a model of the same method, by group.

    What the model has learned to ignore must not be forgotten. The smallest object depends on the
    images, the thresholds on the network.
    """
    augment = dict(settings.get("augment", {}))
    known = {key: augment[key] for key in Augment.model_fields if key in augment}
    thresholds = {key: value for key, value in spec.decode.items() if key != "min_size"}
    update = _like(weights, settings, recipe) | FINE_TUNING
    update |= {"augment": known, "decode": thresholds | recipe.decode}
    if (diameter := wanted_diameter(spec)) is not None:
        # A model that was adapted itself has learned in the larger size.
        larger = 1.0 if settings.get("data", {}).get("diameter") else LARGER
        update["data"] = {"diameter": round(larger * diameter, 1)}
    return update


def _enlarged(recipe: Recipe, network: dict[str, Any]) -> Any:
    """Size of the crops, px, enlarged to multiples that a network takes."""
    multiple = input_multiple(NetworkConfig.model_validate(network))
    edges = tuple(-(-edge // multiple) * multiple for edge in recipe.fit.shape)
    return edges if isinstance(recipe.fit.crop, tuple) else edges[0]


def describe_start(recipe: Recipe) -> dict[str, str]:
    """Return the file of the start weights and its SHA-256; nothing where there is no file."""
    path = Path(recipe.network.weights)
    file = path / "checkpoints" / "best.ckpt" if path.is_dir() else path
    return {"file": str(file), "sha256": sha256(file)} if file.is_file() else {}


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
        if weights == CLOSEST:
            fetch_published(network.model_copy(update={"weights": "imagenet"}))
        elif weights in ("imagenet", "coco"):
            fetch_published(network)
        elif not (weights in ("none", *coming, *entries()) or Path(weights).exists()):
            raise InputError(
                f"no weights at {weights}",
                "a run folder, a model or a file",
                "train that first, or correct network.weights",
            )


def _read_run(run: Path) -> dict[str, Any]:
    """Read the settings of a run folder."""
    path = run / "recipe.yaml"
    if not path.exists():
        raise InputError(f"no recipe.yaml in {run}", "a run folder", "name one that train wrote")
    try:
        return migrate(dict(read_yaml(path.read_bytes())), path)
    except (OSError, ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise _damaged(path) from error


def _like(run: Path | str, settings: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Network and normalisation of a run, and what else they need, by group."""
    try:
        theirs, method_of_run = dict(settings["network"]), str(settings["method"]["name"])
        normalise = dict(settings["normalise"])
        finds_objects = METHODS[method_of_run].task.finds_objects
    except (ValueError, KeyError, TypeError, InputError) as error:
        raise _damaged(Path(run) / "recipe.yaml" if Path(run).is_dir() else run) from error
    method = METHODS[recipe.method.name]
    # A method with a network of its own shares the encoder at most.
    shared = ("encoder", "location") if method.own_network else ARCHITECTURE
    network = {key: theirs[key] for key in shared if key in theirs}
    update = {"network": {"weights": str(run), **network}, "normalise": normalise}
    from_image = not finds_objects and recipe.network.head == "kept"
    if from_image and recipe.method.name == "semantic":
        update["method"] = {"offset": CENTRE}
    return update


def _damaged(path: Path | str) -> InputError:
    return InputError(
        f"damaged settings in {path}", "the recipe as train wrote it", "name another run"
    )
