"""Every command block of the README, run in order in an empty folder.

Blocks run as they stand but for the options in `APPENDED`, which make images and training small.
``make`` and ``pip`` are not run: the targets and the extras are looked up.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sparcell.cli import main
from sparcell.io import write_image
from sparcell.simulation import SimulationSettings, simulate_field

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
APPENDED = {
    "sparcell simulate": "--train 4 --val 1 --test 1 --size 256",
    "sparcell train": "--set fit.max_steps=2 --set fit.crops_per_epoch=4 --set fit.batch=2",
}


def _blocks() -> list[tuple[str, str]]:
    return FENCE.findall((ROOT / "README.md").read_text("utf8"))


def _lines(program: str) -> list[str]:
    shell = [line for kind, text in _blocks() if kind == "sh" for line in text.splitlines()]
    return [line for line in shell if line.split()[0] == program]


def _appended(line: str) -> str:
    return " ".join([line, *(more for start, more in APPENDED.items() if line.startswith(start))])


def test_readme_opens_with_two_commands() -> None:
    assert _blocks()[0] == ("sh", "make demo\nmake test\n")


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    assert {kind for kind, _ in _blocks()} == {"sh", "python"}
    known = [line for program in ("make", "pip", "sparcell") for line in _lines(program)]
    assert sum(len(text.splitlines()) for kind, text in _blocks() if kind == "sh") == len(known)


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize("line", _lines("make"))
def test_make_knows_the_target(line: str) -> None:
    done = subprocess.run([*line.split(), "-n"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", _lines("pip"))
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
    stained = simulate_field(SimulationSettings(size=(256, 256)), seed=1).stain
    write_image(tmp_path / "image.tif", stained, "YX")
    ran = 0
    for kind, text in _blocks():
        if kind == "sh" and not text.startswith("sparcell"):
            continue
        if kind == "python":
            exec(compile(text, "README.md", "exec"), {})
        for line in text.splitlines() if kind == "sh" else ():
            with pytest.raises(SystemExit) as end:
                main(shlex.split(_appended(line))[1:])
            assert not end.value.code, line
        ran += 1
    assert ran == 5
    for result in (
        "predicted/counts.csv",
        "run/model.zip",
        "run/report.html",
        "counted/counts.csv",
        "scores.json",
    ):
        assert (tmp_path / result).stat().st_size > 0
