"""sparcell study on the command line."""

from __future__ import annotations

import pytest

from sparcell.cli import main


@pytest.fixture
def data(tmp_path):
    for kind in ("images", "labels"):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for i in range(10):
            (tmp_path / "set" / kind / f"f{i}.tif").touch()
    return tmp_path / "set"


@pytest.fixture
def sparcell(capsys):
    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.err + captured.out

    return run


@pytest.mark.parametrize("word", [[], ["run"]])
def test_a_study_is_planned_with_and_without_the_word_run(sparcell, data, tmp_path, word):
    settings = "{name: s, recipes: [nuclei-light], folds: 5, limit: {cpu_seconds: 360}}"
    (tmp_path / "s.yaml").write_text(settings)
    out = tmp_path / "out"
    code, said = sparcell(
        "study", *word, tmp_path / "s.yaml", "--data", data, "-o", out, "--dry-run"
    )
    assert code == 0 and "15 trainings of nuclei-light, with all images, 15 times each" in said
    assert "with all: 6 training, 2 validation, 2 test images" in said
    assert "1.5 h of processor time" in said
    assert not out.exists()


def test_a_curve_is_planned(sparcell, data, tmp_path):
    code, said = sparcell("study", "curve", "--data", data, "-o", tmp_path / "out", "--dry-run")
    assert code == 0 and "with all: 6 training, 2 validation, 2 test images" in said


def test_bad_input_is_one_line(sparcell, data, tmp_path):
    (tmp_path / "s.yaml").write_text("{name: s, recipes: [nuclei-light], folds: 11}")
    code, said = sparcell("study", tmp_path / "s.yaml", "--data", data, "-o", tmp_path / "out")
    assert code == 2 and said.startswith("sparcell: found 11 folds of 10 labelled images")
    both = ["--steps", 3, "--minutes", 3]
    code, said = sparcell("study", "curve", "--data", data, "-o", tmp_path / "out", *both)
    assert code == 2 and "leave one out" in said and "Traceback" not in said
    assert not (tmp_path / "out").exists()
