"""How the command line prints messages and errors."""

from __future__ import annotations

import pytest

from sparcell.cli import main
from sparcell.core.log import package


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_facts_are_printed_unless_quiet(tmp_path, capsys, quiet):
    with pytest.raises(SystemExit) as end:
        main(
            [*quiet, "simulate", str(tmp_path / "set"), "--train", "1", "--val", "0", "--test", "0"]
        )
    assert not end.value.code
    said = capsys.readouterr().err
    assert said == ("" if quiet else f"1 image: {tmp_path / 'set'}\n")
    assert not package.handlers


def test_errors_are_printed_even_if_quiet(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["--quiet", "info", str(tmp_path / "none")])
    assert end.value.code == 2 and capsys.readouterr().err.startswith("sparcell: There is no file")


def test_help_lists_options_in_groups(capsys):
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    said = capsys.readouterr().out
    places = [said.index(f"\n{title}:\n") for title in ("Options", "Large images", "Machine")]
    places += [said.index("--out"), said.index("--halo"), said.index("--runtime")]
    assert sorted(places) == [places[i] for i in (0, 3, 1, 4, 2, 5)]


def test_a_former_name_of_a_command_works_and_names_the_present_one(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["study", "isl", "--data", str(tmp_path / "no"), "-o", str(tmp_path / "out")])
    first, second = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and second.startswith("sparcell: found ")
    assert first.startswith("sparcell study isl is now sparcell study pretraining")
