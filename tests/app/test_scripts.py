"""The page's own scripts: types, size, and nothing from elsewhere."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import sparcell.app

STATIC = Path(sparcell.app.__file__).parent / "static"
CONFIG = Path(__file__).parent / "jsconfig.json"


@pytest.mark.skipif(not shutil.which("tsc"), reason="no TypeScript compiler (tsc) on the PATH")
def test_types_of_the_scripts() -> None:
    found = subprocess.run(["tsc", "-p", CONFIG], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.skipif(not shutil.which("node"), reason="no node on the PATH")
@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_scripts_can_be_read(path: Path) -> None:
    found = subprocess.run(["node", "--check", path], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_the_page_loads_nothing_from_elsewhere_and_is_small() -> None:
    texts = [path.read_text("utf8") for path in STATIC.iterdir()]
    assert not [text for text in texts if re.search(r"https?://", text)]
    assert sum(len(gzip.compress(text.encode())) for text in texts) < 80_000
