from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from sparcell.cli.recipes import app
from sparcell.core.errors import InputError
from sparcell.training.recipe import load_recipe
from sparcell.training.settings import (
    merge,
    open_recipe_file,
    override,
    read_settings,
    recipe_files,
    recipe_names,
)

FAMILY = {
    "base": "nuclei-light",
    "fit": {"epochs": 7},
    "rows": {"one": {"seed": 1}, "two": {"seed": 2, "fit": {"batch": 2}}},
    "axes": {
        "size": {64: {"fit": {"crop": 64}}, 96: {"fit": {"crop": 96}}},
        "speed": {"slow": None, "fast": {"fit": {"epochs": 1}, "seed": 5}},
    },
}


def write(path: Path, content: object) -> str:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return str(path)


@pytest.fixture
def family(tmp_path: Path) -> str:
    return write(tmp_path / "colony.yaml", FAMILY)


def test_every_row_meets_every_value_of_the_axes(family: str) -> None:
    found = open_recipe_file(family)
    rows = [f"{r}-{size}-{speed}" for r in ("one", "two") for size in (64, 96)
            for speed in ("slow", "fast")]  # fmt: skip
    assert list(found.rows) == rows
    assert found.recipes == [f"{family}/{row}" for row in rows]


def test_later_settings_stand_above_earlier_ones(family: str) -> None:
    slow, fast = (load_recipe(f"{family}/two-96-{speed}") for speed in ("slow", "fast"))
    assert (slow.fit.epochs, slow.fit.batch, slow.fit.crop, slow.seed) == (7, 2, 96, 2)
    assert (fast.fit.epochs, fast.fit.batch, fast.fit.crop, fast.seed) == (1, 2, 96, 5)
    base = load_recipe("nuclei-light")
    assert slow.optimiser == base.optimiser and slow.method == base.method
    # Without a name of its own the family is called as its file.
    assert fast.name == "colony/two-96-fast"


def test_a_row_of_a_family_is_a_base_too(family: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.yaml", {"base": "colony.yaml/one-64-slow", "name": "mine", "seed": 9}
    )
    recipe = load_recipe(path, ["fit.batch=3"])
    assert (recipe.name, recipe.seed, recipe.fit.crop, recipe.fit.batch) == ("mine", 9, 64, 3)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("", r"the family .*colony.yaml, which has 8 recipes.*/ROW with a row of one-64-slow, "),
        ("/three-64-slow", r"no recipe 'three-64-slow' in the family .*one-64-slow"),
        ("/one-64-slow/x", "no recipe"),
    ],
)
def test_a_family_is_asked_for_by_a_row(family: str, row: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load_recipe(family + row)
    assert "\n" not in str(caught.value)


def test_a_plain_recipe_has_no_rows() -> None:
    with pytest.raises(InputError, match="no recipe 'nuclei-light/one'"):
        load_recipe("nuclei-light/one")


@pytest.mark.parametrize(
    "content",
    [
        {"rows": ["one", "two"]},
        {"rows": {"one": 3}},
        {"axes": {"size": [64, 96]}},
        {"axes": [1]},
        {"axes": "size"},
    ],
)
def test_a_family_of_another_form_is_one_line(tmp_path: Path, content: object) -> None:
    with pytest.raises(InputError, match="among the rows and axes of") as caught:
        read_settings(write(tmp_path / "bad.yaml", content) + "/one")
    assert "\n" not in str(caught.value)


def test_an_unknown_setting_in_a_row_is_named(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.yaml", {"base": "nuclei-light", "rows": {"a": {"fit": {"epoch": 1}}}}
    )
    with pytest.raises(InputError, match=r"Recipe .*f\.yaml/a has no setting fit\.epoch"):
        load_recipe(f"{path}/a")


def test_a_method_of_another_name_takes_the_place_of_the_base_s() -> None:
    below = {"name": "base", "method": {"name": "semantic", "loss": "bce", "gamma": 3}}
    below["decode"] = {"threshold": 0.4}
    other = merge(below, {"name": "mine", "method": {"name": "distance"}, "decode": {"h": 0.1}})
    assert other == {"name": "mine", "method": {"name": "distance"}, "decode": {"h": 0.1}}
    for same in ({"loss": "focal"}, {"name": "semantic", "loss": "focal"}):
        assert merge(below, {"method": same})["method"] == {
            "name": "semantic", "loss": "focal", "gamma": 3,
        }  # fmt: skip
    # Other groups keep what they share with the base, whatever their name.
    adam = {"optimiser": {"name": "adam", "lr": 1}}
    assert merge(adam, {"optimiser": {"name": "sgd"}})["optimiser"] == {"name": "sgd", "lr": 1}


def test_the_method_s_name_may_come_after_its_settings() -> None:
    settings = {"method": {"name": "semantic", "alpha": 0.1}}
    changed = override(settings, ["method.distance_weight=2", "method.name=distance"])
    assert changed == {"method": {"name": "distance", "distance_weight": 2}}
    recipe = load_recipe("salomon2023-unet", ["method.name=distance", "network.weights=none"])
    assert recipe.method.name == "distance"


def test_the_families_that_come_with_sparcell_are_listed_by_their_size() -> None:
    listed = CliRunner().invoke(app, ["list"]).output
    assert "nuclei-light\n" in listed and "park2022/ROW, 9 recipes\n" in listed
    assert "_published" not in listed and max(map(len, listed.splitlines())) <= 80
    assert len(set(recipe_names())) == len(recipe_names()) > 100
    assert [f for f in recipe_files() if f"{f}\n" in listed or f"{f}/ROW" in listed] == (
        recipe_files()
    )


def test_a_family_shows_its_rows_and_a_row_its_settings_and_source() -> None:
    rows = CliRunner().invoke(app, ["show", "salomon2023"]).output
    assert "salomon2023/pure-bj-ras\n" in rows and "salomon2023/mixed\n" in rows
    shown = yaml.safe_load(CliRunner().invoke(app, ["show", "salomon2023/mixed"]).output)
    assert shown["name"] == "salomon2023/mixed" and "5.5.1" in shown["source"]
    assert shown["data"]["where"] == {"cell": ["BJ-RAS", "BJ-TERT", "BJ-SV40"]}
    assert shown["network"]["decoder"] == "salomon2023-unet"
