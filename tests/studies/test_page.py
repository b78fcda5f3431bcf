from __future__ import annotations

import re

import pandas as pd
import pytest
import yaml
from made_up import made_up_study

from sparcell.core.errors import InputError
from sparcell.io import read_table
from sparcell.studies.page import write_study_page

SCORES = {("light", budget): 0.9 - 0.3 * budget**-0.5 for budget in (1, 2, 5, 20)} | {
    ("other-tool", budget): 0.6 - 0.2 * budget**-0.5 for budget in (1, 2, 5, 20)
}


def write(folder, runs, images=None, **study):
    folder.mkdir(exist_ok=True)
    runs.to_csv(folder / "results.csv", index=False)
    if images is not None:
        images.to_csv(folder / "images.csv", index=False)
    if study:
        (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return folder


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text("utf8")))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    runs, images = made_up_study(SCORES)
    failed = {"recipe": "light", "budget": 20, "fold": 0, "seed": 9, "error": "NaN <loss> at 40"}
    runs = pd.concat([runs, pd.DataFrame([failed])])
    folder = write(
        tmp_path_factory.mktemp("study"),
        runs,
        images,
        name="Nuclei & friends",
        recipes=[{"recipe": "nuclei-light", "label": "light"}],
        limit={"cpu_seconds": 360.0},
        min_size=100,
    )
    write_study_page(folder, minutes_per_field=6)
    return folder


def test_the_page_answers_first(study):
    said = text_of(study / "study.html")
    assert "Nuclei &amp; friends" in said
    start = said.index("light is ahead of all others at every number of labels.")
    assert start < said.index("With 1 labelled image: light is first with F1")
    assert "With 20 more images (2.0 h of outlining) expect" in said
    assert "Results of other tools: other-tool." in said
    assert "Every training of Sparcell had 360 seconds of processor time." in said
    assert "adjusted for all 4 comparisons" in said
    assert "NaN &lt;loss&gt; at 40" in said


def test_the_page_needs_no_other_file(study):
    page = (study / "study.html").read_text("utf8")
    assert page.count("data:image/png;base64,") == 4
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "http" not in page


def test_the_table_has_every_recipe_and_budget(study):
    table = read_table(study / "table.csv")
    assert len(table) == 8
    first = table[(table["recipe"] == "light") & (table["budget"] == 20)].iloc[0]
    assert (first["runs"], first["failed"], first["outcome"]) == (3, 1, "first")
    results = read_table(study / "results.csv")
    own = results[(results["recipe"] == "light") & (results["budget"] == 20)]
    assert first["mean"] == pytest.approx(own["f1"].mean())
    assert first["ap50"] == pytest.approx(own["ap50"].mean())
    assert first["fields"] == 20
    assert set(table.loc[table["recipe"] == "other-tool", "outcome"]) == {"behind"}


def test_folds_and_detection(tmp_path):
    runs, images = made_up_study({("a", "all"): 0.8, ("b", "all"): 0.6}, seeds=1, folds=5)
    runs["detection_f1"] = runs["f1"] - 0.1
    few = runs[["recipe", "budget", "fold", "seed", "f1", "detection_f1"]]
    folder = write(tmp_path / "x", few, images, folds=5, detection_radius=3, recipes=[])
    said = text_of(write_study_page(folder))
    assert "a is first with detection F1 0.6" in said or "a is first with detection F1 0.7" in said
    assert "5-fold cross-validation" in said
    assert "Nadeau and Bengio (2003)" in said
    assert "within 3 px" in said
    assert "What it costs" not in said
    assert "What goes wrong" not in said


def test_folds_beside_a_fixed_test_set(tmp_path):
    f1 = {"a": (0.80, 0.82, 0.84, 0.86), "b": (0.60, 0.64, 0.62, 0.66)}
    runs = pd.DataFrame(
        {"recipe": name, "budget": "all", "fold": fold, "seed": 0, "f1": score}
        for name, scores in f1.items()
        for fold, score in enumerate(scores)
    )
    folder = write(tmp_path / "x", runs, folds=4, fixed_test=True, recipes=[])
    said = text_of(write_study_page(folder))
    assert "4 folds validate in turn beside a fixed test set" in said
    assert "every image is tested once" not in said and "Nadeau and Bengio (2003)" in said
    a = read_table(folder / "table.csv").set_index("recipe").loc["a"]
    # t(0.975, 3) = 3.1824; variance of .80 .82 .84 .86 is 0.002 / 3; share 1/4 + 1/3.
    half = 3.1824463 * ((1 / 4 + 1 / 3) * 0.002 / 3) ** 0.5
    assert a["low"] == pytest.approx(0.83 - half) and a["high"] == pytest.approx(0.83 + half)
    b = read_table(folder / "table.csv").set_index("recipe").loc["b"]
    # Differences .20 .18 .22 .20.
    half = 3.1824463 * ((1 / 4 + 1 / 3) * 0.0008 / 3) ** 0.5
    assert b["difference"] == pytest.approx(0.2)
    assert b["difference_low"] == pytest.approx(0.2 - half)


def test_one_recipe_is_about_labels(tmp_path):
    runs, images = made_up_study({("a", b): 0.9 - 0.3 / b for b in (1, 3, 9, 27)})
    folder = write(tmp_path / "x", runs, images)
    said = text_of(write_study_page(folder, more=9))
    assert "Learning from 27 images gives a score of" in said
    assert "With 9 more images expect" in said
    assert "outcome" not in said


def test_results_alone_and_nothing_but_failures(tmp_path):
    table = pd.DataFrame({"recipe": ["a"], "budget": [5], "f1": [None], "error": ["no memory"]})
    said = text_of(write_study_page(write(tmp_path / "x", table)))
    assert "No run came to an end" in said
    assert "no memory" in said
    minimal = pd.DataFrame({"recipe": ["a", "b"], "budget": [5, 5], "f1": [0.5, 0.6]})
    said = text_of(write_study_page(write(tmp_path / "y", minimal)))
    assert "Not tested against a" in said
    assert "There is one run of each" in said


def test_no_study_is_plain(tmp_path):
    with pytest.raises(InputError, match=r"no results\.csv"):
        write_study_page(tmp_path)


def test_recipes_of_different_test_images_are_named(tmp_path):
    runs, images = made_up_study({("pure", 5): 0.9, ("mixed", 5): 0.7})
    images = images[(images["recipe"] == "mixed") | (images["image"] < "i012")]
    said = text_of(write_study_page(write(tmp_path / "x", runs, images)))
    assert "Recipes are scored on different test images: mixed 40, pure 12." in said
    assert "mixed and the first are scored on different test images" in said
    assert "scored on the same" not in said


def test_f1_at_06_is_a_score_that_a_study_can_be_about(tmp_path):
    runs, images = made_up_study({("a", 5): 0.9, ("b", 5): 0.7})
    runs, images = (table.assign(f1_60=table["f1"] - 0.1) for table in (runs, images))
    folder = write(tmp_path / "x", runs, images, metric="f1_60", recipes=[])
    said = text_of(write_study_page(folder))
    assert "a is first with F1 (IoU 0.6) 0.787" in said
    assert read_table(folder / "table.csv")["f1_60"].max() == pytest.approx(
        runs.groupby("recipe")["f1_60"].mean().max()
    )
