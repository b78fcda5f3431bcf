"""Every command block of the README, run in order in an empty folder.

Blocks run as they stand but for options that make images and training small.
``make`` and ``pip`` are not run: the targets and the extras are looked up.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from bases.pages import ROOT, blocks, run_line, shell_lines

README = "README.md"


def test_readme_opens_with_two_commands() -> None:
    assert blocks(README)[0] == ("sh", "make demo\nmake test\n")


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    assert {kind for kind, _ in blocks(README)} == {"sh", "python"}
    known = [
        line for program in ("make", "pip", "sparcell") for line in shell_lines(README, program)
    ]
    assert sum(len(text.splitlines()) for kind, text in blocks(README) if kind == "sh") == len(
        known
    )


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize("line", shell_lines(README, "make"))
def test_make_knows_the_target(line: str) -> None:
    done = subprocess.run([*line.split(), "-n"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", shell_lines(README, "pip"))
def test_extras_exist(line: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    package, extras = re.fullmatch(r'pip install "?(\w+)(?:\[([\w,]+)\])?"?', line).groups()
    assert package == project["name"]
    assert set((extras or "").split(",")) - {""} <= set(project["optional-dependencies"])


def test_the_program_is_installed() -> None:
    program = Path(sys.executable).parent / "sparcell"
    done = subprocess.run([program, "--version"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sparcell ")


def test_the_rest_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    ran = 0
    for kind, text in blocks(README):
        if kind == "sh" and not text.startswith("sparcell"):
            continue
        if kind == "python":
            exec(compile(text, "README.md", "exec"), {})
        for line in text.splitlines() if kind == "sh" else ():
            run_line(line)
        ran += 1
    assert ran == 4
    for result in (
        "predicted/counts.csv",
        "run/model.zip",
        "run/report.html",
        "counted/overview.html",
        "counted/counts.csv",
    ):
        assert (tmp_path / result).stat().st_size > 0
