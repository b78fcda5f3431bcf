"""Messages of the library name parameters, and the command line prints options instead."""

from __future__ import annotations

import ast
import inspect
import logging
import pickle
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import typer

import sparcell
from sparcell import cli
from sparcell.annotations.exporting import export_labels
from sparcell.annotations.importing import import_annotations
from sparcell.classical.salomon2023 import Salomon2023Settings
from sparcell.cli.parameters import PARAMETER, FlagFormatter, find_command, flags_of, to_flags
from sparcell.evaluation import classify_errors, read_groups
from sparcell.models.export import export_model
from sparcell.models.fetching import fetch_model
from sparcell.prediction.settings import PredictSettings

ROOT = Path(sparcell.__file__).parent
OPTION = re.compile(r"(?<![\w-])(?<!var\()(--[a-z][\w-]*|-o)\b")
FOR_OTHERS = (
    "pip install",
    "sparcell train",
    "sparcell label",
    "sparcell predict",
    "sparcell export",
)
"""Text with the options of other programs, or whole command lines."""


def texts() -> Iterator[tuple[str, str]]:
    """Give the strings of the library that are no documentation, with their places."""
    for path in sorted(ROOT.rglob("*.py")):
        if "cli" in path.relative_to(ROOT).parts:
            continue
        tree = ast.parse(path.read_text("utf8"))
        documentation = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr):
                documentation.add(id(node.value))
            elif isinstance(node, ast.keyword) and node.arg == "description":
                documentation |= {id(part) for part in ast.walk(node.value)}
        parts = set()
        for node in ast.walk(tree):
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                parts |= {id(part) for part in node.values}
                yield (
                    place,
                    "".join(p.value if isinstance(p, ast.Constant) else "X" for p in node.values),
                )
            elif id(node) not in documentation | parts and isinstance(node, ast.Constant):
                yield place, str(node.value)


@pytest.fixture(scope="module")
def root():
    cli.register()
    return typer.main.get_command(cli.app)


def test_no_message_of_the_library_names_an_option() -> None:
    named = [
        (place, text)
        for place, text in texts()
        if OPTION.search(text) and not any(other in text for other in FOR_OTHERS)
    ]
    assert not named


def test_every_parameter_in_a_message_is_one_and_has_an_option(root) -> None:
    functions = [getattr(sparcell, name) for name in sparcell.__all__ if name != "__version__"]
    functions += [import_annotations, export_labels, export_model, fetch_model, read_groups]
    # `evaluate` passes these on to its metrics.
    functions.append(classify_errors)
    known = {name for function in functions for name in inspect.signature(function).parameters}
    known |= {field.name for field in fields(PredictSettings)} | set(
        Salomon2023Settings.model_fields
    )
    flags = flags_of(root, root)
    messages = [(place, text) for place, text in texts() if "\n" not in text]
    named = {(match[1], place) for place, text in messages for match in PARAMETER.finditer(text)}
    assert len(named) > 40
    # An exported network describes its input, `image`; no option sets the thresholds of quality.
    assert {name for name, _ in named if name not in known} <= {"image"}
    assert {name for name, _ in named if name not in flags} <= {"image", "quality"}


@pytest.mark.parametrize(
    "words, message, printed",
    [
        ("predict m a.tif", "`resume=True`, or another `out`", "--resume, or another -o"),
        ("predict m a.tif", '`axes="TYX"` or `axes="ZYX"`', "--axes TYX or --axes ZYX"),
        ("predict m a.tif", "`channel`, `dask=slurm:x`", "--channel, --scheduler slurm:x"),
        ("study s.yaml --data d", "`dask=slurm:x`", "--dask slurm:x"),
        ("models fetch URL", "`outputs=['a', 'b', '-']`", "--outputs a,b,-"),
        ("import a.csv", "`classes` imports them alone", "--class imports them alone"),
        ("track x", "`repair=False` or `repair=True`", "--keep-masks or --repair"),
        ("measure x", "predict with `axes`", "predict with --axes"),
        ("export x", "`halo` over 3; `no=True`; `a verb`", "--halo over 3; no=True; `a verb`"),
    ],
)
def test_parameters_are_printed_as_the_options_of_the_command(
    root, words, message, printed
) -> None:
    flags = flags_of(root, find_command(root, words.split()))
    assert to_flags(message, flags) == printed
    formatter = pickle.loads(pickle.dumps(FlagFormatter(flags)))
    record = logging.LogRecord("sparcell", logging.INFO, "", 0, message, None, None)
    assert formatter.format(record) == printed


def test_errors_are_printed_with_options(tmp_path, capsys) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.txt").touch()
    with pytest.raises(SystemExit) as end:
        cli.main(["export", str(tmp_path), "-o", str(tmp_path / "out"), "--format", "coco"])
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.endswith("a new folder; choose another -o\n")
