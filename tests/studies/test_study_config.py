"""A study's YAML: what it means, and what is refused in one line."""

from __future__ import annotations

import pytest
import yaml

from sparcell.core.errors import InputError
from sparcell.studies import Study, load_study
from sparcell.studies.config import dump_study
from sparcell.training.settings import read_overrides


def write(path, **settings):
    path.write_text(yaml.safe_dump({"name": "s", "recipes": ["nuclei-light"]} | settings))
    return path


def test_overrides_of_the_study_lie_beneath_those_of_a_recipe(tmp_path):
    recipes = [
        "salomon2023-unet",
        {"recipe": "nuclei-light", "label": "light", "set": {"fit.crop": 64, "data.where": {}}},
    ]
    study = load_study(
        write(tmp_path / "s.yaml", recipes=recipes, set={"fit.crop": 128, "optimiser.lr": "1e-3"})
    )
    resolved = study.resolve()
    assert {label: recipe.fit.crop for label, recipe in resolved.items()} == {
        "salomon2023-unet": 128,
        "light": 64,
    }
    assert all(recipe.optimiser.lr == 0.001 for recipe in resolved.values())


def test_a_limit_is_the_length_of_every_run(tmp_path):
    study = load_study(write(tmp_path / "s.yaml", limit={"cpu_seconds": 360}))
    (recipe,) = study.resolve().values()
    assert recipe.fit.cpu_seconds == 360 and recipe.fit.max_steps == 0
    # Nothing but the budget ends a run, or they would not be compared at equal cost.
    assert recipe.fit.patience > 100_000


def test_recipes_and_tables_count_from_the_file(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\nbase: nuclei-light\n")
    (tmp_path / "rivals.csv").touch()
    study = load_study(write(tmp_path / "s.yaml", recipes=["mine.yaml"], external=["rivals.csv"]))
    assert study.resolve()["mine"].name == "mine"
    assert study.external == (tmp_path / "rivals.csv",)


def test_what_is_written_is_what_is_read(tmp_path):
    study = load_study(write(tmp_path / "s.yaml", budgets=[1, "all"], set={"fit.crop": 64}))
    assert Study.model_validate(yaml.safe_load(dump_study(study))) == study


def test_the_former_name_of_rules_is_replaced_and_reported(tmp_path, caplog):
    study = load_study(write(tmp_path / "s.yaml", rules="thesis"))
    assert study.rules == "cui2020"
    assert "rules thesis are now called cui2020" in caplog.text


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"budgest": [1]}, "budgest"),
        ({"budgets": [0]}, "budget of 0"),
        ({"metric": "f1_60_no_small", "min_size": 0}, "needs min_size above 0"),
        ({"rules": "mine"}, "rules"),
        ({"budgets": [5, 5]}, "the same value twice"),
        ({"budgets": []}, "budgets"),
        ({"seeds": [-1]}, "below 0"),
        ({"folds": 2}, "folds: 3 or more"),
        ({"fixed_test": True}, "fixed_test with folds: 0; two folds or more"),
        ({"fixed_test": True, "folds": 1}, "fixed_test with folds: 1; two folds or more"),
        ({"fixed_test": True, "folds": 4, "val": 0}, "fixed_test with val: 0; each fold validates"),
        ({"fixed_test": True, "folds": 4, "test": "val"}, "the fixed images are those marked test"),
        ({"recipes": ["nuclei-light", "nuclei-light"]}, "two recipes with the label"),
        ({"recipes": [{"recipe": "nuclei-light", "label": "a/b"}]}, "cannot name a folder"),
        ({"limit": {"steps": 5, "cpu_seconds": 5}}, "either steps or cpu_seconds"),
        ({"limit": {}}, "either steps or cpu_seconds"),
    ],
)
def test_bad_settings_are_one_plain_line(tmp_path, settings, says):
    with pytest.raises(InputError, match=says) as caught:
        load_study(write(tmp_path / "s.yaml", **settings))
    assert "\n" not in str(caught.value)


def test_unknown_recipes_and_files_are_named(tmp_path):
    with pytest.raises(InputError, match="nuclei-lihgt"):
        load_study(write(tmp_path / "s.yaml", recipes=["nuclei-lihgt"])).resolve()
    with pytest.raises(InputError, match="no study"):
        load_study(tmp_path / "missing.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(InputError, match="no YAML"):
        load_study(tmp_path / "bad.yaml")


def test_settings_of_the_command_line_are_those_of_the_file():
    given = ["fit.epochs=20", "network.weights=none"]
    assert read_overrides(given) == {"fit.epochs": 20, "network.weights": "none"}
    with pytest.raises(InputError, match="key=value"):
        read_overrides(["fit.epochs"])
