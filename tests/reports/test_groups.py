"""The rows of a report: all fields pooled and averaged, each group, each field."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import tifffile

from sparcell.core.errors import InputError
from sparcell.evaluation import Groups, evaluate
from sparcell.reports import write_report

RECORD = {
    "started": "now", "device": "cpu", "start_weights": "none", "fields": {"train": ["a"]},
    "evaluated_part": "test", "versions": {}, "platform": "", "teacher": None,
}  # fmt: skip
KINDS = {"a": "RAS", "b": "RAS", "c": "TERT"}


def write_run(run, groups=None):
    """Write a run whose fields have precision 1, 1/4 and 1 in pixels."""
    run.mkdir()
    for name in KINDS:
        truth = np.zeros((20, 20), np.uint8)
        truth[:4, :5] = 1
        found = truth.copy()
        found[:4] = 1 if name == "b" else truth[:4]
        for folder, labels in (("truth", truth), ("found", found)):
            (run / folder).mkdir(exist_ok=True)
            tifffile.imwrite(run / folder / f"{name}.tif", labels)
    scores = evaluate(run / "truth", run / "found").to_json(groups)
    missing = {"image": "gone.tif", "labels": "gone.tif"}
    evaluated = {name: missing | {"kind": kind} for name, kind in KINDS.items()}
    (run / "record.json").write_text(json.dumps(RECORD | {"evaluated": evaluated}))
    (run / "evaluation.json").write_text(json.dumps(scores))
    (run / "recipe.yaml").write_text(
        "name: s\ndescription: d\nsource: ''\nmethod: {name: watershed}\n"
    )
    (run / "metrics.csv").write_text("epoch,train_loss,val_loss,val_f1\n0,,1,0\n1,1,1,0.5\n")
    return scores


def rows_of(run):
    """First cells of the rows of the table of areas: name and precision."""
    page = write_report(run).read_text("utf8")
    table = page.split("Do the areas agree?")[1].split("</table>")[0]
    return re.findall(r"<tr[^>]*><td>(.*?)</td>\s*<td>(.*?)</td>", table), " ".join(page.split())


def test_rows_are_all_then_groups_then_fields(tmp_path):
    write_run(tmp_path / "run", Groups("cell", KINDS))
    rows, page = rows_of(tmp_path / "run")
    assert rows == [
        ("all, pooled", "0.500"),
        ("all, mean over 3 images", "0.750"),
        ("RAS, pooled", "0.400"),
        ("RAS, mean over 2 images", "0.625"),
        ("TERT, 1 image", "1.000"),
        ("a (RAS)", "1.000"),
        ("b (RAS)", "0.250"),
        ("c (TERT)", "1.000"),
    ]
    assert "A group of one image has no spread." in page
    assert page.count('class="total"') == 4


def test_a_run_of_a_former_version_has_pooled_scores_alone(tmp_path):
    scores = write_run(tmp_path / "run")
    del scores["mean_of_images"], scores["rules"]
    (tmp_path / "run" / "evaluation.json").write_text(json.dumps(scores))
    rows, _ = rows_of(tmp_path / "run")
    assert [name for name, _ in rows] == ["all, pooled", "a (RAS)", "b (RAS)", "c (TERT)"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("recipe.yaml", "[]"),
        ("recipe.yaml", "method: {name: none}"),
        ("recipe.yaml", "a: ["),
        ("record.json", "[]"),
        ("evaluation.json", "{"),
        ("evaluation.json", "[]"),
    ],
)
def test_a_damaged_part_of_a_run_is_named(tmp_path, name, content):
    write_run(tmp_path / "run")
    (tmp_path / "run" / name).write_text(content)
    with pytest.raises(InputError, match=f"a damaged .*{name}"):
        write_report(tmp_path / "run")
