"""Former names of settings and recipes, and their present names.

Files with former names (recipes, run folders, studies) are read: their settings are renamed, and
one line says so. On the command line a former name of a setting is an error, which names the
present one.
"""

from __future__ import annotations

import logging
from pathlib import PurePath
from typing import Any

from sparcell.core.errors import InputError

logger = logging.getLogger(__name__)

SETTINGS = {
    "augment.haze": "augment.out_of_focus",
    "data.auto_worth": "data.auto_weight",
    "data.use_refused": "data.use_rejected",
    "fit.freeze": "fit.freeze_fraction",
    "fit.hold_norms": "fit.freeze_batchnorm",
    "fit.keep_start": "fit.initial_weight_fraction",
    "fit.near_objects": "fit.foreground_fraction",
    "method.anchor": "method.location_weight",
    "network.image_skip": "network.pixel_unshuffle_skip",
    "network.stacked": "network.stacked_head",
    "optimiser.average": "optimiser.ema_decay",
}
"""Former to present names of settings."""
VALUES = {"network.decoder": {"thesis-unet": "salomon2023-unet"}}
"""Former to present values of a setting."""
RECIPES = {
    "autolabel": "salomon2023",
    "autolabel-alpha": "salomon2023-alpha",
    "isl": "bonte2023",
    "isl-light": "bonte2023-light",
    "lacss": "shrestha2023",
    "mp-net": "park2022",
    "single-cell-location": "cui2020-location",
    "single-cell-location-transfer": "cui2020-location-transfer",
    "single-cell-size": "cui2020-size",
    "single-cell-temporal": "cui2020-temporal",
    "single-cell-transfer": "cui2020-transfer",
    "thesis-unet": "salomon2023-unet",
}
"""Former to present names of recipes and families; to be removed with the next release."""


def migrate(settings: dict[str, Any], source: object, *, report: bool = True) -> dict[str, Any]:
    """Give settings of schema version 1 their present names.

    Parameters
    ----------
    settings : dict
        Of a recipe, a family, a study or a plan, as it was parsed. It is not changed.
    source : object
        The file, for the line that names what was renamed.
    report : bool
        Whether to print that line.

    Returns
    -------
    dict
        The settings without their schema version, if that was 1.
    """
    if settings.get("schema_version", 1) != 1:
        return settings
    renamed: dict[str, str] = {}
    migrated: dict[str, Any] = _rename(settings, "", renamed)
    if renamed and report:
        pairs = ", ".join(f"{old} is now {new}" for old, new in renamed.items())
        logger.warning(f"former names in {source}: {pairs}")
    return migrated


def _rename(value: Any, group: str, renamed: dict[str, str]) -> Any:
    """Rename settings at any depth: families have them below rows, studies below recipes.

    `group` is the key of `value`; `renamed` collects former and present names.
    """
    if isinstance(value, list):
        return [_rename(entry, group, renamed) for entry in value]
    if not isinstance(value, dict):
        return value
    result: dict[Any, Any] = {}
    for key, entry in value.items():
        # A study writes dotted names, {fit.crop: 128}.
        dotted = key if "." in str(key) else f"{group}.{key}"
        former = dotted in SETTINGS and not isinstance(entry, dict)
        present = SETTINGS[dotted] if former else dotted
        if former:
            renamed[dotted] = present
        if isinstance(entry, str) and entry in VALUES.get(present, {}):
            new = VALUES[present][entry]
            renamed[f"{present}={entry}"] = f"{present}={new}"
            entry = new
        name = (present if dotted == key else present.partition(".")[2]) if former else key
        result[name] = _rename(entry, str(key), renamed)
    if result.get("schema_version") == 1:
        del result["schema_version"]
        if isinstance(result.get("name"), str):
            result["name"] = _rename_recipe(result["name"])
    return result


def current_recipe(name: str) -> str:
    """Return the present name of a recipe or family; a former one is reported in one line."""
    current = _rename_recipe(name)
    if current != name:
        logger.warning(f"recipe {name} is now {current}; the next release drops the former name")
    return current


def _rename_recipe(name: str) -> str:
    family, *row = PurePath(name).parts or (name,)
    return "/".join([RECIPES.get(family, family), *row]) if family in RECIPES else name


def check_former(setting: str, value: object = None) -> None:
    """Refuse the former name of a setting, or a former value of it.

    Raises
    ------
    InputError
        If there is a present name, which it tells.
    """
    if setting in SETTINGS:
        present = SETTINGS[setting]
        raise InputError(f"setting {setting}, a former name", present, f"write {present}")
    if isinstance(value, str) and value in VALUES.get(setting, {}):
        present = VALUES[setting][value]
        raise InputError(f"{setting}={value}, a former name", present, f"write {present}")
