"""Recipes: everything that decides how a model is trained, in one YAML file.

Every setting is checked: an unknown one is an error, and one without effect, see
`sparcell.training.effects`. The groups of settings are in `sparcell.training.recipe_parts`; how
files build on each other is described in `sparcell.training.settings`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal, Union

from pydantic import Field, ValidationError, model_validator

from sparcell.core.errors import InputError
from sparcell.methods import METHODS
from sparcell.methods.base import MethodConfig
from sparcell.nets.config import NetworkConfig, input_multiple
from sparcell.preprocessing.normalise import Normalise
from sparcell.training.effects import check_effects, find_idle, name_settings, reset_idle
from sparcell.training.migration import check_former
from sparcell.training.recipe_parts import Augment, DataConfig, Fit, Optimiser, Part, PredictConfig
from sparcell.training.settings import dump_settings, find_recipe, override

if TYPE_CHECKING:
    AnyMethodConfig = MethodConfig
else:
    # Pydantic chooses among the settings of all registered methods by `name`.
    AnyMethodConfig = Union[tuple(METHODS[name].config for name in METHODS)]  # noqa: UP007


class Recipe(Part):
    """All settings of a training."""

    schema_version: Literal[2] = 2
    name: str
    description: str = ""
    source: str = Field("", description="publication and place the settings come from")
    seed: int = 0
    data: DataConfig = DataConfig()
    normalise: Normalise = Normalise()
    method: AnyMethodConfig = Field(discriminator="name")
    network: NetworkConfig = NetworkConfig()
    augment: Augment = Augment()
    optimiser: Optimiser = Optimiser()
    fit: Fit = Fit()
    decode: dict[str, Any] = Field(
        default_factory=dict,
        description="decode settings that differ from the method's own, {min_size: 100}; where "
        "fit.tune_decoding is on, the search starts from them",
    )
    predict: PredictConfig = PredictConfig()

    @property
    def window(self) -> int | None:
        """Edge of the windows in validation and prediction, px; None: any size.

        A network that sees the location in its window has learned the ramp of its crops.
        """
        return self.fit.shape[0] if self.network.location else None

    @property
    def multiple(self) -> int:
        """Height and width of what is predicted are multiples of this, px."""
        return self.window or input_multiple(self.network)

    @model_validator(mode="after")
    def _annotations_have_a_use(self) -> Recipe:
        every = DataConfig.model_fields["annotations"].default
        if self.data.annotations != every and METHODS[self.method.name].learns_from != "any":
            raise InputError(
                f"data.annotations for the method {self.method.name}",
                "a method that learns from any annotation",
                "leave the setting out, or take another method",
            )
        for setting in ("auto", "teacher"):
            task = METHODS[self.method.name].task
            if getattr(self.data, setting) and not task.finds_objects:
                raise InputError(
                    f"data.{setting} for the method {self.method.name}",
                    "stains, no labels",
                    f"leave data.{setting} out",
                )
        return self

    @model_validator(mode="after")
    def _decoding_is_the_methods(self) -> Recipe:
        start_decoding(self)
        return self

    @model_validator(mode="after")
    def _score_is_known(self) -> Recipe:
        score = METHODS[self.method.name].task.score
        if not self.data.val_fraction and self.fit.monitor != "last":
            raise InputError(
                f"data.val_fraction=0 and fit.monitor={self.fit.monitor}",
                "images for validation to choose weights on",
                "set fit.monitor=last or another data.val_fraction",
            )
        if not self.data.val_fraction and self.fit.tune_decoding in (True, "threshold"):
            raise InputError(
                "data.val_fraction=0 and fit.tune_decoding=true",
                "images for validation to tune on",
                "set fit.tune_decoding=outlines or false",
            )
        if self.fit.monitor not in ("val_loss", score, "last"):
            raise InputError(
                f"fit.monitor={self.fit.monitor} for the method {self.method.name}",
                f"val_loss, {score} or last",
                f"set fit.monitor={score}",
            )
        return self

    @model_validator(mode="after")
    def _every_frame_has_labels(self) -> Recipe:
        learns_from = METHODS[self.method.name].learns_from
        if self.network.every_frame and learns_from != "labels":
            raise InputError(
                f"network.every_frame for the method {self.method.name}",
                "a method that learns from labels",
                "set network.every_frame=false",
            )
        return self

    @model_validator(mode="after")
    def _crop_fits_network(self) -> Recipe:
        multiple = input_multiple(self.network)
        for edge in self.fit.shape:
            if edge % multiple:
                raise InputError(
                    f"fit.crop={self.fit.crop} for a network that takes multiples of {multiple} px",
                    f"a multiple of {multiple}",
                    f"set fit.crop={-(-edge // multiple) * multiple}",
                )
        if self.network.location and len(set(self.fit.shape)) > 1:
            raise InputError(
                f"fit.crop={list(self.fit.shape)} with network.location",
                "square crops: prediction uses windows of that size, too",
                f"set fit.crop={min(self.fit.shape)} or network.location=false",
            )
        return self


def load_recipe(
    name: str, overrides: list[str] | None = None, *, pretrained: bool = False
) -> Recipe:
    """Load a recipe by name or path.

    What `overrides` or the recipe's own file write must have an effect. What has none but comes
    from a base, or lost it by an override, goes back to its default.

    Parameters
    ----------
    name : str
        One that comes with Sparcell (`recipe_names`), ``FAMILY/ROW`` among them, or the path of a
        YAML file, with ``/ROW`` where it holds a family.
    overrides : list of str
        ``"optimiser.lr=1e-3"``: settings by their dotted name, values as in YAML.
    pretrained : bool
        A run to start from is set afterwards by `sparcell.training.initialise`, which then checks
        what depends on the network.

    Raises
    ------
    InputError
        If the recipe does not exist, or a setting is unknown, out of range or without effect.
    """
    overrides = overrides or []
    file, row = find_recipe(name)
    settings, written = file.choose(row), name_settings(file.written(row))
    recipe = _check(override(settings, overrides), name)
    if overrides:
        # Of what lost its effect by an override, the file is not to blame.
        written &= _idle_alone(settings, name)
    check_effects(recipe, name_settings(override({}, overrides)), written, pretrained)
    return reset_idle(recipe, pretrained)


def _idle_alone(settings: dict[str, Any], name: str) -> set[str]:
    """Name what has no effect in a recipe file as it stands; nothing if it is incomplete."""
    try:
        return find_idle(_check(settings, name))
    except InputError:
        return set()


def _check(settings: dict[str, Any], name: str) -> Recipe:
    """Make a recipe of settings; `name` is for messages."""
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place_name = ".".join(str(part) for part in first["loc"])
        check_former(f"{first['loc'][0]}.{first['loc'][-1]}", first["input"])
        if first["type"] == "extra_forbidden":
            raise _unknown_setting(name, first["loc"]) from error
        raise InputError(
            f"setting {place_name} in recipe {name}: {first['msg'].lower()}",
            "a setting of `sparcell recipes show`",
            "correct its name or value",
        ) from error


def _unknown_setting(name: str, location: tuple[int | str, ...]) -> InputError:
    """Make the error for a setting that does not exist, with the closest one that does."""
    # A method is chosen by name among several; its name is in the location, not in the setting.
    part, *_, last = (str(one) for one in location) if len(location) > 1 else ("", location[0])
    known = [*Recipe.model_fields]
    for group, field in Recipe.model_fields.items():
        known += [f"{group}.{one}" for one in getattr(field.annotation, "model_fields", ())]
    setting = f"{part}.{last}" if part else str(last)
    close = difflib.get_close_matches(setting, known, 1, 0.7)
    fix = f"Did you mean {close[0]}?" if close else "See `sparcell recipes show`."
    return InputError(
        f"a setting {setting}",
        "a setting of `sparcell recipes show`",
        fix,
        f"Recipe {name} has no setting {setting}. {fix}",
    )


def start_decoding(recipe: Recipe) -> Any:
    """Decode settings of the recipe's method, with those that the recipe names.

    Raises
    ------
    InputError
        If the method has no such setting, or its value is out of range.
    """
    kind = METHODS[recipe.method.name].decode_settings
    try:
        return kind(**recipe.decode)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"setting decode.{first['loc'][0]}: {first['msg'].lower()}",
            f"settings of the decoding of {recipe.method.name}: " + ", ".join(kind.model_fields),
            "correct its name or value",
        ) from error


def dump_recipe(recipe: Recipe) -> str:
    """Return a recipe as YAML, every setting written out."""
    return dump_settings(recipe.model_dump(mode="json"))
