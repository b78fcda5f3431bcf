"""The start of a training that is chosen by its images: a model that fits, or ImageNet."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from dataset_folder import write_field
from models import bright_model
from pictures import grid, stain_of

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE
from sparcell.core.image_ref import ImageRef
from sparcell.models import load_model
from sparcell.models.catalogue import find_entry
from sparcell.prediction.domain_check import measure_domain
from sparcell.preprocessing.normalise import Normalise
from sparcell.training import dump_recipe, load_recipe, train
from sparcell.training.closest import choose_start
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.initialise import FINE_TUNING, start_from
from sparcell.training.recipe import Recipe
from sparcell.training.resuming import check_inputs, check_run

SEMANTIC = ["method.name=semantic"]
SHAPE = (160, 200)


def write_set(root: Path, count: int) -> list[FieldRef]:
    """Bright nuclei on a dark background, and their labels."""
    for seed in range(count):
        labels = grid(SHAPE, 30 + 2 * seed, 9)
        image = stain_of(labels, noise=10, blur=1.5, seed=seed).astype(np.uint16)
        write_field(root, f"f{seed}", labels, images=image)
    return [FieldRef(sample, FIRST_PLANE) for sample in Dataset.open(root).samples]


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory: pytest.TempPathFactory) -> list[FieldRef]:
    return write_set(tmp_path_factory.mktemp("set"), 4)


@pytest.fixture(scope="module")
def saved(nuclei: list[FieldRef], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of bright objects that says it was trained with half the image for the encoder."""
    settings = load_recipe("nuclei-light", [*SEMANTIC, "network.shrink=2", "fit.crop=192"])
    made = bright_model(typical_area=254.0, record={"settings": settings.model_dump(mode="json")})
    refs = [(ImageRef(place.sample.image.path), FIRST_PLANE) for place in nuclei]
    update = {"domain": measure_domain(made, refs), "normalise": Normalise(low=0, high=100)}
    made.spec = made.spec.model_copy(update=update)
    path = tmp_path_factory.mktemp("model") / "bright.zip"
    made.save(path)
    return path


@pytest.fixture
def model(saved: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only model of its method that has a name."""
    monkeypatch.setenv("SPARCELL_CACHE", str(saved.parent))
    return saved


def semantic(*overrides: str) -> Recipe:
    return load_recipe("nuclei-light", [*SEMANTIC, *overrides])


def test_a_model_that_fits_gives_weights_and_what_they_need(
    nuclei: list[FieldRef], model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        recipe, record = choose_start(semantic(), nuclei, 1)
    assert recipe.network.weights == str(model) and recipe.network.shrink == 2
    assert recipe.normalise == Normalise(low=1, high=99.8)
    # The network takes multiples of 64 px, the recipe has 160.
    assert recipe.fit.crop == 192 and recipe.fit.freeze_batchnorm
    assert recipe.optimiser.lr < semantic().optimiser.lr
    # 1.3 of the circle with the model's typical area of 254 px, which is 18.0 px.
    assert recipe.data.diameter == 23.4
    assert any("below 16 px are enlarged for it, to objects of 23 px" in m for m in caplog.messages)
    assert record["name"] == "bright" and record["trials"][0]["fitting"] == 4
    assert any("fits 4 of 4 training images" in text for text in caplog.messages)
    assert choose_start(semantic("network.weights=none"), nuclei, 1)[1] == {}


def test_models_that_were_adapted_keep_their_size(saved: Path, tmp_path: Path) -> None:
    """Otherwise objects would be learned from 1.3 times larger with every training."""
    adapted = load_model(saved)
    settings = adapted.spec.record["settings"]
    settings = settings | {"data": settings["data"] | {"diameter": 18.0}}
    record = adapted.spec.record | {"settings": settings}
    adapted.spec = adapted.spec.model_copy(update={"record": record})
    adapted.save(tmp_path / "adapted.zip")
    assert start_from(tmp_path / "adapted.zip", semantic()).data.diameter == 18.0
    assert start_from(saved, semantic()).data.diameter == 23.4


def test_a_finished_run_is_adapted_like_a_model_file(saved: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(saved, run / "model.zip")
    (run / "recipe.yaml").write_text(dump_recipe(load_recipe("salomon2023-unet")))
    recipe, by_file = (start_from(start, semantic()) for start in (run, saved))
    # Its model and no checkpoint: that lacks the share of the run's own start.
    assert recipe.network.weights == str(run / "model.zip")
    assert recipe.optimiser.lr == FINE_TUNING["optimiser"]["lr"] < semantic().optimiser.lr
    assert recipe.fit.initial_weight_fraction == "validated" and recipe.network.shrink == 2
    weights = {"weights": str(saved)}
    same = recipe.model_copy(update={"network": recipe.network.model_copy(update=weights)})
    assert same == by_file
    # Without a model of the same method, it is what its own recipe says.
    (run / "model.zip").unlink()
    assert start_from(run, semantic()).network.decoder == "salomon2023-unet"


def test_settings_of_the_user_stay(nuclei: list[FieldRef], model: Path) -> None:
    typed = {"optimiser.lr", "normalise.high"}
    recipe, _ = choose_start(semantic("optimiser.lr=0.003", "normalise.high=99"), nuclei, 1, typed)
    assert (recipe.optimiser.lr, recipe.normalise.high, recipe.fit.crop) == (0.003, 99, 192)


@pytest.mark.parametrize(
    ("setting", "channels"),
    [
        ("network.shrink=1", 1),
        ("fit.crop=160", 1),
        ("network.encoder=resnet18", 1),
        ("method.name=distance", 1),
        ("seed=0", 2),
    ],
)
def test_a_model_of_another_network_is_no_start(
    nuclei: list[FieldRef], model: Path, setting: str, channels: int
) -> None:
    recipe = semantic(setting)
    started, record = choose_start(recipe, nuclei, channels, {setting.partition("=")[0]})
    assert started.network.weights == "imagenet" and record["trials"] == []
    assert started.network.shrink == 1 and started.optimiser == recipe.optimiser


def test_where_no_model_fits_it_is_imagenet(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    y, x = np.indices(SHAPE)
    noise = np.random.default_rng(0).normal(0, 30, SHAPE)
    ripples = (1000 + 100 * (np.sin(x / 3) + np.sin(y / 4)) + noise).astype(np.uint16)
    write_field(tmp_path, "f0", grid(SHAPE, 30, 9), images=ripples)
    places = [FieldRef(sample, FIRST_PLANE) for sample in Dataset.open(tmp_path).samples]
    with caplog.at_level(logging.INFO):
        recipe, record = choose_start(semantic(), places, 1)
    assert recipe == semantic("network.weights=imagenet") and record["name"] == "imagenet"
    assert any("no model fits these images (bright fits 0 of 1)" in t for t in caplog.messages)


def test_a_stopped_run_goes_on_from_the_start_that_it_chose(
    nuclei: list[FieldRef], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, _ = choose_start(semantic(), nuclei, 1)
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe))
    # Models that were added or removed since then change nothing.
    monkeypatch.setenv("SPARCELL_CACHE", str(tmp_path / "nothing"))
    assert check_run(tmp_path, semantic(), resume=True) == recipe
    with pytest.raises(InputError, match="other settings"):
        check_run(tmp_path, semantic("seed=1"), resume=True)
    start = {"inputs": {}, "start": {"file": str(model), "sha256": "0" * 64}}
    (tmp_path / "record.json").write_text(json.dumps(start))
    with pytest.raises(InputError, match=r"bright\.zip, which has changed"):
        check_inputs(tmp_path, {"inputs": {}, "start": {"file": str(model), "sha256": "1" * 64}})


@pytest.mark.slow
def test_nuclei_in_fluorescence_start_from_the_bundled_model(tmp_path: Path) -> None:
    write_set(tmp_path / "set", 3)
    rows = "name,split\nf0,train\nf1,val\nf2,test\n"
    (tmp_path / "set" / "split.csv").write_text(rows)
    settings = ["fit.max_steps=1", "fit.minutes=0", "fit.crops_per_epoch=6", "fit.batch=2"]
    run = train("nuclei-light", tmp_path / "set", tmp_path / "run", overrides=settings)
    record = json.loads((run / "record.json").read_text())
    entry = find_entry("nuclei")
    assert entry.info is not None
    assert record["start"]["name"] == "nuclei" and record["start"]["sha256"] == entry.info.sha256
    assert 0 <= record["training"]["initial_weight_fraction"] <= 1
    # All it knows is from the model: ImageNet's network finds nothing before it is trained.
    assert load_model(run).spec.scores["before_training"]["val_f1"] > 0.9
    assert train("nuclei-light", tmp_path / "set", run, overrides=settings, resume=True) == run
