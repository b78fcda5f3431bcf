"""Starting from another run: what is taken over, held, and moved slowly; crops drawn once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_folder import TINY, fields_of, simulate_fields, write_fields
from torch import nn

from sparcell.core.errors import InputError
from sparcell.models import load_model
from sparcell.nets.head import mark_pretrained
from sparcell.training import load_recipe, train
from sparcell.training.callbacks import freeze_pretrained, mix_weights
from sparcell.training.data.crops import RandomCrops, crops_per_epoch
from sparcell.training.initialise import start_from
from sparcell.training.module import group_parameters
from sparcell.training.recipe import Recipe
from sparcell.training.recipe_parts import Optimiser

STAIN = [*TINY, "fit.max_steps=4", "network.pixel_unshuffle_skip=false", "network.shrink=1"]


def network() -> nn.Sequential:
    """Three layers, of which the first started from weights."""
    built = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))
    mark_pretrained(built, ["0.weight", "0.bias"])
    return built


def test_what_is_pretrained_has_a_learning_rate_of_its_own() -> None:
    built = network()
    groups = group_parameters(built, Optimiser(weight_decay=0.1, pretrained_lr=0.25))
    held = {
        name: (group["share"], group["weight_decay"])
        for name, parameter in built.named_parameters()
        for group in groups
        if any(parameter is one for one in group["params"])
    }
    assert held == {
        "0.weight": (0.25, 0.1), "0.bias": (0.25, 0),
        "1.weight": (1, 0), "1.bias": (1, 0),
        "2.weight": (1, 0.1), "2.bias": (1, 0),
    }  # fmt: skip
    alike = group_parameters(built, Optimiser())
    assert [len(group["params"]) for group in alike] == [2, 4]


def test_what_is_pretrained_is_held_and_let_go() -> None:
    built = network()
    optimiser = torch.optim.Adam(built.parameters(), lr=0.1)
    before = [parameter.detach().clone() for parameter in built.parameters()]

    def moved() -> list[bool]:
        optimiser.zero_grad()
        built(torch.randn(2, 1, 8, 8)).square().mean().backward()
        optimiser.step()
        return [not torch.equal(a, b) for a, b in zip(before, built.parameters(), strict=True)]

    freeze_pretrained(built, True)
    assert moved()[:2] == [False, False] and moved()[4]
    freeze_pretrained(built, False)
    assert moved()[0]


def test_a_network_that_started_whole_is_not_held() -> None:
    built = network()
    mark_pretrained(built, [name for name, _ in built.named_parameters()])
    freeze_pretrained(built, True)
    assert all(parameter.requires_grad for parameter in built.parameters())


def fixed(**fit: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "t",
            "method": {"name": "semantic"},
            "augment": {"rotation": 0, "shift": 0, "shear": 0, "flip": False},
            "fit": {"crop": 32, "fixed_crops": 5, "batch": 2} | fit,
        }
    )


def test_crops_are_drawn_once_and_shuffled_in_each_epoch(tmp_path: Path) -> None:
    fields = fields_of(write_fields(tmp_path, 3))
    crops = RandomCrops(fields, fixed())
    assert len(crops) == crops_per_epoch(fields, fixed()) == 15

    def epoch(number: int) -> list[bytes]:
        return [crops[number, place].image.tobytes() for place in range(15)]

    first, second = epoch(0), epoch(1)
    assert len(set(first)) == 15 and set(first) == set(second) and first != second
    # Five of each field, pixel by pixel as they are there.
    images = [np.lib.stride_tricks.sliding_window_view(f.image[0], (32, 32)) for f in fields]
    of_field = [0, 0, 0]
    for crop in first:
        pixels = np.frombuffer(crop, np.float32).reshape(32, 32)
        inside = [(windows == pixels).all((2, 3)).any() for windows in images]
        of_field = [count + found for count, found in zip(of_field, inside, strict=True)]
    # A crop of background may be found in several.
    assert min(of_field) >= 5
    assert len(RandomCrops(fields, fixed(crops_per_epoch=4))) == 4


def test_a_recipe_takes_over_what_the_weights_need(tmp_path: Path) -> None:
    data = simulate_fields(tmp_path / "set")
    run = train("bonte2023-light/stain", data, tmp_path / "stain", overrides=STAIN)
    assert load_model(run).spec.stain is not None
    recipe = start_from(run, load_recipe("bonte2023-light/nuclei"))
    assert recipe.network.decoder == "salomon2023-unet" and recipe.network.filters == 4
    assert recipe.network.weights == str(run) and recipe.network.head == "copied"
    # Equation 1 of the isl paper, where the stain's own output goes on.
    semantic = load_recipe("bonte2023/nuclei-imagenet-1")
    assert start_from(run, semantic).method.offset == 0.5
    new = load_recipe("bonte2023/nuclei-imagenet-1", ["network.head=new"], pretrained=True)
    assert start_from(run, new).method.offset == 0
    said = ["network.filters=8"]
    assert (
        start_from(
            run, load_recipe("bonte2023-light/nuclei", said, pretrained=True), said
        ).network.filters
        == 8
    )
    small = [f"fit.{key}" for key in ("crop=64", "batch=4", "crops_per_epoch=8", "max_steps=3")]
    nuclei = train(
        "bonte2023-light/nuclei", data, tmp_path / "nuclei",
        overrides=[*small, "data.labels=truth"], pretrained=run,
    )  # fmt: skip
    record = (nuclei / "record.json").read_text()
    assert f"{run}: " in record and load_model(nuclei).spec.method == "watershed"
    before, after = (
        torch.load(folder / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
        for folder in (run, nuclei)
    )
    means = [name for name in after if name.endswith("running_mean")]
    # `bonte2023-light` holds the norms of the run that it starts from, of many more fields.
    assert means
    for name in means:
        torch.testing.assert_close(before[name], after[name])
    assert not torch.equal(*(next(iter(held.values())) for held in (before, after)))


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no recipe\.yaml"):
        start_from(tmp_path, load_recipe("bonte2023-light/nuclei"))
    # Of a file nothing is known but its weights.
    recipe = load_recipe("bonte2023-light/nuclei")
    changed = start_from("weights.pt", recipe)
    assert changed.network.weights == "weights.pt"
    assert changed.network.model_dump(exclude={"weights"}) == recipe.network.model_dump(
        exclude={"weights"}
    )
    # Weights by a setting, too: one of the two would have no effect.
    with pytest.raises(InputError, match=r"both `pretrained=weights\.pt` and the setting"):
        start_from("weights.pt", recipe, ["network.weights=none"])


def test_the_score_of_a_method_decides_its_monitor() -> None:
    with pytest.raises(InputError, match=r"set fit\.monitor=val_pcc"):
        load_recipe("bonte2023-light/stain", ["fit.monitor=val_f1"])
    with pytest.raises(InputError, match=r"set fit\.monitor=val_f1"):
        load_recipe("bonte2023-light/nuclei", ["fit.monitor=val_pcc"])


def test_weights_are_mixed_by_hand() -> None:
    start = {"w": torch.tensor([1.0, 2.0]), "steps": torch.tensor(3)}
    end = {"w": torch.tensor([3.0, 6.0]), "steps": torch.tensor(7)}
    mixed = mix_weights(start, end, 0.25)
    assert mixed["w"].tolist() == [2.5, 5.0] and mixed["steps"] == 7
    assert mix_weights(start, end, 0) is end


def test_one_field_is_learned_from_whole_where_nothing_is_validated(tmp_path: Path) -> None:
    data = write_fields(tmp_path / "data", 2, "name,split\nf0,train\nf1,test\n").root
    settings = [
        "method.name=distance", "network.filters=4", "fit.crop=64", "fit.tiles=0", "fit.batch=2",
        "fit.crops_per_epoch=4", "fit.max_steps=4", "data.val_fraction=0", "fit.monitor=last",
        "fit.tune_decoding=outlines",
    ]  # fmt: skip
    run = train("salomon2023-unet", data, tmp_path / "run", overrides=settings)
    record = json.loads((run / "record.json").read_text())
    assert record["fields"] == {"train": ["f0"], "val": ["f0"], "test": ["f1"]}
    # The last weights are kept, those of step 4.
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["global_step"] == 4
    tuning = load_model(run).spec.scores["tuning"]
    assert tuning["fields"] == 1 and "shift_tuned" in tuning


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        (["data.val_fraction=0"], "fit.monitor=val_f1"),
        (["data.val_fraction=0", "fit.monitor=last"], "fit.tune_decoding=true"),
    ],
)
def test_nothing_is_chosen_without_validation(overrides: list[str], found: str) -> None:
    with pytest.raises(InputError, match=found) as caught:
        load_recipe("nuclei-light", overrides)
    assert "\n" not in str(caught.value)
