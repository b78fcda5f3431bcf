"""Settings that have no effect together with others.

Such a setting in a recipe file or a ``--set`` is an error; one that comes from a base is reset to
its default. `NO_EFFECT` lists them all, together with `MethodConfig.requires`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sparcell.core.errors import InputError
from sparcell.methods import METHODS

if TYPE_CHECKING:
    from sparcell.training.recipe import Recipe

Settings = dict[str, Any]
NO_RUN = ("none", "imagenet", "coco")
"""Values of `network.weights` that are no run, model or file."""


class NoEffect(NamedTuple):
    """A setting, and the condition under which it has no effect.

    Attributes
    ----------
    setting, beside : str
        Its dotted name, and that of the setting that removes its effect.
    needs : str
        Description of what would give it an effect.
    is_idle : callable
        ``is_idle(recipe)``: whether the setting has no effect.
    later : {"", "start", "annotations"}
        What may be chosen for a recipe file only when it is used: a run by ``--pretrained``, or
        ``data.annotations``. The file may write the setting beforehand.
    """

    setting: str
    beside: str
    needs: str
    is_idle: Callable[[Recipe], bool]
    later: Literal["", "start", "annotations"] = ""

    def message(self, recipe: Recipe) -> InputError:
        """Say what was found, expected, and what to do."""
        value, other = (_value(recipe, name) for name in (self.setting, self.beside))
        beside = f"with {self.beside}={other}" if other or other == 0 else f"without {self.beside}"
        return InputError(
            f"{self.setting}={value}, which has no effect {beside}",
            f"{self.needs} beside it",
            f"leave {self.setting} out, or change {self.beside}",
        )


def _needs(
    setting: str, beside: str, *values: object, later: Literal["", "start", "annotations"] = ""
) -> NoEffect:
    """Say that a setting has an effect only with some values of another."""
    needs = f"{beside}={' or '.join(str(value) for value in values)}"
    return NoEffect(
        setting, beside, needs, lambda recipe: _value(recipe, beside) not in values, later
    )


def _needs_run(setting: str) -> NoEffect:
    return _needs_start(setting, "the weights of a run, model or file", NO_RUN)


def _needs_weights(setting: str) -> NoEffect:
    return _needs_start(setting, "weights to start from", ("none",))


def _needs_start(setting: str, needs: str, without: tuple[str, ...]) -> NoEffect:
    """Say that a setting has no effect with some start weights."""
    return NoEffect(
        setting,
        "network.weights",
        needs,
        lambda recipe: recipe.network.weights in without,
        "start",
    )


def _needs_other_annotations(setting: str) -> NoEffect:
    """Say that a setting of lacss is about fields without outlines."""
    return NoEffect(
        setting,
        "data.annotations",
        "points and mask",
        lambda recipe: (
            recipe.method.name == "lacss" and set(recipe.data.annotations) == {"outlines"}
        ),
        "annotations",
    )


def _learns_from(recipe: Recipe) -> str:
    return METHODS[recipe.method.name].learns_from


NO_EFFECT = (
    _needs("data.fraction", "data.images", 0),
    _needs("data.auto_weight", "fit.fixed_crops", 0),
    _needs("data.auto_weight", "fit.tiles", 0),
    NoEffect(
        "data.auto_weight",
        "data.auto",
        "data.auto or data.teacher",
        lambda recipe: not (recipe.data.auto or recipe.data.teacher),
    ),
    NoEffect(
        "data.val_fraction",
        "data.parts",
        "no images for validation by name",
        lambda recipe: bool((recipe.data.parts or {}).get("val")),
    ),
    NoEffect(
        "data.stains",
        "method.name",
        "method.name=stain or lacss",
        lambda recipe: _learns_from(recipe) == "labels",
    ),
    NoEffect(
        "data.diameter",
        "method.name",
        "a method that learns from labels",
        lambda recipe: _learns_from(recipe) != "labels",
    ),
    _needs("optimiser.momentum", "optimiser.name", "sgd"),
    _needs("optimiser.eps", "optimiser.name", "adam", "adamw"),
    NoEffect(
        "optimiser.clip",
        "optimiser.clip_norm",
        "optimiser.clip_norm above 0",
        lambda recipe: not recipe.optimiser.clip_norm,
    ),
    _needs_weights("optimiser.pretrained_lr"),
    _needs("fit.epochs", "fit.cpu_seconds", 0),
    _needs("fit.epochs", "fit.max_steps", 0),
    _needs("fit.max_steps", "fit.cpu_seconds", 0),
    NoEffect(
        "fit.patience",
        "fit.monitor",
        "a score that decides which weights are best",
        lambda recipe: recipe.fit.monitor == "last",
    ),
    _needs("fit.foreground_fraction", "fit.fixed_crops", 0),
    _needs("fit.foreground_fraction", "fit.tiles", 0),
    _needs_weights("fit.freeze_fraction"),
    _needs_run("fit.freeze_batchnorm"),
    _needs_run("fit.initial_weight_fraction"),
    NoEffect(
        "fit.tune_decoding",
        "method.name",
        "a method that finds objects",
        lambda recipe: not METHODS[recipe.method.name].task.finds_objects,
    ),
    NoEffect(
        "fit.match_within",
        "method.name",
        "a method that finds objects",
        lambda recipe: not METHODS[recipe.method.name].task.finds_objects,
    ),
    _needs("normalise.low", "normalise.method", "percentiles"),
    _needs("normalise.high", "normalise.method", "percentiles"),
    NoEffect(
        "normalise.limit",
        "normalise.high",
        "normalise.low above 0, normalise.high below 100 or normalise.method=signal",
        lambda recipe: (
            recipe.normalise.method == "percentiles"
            and (recipe.normalise.low, recipe.normalise.high) == (0, 100)
        ),
    ),
    NoEffect(
        "augment.cytoplasm",
        "method.name",
        "a method that learns from labels",
        lambda recipe: METHODS[recipe.method.name].learns_from != "labels",
    ),
    NoEffect(
        "augment.dimming",
        "method.name",
        "a method that learns from labels",
        lambda recipe: METHODS[recipe.method.name].learns_from != "labels",
    ),
    NoEffect(
        "augment.glow",
        "method.name",
        "a method that learns from labels",
        lambda recipe: METHODS[recipe.method.name].learns_from != "labels",
    ),
    NoEffect(
        "augment.empty",
        "method.name",
        "a method that finds objects",
        lambda recipe: not METHODS[recipe.method.name].task.finds_objects,
    ),
    NoEffect(
        "network.encoder",
        "network.decoder",
        "a decoder that stands on an encoder",
        lambda recipe: recipe.network.decoder == "salomon2023-unet",
    ),
    _needs_run("network.head"),
    _needs("network.decoder_channels", "network.decoder", "unet", "unetplusplus"),
    _needs("network.pixel_unshuffle_skip", "network.decoder", "unet"),
    _needs("network.pyramid_width", "network.decoder", "fpn"),
    _needs("network.filters", "network.decoder", "salomon2023-unet"),
    _needs("network.dropout", "network.decoder", "salomon2023-unet"),
    _needs_other_annotations("method.exclusive"),
    _needs_other_annotations("method.location_weight"),
    _needs_other_annotations("method.auxnet"),
    _needs_other_annotations("method.auxnet_width"),
    _needs_other_annotations("method.boundary_delta"),
)
"""Every setting without effect, but for those of one method beside another of the same."""


def check_effects(
    recipe: Recipe,
    typed: Collection[str] = (),
    written: Collection[str] = (),
    pretrained: bool = False,
) -> None:
    """Refuse settings that somebody wrote and that have no effect; defaults may always be written.

    Parameters
    ----------
    recipe : Recipe
    typed, written : collection of str
        Dotted names of what was set on the command line, and in the recipe's own file.
    pretrained : bool
        A run is put in later and brings its network, see `sparcell.training.initialise`; till then
        settings that depend on it are not checked.

    Raises
    ------
    InputError
        If there is one.
    """
    for entry in _idle(recipe, pretrained):
        if entry.setting in typed or (entry.setting in written and not entry.later):
            raise entry.message(recipe)


def reset_idle(recipe: Recipe, pretrained: bool = False) -> Recipe:
    """Put settings without effect back to their defaults, so that none pretends to have one.

    Those stay that may have an effect once the recipe is used, see `NoEffect.later`.
    """
    for entry in _idle(recipe, pretrained):
        if not entry.later:
            part, name = entry.setting.split(".")
            changed = getattr(recipe, part).model_copy(
                update={name: _default(recipe, entry.setting)}
            )
            recipe = recipe.model_copy(update={part: changed})
    return recipe


def find_idle(recipe: Recipe) -> set[str]:
    """Dotted names of the settings that differ from their defaults and have no effect."""
    return {entry.setting for entry in _idle(recipe)}


def name_settings(settings: Settings) -> set[str]:
    """Dotted names ``PART.SETTING`` of what a recipe file or overrides set."""
    return {
        f"{part}.{name}"
        for part, group in settings.items()
        if isinstance(group, dict)
        for name in group
    }


def _idle(recipe: Recipe, pretrained: bool = False) -> Iterator[NoEffect]:
    """Yield settings that differ from their defaults without an effect."""
    own = (
        _needs(f"method.{name}", f"method.{beside}", *values)
        for name, (beside, values) in recipe.method.requires.items()
    )
    for entry in (*NO_EFFECT, *own):
        part, name = entry.setting.split(".")
        of_network = "network" in (part, entry.beside.split(".")[0])
        # Not of this method, or not known yet.
        if name not in type(getattr(recipe, part)).model_fields or (pretrained and of_network):
            continue
        changed = _value(recipe, entry.setting) != _default(recipe, entry.setting)
        if changed and entry.is_idle(recipe):
            yield entry


def _value(recipe: Recipe, setting: str) -> Any:
    part, name = setting.split(".")
    return getattr(getattr(recipe, part), name)


def _default(recipe: Recipe, setting: str) -> Any:
    part, name = setting.split(".")
    field = type(getattr(recipe, part)).model_fields[name]
    return field.get_default(call_default_factory=True)
