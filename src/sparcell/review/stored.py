"""Files and requests of reviews and corrections, read as what they describe or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sparcell.core.errors import InputError, first_line

Described = TypeVar("Described", bound=BaseModel)


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
