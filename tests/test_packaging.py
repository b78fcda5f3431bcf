"""What is built from this repository can be installed and used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import hatchling.build
import pytest
import yaml
from bases.pages import ROOT
from packaging.requirements import Requirement

import sparcell

OTHER_NAMES = {"matplotlib": "matplotlib-base"}
"""Packages that conda names otherwise."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, built from the unpacked sdist, and the sdist."""
    folder = tmp_path_factory.mktemp("built")
    before = Path.cwd()
    try:
        os.chdir(ROOT)
        sdist = folder / hatchling.build.build_sdist(str(folder))
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        (root,) = (folder / "unpacked").iterdir()
        os.chdir(root)
        return folder / hatchling.build.build_wheel(str(folder)), sdist
    finally:
        os.chdir(before)


def test_the_wheel_has_every_file_of_the_package(built: tuple[Path, Path]) -> None:
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "sparcell").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(built[0]) as wheel:
        packed = {
            name for name in wheel.namelist() if not name.split("/")[0].endswith(".dist-info")
        }
    assert packed == expected
    assert {"sparcell/zoo/nuclei.zip", "sparcell/recipes/nuclei-light.yaml"} <= packed


def test_the_wheel_predicts_without_the_source(built: tuple[Path, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(tmp_path / "installed")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    origin = run("-c", "import sparcell; print(sparcell.__file__)")
    assert Path(origin).is_relative_to(tmp_path)
    assert run("-m", "sparcell", "--version") == f"sparcell {sparcell.__version__}"
    size = ("--train", "1", "--val", "0", "--test", "0", "--size", "256")
    run("-m", "sparcell", "simulate", "cells", *size)
    run("-m", "sparcell", "predict", "nuclei", "cells/stain", "-o", "counted")
    assert (tmp_path / "counted" / "counts.csv").stat().st_size > 0


def test_the_sdist_has_the_package_alone(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as archive:
        tops = {Path(name).parts[1] for name in archive.getnames() if len(Path(name).parts) > 1}
    assert {"src", "pyproject.toml", "LICENSE"} <= tops
    assert not tops & {"tests", "docs", "benchmarks"}


def test_the_conda_recipe_follows_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    recipe = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text("utf8"))
    assert recipe["context"]["version"] == sparcell.__version__
    assert recipe["about"]["summary"] == project["description"]
    needed = [Requirement(line) for line in project["dependencies"]]
    expected = {f"{OTHER_NAMES.get(one.name, one.name)} {one.specifier}" for one in needed}
    expected.add(f"python {project['requires-python']}")
    assert set(recipe["requirements"]["run"]) == expected


def test_the_dockerfile_names_existing_extras_and_files() -> None:
    text = (ROOT / "packaging/Dockerfile").read_text("utf8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    extras = re.findall(r"EXTRAS=([\w,]+)", text)
    assert len(extras) == 2
    for name in ",".join(extras).split(","):
        assert name in project["optional-dependencies"]
    sent = set((ROOT / ".dockerignore").read_text("utf8").replace("!", "").split())
    for line in re.findall(r"^COPY (.+) /src", text, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists() and name in sent
