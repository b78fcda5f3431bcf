"""Does each published recipe learn? A few steps of one row of every paper, on real images.

    python benchmarks/published.py DATA -o FOLDER [--rows salomon2023-unet ...] [--steps 8]

DATA is the folder of the sets that the tests use. Each row is trained at its published settings:
network, crop, batch, loss and optimiser. The start is random where the row's own cannot be had
offline, which the table says. FOLDER gets `published.csv`, the loss of every step, and
`published.png`, its curves. This shows that the rows learn, not how well they end: the papers
trained for hours or days on a GPU.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.methods import METHODS
from sparcell.training.data.crops import Batches, EpochSampler, RandomCrops
from sparcell.training.data.field_refs import check_channels
from sparcell.training.data.fields import Fields
from sparcell.training.data.selection import choose_stains, find_fields, open_datasets
from sparcell.training.module import SegmentationModule, clip_gradients, stack
from sparcell.training.recipe import Recipe, load_recipe


class Row(NamedTuple):
    """A published recipe, the set it is tried on, and what has to differ there."""

    recipe: str
    data: str
    settings: tuple[str, ...] = ()


ROWS = (
    # Labels by hand of whole cells; the thesis's own images are not public.
    Row("salomon2023-unet", "dc16-phase-nuclear"),
    Row("park2022/unet-3", "mpnet-microplastics"),
    Row("park2022/nested-unet", "mpnet-microplastics"),
    Row("cui2020-transfer/watershed-resnet50-scratch", "dsb2018-fluo"),
    Row("bonte2023/nuclei-dapi", "dc16-phase-nuclear"),
    Row("bonte2023/nuclei-imagenet-1", "dc16-phase-nuclear", ("data.labels=labels_nuclei",)),
    Row("shrestha2023/cil-weak", "usiigaci-t98g-phase"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("-o", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--rows", nargs="+", choices=[row.recipe for row in ROWS])
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    options.o.mkdir(parents=True, exist_ok=True)
    losses: dict[str, list[float]] = {}
    for row in ROWS:
        if options.rows and row.recipe not in options.rows:
            continue
        began = time.process_time()
        recipe, start, steps = open_row(row, options.data)
        losses[row.recipe] = []
        for loss in steps:
            losses[row.recipe].append(loss)
            write(losses, options.o)
            if len(losses[row.recipe]) == options.steps:
                break
        first, last = halves(losses[row.recipe])
        print(
            f"{row.recipe}: {recipe.fit.batch} crops of {recipe.fit.crop} px, {start}; "
            f"mean loss of the first half {first:.4f}, of the second {last:.4f}, "
            f"{time.process_time() - began:.0f} CPU s",
            flush=True,
        )
    draw(losses, options.o)


def open_row(row: Row, data: Path) -> tuple[Recipe, str, Iterator[float]]:
    """Return a recipe, what its network started from, and the losses of its steps."""
    recipe = load_recipe(row.recipe, list(row.settings))
    torch.manual_seed(0)
    datasets = open_datasets([data / row.data], recipe.data)
    learns_from = METHODS[recipe.method.name].learns_from
    places = find_fields(datasets, recipe.data, recipe.seed, learns_from)
    channels, _ = check_channels([*places["train"], *places["val"]], recipe.network.frames)
    stains = None
    if learns_from == "stain":
        stains, places = choose_stains(places, recipe.method)
    reading = (recipe.normalise, recipe.network.frames)
    fields = Fields(places["train"], *reading, stains=stains)
    val = Fields(places["val"], *reading, stains=stains)
    try:
        module = SegmentationModule(recipe, channels, val)
    except InputError:
        network = recipe.network.model_copy(update={"weights": "none"})
        recipe = recipe.model_copy(update={"network": network})
        module = SegmentationModule(recipe, channels, val)
    return recipe, module.start, steps(recipe, module, fields)


def steps(recipe: Recipe, module: SegmentationModule, fields: Fields) -> Iterator[float]:
    """Take steps as a training does, epoch after epoch, and give their losses."""
    crops = RandomCrops(fields, recipe)
    optimiser = module.configure_optimizers()
    sampler = EpochSampler(len(crops))
    batches = Batches(sampler, recipe.fit.batch, crops.places.different > 0)
    for epoch in range(recipe.fit.epochs):
        sampler.set_epoch(epoch)
        for numbers in batches:
            batch = stack([crops[number] for number in numbers])
            loss = module.compute_loss(module(batch.image), batch)
            optimiser.zero_grad()
            (loss + module.penalty()).backward()
            clip_gradients(module.network.parameters(), recipe.optimiser)
            optimiser.step()
            yield float(loss.detach())


def halves(losses: list[float]) -> tuple[float, float]:
    """Mean loss of the first and of the second half of the steps."""
    middle = len(losses) // 2
    return float(np.mean(losses[:middle])), float(np.mean(losses[middle:]))


def write(losses: dict[str, list[float]], out: Path) -> None:
    """Write a row per recipe and step."""
    with whole_file(out / "published.csv") as partial, partial.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["recipe", "step", "loss"])
        for recipe, values in losses.items():
            table.writerows([recipe, step, f"{value:.6g}"] for step, value in enumerate(values, 1))


def draw(losses: dict[str, list[float]], out: Path) -> None:
    """Draw each row's loss over its steps, as a share of the first."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss, share of the first step's")
    for recipe, values in losses.items():
        axes.plot(range(1, len(values) + 1), np.array(values) / values[0], label=recipe)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small")
    with whole_file(out / "published.png") as partial:
        figure.savefig(partial, format="png", dpi=120)


if __name__ == "__main__":
    main()
