"""Python packages: which Sparcell needs, and which are installed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata, version

from packaging.requirements import Requirement


def read_requirements() -> dict[str, list[Requirement]]:
    """Requirements of each extra; of the core under the empty name."""
    by_extra: dict[str, list[Requirement]] = {"": []}
    for line in metadata("sparcell").get_all("Requires-Dist") or []:
        requirement = Requirement(line)
        extras = re.findall(r"extra == ['\"]([\w-]+)['\"]", str(requirement.marker or ""))
        requirement.marker = None
        by_extra.setdefault(extras[0] if extras else "", []).append(requirement)
    return by_extra


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are installed, by name."""
    return {name: number for name in names if (number := installed_version(name)) is not None}


def installed_version(name: str) -> str | None:
    """Version of a package; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
