"""Registries of objects by the names that users type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Generic, TypeVar

from sparcell.core.errors import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from name to object; the same name works in Python, YAML and the command line."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers an object under `name`."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name} is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            near = get_close_matches(name, self._entries, n=1)
            raise InputError(
                f"{self.kind} '{name}'",
                "one of " + ", ".join(sorted(self._entries)),
                f"did you mean {near[0]}?" if near else "check the spelling",
            )
        return self._entries[name]

    def entries(self) -> list[T]:
        """Return the registered objects, in the order of registration."""
        return list(self._entries.values())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))
