"""Every setting of a recipe changes what training does, or is refused where it would not.

A recipe is reduced to what a training does by it: fields, crops and targets, the length and the
learning rates, start weights, loss and gradients, and what is written into the model. Each
setting is given other values, found by its type alone; so a new setting is tested, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from pydantic import BaseModel

pytest.importorskip("torch")

import torch
from bases.scenes import ellipses
from dataset_folder import write_field

from sparcell.core.errors import InputError
from sparcell.methods import METHODS
from sparcell.training.callbacks import Budget, mix_weights
from sparcell.training.data.crops import Crop, RandomCrops
from sparcell.training.data.fields import Fields
from sparcell.training.data.pseudo_labels import find_teacher
from sparcell.training.data.selection import (
    choose_stains,
    find_auto,
    find_fields,
    find_groups,
    open_datasets,
)
from sparcell.training.effects import find_idle
from sparcell.training.module import SegmentationModule, clip_gradients, stack
from sparcell.training.recipe import Recipe, load_recipe, start_decoding
from sparcell.training.trainer import make_trainer

METADATA = {"schema_version", "name", "description", "source"}
"""What says something about a recipe and decides nothing."""
SHAPE = (56, 192)
"""Size of the fields, px."""
LATER = {
    "epochs", "max_steps", "cpu_seconds", "minutes", "patience", "freeze_fraction",
    "freeze_batchnorm", "match_within", "monitor", "precision", "log_to", "tune_decoding",
    "initial_weight_fraction",
}  # fmt: skip
"""Settings of `fit` that decide about no crop."""
TINY = ["fit.crop=64", "fit.batch=2", "fit.crops_per_epoch=4"]
LIGHT = ["network.encoder=lcnet_035", "network.weights=none"]
STARTED = ["network.weights=RUN", "network.head=new"]
UNET = [*LIGHT, "network.decoder_channels=[8, 8, 8, 8, 8]"]
FPN = [*LIGHT, "network.pyramid_width=16"]
FAMILIES = {
    "nuclei-light": UNET,
    "bonte2023-light/cells": [*UNET, *STARTED, "data.auto=AUTO", "network.shrink=1"],
    "bonte2023-light/stain": UNET,
    "points-light": [*FPN, "data.annotations=[points, mask]"],
    "salomon2023-unet": ["network.filters=4"],
    "park2022/nested-unet": [*UNET, "network.deep_supervision=true"],
    "cui2020-transfer/pixelwise-mobilenet_v2-scratch": FPN,
    "cui2020-size/retinamask-mobilenet_v2-0.5": [*FPN, "method.proposal_score=0.001"],
}
"""Recipes of every method and kind of network, made small."""
OTHERS = {
    "salomon2023/mixed": ["network.filters=4", "data.where={}", "method.loss=dice-bce"],
    "bundled/nuclei": UNET,
    "bundled/nuclei-texture": UNET,
    "bonte2023/cells-imagenet-1": UNET,
    "bonte2023/nuclei-dapi": UNET,
    "bonte2023/nuclei-imagenet-1": UNET,
    # Level 2: a coarser one proposes nothing in so small a crop.
    "shrestha2023/cil-full": [*FPN, "method.level=2"],
    "shrestha2023/cil-weak": [*FPN, "method.level=2", "method.auxnet=true"],
    "park2022/deeplabv3": LIGHT,
    "park2022/unet-1": UNET,
    "cui2020-location/mobilenet_v2-location-0.1": FPN,
    "cui2020-location-transfer/mobilenet_v2-location": FPN,
    "cui2020-temporal/mobilenet_v2-3-none": [*FPN, "method.proposal_score=0.001"],
}
"""Families whose parts are those of `FAMILIES` in other combinations."""
WORDS = {
    "data.labels": ["other"],
    "data.stains": ["[other-stain]"],
    "data.where": ["{cell: a}"],
    "data.by": ["plate"],
    "data.annotations": ["[outlines]", "[points, mask]"],
    "data.images": ["2", "3"],
    # The objects of the fields are about 12 px wide.
    "data.diameter": ["30"],
    "data.parts": ["{train: [f1, f2], val: [f3]}"],
    "data.auto": ["AUTO", "''"],
    "data.teacher": ["nuclei"],
    "network.encoder": ["lcnet_050"],
    "network.weights": ["none", "RUN"],
    "method.max_clipped": ["0.002", "0.0015"],
    "method.smallest": ["1000"],
    "method.levels": ["[2, 3, 5]", "[3, 5]"],
    "method.alpha": ["0.3"],
    "decode.calibration": ["[1, 2, 3, 4, 5, 6]"],
}
"""Values of settings that are words, or of which other settings must fit."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A dataset, one with automatic labels, and a run: what recipes name by path."""
    root = tmp_path_factory.mktemp("folders")
    rng = np.random.default_rng(0)
    data = root / "data"
    for number in range(6):
        # Lower than a crop, so that it matters what lies beyond.
        objects = ellipses(number, SHAPE, 20)
        image = 1000 + 300 * (objects > 0) + rng.normal(0, 30, objects.shape)
        # Far beyond the percentiles, so that `normalise.limit` cuts them.
        image[4::16, 4::16][:3] += 20_000
        kinds: dict[str, np.ndarray] = {"images": image, "other": ellipses(number + 50, SHAPE)}
        # Dim and bright, noisy and clean, with a few pixels at the detector's limit or none: so
        # every setting of stains decides about some of them.
        noise = rng.normal(0, 5 if number else 40, image.shape)
        kinds["stain"] = 500 + 200 * (number + 1) * (objects > 0) + noise
        kinds["stain"][0, : 6 * number] = 4095
        kinds["other-stain"] = kinds["stain"] + 300 * (kinds["other"] > 0)
        for kind in ("images", "stain", "other-stain"):
            kinds[kind] = kinds[kind].clip(0, 65_535).astype(np.uint16)
        write_field(data, f"f{number}", objects, **kinds)
        write_field(root / "auto", f"g{number}", ellipses(number + 20, SHAPE))
    write_field(data, "u0", ellipses(9, SHAPE))
    (data / "labels" / "u0.tif").unlink()
    rows = "".join(f"f{n},train,{'ab'[n % 2]},{n // 2}\n" for n in range(6))
    (data / "split.csv").write_text(f"name,split,cell,plate\n{rows}u0,train,a,0\n")
    (data / "quality.csv").write_text("name,accepted,reason\nf5,false,blurred\n")
    torch.manual_seed(1)
    recipe = load_recipe("nuclei-light", UNET)
    module = SegmentationModule(recipe, 1, Fields([], recipe.normalise))
    torch.save(module.network.state_dict(), root / "run.pt")
    return {"DATA": data, "AUTO": root / "auto", "RUN": root / "run.pt", "OUT": root / "out"}


def digest(*values: Any) -> str:
    """Tell arrays, tensors and plain values apart."""
    found = hashlib.sha256()
    for value in values:
        if isinstance(value, torch.Tensor):
            value = value.detach().contiguous().numpy()
        if isinstance(value, np.ndarray):
            found.update(str(value.shape).encode())
            found.update(np.ascontiguousarray(value).tobytes())
        elif isinstance(value, list | tuple):
            found.update(digest(*value).encode())
        else:
            found.update(repr(value).encode())
    return found.hexdigest()


class Prints:
    """Fingerprints of recipes, part by part; a part is made once for all that decides it."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders
        self.kept: dict[str, Any] = {}

    def differ(self, one: Recipe, other: Recipe) -> bool:
        """Whether a training by one does anything else than by the other."""
        parts: tuple[Callable[[Recipe], str], ...] = (
            self.use, self.fields, self.crops, self.course, self.start, self.steps,
        )  # fmt: skip
        return any(part(one) != part(other) for part in parts)

    def keep(self, make: Callable[[], Any], *decides: Any) -> Any:
        """Make a part, or give the one that the same settings made."""
        key = repr(decides)
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def use(self, recipe: Recipe) -> str:
        """What the model's card gets, and whether decoding is tuned."""
        tuned = recipe.fit.tune_decoding and recipe.method.name != "stain"
        tuned = tuned and recipe.fit.tune_decoding
        share = recipe.fit.initial_weight_fraction
        assert share != "validated"
        mixed = mix_weights({"": torch.ones(1)}, {"": torch.zeros(1)}, share)
        read = (start_decoding(recipe), recipe.predict.tta, recipe.normalise)
        within = recipe.method.name != "stain" and recipe.fit.match_within
        return digest(*read, tuned, mixed[""], within)

    def fields(self, recipe: Recipe) -> str:
        """Which fields are trained, validated and tested on."""
        places, auto, unlabelled, _ = self.choose(recipe)
        named = [
            (part, place.name, place.kinds, place.x) for part in places for place in places[part]
        ]
        files = [
            sorted(map(str, p.sample.files.values())) for held in places.values() for p in held
        ]
        read = files if METHODS[recipe.method.name].learns_from != "labels" else ""
        every = [place.sample for held in places.values() for place in held]
        groups = find_groups(every, recipe.data)
        return digest(named, read, [place.name for place in auto], unlabelled, groups)

    def choose(self, recipe: Recipe) -> Any:
        """Fields by part, automatic ones, unlabelled ones, and stains."""
        learns_from = METHODS[recipe.method.name].learns_from

        def make() -> Any:
            datasets = open_datasets([self.folders["DATA"]], recipe.data)
            places = find_fields(datasets, recipe.data, recipe.seed, learns_from)
            auto = find_auto(recipe.data, places)
            teacher = find_teacher(datasets, recipe.data, learns_from, places | {"auto": auto})
            stains = None
            if learns_from == "stain":
                stains, places = choose_stains(places, recipe.method)  # type: ignore[arg-type]
            names = [sample.name for sample in teacher.unlabelled] if teacher else []
            return places, auto, names, stains

        method = recipe.method if learns_from == "stain" else learns_from
        return self.keep(make, "choose", recipe.data, recipe.seed, method)

    def batches(self, recipe: Recipe) -> Any:
        """The crops of the first epochs."""

        def make() -> Any:
            places, auto, _, stains = self.choose(recipe)
            reading = (recipe.normalise, recipe.network.frames)
            diameter = recipe.data.diameter
            fields = Fields(places["train"], *reading, auto=auto, stains=stains, diameter=diameter)
            crops = RandomCrops(fields, recipe)
            drawn = [crops[epoch, number] for epoch in (0, 1) for number in range(4)]
            return len(crops), drawn, stains

        decides = (recipe.data, recipe.seed, recipe.method, recipe.normalise, recipe.augment)
        frames = (recipe.network.frames, recipe.network.every_frame)
        return self.keep(make, "crops", *decides, *frames, recipe.fit.model_dump(exclude=LATER))

    def crops(self, recipe: Recipe) -> str:
        """What the network sees and shall say."""
        count, drawn, _ = self.batches(recipe)
        return digest(count, recipe.fit.batch, [tuple(crop) for crop in drawn])

    def course(self, recipe: Recipe) -> str:
        """Length, precision, what decides the best weights, and what else is written."""

        def make() -> str:
            trainer, _, _ = make_trainer(recipe, self.folders["OUT"], 1)
            stop, best = trainer.early_stopping_callback, trainer.checkpoint_callback
            loops = (trainer.max_epochs, trainer.precision)
            kinds = [type(one).__name__ for one in (*trainer.callbacks, *trainer.loggers)]
            chosen = [(stop.monitor, stop.mode, stop.patience)] if stop else []
            chosen += [(best.monitor, best.mode)]
            means = [
                one._kwargs["avg_fn"](torch.ones(1), torch.zeros(1), 10_000)
                for one in trainer.callbacks
                if hasattr(one, "_kwargs")
            ]
            return digest(loops, kinds, chosen, means)

        return self.keep(make, "course", recipe.fit, recipe.optimiser)

    def start(self, recipe: Recipe) -> str:
        """Start weights, the optimiser, and what is held."""

        def make() -> str:
            module, rates, held = self.build(recipe)
            state = module.network.state_dict()
            return digest([*state, *state.values()], rates, held)

        return self.keep(make, "start", *self.decides(recipe))

    def steps(self, recipe: Recipe) -> str:
        """Loss, gradients, and what is exported: costly, so only where all else is the same."""

        def make() -> str:
            module, _, _ = self.build(recipe)
            _, drawn, _ = self.batches(recipe)
            said = []
            # As after some training: small changes, then such that there are detections.
            for spread in (0, 3):
                torch.manual_seed(0)
                for parameter in module.network.parameters():
                    change = 0.05 * torch.randn_like(parameter)
                    parameter.data += change + spread * (parameter.ndim == 1) * change.abs() * 20
                said += self.answer(module, stack(drawn[:2]))
            return digest(said)

        return self.keep(make, "steps", *self.decides(recipe))

    def decides(self, recipe: Recipe) -> tuple[Any, ...]:
        """What the network and its training steps depend on."""
        parts = (recipe.network, recipe.method, recipe.seed, recipe.optimiser, recipe.normalise)
        return (*parts, recipe.fit, self.crops(recipe))

    def build(self, recipe: Recipe) -> tuple[SegmentationModule, Any, Any]:
        """The network of a recipe, its learning rates, and what is held."""
        torch.manual_seed(recipe.seed)
        _, _, stains = self.batches(recipe)
        module = SegmentationModule(recipe, 1, Fields([], recipe.normalise, stains=stains))
        return module, *self.step(recipe, module)

    def answer(self, module: SegmentationModule, crop: Crop) -> list[Any]:
        """Loss, gradients, and what the exported network gives."""
        module.zero_grad()
        module.train()
        module.on_train_epoch_start()
        loss = module.compute_loss(module(crop.image), crop) + module.penalty()
        loss.backward()
        clip_gradients(module.network.parameters(), module.recipe.optimiser)
        gradients = [p.grad.clone() for p in module.parameters() if p.grad is not None]
        module.eval()
        with torch.inference_mode():
            return [loss, gradients, module.activate(module(crop.image[:1]))]

    def step(self, recipe: Recipe, module: SegmentationModule) -> tuple[Any, Any]:
        """Optimiser, learning rates and what is held, along the budget."""
        optimiser = module.configure_optimizers()
        groups = [
            {key: value for key, value in group.items() if key != "params"}
            | {"n": len(group["params"])}
            for group in optimiser.param_groups
        ]
        course: list[Any] = [type(optimiser).__name__, groups]
        held = []
        for steps, seconds in ((0, 0.0), (1, 300.0), (3, 2.0), (30, 20.0), (3000, 2000.0)):
            budget = Budget(recipe)
            budget.load_state_dict({"seconds": seconds, "wall_seconds": seconds})
            trainer: Any = SimpleNamespace(
                optimizers=[optimiser], global_step=steps, num_training_batches=2,
                accumulate_grad_batches=1,
            )  # fmt: skip
            budget.on_train_batch_start(trainer, module, None, 0)
            course += [round(budget.progress(trainer), 9)]
            course += [group["lr"] for group in optimiser.param_groups]
            held.append([p.requires_grad for p in module.network.parameters()])
        for parameter in module.network.parameters():
            parameter.requires_grad_(True)
        return course, held


def other_values(kind: Any, value: Any) -> Iterator[str]:
    """Values like another, as they are typed; some may be out of range."""
    if get_origin(kind) is Literal:
        yield from (str(one) for one in get_args(kind) if one != value)
    elif isinstance(value, bool):
        yield str(not value).lower()
    elif isinstance(value, int | float):
        near = (value + 1, value * 2, value / 2, 0.5, 1, 0.001, 32, value * 100, value / 100)
        whole = isinstance(value, int)
        yield from dict.fromkeys(str(round(one) if whole else one) for one in near if one != value)
    elif isinstance(value, tuple) and value and isinstance(value[0], int | float):
        for change in (1, -0.1):
            yield str(
                [value[0] + (int(change) if isinstance(value[0], int) else change), *value[1:]]
            )
    elif value == "auto":
        yield "0.3"


def settings_of(recipe: Recipe) -> Iterator[tuple[str, Any, Any]]:
    """Every setting: its dotted name, type and value."""
    for part, field in Recipe.model_fields.items():
        held = getattr(recipe, part)
        if part == "decode":
            held = start_decoding(recipe)
        elif part in METADATA:
            continue
        if not isinstance(held, BaseModel):
            yield part, field.annotation, held
            continue
        for name, inner in type(held).model_fields.items():
            if (part, name) != ("method", "name"):
                yield f"{part}.{name}", inner.annotation, getattr(held, name)


@pytest.fixture(scope="module")
def prints(folders: dict[str, Path]) -> Prints:
    return Prints(folders)


def named(text: str, folders: dict[str, Path]) -> str:
    """Put paths in the place of their names."""
    key, _, value = text.partition("=")
    return f"{key}={folders[value]}" if value in folders else text


def outcome(recipe: Recipe, load: Callable[[], Recipe], prints: Prints, said: str) -> str:
    """What another value of a setting, ``said`` as on the command line, comes to."""
    name, _, value = said.partition("=")
    try:
        other = load()
        if other == recipe:
            return "same"
        if prints.differ(recipe, other):
            return "changed"
        return (
            "default" if name in find_idle(recipe) and name not in find_idle(other) else "ignored"
        )
    except InputError as error:
        # What is out of range says nothing of an effect.
        plain = not error.found.startswith("setting ")
        named = name.split(".")[-1] in str(error) or value in str(error)
        return "refused" if plain and named else "out of range"


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    "family", [*FAMILIES, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
)
def test_every_setting_changes_something_or_is_refused(family: str, prints: Prints) -> None:
    def load(*more: str) -> Recipe:
        overrides = [*TINY, *(FAMILIES | OTHERS)[family], *more]
        return load_recipe(family, [named(text, prints.folders) for text in overrides])

    recipe = load()
    idle = []
    for name, kind, value in settings_of(recipe):
        outcomes = set()
        for other in WORDS.get(name) or other_values(kind, value):
            said = named(f"{name}={other}", prints.folders)
            outcomes.add(outcome(recipe, lambda said=said: load(said), prints, said))
            if "changed" in outcomes:
                break
        expected = {"changed"} if "ignored" in outcomes else {"changed", "refused", "default"}
        if not outcomes & expected:
            idle.append(f"{name}={value}: {outcomes}")
    assert not idle
