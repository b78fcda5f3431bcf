"""Base of settings whose validators raise `InputError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from pydantic import BaseModel, ValidationError

from sparcell.core.errors import InputError


class Settings(BaseModel):
    """Settings that raise the `InputError` of a validator as it is.

    Pydantic wraps every ValueError of a validator, and so an `InputError`, in a ValidationError.
    Other mistakes, such as an unknown setting, stay ValidationErrors.
    """

    def __init__(self, /, **values: Any) -> None:
        with self._unwrapped():
            super().__init__(**values)

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Make settings of a mapping."""
        with cls._unwrapped():
            return super().model_validate(obj, **options)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Make settings of JSON."""
        with cls._unwrapped():
            return super().model_validate_json(json_data, **options)

    @classmethod
    @contextmanager
    def _unwrapped(cls) -> Iterator[None]:
        try:
            yield
        except ValidationError as error:
            if found := cls._input_error(error):
                raise found from error
            raise

    @classmethod
    def _input_error(cls, error: ValidationError) -> InputError | None:
        """Return the first `InputError` that a validator raised, if any did."""
        causes = (line.get("ctx", {}).get("error") for line in error.errors())
        return next((cause for cause in causes if isinstance(cause, InputError)), None)
