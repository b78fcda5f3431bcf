"""The plan of a study, worked out from the names and columns of a dataset."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.io import write_image
from sparcell.studies import Study, load_study, plan_study
from sparcell.studies.design import describe_plan, find_groups
from sparcell.studies.learning_curve_study import learning_curve_study


def dataset(root, splits, refused=(), **columns):
    """Write a dataset of empty files, which is enough for a plan."""
    names = [f"field_{i:02d}" for i in range(len(splits))]
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
        for name in names:
            (root / kind / f"{name}.tif").touch()
    with (root / "split.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["name", "split", *columns])
        table.writerows(zip(names, splits, *columns.values(), strict=True))
    if refused:
        rows = [f"{name},false,blurred\n" for name in refused]
        (root / "quality.csv").write_text("name,accepted,reason\n" + "".join(rows))
    return root


def study(**settings):
    return Study.model_validate({"name": "s", "recipes": ["nuclei-light"]} | settings)


MARKED = ["train"] * 8 + ["val"] * 4 + ["test"] * 3


def test_runs_are_all_combinations_and_their_keys_differ(tmp_path):
    data = dataset(tmp_path / "set", MARKED)
    recipes = ["nuclei-light", {"recipe": "salomon2023-unet", "label": "unet"}]
    plan = plan_study(study(recipes=recipes, budgets=[2, "all"], seeds=[0, 1, 2]), data)
    assert len({run.key for run in plan.runs}) == len(plan.runs) == 2 * 2 * 3
    assert "12 trainings" in describe_plan(plan)
    run = plan.find("unet/all-f0-s1")
    assert len(run.train) == 8 and len(run.val) == 4 and len(run.test) == 3
    recipe = plan.recipe(run)
    assert recipe.seed == 1 and set(recipe.data.parts["train"]) == set(run.train)


def test_smaller_budgets_are_within_larger_ones_and_alike_for_all_recipes(tmp_path):
    data = dataset(tmp_path / "set", MARKED)
    recipes = ["nuclei-light", "salomon2023-unet"]
    plan = plan_study(study(recipes=recipes, budgets=[1, 3, 6, "all"], seeds=[0, 1]), data)
    for seed in (0, 1):
        by_recipe = [
            [set(plan.find(f"{label}/{budget}-f0-s{seed}").train) for budget in (1, 3, 6, "all")]
            for label in recipes
        ]
        assert by_recipe[0] == by_recipe[1]
        assert all(a < b for a, b in zip(by_recipe[0], by_recipe[0][1:], strict=False))


def test_validation_is_limited_alike_for_all_runs(tmp_path):
    data = dataset(tmp_path / "set", MARKED)
    plan = plan_study(study(val=2, budgets=[1, "all"], seeds=[0, 1]), data)
    (val,) = {run.val for run in plan.runs}
    assert len(val) == 2


def test_without_validation_fields_it_comes_from_the_budget(tmp_path):
    data = dataset(tmp_path / "set", MARKED)
    plan = plan_study(study(val=0, budgets=[1, 5, "all"], seeds=[0]), data)
    sizes = [(len(run.train), len(run.val)) for run in plan.runs]
    # Fields marked val are labels too, and count as such.
    assert sizes == [(1, 0), (4, 1), (9, 3)]
    assert "val" not in plan.recipe(plan.runs[0]).data.parts


def test_validation_fields_are_drawn_where_none_are_marked(tmp_path):
    data = dataset(tmp_path / "set", ["train"] * 10 + ["test"] * 2)
    (run,) = plan_study(study(seeds=[0]), data).runs
    assert len(run.train) == 8 and len(run.val) == 2 and not set(run.train) & set(run.val)


def test_folds_with_groups_and_strata(tmp_path):
    movies = [f"movie_{i // 2}" for i in range(20)]
    kinds = ["bright" if i % 4 < 2 else "dim" for i in range(20)]
    data = dataset(tmp_path / "set", [""] * 20, movie=movies, kind=kinds)
    plan = plan_study(study(folds=5, group="movie", stratify="kind", seeds=[0]), data)
    movie_of = {f"field_{i:02d}": movie for i, movie in enumerate(movies)}
    kind_of = {f"field_{i:02d}": kind for i, kind in enumerate(kinds)}
    for run in plan.runs:
        movies_of = [{movie_of[name] for name in part} for part in (run.train, run.val, run.test)]
        assert sum(map(len, movies_of)) == len(set.union(*movies_of)) == 10
        assert sorted(kind_of[name] for name in run.test) == ["bright"] * 2 + ["dim"] * 2
    assert sorted(name for run in plan.runs for name in run.test) == sorted(movie_of)


def test_folds_validate_in_turn_beside_a_fixed_test_set(tmp_path):
    data = dataset(tmp_path / "set", MARKED)
    plan = plan_study(study(folds=4, fixed_test=True, seeds=[0]), data)
    tested = ("field_12", "field_13", "field_14")
    others = [f"field_{i:02d}" for i in range(12)]
    assert [run.fold for run in plan.runs] == [0, 1, 2, 3]
    for run in plan.runs:
        assert run.test == tested and len(run.val) == 3
        assert sorted(run.train + run.val) == others
    # Every field but the fixed ones validates once.
    assert sorted(name for run in plan.runs for name in run.val) == others
    assert "one test set of 3 images" in describe_plan(plan)
    two = plan_study(study(folds=2, fixed_test=True, seeds=[0]), data).runs
    assert set(two[0].train) == set(two[1].val) and set(two[0].val) == set(two[1].train)


def test_a_fixed_test_set_shares_no_group_with_the_folds(tmp_path):
    movies = [f"m{i // 2}" for i in range(15)]
    data = dataset(tmp_path / "set", MARKED, movie=[*movies[:12], "m6", "m6", "m6"])
    plan = plan_study(study(folds=3, fixed_test=True, group="movie", seeds=[0]), data)
    assert {len(run.val) for run in plan.runs} == {4}
    shared = dataset(tmp_path / "shared", MARKED, movie=[*movies[:12], "m0", "m6", "m6"])
    with pytest.raises(InputError, match="the group m0 in both"):
        plan_study(study(folds=3, fixed_test=True, group="movie"), shared)


def test_the_published_rows_of_mp_net_have_four_folds(tmp_path):
    path = Path(__file__).parents[2] / "benchmarks/studies/park2022.yaml"
    made = load_study(path).model_copy(update={"recipes": load_study(path).recipes[:2]})
    runs = plan_study(made, dataset(tmp_path / "set", MARKED)).runs
    assert len(load_study(path).recipes) == 9
    assert len({run.test for run in runs}) == 1 and len({run.val for run in runs}) == 4
    assert not load_study(path).set and load_study(path).limit is None


def test_a_pure_set_is_trained_and_tested_on_its_own_line(tmp_path):
    cells = ["HeLa", "HEK"] * 7 + ["HEK"]
    data = dataset(tmp_path / "set", MARKED, cell=cells)
    pure = {"recipe": "nuclei-light", "label": "pure", "set": {"data.where": {"cell": "HeLa"}}}
    plan = plan_study(study(recipes=["nuclei-light", pure], seeds=[0]), data)
    mixed, alone = plan.runs
    assert len(mixed.train) == 8 and len(alone.train) == 4
    assert mixed.test == ("field_12", "field_13", "field_14") and alone.test == ("field_12",)
    assert plan.recipe(alone).data.where == {}
    assert "1 to 3 test images" in describe_plan(plan)


def test_a_pure_set_without_test_field_is_refused(tmp_path):
    data = dataset(tmp_path / "set", MARKED, cell=["HeLa", "HEK"] * 6 + ["HEK"] * 3)
    pure = {"recipe": "nuclei-light", "label": "pure", "set": {"data.where": {"cell": "HeLa"}}}
    with pytest.raises(InputError, match=r"no test image for pure .*data\.where") as caught:
        plan_study(study(recipes=["nuclei-light", pure]), data)
    assert "\n" not in str(caught.value)


def test_groups_are_those_of_the_column_named_or_else_of_cell(tmp_path):
    def groups(**settings):
        samples = {one.name: one for one in Dataset.open(data).samples}
        return find_groups(study(**settings), samples)

    data = dataset(tmp_path / "a", MARKED, well=["A1"] * 15)
    assert groups() is None
    assert groups(by="well").split(["field_00", "other"]) == {
        "A1": ["field_00"],
        "unknown": ["other"],
    }
    data = dataset(tmp_path / "b", MARKED, well=["A1"] * 15, cell=["HeLa"] * 15)
    assert groups().column == "cell" and groups(by="well").column == "well"


def test_a_fraction_of_a_recipe_counts_once(tmp_path):
    data = dataset(tmp_path / "set", MARKED)
    half = {"recipe": "nuclei-light", "set": {"data.fraction": 0.5}}
    plan = plan_study(study(recipes=[half], seeds=[0]), data)
    assert len(plan.runs[0].train) == 4
    assert plan.recipe(plan.runs[0]).data.fraction == 1


def test_refused_labels_are_neither_tested_nor_trained_on(tmp_path, caplog):
    data = dataset(tmp_path / "set", MARKED, refused=("field_00", "field_14"))
    recipes = ["nuclei-light", {"recipe": "nuclei-light", "label": "all"}]
    recipes[1]["set"] = {"data.use_rejected": True}
    careful, greedy = plan_study(study(recipes=recipes, seeds=[0]), data).runs
    assert len(careful.train) == 7 and len(greedy.train) == 8
    assert careful.test == greedy.test == ("field_12", "field_13")
    assert "2 images were refused" in caplog.text


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"budgets": [9]}, "a budget of 9 images; expected at most the 8"),
        ({"folds": 16}, "16 folds of 15 labelled images"),
        ({"folds": 5, "group": "movie"}, "5 folds of 3 groups"),
        ({"group": "movies"}, "no column 'movies'.*one of hole, movie, part"),
        ({"stratify": "hole"}, "no hole for field_03"),
        ({"by": "line"}, "no column 'line' in split.csv, the study's by; expected one of hole,"),
        ({"group": "movie"}, "the group .* in both train and"),
        ({"where": {"movie": "4"}}, "no labelled image"),
        ({"where": {"part": "a"}}, "no labelled image marked test"),
        ({"labels": "outlines"}, "outlines"),
        (
            {"folds": 3, "fixed_test": True, "where": {"part": "a"}},
            "no labelled image marked test.*fixed_test",
        ),
        ({"folds": 13, "fixed_test": True}, "13 folds of 12 labelled images"),
    ],
)
def test_what_does_not_fit_the_data_is_one_plain_line(tmp_path, settings, says):
    hole = ["x"] * 15
    hole[3] = ""
    part = ["a"] * 8 + ["b"] * 7
    movies = [str(i % 3) for i in range(15)]
    data = dataset(tmp_path / "set", MARKED, movie=movies, hole=hole, part=part)
    with pytest.raises(InputError, match=says) as caught:
        plan_study(study(**settings), data)
    assert "\n" not in str(caught.value)


def test_more_frames_than_the_movie_has_are_refused(tmp_path):
    for name in ("a", "b", "c"):
        for kind in ("images", "labels"):
            pixels = np.zeros((2, 32, 32), np.uint8)
            write_image(tmp_path / "set" / kind / f"{name}.tif", pixels, "TYX")
    settings = {"network.frames": 3, "network.temporal": "convgru", "network.decoder": "fpn"}
    with pytest.raises(InputError, match=r"2 frames in .*at least the 3"):
        plan_study(study(folds=3, set=settings), tmp_path / "set")


def test_a_learning_curve_doubles_up_to_all_labels(tmp_path):
    data = dataset(tmp_path / "marked", ["train"] * 28 + ["val"] * 4 + ["test"] * 5)
    plan = plan_study(learning_curve_study(data, seeds=2), data)
    used = sorted({len(run.train) + len(run.val) for run in plan.runs})
    assert used == [1, 2, 6, 13, 32]
    assert {len(run.test) for run in plan.runs} == {5} and len(plan.runs) == 10


def test_a_learning_curve_without_test_fields_takes_folds(tmp_path):
    data = dataset(tmp_path / "set", [""] * 10)
    made = learning_curve_study(data)
    assert made.folds == 5 and made.seeds == (0,)
    plan = plan_study(made, data)
    assert sorted(name for run in plan.runs if run.budget == 1 for name in run.test) == [
        f"field_{i:02d}" for i in range(10)
    ]
    assert max(len(run.train) + len(run.val) for run in plan.runs) == 8
    with pytest.raises(InputError, match="at least 3 for a learning curve"):
        learning_curve_study(dataset(tmp_path / "few", [""] * 2))


def test_of_three_images_each_is_tested_in_turn(tmp_path):
    data = dataset(tmp_path / "set", [""] * 3)
    made = learning_curve_study(data)
    plan = plan_study(made, data)
    assert made.budgets == (1, "all")
    whole = [run for run in plan.runs if run.budget == "all"]
    assert sorted(run.test for run in whole) == [(f"field_{i:02d}",) for i in range(3)]
    assert all(len(run.train) + len(run.val) == 2 for run in whole)


def test_labels_are_where_the_dataset_says(tmp_path):
    data = dataset(tmp_path / "set", [""] * 10)
    (data / "labels").rename(data / "by_hand")
    with pytest.raises(InputError, match="nothing in"):
        learning_curve_study(data)
    (data / "dataset.yaml").write_text("labels: by_hand\n")
    made = learning_curve_study(data)
    assert made == learning_curve_study(dataset(tmp_path / "usual" / "set", [""] * 10))
    plan = plan_study(made, data)
    assert plan.recipe(plan.runs[0]).data.labels == "labels"
    # What is said stands above that.
    (data / "by_hand").rename(data / "others")
    assert learning_curve_study(data, settings={"data.labels": "others"}).labels == "others"
