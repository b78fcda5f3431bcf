"""Going on with the stain while objects are learned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_folder import TINY, fields_of, simulate_fields, write_fields

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE
from sparcell.models import load_model
from sparcell.training import load_recipe, train
from sparcell.training.crops import Crop
from sparcell.training.fields import FieldPlace
from sparcell.training.module import Trainee
from sparcell.training.rehearsal import Rehearsal, find_rehearsal

SMALL = [*TINY, "fit.max_steps=3", "fit.rehearsal=0.5", "network.image_skip=false",
         "network.shrink=1"]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_fields(tmp_path_factory.mktemp("simulated") / "set")


def find(data: Path, *judged: str) -> Rehearsal | None:
    dataset = Dataset.open(data, labels="truth")
    places = [FieldPlace(s, FIRST_PLANE) for s in dataset.samples if s.name in judged]
    return find_rehearsal([dataset], load_recipe("isl-light/nuclei", SMALL), places)


def test_stained_training_fields_are_rehearsed_and_judged_ones_are_not(data: Path) -> None:
    training = [s.name for s in Dataset.open(data).samples if s.split == "train"]
    every, fewer = find(data), find(data, training[0])
    assert every and fewer and every.maps == 1
    assert [place.sample.name for place in every.fields.places] == training
    assert [place.sample.name for place in fewer.fields.places] == training[1:]
    field = every.fields[0]
    assert field.stain is not None and field.stain.shape == (1, *field.labels.shape)
    with pytest.raises(InputError, match=r"no training field with a stain"):
        find(data, *training)


def test_nothing_is_rehearsed_unless_asked(data: Path) -> None:
    recipe = load_recipe("isl-light/nuclei", [*SMALL, "fit.rehearsal=0"])
    assert find_rehearsal([Dataset.open(data)], recipe, []) is None


def test_only_maps_can_be_added_to(data: Path) -> None:
    for name in ("isl-light/stain", "points-light"):
        with pytest.raises(InputError, match=r"fit\.rehearsal for the method"):
            find_rehearsal([Dataset.open(data)], load_recipe(name, ["fit.rehearsal=1"]), [])


def test_the_loss_is_that_of_the_objects_and_of_the_stain_by_its_weight(
    data: Path, tmp_path: Path
) -> None:
    recipe = load_recipe("isl-light/nuclei", SMALL)
    rehearsal = find(data)
    trainee = Trainee(recipe, 1, fields_of(write_fields(tmp_path, 1)), rehearsal).eval()
    count = len(trainee.method.maps)
    rng = np.random.default_rng(0)

    def crop(maps: int) -> Crop:
        shapes = ((2, 1, 64, 64), (2, maps, 64, 64), (2, 1, 64, 64))
        return Crop(*(torch.from_numpy(rng.random(s, np.float32)) for s in shapes))

    objects, stain = crop(count), crop(1)
    own, practised = trainee(objects.image), trainee(stain.image)
    assert own.shape[1] == count + 1
    # Squared error of the distances (single-cell thesis 2.3), absolute error of the stain (isl).
    weight = objects.valid.expand_as(objects.target)
    of_objects = ((own[:, :count] - objects.target).square() * weight).sum() / weight.sum()
    difference = (practised[:, count:] - stain.target).abs()
    of_stain = (difference * stain.valid).sum() / stain.valid.sum()
    expected = of_objects + 0.5 * of_stain
    assert trainee.batch_loss([objects, stain]).item() == pytest.approx(expected.item(), rel=1e-4)
    assert trainee.activate(own).shape[1] == count


def test_a_run_from_the_stain_ends_as_a_model_of_objects_alone(data: Path, tmp_path: Path) -> None:
    stain = train(
        "isl-light/stain", data, tmp_path / "stain",
        overrides=[s for s in SMALL if "rehearsal" not in s],
    )  # fmt: skip
    settings = ["data.labels=truth", "data.images=1", "fit.rehearsal=1", "fit.max_steps=4"]
    settings += [s for s in SMALL if s.startswith("fit.") and s.split("=")[0] not in str(settings)]
    run = train("isl-light/nuclei", data, tmp_path / "nuclei", overrides=settings, pretrained=stain)
    model = load_model(run)
    assert model.card.stain is None and model.card.method == "watershed"
    record = json.loads((run / "record.json").read_text())
    assert len(record["fields"]["train"]) == 1 and len(record["fields"]["rehearsed"]) == 3
    assert "left random" not in record["start_weights"]
    before, after = (
        torch.load(folder / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
        for folder in (stain, run)
    )
    means = [name for name in after if name.endswith("running_mean")]
    # `isl-light` holds the norms of the run that it starts from, here that of many more fields.
    assert means
    for name in means:
        torch.testing.assert_close(before[name], after[name])
    assert not torch.equal(*(next(iter(held.values())) for held in (before, after)))
