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
    assert said == ("" if quiet else f"1 fields: {tmp_path / 'set'}\n")
    assert not package.handlers


def test_errors_are_printed_even_if_quiet(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["--quiet", "info", str(tmp_path / "none")])
    assert end.value.code == 2 and capsys.readouterr().err.startswith("sparcell: found ")
