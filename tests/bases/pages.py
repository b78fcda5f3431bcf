"""Commands of documentation pages, run as they stand but for options that make them short."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from unittest.mock import patch

import pytest

from sparcell.cli import main

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHORT = "--set fit.max_steps=2 --set fit.crops_per_epoch=4 --set fit.batch=2"
APPENDED = {
    "sparcell app": "--no-browser",
    "sparcell simulate mydata": "--train 4 --val 1 --test 1 --size 256",
    "sparcell train": SHORT,
    "sparcell study": "--dry-run",
}


def blocks(page: str) -> list[tuple[str, str]]:
    """Kind and text of each code block of a page."""
    return FENCE.findall((ROOT / page).read_text("utf8"))


def shell_lines(page: str, program: str) -> list[str]:
    """Lines of shell blocks that call a program."""
    lines = [line for kind, text in blocks(page) if kind == "sh" for line in text.splitlines()]
    return [line for line in lines if line.split()[0] == program]


def run_line(line: str) -> None:
    """Run a line that begins with ``sparcell``; it must end with exit code 0."""
    more = [more for start, more in APPENDED.items() if line.startswith(start)]
    # The app starts, and does not wait for somebody to stop it.
    with patch("uvicorn.Server.run"), pytest.raises(SystemExit) as end:
        main(shlex.split(" ".join([line, *more]))[1:])
    assert not end.value.code, line
