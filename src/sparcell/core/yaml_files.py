"""Read YAML of others: aliases and depth are bounded, so that a small file stays small.

Nine lines of aliases of aliases stand for a billion values ("billion laughs",
https://en.wikipedia.org/wiki/Billion_laughs_attack).
"""

from __future__ import annotations

from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Libyaml, where PyYAML has it; it is ten times as fast."""
MOST_VALUES = 100_000
"""Values that a file may have, with its aliases replaced by what they stand for."""
DEEPEST = 100
"""Values inside each other."""


class UnboundedYAML(yaml.YAMLError):
    """YAML that unfolds to too many values, or is nested too deep."""


def read_yaml(text: str | bytes) -> Any:
    """Read YAML as plain Python values.

    Raises
    ------
    yaml.YAMLError
        If it is none, is no text, has more than `MOST_VALUES` values or more than `DEEPEST` inside
        each other.
    """
    try:
        _check_bounds(text)
        return yaml.load(text, LOADER)
    except (UnicodeDecodeError, RecursionError, ValueError, OverflowError) as error:
        # Values such as the date 2026-99-99 are ValueErrors.
        raise yaml.YAMLError(str(error)) from error


def _check_bounds(text: str | bytes) -> None:
    """Count values by the events of the parser, which unfold nothing and do not recurse."""
    sizes: dict[str, int] = {}
    # The collections that are open: their anchor, and how many values came before them.
    opened: list[tuple[str | None, int]] = []
    count = 0
    for event in yaml.parse(text, LOADER):
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in opened):
                raise UnboundedYAML(f"the alias *{event.anchor} inside itself")
            count += sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            count += 1
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, count - 1))
            elif event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = count - before
        if len(opened) > DEEPEST:
            raise UnboundedYAML(f"more than {DEEPEST} values inside each other")
        if count > MOST_VALUES:
            raise UnboundedYAML(f"more than {MOST_VALUES} values")
