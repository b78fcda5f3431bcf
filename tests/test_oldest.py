"""The constraints of `make test-oldest` are the lower bounds of pyproject.toml."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]


def _oldest(extras: list[str]) -> list[str]:
    spec = importlib.util.spec_from_file_location("oldest", ROOT / ".ci/oldest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.oldest_versions(extras)


@pytest.mark.parametrize("extra", [None, "train", "test"])
def test_every_dependency_is_pinned_to_the_lowest_version_allowed(extra: str | None) -> None:
    extras = PROJECT["optional-dependencies"]
    texts = PROJECT["dependencies"] if extra is None else extras[extra]
    pinned = dict(line.split("==") for line in _oldest([extra] if extra else []))
    for requirement in map(Requirement, texts):
        version = pinned[requirement.name]
        assert requirement.specifier.contains(version)
        assert not requirement.specifier.contains(f"{version}.dev0", prereleases=True)
