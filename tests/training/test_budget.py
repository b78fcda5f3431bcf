"""Training ends with its budget, and learns from nested subsets of the data."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

from dataset_folder import TINY, simulate_fields

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.training import train
from sparcell.training.callbacks import Budget, schedule_rate
from sparcell.training.data.selection import find_fields, nested_order
from sparcell.training.recipe import load_recipe
from sparcell.training.recipe_parts import DataConfig


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return simulate_fields(tmp_path_factory.mktemp("data") / "set", train=4)


def test_the_learning_rate_climbs_and_falls_with_the_budget() -> None:
    assert schedule_rate(0.7, "constant") == 1
    assert schedule_rate(0.5, "cosine") == pytest.approx(0.5)
    assert schedule_rate(0.0, "one-cycle") == pytest.approx(1 / 25)
    assert schedule_rate(0.2, "one-cycle") == pytest.approx(1)
    assert schedule_rate(0.6, "one-cycle") == pytest.approx((1 + math.cos(math.pi / 2)) / 2)
    assert schedule_rate(1.0, "one-cycle") == pytest.approx(0)


def steps(run: Path) -> int:
    with (run / "metrics.csv").open(newline="") as stream:
        return int([row["step"] for row in csv.DictReader(stream)][-1])


def test_a_budget_of_steps_ends_the_run_in_the_middle_of_an_epoch(data, tmp_path) -> None:
    run = train("nuclei-light", data, tmp_path / "run", overrides=[*TINY, "fit.max_steps=3"])
    assert steps(run) == 3
    record = json.loads((run / "record.json").read_text())["training"]
    assert record["steps"] == 3 and record["cpu_seconds"] > 0 and record["parameters"] > 1000


def test_a_budget_of_processor_time_ends_the_run(data, tmp_path) -> None:
    run = train("nuclei-light", data, tmp_path / "run", overrides=[*TINY, "fit.cpu_seconds=0.5"])
    with (run / "metrics.csv").open(newline="") as stream:
        rates = [float(row["lr"]) for row in csv.DictReader(stream)]
    assert steps(run) >= 1 and rates[-1] < max(rates)


class Stopped:
    """What `Budget` reads of a trainer."""

    num_training_batches, accumulate_grad_batches = 10, 1

    def __init__(self, global_step: int) -> None:
        self.global_step = global_step


def test_the_clock_decides_where_it_is_ahead_of_the_steps(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("sparcell.training.callbacks.time.monotonic", lambda: now[0])
    recipe = load_recipe("nuclei-light", ["fit.minutes=10", "fit.epochs=10"])
    budget = Budget(recipe)
    now[0] = 60.0
    # A tenth of the time: 6 of 100 steps are little behind, 4 are more than 0.05 behind.
    assert budget.progress(Stopped(6)) == pytest.approx(0.06)
    assert budget.progress(Stopped(4)) == pytest.approx(0.1)
    # A resumed run has what its checkpoint says behind it, and nothing of the pause.
    state, now[0] = budget.state_dict(), 5000.0
    resumed = Budget(recipe)
    resumed.load_state_dict(state)
    resumed.on_fit_start(None, None)
    now[0] += 30
    assert resumed.minutes == pytest.approx(1.5) and not resumed.is_out_of_time
    now[0] += 510
    assert resumed.is_out_of_time and resumed.progress(Stopped(50)) == 1


def test_minutes_end_a_run_and_it_says_so(data, tmp_path, caplog) -> None:
    overrides = [one for one in TINY if "minutes" not in one]
    run = train("nuclei-light", data, tmp_path / "run", overrides=overrides, minutes=0.02)
    assert "min, the time allowed." in caplog.text and 1 <= steps(run) < 80
    record = json.loads((run / "record.json").read_text())
    assert record["training"]["minutes"] >= 0.02 and record["settings"]["fit"]["minutes"] == 0.02


def test_a_stopped_run_goes_on_under_another_limit_of_minutes(data, tmp_path, monkeypatch) -> None:
    overrides = [*(one for one in TINY if "minutes" not in one), "fit.patience=1000"]

    class Stopped(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr("sparcell.models.model.Model.save", stop)
        train("nuclei-light", data, tmp_path / "run", overrides=overrides, minutes=0.02)
    before = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    # The time before the stop counts. So a limit that is over already allows no further step.
    for minutes, goes_on in ((0.06, True), (0.001, False)):
        run = tmp_path / str(minutes)
        shutil.copytree(tmp_path / "run", run)
        train("nuclei-light", data, run, overrides=overrides, minutes=minutes, resume=True)
        after = (run / "metrics.csv").read_text().splitlines()
        assert after[: len(before)] == before and (len(after) > len(before)) == goes_on
        record = json.loads((run / "record.json").read_text())
        assert record["settings"]["fit"]["minutes"] == minutes and "finished" in record
        assert record["training"]["minutes"] >= max(minutes, 0.02)
        assert (run / "model.zip").exists()
    with pytest.raises(InputError, match="other settings"):
        train("nuclei-light", data, run, overrides=[*overrides, "fit.epochs=9"], resume=True)


def test_a_smaller_subset_is_contained_in_a_larger_one(data) -> None:
    datasets = [Dataset.open(data, labels="truth")]

    def names(count: int, seed: int) -> list[str]:
        config = DataConfig(labels="truth", images=count)
        return [place.name for place in find_fields(datasets, config, seed)["train"]]

    for seed in range(5):
        assert set(names(1, seed)) < set(names(2, seed)) < set(names(3, seed)) < set(names(4, seed))
    assert len({tuple(names(1, seed)) for seed in range(20)}) > 1
    half = DataConfig(labels="truth", fraction=0.5)
    assert len(find_fields(datasets, half, 0)["train"]) == 2
    assert nested_order(["b", "a"], 1) == nested_order(["a", "b"], 1)
    with pytest.raises(InputError, match="4 training images"):
        names(5, 0)


def test_automatic_labels_are_learned_from_beside_the_outlined_fields(data, tmp_path) -> None:
    import numpy as np

    from sparcell.training.data.fields import Fields
    from sparcell.training.data.selection import find_auto
    from sparcell.training.recipe import load_recipe

    recipe = load_recipe("nuclei-light", [*TINY, "data.images=1", f"data.auto={data}"])
    config = recipe.data.model_copy(update={"auto_weight": 3.0})
    places = find_fields([Dataset.open(data, labels="truth")], config, 0)
    everything = {s.name for s in Dataset.open(data).samples if s.split == "train"}
    with pytest.raises(InputError, match="no further training image"):
        find_auto(config, places)  # nothing is labelled yet
    from sparcell.labeling import label

    label(data, tmp_path / "auto")
    config = config.model_copy(update={"auto": str(tmp_path / "auto"), "use_rejected": True})
    auto = find_auto(config, places)
    outlined = {place.name for place in places["train"]}
    assert len(outlined) == 1 and {place.name for place in auto} == everything - outlined
    fields = Fields(places["train"], recipe.normalise, auto=auto)
    rng = np.random.default_rng(0)
    drawn = [fields.draw(rng, config.auto_weight) for _ in range(2000)]
    # Three outlined fields' worth beside one outlined field: three crops of four.
    assert np.mean(np.array(drawn) >= fields.outlined) == pytest.approx(0.75, abs=0.03)
    assert set(drawn) == set(range(4))


def test_curves_go_to_another_place_only_where_that_is_installed(data, tmp_path) -> None:
    import importlib.util

    overrides = [*TINY, "fit.max_steps=1", "fit.log_to=tensorboard"]
    if importlib.util.find_spec("tensorboard"):
        run = train("nuclei-light", data, tmp_path / "run", overrides=overrides)
        assert list((run / "tensorboard").glob("events*"))
    else:
        with pytest.raises(InputError, match="pip install tensorboard"):
            train("nuclei-light", data, tmp_path / "run", overrides=overrides)


def test_parts_named_one_by_one_stand_above_the_split(data) -> None:
    datasets = [Dataset.open(data, labels="truth")]
    every = [sample.name for sample in datasets[0].samples]
    parts = {"train": every[-1:], "val": every[:1], "test": every[1:3]}
    places = find_fields(datasets, DataConfig(labels="truth", parts=parts), 0)
    assert {part: [p.name for p in held] for part, held in places.items()} == parts
    with pytest.raises(InputError, match="no labelled image nowhere"):
        find_fields(datasets, DataConfig(labels="truth", parts={"train": ["nowhere"]}), 0)


def test_a_stain_is_learned_and_judged_by_its_correlation(data, tmp_path) -> None:
    recipe = tmp_path / "stain.yaml"
    recipe.write_text(
        "name: stain\nmethod: {name: stain}\noptimiser: {lr: 0.01}\nfit: {monitor: val_pcc}\n"
    )
    overrides = [*TINY, "fit.max_steps=60", "fit.crops_per_epoch=80", "method.loss=mse"]
    run = train(str(recipe), data, tmp_path / "run", overrides=overrides)
    from sparcell.models import load_model

    scores = load_model(run).spec.scores
    assert scores["test"]["stain"]["pcc"] > 0.3 and scores["test"]["fields"] == ["field_005"]
    start = scores["before_training"]
    assert start["best_val_pcc"] > start["val_pcc"] and "val_f1" not in start
    assert "correlation of predicted and real stain" in (run / "report.html").read_text()
