"""A study from plan to tables: runs go on singly, failures are noted, other tools are joined."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from bases.holder import held_elsewhere

from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.studies import Study, plan_study, run_study
from sparcell.studies.rows import group_columns, image_columns, key_row, run_columns
from sparcell.studies.single import failed, result_path
from sparcell.studies.workers import carry_out, run_apart

SETTINGS = {"name": "s", "recipes": ["nuclei-light"], "budgets": [1, 2], "seeds": [0, 1]}


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "set"
    parts = ["train"] * 3 + ["val", "test"]
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
        for i in range(len(parts)):
            (root / kind / f"f{i}.tif").touch()
    rows = "".join(f"f{i},{part}\n" for i, part in enumerate(parts))
    (root / "split.csv").write_text("name,split\n" + rows)
    return root


class Runs:
    """Stands in for the processes that train: writes made-up rows."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.pages: list[Path] = []
        self.fails = self.stops = ""
        self.grouped = True

    def __call__(self, out, run, threads):
        self.keys.append(run.key)
        if run.key == self.stops:
            return
        result = result_path(Path(out), run)
        if run.key == self.fails:
            write_json(result, failed(run, "found a NaN; expected none; lower it"))
            return
        (Path(out) / "runs" / run.key).mkdir(parents=True, exist_ok=True)
        (Path(out) / "runs" / run.key / "model.zip").touch()
        row = key_row(run) | {"f1": 0.5 + run.seed / 10, "decode": "{}"}
        image = {name: row[name] for name in ("recipe", "budget", "fold", "seed", "f1")}
        group = image | {"group_by": "cell", "group": "RAS", "n_test": 1}
        images = [image | {"image": "007"}]
        write_json(result, {"row": row, "groups": [group] * self.grouped, "images": images})


@pytest.fixture
def runs(monkeypatch):
    stand_in = Runs()
    monkeypatch.setattr("sparcell.studies.workers.run_apart", stand_in)
    monkeypatch.setattr("sparcell.studies.page.write_study_page", stand_in.pages.append)
    return stand_in


def study(**settings):
    return Study.model_validate(SETTINGS | settings)


def test_a_study_leaves_its_tables_and_its_plan(data, runs, tmp_path, caplog):
    out = run_study(study(), data, tmp_path / "out")
    results, images = pd.read_csv(out / "results.csv"), pd.read_csv(out / "images.csv")
    assert tuple(results.columns) == run_columns() and tuple(images.columns) == image_columns()
    groups = pd.read_csv(out / "groups.csv")
    assert tuple(groups.columns) == group_columns() and set(groups["group"]) == {"RAS"}
    assert len(results) == len(groups) == len(images) == 4 and results["error"].isna().all()
    assert runs.pages == [out]
    assert (out / "study.yaml").exists() and (out / "plan.json").exists()
    assert "4/4  nuclei-light/2-f0-s1  F1 0.600" in caplog.text


def test_a_stopped_study_goes_on_where_it_was(data, runs, tmp_path):
    runs.stops = "nuclei-light/1-f0-s1"
    with pytest.raises(KeyboardInterrupt):
        run_study(study(), data, tmp_path / "out")
    assert len(pd.read_csv(tmp_path / "out" / "results.csv")) == 2
    runs.stops, runs.keys = "", []
    run_study(study(), data, tmp_path / "out", resume=True)
    assert runs.keys == ["nuclei-light/1-f0-s1", "nuclei-light/2-f0-s1"]
    assert len(pd.read_csv(tmp_path / "out" / "results.csv")) == 4


def test_without_groups_there_is_no_table_of_them(data, runs, tmp_path):
    runs.grouped = False
    out = run_study(study(), data, tmp_path / "out")
    assert not (out / "groups.csv").exists()


def test_a_run_that_a_former_version_scored_is_scored_again(data, runs, tmp_path):
    out = run_study(study(), data, tmp_path / "out")
    former = out / "runs" / "nuclei-light" / "1-f0-s0.json"
    held = json.loads(former.read_text())
    del held["groups"]
    write_json(former, held)
    runs.keys = []
    run_study(study(), data, out, resume=True)
    assert runs.keys == ["nuclei-light/1-f0-s0"]


def test_a_failed_run_is_noted_and_tried_again(data, runs, tmp_path, caplog):
    runs.fails = "nuclei-light/2-f0-s0"
    out = run_study(study(), data, tmp_path / "out")
    results = pd.read_csv(out / "results.csv")
    assert results["error"].notna().sum() == 1 and results["f1"].notna().sum() == 3
    assert "1 run failed" in caplog.text
    runs.fails, runs.keys = "", []
    run_study(study(), data, out, resume=True)
    assert runs.keys == ["nuclei-light/2-f0-s0"]
    assert pd.read_csv(out / "results.csv")["error"].isna().all()


def test_a_study_of_which_nothing_came_is_an_error(data, runs, tmp_path):
    runs.fails = "nuclei-light/all-f0-s0"
    with pytest.raises(InputError, match="a NaN"):
        run_study(study(budgets=["all"], seeds=[0]), data, tmp_path / "out")
    assert not runs.pages


def test_a_study_is_never_overwritten_nor_mixed_with_another(data, runs, tmp_path):
    out = run_study(study(), data, tmp_path / "out")
    with pytest.raises(InputError, match="`resume=True`"):
        run_study(study(), data, out)
    with pytest.raises(InputError, match="another study"):
        run_study(study(set={"fit.crop": 64}), data, out, resume=True)
    with pytest.raises(InputError, match="something else"):
        run_study(study(), data, data)
    run_study(study(name="A better title", threads=2), data, out, resume=True)
    assert "A better title" in (out / "study.yaml").read_text()


def test_a_study_is_carried_out_once_at_a_time(data, runs, tmp_path):
    out = run_study(study(), data, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with (
        held_elsewhere(out) as other,
        pytest.raises(InputError, match=f"another process .pid {other.pid} on .* in {out}"),
    ):
        run_study(study(name="A better title"), data, out, resume=True)
    changed = {path for path in before if path.stat().st_mtime_ns != before[path]}
    assert not changed
    run_study(study(), data, out, resume=True)
    assert not (out / ".lock").exists()


def test_results_of_other_tools_are_joined(data, runs, tmp_path, caplog):
    table = pd.DataFrame({"recipe": ["rival"], "budget": ["1"], "fold": [0], "seed": [0]})
    table = table.assign(f1=0.4)
    table.assign(mood="good").to_csv(tmp_path / "rival.csv", index=False)
    table.assign(image="007").to_csv(tmp_path / "rival-images.csv", index=False)
    of_groups = table.assign(group_by="cell", group="TERT")
    of_groups.to_csv(tmp_path / "rival-groups.csv", index=False)
    external = [tmp_path / f"rival{which}.csv" for which in ("", "-images", "-groups")]
    out = run_study(study(external=external), data, tmp_path / "out")
    results, images = pd.read_csv(out / "results.csv"), pd.read_csv(out / "images.csv")
    assert list(results["recipe"]).count("rival") == list(images["recipe"]).count("rival") == 1
    groups = pd.read_csv(out / "groups.csv")
    assert groups.loc[groups["recipe"] == "rival", "group"].tolist() == ["TERT"]
    assert len(results) == 5 and "columns mood" in caplog.text


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"recipe": ["nuclei-light"]}, "results of nuclei-light"),
        ({"seed": None}, "no column seed"),
    ],
)
def test_tables_of_other_tools_that_do_not_fit(data, runs, tmp_path, columns, says):
    whole = {"recipe": ["rival"], "budget": [1], "fold": [0], "seed": [0], "f1": [0.4]} | columns
    table = pd.DataFrame({name: column for name, column in whole.items() if column})
    table.to_csv(tmp_path / "rival.csv", index=False)
    with pytest.raises(InputError, match=says):
        run_study(study(external=[tmp_path / "rival.csv"]), data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_process_that_dies_is_a_failed_run(data, tmp_path):
    run = plan_study(study(), data).runs[0]
    run_apart(str(tmp_path / "out"), run, 1)
    held = result_path(tmp_path / "out", run).read_text()
    assert "ended with code 1" in held and ".log" in held


def test_workers_that_are_not_there(monkeypatch, data, tmp_path):
    monkeypatch.setattr("sparcell.system.cluster.find_spec", lambda name: None)
    with pytest.raises(InputError, match="sparcell\\[cluster\\]"):
        run_study(study(), data, tmp_path / "out", dask="local:2")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="local:NUMBER"):
        run_study(study(), data, tmp_path / "out", dask="local:many")


@pytest.mark.slow
def test_dask_carries_out_runs(data, tmp_path):
    pytest.importorskip("distributed")
    runs = plan_study(study(seeds=[0]), data).runs
    # Without a plan each process fails, which is noted by the worker that started it.
    ended = list(carry_out(tmp_path / "out", runs, "local:2", threads=1))
    assert {run.key for run in ended} == {run.key for run in runs}
    assert all(result_path(tmp_path / "out", run).exists() for run in runs)


def test_all_starts_are_checked_before_the_first_run(data, runs, tmp_path, monkeypatch):
    asked = []

    def fetch(network):
        asked.append(network.encoder)
        if network.encoder == "mobilenet_v2":
            raise InputError("no ImageNet weights for mobilenet_v2", "a connection", "connect once")
        return {}, "wheel"

    monkeypatch.setattr("sparcell.nets.weights.fetch_published", fetch)
    other = {"recipe": "nuclei-light", "label": "other"}
    offline = study(recipes=["nuclei-light", other | {"set": {"network.encoder": "mobilenet_v2"}}])
    with pytest.raises(InputError, match="no ImageNet weights for mobilenet_v2"):
        run_study(offline, data, tmp_path / "out")
    assert asked == ["tf_efficientnet_lite0", "mobilenet_v2"]
    missing = study(recipes=[other | {"set": {"network.weights": "runs/none-such"}}])
    with pytest.raises(InputError, match="no weights at runs/none-such"):
        run_study(missing, data, tmp_path / "out")
    assert runs.keys == [] and not (tmp_path / "out").exists()
    # What is finished needs no start any more.
    run_study(study(), data, tmp_path / "out")
    asked.clear()
    run_study(study(), data, tmp_path / "out", resume=True)
    assert asked == []


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"row": null}', '{"row"', '{"row": {"error": ""}, "groups": 3}', "[" * 9999],
)
def test_damaged_rows_are_made_anew(data, runs, tmp_path, content):
    out = run_study(study(), data, tmp_path / "out")
    first = runs.keys[0]
    (out / "runs" / f"{first}.json").write_text(content)
    runs.keys.clear()
    run_study(study(), data, out, resume=True)
    assert runs.keys == [first]


@pytest.mark.parametrize("content", ["", "{}", '{"study"', "[]", "[" * 9999])
def test_a_damaged_plan_is_one_plain_line(data, runs, tmp_path, content):
    out = run_study(study(), data, tmp_path / "out")
    (out / "plan.json").write_text(content)
    with pytest.raises(InputError, match=r"damaged .*plan\.json") as error:
        run_study(study(), data, out, resume=True)
    assert "\n" not in str(error.value)
