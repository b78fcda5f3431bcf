"""A whole review by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from review.sessions import SQUARES, squares, write_dataset

from sparcell.cli import main
from sparcell.io import read_table, write_image


@pytest.fixture
def sparcell(capsys):
    """Run the command line; give the exit code and what it printed."""

    def run(*words: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return int(end.value.code or 0), captured.err + captured.out

    return run


def test_from_predictions_to_a_dataset(sparcell, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", {n: ("test", "RAS") for n in "abc"})
    for name in "abc":
        write_image(tmp_path / "p" / "labels" / f"{name}.tif", squares(*SQUARES), "YX")
    folder = tmp_path / "s"
    new = ("review", "new", data, "-o", folder, "--expert", "anna", "--expert", "ben")
    code, text = sparcell(*new, "--prediction", tmp_path / "p")
    assert code == 2 and "expected NAME=DIR" in text
    code, text = sparcell(*new, "--prediction", f"m={tmp_path / 'p'}")
    assert code == 0 and "3 images, 4 cases for each of 2 experts" in text
    for expert in ("anna", "ben"):
        cases = read_table(folder / f"{expert}_cases.csv")["case"]
        rows = [f"{case},done," for case in cases] + [f"{cases[0]},extra,1"]
        (tmp_path / "v.csv").write_text("case,kind,object\n" + "\n".join(rows))
        code, text = sparcell("review", "agree", folder)
        assert code == 2 and f"{expert} has not sealed (4 cases left)" in text
        code, text = sparcell(
            "review", "record", folder, tmp_path / "v.csv", "--expert", expert, "--seal"
        )
        assert code == 0 and "5 new verdicts" in text
    code, text = sparcell("review", "agree", folder, "-o", tmp_path / "agreement")
    assert code == 0 and "Expert ben" in text and "m: FP in each case" in text
    content = json.loads((tmp_path / "agreement" / "agreement.json").read_text())
    assert {row["expert"] for row in content["rows"]} == {"anna", "ben"}
    code, text = sparcell("review", "export", folder, "-o", tmp_path / "out", "--by", "anna")
    assert code == 0 and "3 reviewed images of m, by anna" in text
    code, text = sparcell("info", tmp_path / "out")
    assert code == 0 and "labels: 3" in text
