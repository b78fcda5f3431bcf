"""Folders, files and requests of reviews and corrections, read as what they describe or refused."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError, first_line
from sparcell.core.settings import Settings

Described = TypeVar("Described", bound=BaseModel)


class DatasetFolder(Settings):
    """A folder that was made of the images of a dataset: a review session or a correction.

    Attributes
    ----------
    root : Path
        The folder.
    version : int
        Of the format of the file that describes it.
    dataset : str
        Folder of the images, relative to `root` where both are on one drive.
    seed : int
    created : str
        UTC, ISO 8601.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path = Field(exclude=True)
    version: int = 1
    dataset: str
    seed: int
    created: str

    @cached_property
    def dataset_root(self) -> Path:
        """Folder of the images."""
        return Path(os.path.normpath(self.root / self.dataset))

    def sample(self, name: str) -> Sample:
        """Return an image of the dataset, with all that belongs to it.

        Raises
        ------
        InputError
            If the dataset does not have it any more.
        """
        if name not in self._samples:
            raise InputError(
                f"no image {name} in {self.dataset_root}",
                f"the images that {self.root} was made of",
                "put them back",
            )
        return self._samples[name]

    @cached_property
    def _samples(self) -> dict[str, Sample]:
        return {sample.name: sample for sample in Dataset.open(self.dataset_root).samples}


def read_stored(kind: type[Described], path: Path, what: str, command: str) -> Described:
    """Read the file that describes a folder; its field `root` becomes that folder.

    Parameters
    ----------
    kind : type
        Class of the description.
    path : Path
        The file.
    what : str
        What the folder is expected to be, for messages.
    command : str
        What makes one.

    Raises
    ------
    InputError
        If there is no such file, or it is damaged.
    """
    if not path.is_file():
        raise InputError(
            f"no {path.name} in {path.parent}",
            what,
            f"make one with `{command}`, or correct the path",
        )
    try:
        content = json.loads(path.read_text("utf8"))
        return kind.model_validate({**content, "root": path.parent})
    except (ValueError, TypeError, RecursionError, ValidationError) as error:
        raise InputError(
            f"a damaged {path} ({first_line(error)})",
            "the file as it was written",
            "restore it from a backup",
        ) from error


def parse_sent(kind: type[Described], content: Any, what: str) -> Described:
    """Read what somebody sent.

    Parameters
    ----------
    kind : type
        Class of it.
    content : object
        As JSON gives it.
    what : str
        What it is expected to be, for messages.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(
            f"{what} that cannot be used ({first_line(error)})", what, "correct it"
        ) from error
