"""Former names of settings and recipes: read in files, refused on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from sparcell.core.errors import InputError
from sparcell.studies.config import Study, load_study
from sparcell.studies.design import Plan, read_plan
from sparcell.training import load_recipe, recipe_names
from sparcell.training.initialise import start_from
from sparcell.training.migration import RECIPES, SETTINGS, migrate
from sparcell.training.recipe import Recipe, dump_recipe
from sparcell.training.settings import open_recipe_file


def write(path: Path, content: object) -> Path:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def as_version_1(recipe: Recipe) -> dict[str, dict[str, object]]:
    """Write every setting of a recipe by its former name, as run folders have it."""
    settings = yaml.safe_load(dump_recipe(recipe)) | {"schema_version": 1}
    for old, new in SETTINGS.items():
        group, former = old.split(".")
        if (present := new.split(".")[1]) in settings[group]:
            settings[group][former] = settings[group].pop(present)
    if settings["network"]["decoder"] == "salomon2023-unet":
        settings["network"]["decoder"] = "thesis-unet"
    settings["name"] = {new: old for old, new in RECIPES.items()}.get(recipe.name, recipe.name)
    return settings


@pytest.mark.parametrize(
    "name", ["nuclei-light", "salomon2023-unet", "points-light", "bonte2023-light/nuclei"]
)
def test_settings_of_version_1_become_those_of_today(name: str) -> None:
    recipe = load_recipe(name)
    old = as_version_1(recipe)
    assert "freeze" in old["fit"] and "average" in old["optimiser"]
    assert Recipe.model_validate(migrate(old, "recipe.yaml")) == recipe


def test_a_recipe_file_with_former_names_is_read_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = {"base": "nuclei-light", "fit": {"near_objects": 0.4}, "name": "mine"}
    path = write(tmp_path / "mine.yaml", content)
    assert load_recipe(str(path)).fit.foreground_fraction == 0.4
    (line,) = caplog.messages
    assert "fit.near_objects is now fit.foreground_fraction" in line and str(path) in line


def test_rows_and_bases_of_a_family_may_have_former_names(tmp_path: Path) -> None:
    rows = {"one": {"augment": {"haze": 0.5}}, "two": {"augment": {"haze": 0}}}
    path = write(tmp_path / "family.yaml", {"base": "isl-light/nuclei", "rows": rows})
    found = [load_recipe(f"{path}/{row}") for row in rows]
    assert [recipe.augment.out_of_focus for recipe in found] == [0.5, 0]
    assert found[0].network == load_recipe("bonte2023-light/nuclei").network


def test_a_former_name_beside_schema_version_2_is_refused(tmp_path: Path) -> None:
    content = {"base": "nuclei-light", "fit": {"freeze": 0.2}, "schema_version": 2}
    path = write(tmp_path / "mine.yaml", content)
    with pytest.raises(InputError, match=r"fit\.freeze, a former name.*fit\.freeze_fraction"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("override", "present"),
    [*((f"{old}=0.5", new) for old, new in SETTINGS.items()),
     ("network.decoder=thesis-unet", "salomon2023-unet")],
)  # fmt: skip
def test_the_command_line_tells_the_present_name(override: str, present: str) -> None:
    with pytest.raises(InputError, match=f"write {present}") as caught:
        load_recipe("nuclei-light", [override])
    assert "\n" not in str(caught.value)


def test_recipes_are_found_by_their_former_names(caplog: pytest.LogCaptureFixture) -> None:
    names = set(recipe_names())
    for old, new in RECIPES.items():
        assert open_recipe_file(old).name == new
        assert not names & {old, f"{old}/"}
    caplog.clear()
    assert load_recipe("mp-net/unet-1") == load_recipe("park2022/unet-1")
    (line,) = caplog.messages
    assert "mp-net/unet-1 is now park2022/unet-1" in line


def test_a_file_of_the_user_goes_before_a_former_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "isl", {"base": "nuclei-light", "name": "mine"})
    monkeypatch.chdir(tmp_path)
    assert load_recipe("isl").name == "mine"


def test_a_study_may_have_former_names(tmp_path: Path) -> None:
    content = {
        "schema_version": 1,
        "name": "s",
        "recipes": [{"recipe": "isl-light/cells", "set": {"fit.hold_norms": False}}],
        "set": {"fit.near_objects": 0.2},
    }
    study = load_study(write(tmp_path / "study.yaml", content))
    (recipe,) = study.resolve().values()
    assert not recipe.fit.freeze_batchnorm and recipe.fit.foreground_fraction == 0.2


def test_the_plan_of_an_old_study_is_read(tmp_path: Path) -> None:
    recipe = load_recipe("salomon2023-unet")
    study = Study.model_validate({"name": "s", "recipes": ["thesis-unet"]})
    plan = Plan(study=study, data=tmp_path, recipes={"thesis-unet": recipe}, runs=())
    old = json.loads(plan.model_dump_json())
    old["study"]["schema_version"] = 1
    old["recipes"]["thesis-unet"] = as_version_1(recipe)
    (tmp_path / "plan.json").write_text(json.dumps(old))
    assert read_plan(tmp_path) == plan


def test_a_training_starts_from_an_old_run(tmp_path: Path) -> None:
    recipe = load_recipe("nuclei-light", ["network.decoder=salomon2023-unet"])
    write(tmp_path / "recipe.yaml", as_version_1(recipe))
    assert start_from(tmp_path, load_recipe("nuclei-light")).network.decoder == "salomon2023-unet"
