"""Models with a name: those bundled with Sparcell, and those in the cache.

Each is a file ``NAME.zip`` with an info file ``NAME.yaml`` beside it.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import platformdirs
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.yaml_files import read_yaml
from sparcell.models.package import DESCRIPTIONS

logger = logging.getLogger(__name__)

LARGEST_BUNDLED = 10_000_000
"""Most bytes of a bundled model."""


class ModelInfo(BaseModel):
    """Facts about a model for its users: the content of its info file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    purpose: str = Field(description="what it finds, in which images")
    licence: str = Field("", description="of the model, as an SPDX identifier; '' if unknown")
    authors: tuple[str, ...] = ()
    data: str = Field("", description="what it was trained on, and the licence of that")
    scores: dict[str, float] = Field(
        default_factory=dict, description="measured; lists show the first"
    )
    scores_of: str = Field("", description="images that the scores were measured on")
    limits: tuple[str, ...] = Field((), description="where it should not be trusted")
    rebuild: tuple[str, ...] = Field((), description="commands that make it again")
    outputs: tuple[str, ...] = Field(
        (), description="meanings of the output channels, where the package does not name them"
    )
    sha256: str = Field("", pattern="^([0-9a-f]{64})?$", description="of the zip")
    url: str = Field("", description="where it was fetched from")


@dataclass(frozen=True)
class Entry:
    """A model with a name."""

    name: str
    path: Path
    where: Literal["bundled", "cached"]

    @property
    def info(self) -> ModelInfo | None:
        """The info file beside the model; see `info_of`."""
        return info_of(self.path)


@cache
def bundled_folder() -> Path:
    """Folder of the bundled models."""
    return Path(str(files("sparcell.zoo")))


def cache_folder() -> Path:
    """Folder of fetched models: the environment variable SPARCELL_CACHE, or the system's cache."""
    chosen = os.environ.get("SPARCELL_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("sparcell")) / "models"


def info_of(path: Path) -> ModelInfo | None:
    """Read the info file beside a model with a name; None for other files.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    place = path.with_suffix(".yaml")
    if path.parent not in (bundled_folder(), cache_folder()) or not place.exists():
        return None
    try:
        return ModelInfo.model_validate(read_yaml(place.read_bytes()))
    except (yaml.YAMLError, OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise InputError(
            f"{place} that describes no model ({reason})",
            "an info file of a model",
            "fetch the model again",
        ) from error


def write_info(info: ModelInfo, path: Path) -> None:
    """Write an info file as YAML, completely or not at all."""
    with whole_file(path) as partial:
        content = info.model_dump(mode="json", exclude_defaults=True)
        partial.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf8")


def entries() -> dict[str, Entry]:
    """List all models with a name; where two have the same, the bundled one."""
    found = {}
    for folder, where in ((cache_folder(), "cached"), (bundled_folder(), "bundled")):
        for path in sorted(folder.glob("*.zip")) if folder.is_dir() else []:
            if not path.name.startswith("."):
                found[path.stem] = Entry(path.stem, path, where)  # type: ignore[arg-type]
    return dict(sorted(found.items()))


def named_entry(name: str) -> Entry | None:
    """Look up a model by its name without listing the folders; None if there is none."""
    if name and not name.startswith(".") and Path(name).name == name:
        bundled, cached = (folder / f"{name}.zip" for folder in (bundled_folder(), cache_folder()))
        if bundled.is_file():
            return Entry(name, bundled, "bundled")
        if cached.is_file():
            return Entry(name, cached, "cached")
    return None


def find_entry(name: str) -> Entry:
    """Look up a model by its name.

    Raises
    ------
    InputError
        If there is none; it names those there are.
    """
    if found := named_entry(name):
        return found
    known = entries()
    near = get_close_matches(name, known, n=1)
    listed = ", ".join(known) if known else "none is here yet"
    raise InputError(
        f"no model {name}",
        f"a model file, a run folder, or a name of `sparcell models list` ({listed})",
        f"did you mean {near[0]}?" if near else "check it, or get one with `sparcell models fetch`",
    )


def find_model(name: Path | str) -> Path:
    """Find the file or folder that a model's name stands for.

    A path comes first: a run folder often has a short name. Folders without a model are ignored.

    Raises
    ------
    InputError
        If there is neither such a file or folder nor a model of this name.
    """
    path = Path(name)
    found: Path | None = path if path.exists() else None
    if path.is_dir():
        parts = [path / "model.zip", *(path / part for part in DESCRIPTIONS)]
        part = next((part for part in parts if part.exists()), None)
        found = part if part is None or part.name == "model.zip" else path
    if found is None:
        if path.is_dir() and named_entry(str(name)) is None:
            raise InputError(
                f"no model in the folder {path}",
                "a model.zip or a bioimage.io package in it",
                "finish the training with `resume=True`, or check the path",
            )
        return find_entry(str(name)).path
    if named_entry(str(name)) is not None:
        logger.warning(f"{found} is used; give the model named {name} from another folder")
    return found
