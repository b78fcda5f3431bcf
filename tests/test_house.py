"""Rules of the house that neither a linter nor the import contracts check."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import sparcell

ROOT = Path(sparcell.__file__).parent


@pytest.fixture(scope="module")
def modules() -> dict[Path, ast.Module]:
    """Give the syntax tree of every module by its path below the package."""
    return {
        path.relative_to(ROOT): ast.parse(path.read_text("utf8"))
        for path in sorted(ROOT.rglob("*.py"))
    }


def calls(tree: ast.Module) -> Iterator[str]:
    """Give the names of plain functions that a module calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def test_a_class_name_has_one_meaning(modules):
    """A reader who meets a name in a traceback or a docstring knows which class it is."""
    places = defaultdict(list)
    for path, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path))
    assert len(places) > 200
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_the_library_prints_nothing(modules):
    """Messages are log records, so that Python users can silence, redirect and test them."""
    library = {path: tree for path, tree in modules.items() if path.parts[0] != "cli"}
    printing = {str(path) for path, tree in library.items() if "print" in calls(tree)}
    assert printing <= {"__main__.py"}


def test_the_first_line_of_a_docstring_says_what_a_thing_is(modules):
    """No riddles such as "What is known of a window."."""
    riddles = [
        f"{path}:{node.lineno} {text.splitlines()[0]}"
        for path, tree in modules.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and (text := ast.get_docstring(node) or "").startswith("What ")
    ]
    assert riddles == []
