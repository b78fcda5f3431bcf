"""Tables in the layout of papers, from made-up results whose means were worked out by hand."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest
import yaml

from sparcell.core.errors import InputError
from sparcell.io import read_table
from sparcell.studies.config import Study
from sparcell.studies.families import families_of
from sparcell.studies.page import write_study_page
from sparcell.studies.paper_tables import as_rows, paper_tables, read_layout
from sparcell.studies.result_tables import tidy
from sparcell.training.settings import open_recipe_file, recipe_files

TRANSFER = "cui2020-transfer/watershed-resnet50-transfer"
SCRATCH = "cui2020-transfer/watershed-resnet50-scratch"


def study_of(*recipes, **settings):
    made = Study.model_validate({"name": "s", "recipes": list(recipes)} | settings)
    return made.model_dump(mode="json")


def runs_of(scores):
    """A run for each score: recipe to a list over seeds of {column: score}."""
    return tidy(
        pd.DataFrame(
            {"recipe": name.replace("/", "-"), "budget": "all", "seed": seed, "error": ""} | row
            for name, rows in scores.items()
            for seed, row in enumerate(rows)
        )
    )


def cell(tables, table, block, row, column):
    rows = as_rows(tables)
    at = rows["table"].str.startswith(table) & (rows["block"] == block)
    (found,) = rows[at & (rows["row"] == row) & (rows["column"] == column)].to_dict("records")
    return found


def test_mean_and_sd_over_seeds_in_the_layout_of_tables_6_and_7():
    runs = runs_of(
        {
            TRANSFER: [
                {"f1_60": 0.80, "f1_60_no_small": 0.90},
                {"f1_60": 0.84, "f1_60_no_small": 0.90},
                {"f1_60": 0.88, "f1_60_no_small": 0.93},
            ],
            SCRATCH: [{"f1_60": 0.7, "f1_60_no_small": 0.8}],
        }
    )
    six, seven = tables = paper_tables(study_of(TRANSFER, SCRATCH), runs)
    assert six.title.startswith("Table 6 of Cui 2020:")
    assert [heading for heading, _ in six.blocks] == [
        "Pixelwise model", "RetinaMask model", "Watershed model",
    ]  # fmt: skip
    assert [line.names for line in six.blocks[2][1]] == [
        ("ResNet50", "w/ transfer learning"),
        ("ResNet50", "w/o transfer learning"),
        ("MobileNetV2", "w/ transfer learning"),
        ("MobileNetV2", "w/o transfer learning"),
    ]
    row = "ResNet50, w/ transfer learning"
    found = cell(tables, "Table 6", "Watershed model", row, "F1 score")
    # Deviations -.04, 0, .04: the variance with n - 1 is .0032 / 2.
    assert found["mean"] == pytest.approx(0.84) and found["sd"] == pytest.approx(0.04)
    found = cell(tables, "Table 7", "Watershed model", row, "F1 score")
    # Deviations -.01, -.01, .02: .0006 / 2.
    assert found["mean"] == pytest.approx(0.91) and found["sd"] == pytest.approx(0.0003**0.5)
    one = cell(tables, "Table 6", "Watershed model", row.replace("w/", "w/o"), "F1 score")
    assert (one["mean"], one["runs"]) == (0.7, 1) and math.isnan(one["sd"])
    none = cell(tables, "Table 6", "Pixelwise model", row, "F1 score")
    assert none["lacks"] == "no run" and math.isnan(none["mean"]) and none["runs"] == 0
    assert seven.notes == (
        "Mean and SD over 3 runs.",
        "Some cells have fewer runs than others; paper_tables.csv has their number.",
    )


def test_both_halves_of_table_8_and_both_sizes_of_table_4():
    name = "cui2020-location-transfer/mobilenet_v2-none"
    runs = runs_of({name: [{"f1_60": 0.5, "f1_60_no_small": 0.6}]})
    tables = paper_tables(study_of(name), runs)
    for block, mean in (("Before", 0.5), ("After", 0.6)):
        found = cell(tables, "Table 8", f"{block} removing small objects", "MobileNetV2, None", "")
        assert found["mean"] == mean
    names = [f"cui2020-location/resnet50-plain-{part}" for part in ("0.1", "1")]
    runs = runs_of({name: [{"f1_60": 0.1 + k}] for k, name in enumerate(names)})
    tables = paper_tables(study_of(*names), runs)
    blocks = [f"Watershed model trained on {part}" for part in ("10 % of data", "full data")]
    means = [cell(tables, "Table 4", b, "ResNet50, w/o location", "F1 score") for b in blocks]
    assert [found["mean"] for found in means] == [0.1, 1.1]
    # No column f1_60_no_small: said, and no number made up.
    five = cell(tables, "Table 5", blocks[0], "ResNet50, w/o location", "F1 score")
    assert five["lacks"] == "not scored"


def test_tables_2_and_3_have_a_row_for_each_cell_line():
    names = [f"cui2020-temporal/resnet50-{n}-convgru" for n in (3, 5)]
    runs = runs_of({name: [{"f1_60": 0.9}, {"f1_60": 0.9}] for name in names})
    groups = tidy(
        pd.DataFrame(
            {
                "recipe": name.replace("/", "-"), "budget": "all", "seed": seed,
                "group_by": "cell", "group": line, "f1_60": start + 0.02 * seed,
            }
            for start, name in zip((0.6, 0.3), names, strict=True)
            for line, start in (("3T3", start), ("HeLa", start + 0.1))
            for seed in (0, 1)
        )
    )  # fmt: skip
    tables = paper_tables(study_of(*names), runs, groups)
    block = "Trained using {} frames per batch, ResNet50 backbone, F1 score"
    for table, frames, line, mean in (
        ("Table 2", 3, "3T3", 0.61), ("Table 2", 3, "HeLa", 0.71), ("Table 3", 5, "3T3", 0.31),
    ):  # fmt: skip
        found = cell(tables, table, block.format(frames), line, "GRU")
        assert found["mean"] == pytest.approx(mean)
        assert found["sd"] == pytest.approx(0.02 / 2**0.5)
    assert tables[0].columns == ("Conv3D", "GRU", "LSTM", "None")
    assert cell(tables, "Table 2", block.format(3), "3T3", "None")["lacks"] == "no run"
    without = paper_tables(study_of(*names), runs)
    found = cell(without, "Table 2", block.format(3), "no scores by cell", "GRU")
    assert found["lacks"] == "not scored"


def test_a_pure_network_has_no_row_for_another_line():
    names = ["salomon2023/pure-bj-ras", "salomon2023/mixed"]
    runs = runs_of({name: [{"f1": 0.5}] for name in names})
    groups = tidy(
        pd.DataFrame(
            {
                "recipe": name.replace("/", "-"), "budget": "all", "seed": 0, "group_by": "cell",
                "group": line, "mean_pixel_dice": dice, "mean_object_recall": dice / 2,
            }
            for name, line, dice in (
                (names[0], "BJ-RAS", 0.780), (names[0], "BJ-TERT", 0.1),
                (names[1], "BJ-RAS", 0.798), (names[1], "BJ-TERT", 0.6),
            )
        )
    )  # fmt: skip
    pixel, _ = tables = paper_tables(study_of(*names), runs, groups)
    ((_, lines),) = pixel.blocks
    cells = ("BJ-RAS", "BJ-TERT", "BJ-SV40")
    assert [line.names for line in lines] == [
        (f"{kind} classifier", name) for kind in ("Pure", "Mixed") for name in cells
    ]
    assert pixel.columns == ("Precision", "Recall", "Accuracy", "Dice", "IoU")
    for row, dice in (("Pure", 0.780), ("Mixed", 0.798)):
        found = cell(tables, "Table 6.1", "", f"{row} classifier, BJ-RAS", "Dice")
        assert found["mean"] == dice
    assert cell(tables, "Table 6.2", "", "Mixed classifier, BJ-TERT", "Recall")["mean"] == 0.3
    pure = cell(tables, "Table 6.1", "", "Pure classifier, BJ-TERT", "Dice")
    assert pure["lacks"] == "no run"


def test_what_a_study_changes_is_said_and_changed_recipes_are_left_out():
    runs = runs_of({TRANSFER: [{"f1_60": 0.5}]})
    light = study_of(TRANSFER, set={"fit.epochs": 1}, limit={"steps": 7})
    table = paper_tables(light, runs)[0]
    assert "this study sets fit.epochs: 1, limit.steps: 7." in table.notes[-1]
    own = study_of({"recipe": TRANSFER, "set": {"network.weights": "none"}})
    assert paper_tables(own, runs) == []
    assert paper_tables(study_of("nuclei-light"), runs) == []


def test_of_several_budgets_the_largest_counts_and_failures_are_named():
    runs = runs_of({TRANSFER: [{"f1_60": 0.9}, {"f1_60": 0.4}], SCRATCH: [{"f1_60": None}]})
    runs.loc[0, "budget"] = "5"
    runs.loc[2, "error"] = "no memory"
    table = paper_tables(study_of(TRANSFER, SCRATCH), runs)
    row = "ResNet50, w/ transfer learning"
    assert cell(table, "Table 6", "Watershed model", row, "F1 score")["mean"] == 0.4
    failed = cell(table, "Table 6", "Watershed model", row.replace("w/", "w/o"), "F1 score")
    assert failed["lacks"] == "failed"


def test_every_bundled_table_fits_its_family_and_all_are_there():
    titles = []
    for file in recipe_files():
        names = open_recipe_file(file).recipes
        if "/" not in names[0]:
            continue
        (family,) = families_of(study_of(*names))
        for title, given in family.file.tables.items():
            read_layout(family, title, given)
            titles.append(title)
    numbers = sorted(re.match(r"Table ([\d.]+) of", title)[1] for title in titles)
    assert numbers == sorted(["2", "3", "4", "5", "6", "7", "8", "6.1", "6.2"])


@pytest.mark.parametrize(
    ("layout", "says"),
    [
        ({"rows": {"start": {}}}, "no method in the table 'T'"),
        ({"rows": {"method": {"mask": "M"}, "backbone": {}, "start": {}, "score": {}}}, "mask"),
        ({"lines": {}}, "in the table 'T'"),
    ],
)
def test_a_layout_that_does_not_fit_is_one_plain_line(layout, says):
    (family,) = families_of(study_of(TRANSFER))
    with pytest.raises(InputError, match=says) as caught:
        read_layout(family, "T", layout)
    assert "\n" not in str(caught.value)


def test_tables_are_on_the_page(tmp_path):
    runs = runs_of({TRANSFER: [{"f1": 0.8, "f1_60": 0.80}, {"f1": 0.8, "f1_60": 0.84}]})
    runs.to_csv(tmp_path / "results.csv", index=False)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study_of(TRANSFER)))
    page = write_study_page(tmp_path).read_text("utf8")
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "Table 6 of Cui 2020: transfer learning" in said
    assert "w/ transfer learning 0.8200 0.0283 w/o transfer learning no run" in said
    table = read_table(tmp_path / "paper_tables.csv")
    assert len(table) == 24 and (table["lacks"] == "no run").sum() == 22
