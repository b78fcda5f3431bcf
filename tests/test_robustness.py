"""A small part of the campaign in ``benchmarks/robustness``, and its own functions."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("resource", reason="the campaign needs Linux or macOS")
pytest.importorskip("openpyxl")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "robustness"))

from campaign import Campaign, Outcome, Row
from mutations import change_tree, damage, mutate
from results import compare
from sample_field import write_base
from samples import KINDS, Kind

from sparcell.cli import main

ELSEWHERE = ("CZI", "ND2", "LIF", "OIF", "model.zip", "record.json")
IN_PROCESS = [kind for kind in KINDS if kind.name not in ELSEWHERE]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_base(folder)
    return folder


@pytest.mark.parametrize("kind", IN_PROCESS, ids=lambda kind: kind.name)
def test_a_damaged_file_has_a_result_or_a_plain_line(
    base: Path, tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    shutil.copytree(base, tmp_path, dirs_exist_ok=True)
    files = kind.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    for number, file in enumerate(files[:2]):
        mutate(file, np.random.default_rng(number))
        words = [str(file) if word == "FILE" else word for word in kind.commands[0]]
        with pytest.raises(SystemExit) as end:
            main(words)
        captured = capsys.readouterr()
        outcome = Outcome(int(end.value.code or 0), captured.out + captured.err)
        assert outcome.problem() == ""
        shutil.rmtree(tmp_path / "out", ignore_errors=True)


def test_a_seed_gives_the_same_damage(base: Path) -> None:
    content = (base / "images" / "A1.tif").read_bytes()
    found = {damage("A1.tif", content, np.random.default_rng(seed))[1] for seed in (1, 1, 2)}
    assert len(found) == 2 and content not in found
    tree = {"a": [1, {"b": 2}]}
    changed = [change_tree(tree, np.random.default_rng(seed)) for seed in range(20)]
    assert tree == {"a": [1, {"b": 2}]} and all(one != tree for one in changed)
    assert len({json.dumps(one) for one in changed}) > 5


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome(0, "done\n"), ""),
        (Outcome(2, "sparcell: found x; expected y; z\n"), ""),
        (Outcome(2, ""), "without a line"),
        (Outcome(1, "oh\n"), "exit code 1"),
        (Outcome(-11, ""), "signal 11"),
        (Outcome(-14, ""), "no end"),
        (Outcome(0, "x" * 900), "a line of 900 characters"),
        (
            Outcome(
                1, 'Traceback (most recent call last):\n  File "/sparcell/a.py"\nKeyError: 3\n'
            ),
            "KeyError: 3 (a.py",
        ),
    ],
)
def test_how_commands_end_is_judged(outcome: Outcome, says: str) -> None:
    problem = outcome.problem()
    assert says in problem and bool(problem) == bool(says)


def test_a_failure_is_kept_and_in_the_table(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.tif").write_text("damaged")
    campaign = Campaign("small", 0, tmp_path / "kept", ["TIFF"])
    assert campaign.row("damaged CZI") is None and campaign.count(1, 2, 3) == 1
    row = campaign.row("damaged TIFF")
    assert isinstance(row, Row)
    campaign.judge(row, "", "sparcell info good.tif")
    campaign.judge(row, "exit code 1", "sparcell info longer/a.tif", tmp_path / "in")
    campaign.judge(row, "exit code 1", "sparcell info a.tif", tmp_path / "in")
    assert "| damaged TIFF | 3 | 1 | exit code 1: `sparcell info a.tif` |" in campaign.table()
    kept = tmp_path / "kept" / "damaged-TIFF" / "001"
    assert (kept / "a.tif").read_text() == "damaged"
    assert "longer/a.tif" in (kept / "command.txt").read_text()


def test_results_are_compared_without_times(base: Path, tmp_path: Path) -> None:
    for name, seconds in (("one", 1.5), ("other", 2.5)):
        shutil.copytree(base / "labels", tmp_path / name)
        (tmp_path / name / "metrics.csv").write_text(f"epoch,f1,seconds\n1,0.5,{seconds}\n")
        (tmp_path / name / "record.json").write_text(f'{{"seconds": {seconds}}}')
    assert compare(tmp_path / "one", tmp_path / "other") == ""
    (tmp_path / "other" / "metrics.csv").write_text("epoch,f1,seconds\n1,0.6,1.5\n")
    assert compare(tmp_path / "one", tmp_path / "other") == "metrics.csv differs"
    (tmp_path / "other" / "A1.tif").unlink()
    assert compare(tmp_path / "one", tmp_path / "other") == "A1.tif only in one of the results"
