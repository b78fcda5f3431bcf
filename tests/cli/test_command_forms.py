"""Commands as forms: what the command line says of itself, and lines made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparcell.core.errors import InputError

pytest.importorskip("fastapi")

from sparcell.app.forms import CommandForm, command_words, output_of, resumed_words
from sparcell.cli.forms import CommandForms

FORMS = CommandForms()


def form(name: str) -> CommandForm:
    return next(one for one in FORMS.commands() if one.name == name)


def test_a_form_has_what_the_help_says() -> None:
    predict = form("predict")
    known = {one.name: one for one in predict.parameters}
    assert [one.name for one in predict.parameters][:2] == ["model", "inputs"]
    assert known["model"].required and known["inputs"].many and not known["inputs"].flag
    assert (known["out"].flag, known["out"].default) == ("--output", "predicted")
    assert (known["pictures"].flag, known["pictures"].off) == ("--pictures", "--no-pictures")
    assert known["tile"].kind == "integer" and known["tile"].least == 1
    assert known["tile"].group == "Large images" and "scheduler" not in known
    assert form("evaluate").parameters[0].name == "truth"
    assert {p.name: p.choices for p in form("label").parameters}["to"] == ("labels", "points")
    words = ("predict", "--overwrite", "--", "nuclei", "-x")
    assert resumed_words(predict, words) == ("predict", "--resume", "--", "nuclei", "-x")
    assert resumed_words(form("info"), ("info", "x")) == ()


@pytest.mark.parametrize(
    ("command", "values", "line"),
    [
        ("predict", {"model": "nuclei", "inputs": ["a b"]}, ["predict", "nuclei", "a b"]),
        (
            "predict",
            {"model": "nuclei", "inputs": ["-x"], "out": "p", "pictures": False, "tile": 256},
            ["predict", "--output", "p", "--no-pictures", "--tile", "256", "--", "nuclei", "-x"],
        ),
        (
            "train",
            {"recipe": "nuclei-light", "data": ["d", "e"], "settings": ["fit.epochs=2"],
             "minutes": 0.5, "resume": False},
            ["train", "nuclei-light", "--data", "d", "--data", "e", "--set", "fit.epochs=2",
             "--minutes", "0.5"],
        ),
        (
            "models compare",
            {"old": "nuclei", "new": "run", "data": "d", "threads": 0},
            ["models", "compare", "nuclei", "run", "--data", "d"],
        ),
    ],
)  # fmt: skip
def test_lines_of_filled_in_forms(command, values, line, tmp_path: Path) -> None:
    words = command_words(form(command), values, tmp_path)
    assert list(words) == line
    FORMS.check(words)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"inputs": ["a"]}, "no model"),
        ({"model": "nuclei", "inputs": ["a"], "shell": "x"}, "shell"),
        ({"model": "nuclei", "inputs": ["../a"]}, "not in"),
        ({"model": "nuclei", "inputs": ["/etc"]}, "not in"),
        ({"model": "nuclei", "inputs": ["https://a.b/c.zarr"]}, "not in"),
        ({"model": "../m.zip", "inputs": ["a"]}, "not in"),
        ({"model": "..", "inputs": ["a"]}, "not in"),
        ({"model": "nuclei", "inputs": ["a"], "out": "/tmp/x"}, "not in"),
        ({"model": "nuclei", "inputs": ["a"], "tta": "--overwrite"}, "--overwrite for tta"),
        ({"model": "nuclei", "inputs": ["a\nb"]}, "no line of text"),
        ({"model": "nuclei", "inputs": ["a"], "tta": {"a": 1}}, "no line of text"),
        ({"model": ["nuclei", "b"], "inputs": ["a"]}, "2 values of model"),
    ],
)
def test_values_that_a_form_refuses(values, found, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=found):
        command_words(form("predict"), values, tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    with pytest.raises(InputError, match="not in"):
        command_words(form("info"), {"paths": ["link"]}, root)


def test_lines_that_cannot_be_parsed() -> None:
    for line in (["predict", "nuclei"], ["predict", "m", "i", "--tile", "x"], ["info", "--no"]):
        with pytest.raises(InputError):
            FORMS.check(line)


def test_output_and_settings() -> None:
    assert output_of(form("predict"), {}) == "predicted"
    assert output_of(form("predict"), {"out": "mine"}) == "mine"
    assert output_of(form("info"), {}) == ""
    settings = {one.key: one for one in FORMS.settings("nuclei-light")}
    assert settings["fit.minutes"].value == 10 and "clock" in settings["fit.minutes"].text
    assert settings["predict.tta"].values.startswith("none, flips")
    with pytest.raises(InputError):
        FORMS.settings("no-such-recipe")
    assert "nuclei" in FORMS.models() and "nuclei-light" in FORMS.recipes()
