"""What the command line offers to people who guess: short options, names of other programs."""

from __future__ import annotations

import re

import pytest

from sparcell.cli import app, main, register
from sparcell.cli.help import ALIASES, GROUPS


@pytest.fixture
def run(capfd, monkeypatch):
    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(list(words))
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out, err

    return call


def commands() -> set[str]:
    register()
    named = {str(one.name) for one in app.registered_commands}
    return named | {str(group.name) for group in app.registered_groups}


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("words", [[], ["predict"], ["study"], ["models", "list"]])
def test_help_has_a_short_option_everywhere(run, words, flag):
    code, out, _ = run(*words, flag)
    assert code == 0 and out.startswith("Usage:") and "-h, --help" in out


def test_version_has_a_short_option(run):
    assert run("-V") == run("--version")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("count", "predict"), ("segment", "predict"), ("predct", "predict"), ("quantize", "quantise")],
)
def test_a_mistyped_command_suggests_one(run, typed, meant):
    code, _, err = run(typed, "images")
    assert code == 2 and f"there is no command {typed}; did you mean {meant}?" in err
    assert "Traceback" not in err


def test_a_mistyped_command_of_a_group_suggests_one(run):
    code, _, err = run("models", "lst")
    assert code == 2 and "there is no command lst; did you mean list?" in err


def test_a_command_like_no_other_is_refused(run):
    code, _, err = run("xyzzy")
    assert code == 2 and "there is no command xyzzy; see the help" in err


def test_every_alias_leads_to_a_command_and_hides_none():
    known = commands()
    assert set(ALIASES.values()) <= known
    assert not known & set(ALIASES)


def test_help_groups_all_commands_and_cuts_no_line(run):
    _, out, _ = run("-h")
    known = commands()
    assert known <= {name for names in GROUPS.values() for name in names}
    lines = dict(re.findall(r"^  (\w+) {2,}(.+)$", out, re.MULTILINE))
    assert known <= set(lines)
    assert not [text for name, text in lines.items() if name in known and text.endswith("...")]
    assert max(len(text) for name, text in lines.items() if name in known) <= 55


def test_messages_can_be_fewer_or_more_after_the_command(run, tmp_path):
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    # A constant image: every run says so, however quiet it is.
    for flag in ("-q", "-v"):
        out = str(tmp_path / flag)
        code, _, err = run(
            "predict",
            "nuclei",
            str(tmp_path / "a.png"),
            "-o",
            out,
            "--runtime",
            "onnxruntime",
            flag,
        )
        assert code == 2 and "constant image" in err
        assert ("Counting nuclei in 1 image." in err) == (flag == "-v")
        assert ("on onnxruntime" in err) == (flag == "-v")
