"""The single-cell rows learn: what a step does to the weights, and one tile learned by heart."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from bases.scenes import ellipses
from dataset_folder import field_of
from test_crop_placement import MadeUp, noise_field

from sparcell.training.data.crops import RandomCrops
from sparcell.training.module import SegmentationModule, clip_gradients, stack
from sparcell.training.recipe import Recipe, load_recipe


def row(method: str, *overrides: str) -> Recipe:
    return load_recipe(
        f"cui2020-transfer/{method}-mobilenet_v2-scratch", ["fit.batch=2", *overrides]
    )


def take_step(
    recipe: Recipe, module: SegmentationModule, optimiser: torch.optim.Optimizer, batch
) -> float:  # type: ignore[no-untyped-def]
    """One step as Lightning takes it: loss with its penalty, gradients, clipping, Adam."""
    loss = module.compute_loss(module(batch.image), batch)
    optimiser.zero_grad()
    (loss + module.penalty()).backward()
    clip_gradients(module.network.parameters(), recipe.optimiser)
    optimiser.step()
    return float(loss.detach())


@pytest.mark.usefixtures("one_thread")
def test_the_first_step_goes_down_the_loss() -> None:
    torch.manual_seed(0)
    recipe = row("watershed")
    fields = MadeUp([noise_field((128, 128))])
    module = SegmentationModule(recipe, 1, fields)
    crops = RandomCrops(fields, recipe)
    batch = stack([crops[0, 0], crops[1, 0]])
    weights = list(module.network.parameters())
    module.compute_loss(module(batch.image), batch).backward()
    downhill = [-weight.grad.sign() for weight in weights]
    before = [weight.detach().clone() for weight in weights]
    # The same forward pass again, so batch norms see the same batch.
    take_step(recipe, module, module.configure_optimizers(), batch)
    right = shrunk = moved = 0
    for old, new, down in zip(before, weights, downhill, strict=True):
        step = (new.detach() - old).sign()
        chosen = (down != 0) & (step != 0)
        right += int((step == down)[chosen].sum())
        shrunk += int((step == -old.sign())[chosen].sum())
        moved += int(chosen.sum())
    # It was 55 %, with 95 % of the weights on their way to zero: L2 was added after clipping.
    assert moved > 2_000_000
    assert right / moved > 0.95
    assert abs(shrunk / moved - 0.5) < 0.05


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    "method",
    # The fast tests of `tests/methods/test_retinamask.py` train a smaller network of it.
    ["pixelwise", pytest.param("retinamask", marks=pytest.mark.slow), "watershed"],
)
def test_each_method_learns_a_tile_by_heart(method: str) -> None:
    torch.manual_seed(0)
    # The published optimiser at a hundred times its rate, on a small backbone: seconds, not hours.
    recipe = row(
        method,
        "optimiser.lr=1e-3",
        "network.encoder=lcnet_050",
        "network.pyramid_width=32",
        "network.location=false",
    )
    labels = ellipses(3)[:64, :64]
    labels = np.kron(labels, np.ones((2, 2), np.int32)).astype(np.int32)
    labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)
    image = (labels > 0) + np.random.default_rng(0).normal(0, 0.1, labels.shape)
    field = field_of(labels)._replace(
        image=image[None].astype(np.float32), valid=np.ones(labels.shape, bool)
    )
    fields = MadeUp([field])
    module = SegmentationModule(recipe, 1, fields)
    crops = RandomCrops(fields, recipe)
    batch = stack([crops[0, 0], crops[1, 0]])
    optimiser = module.configure_optimizers()
    losses = [take_step(recipe, module, optimiser, batch) for _ in range(60)]
    assert losses[-1] < 0.35 * losses[0]


def test_the_penalty_is_that_of_the_convolutions_by_hand() -> None:
    recipe = row("watershed", "network.encoder=lcnet_050", "optimiser.l2=0.5")
    module = SegmentationModule(recipe, 1, MadeUp([noise_field((128, 128))]))
    kernels = [p for p in module.network.parameters() if p.ndim == 4]
    by_hand = 0.5 * sum(float((kernel.detach().double() ** 2).sum()) for kernel in kernels)
    assert float(module.penalty().detach()) == pytest.approx(by_hand, rel=1e-5)
    with torch.no_grad():
        for parameter in module.network.parameters():
            parameter.fill_(0 if parameter.ndim == 4 else 7)
    # Neither biases nor norms count.
    assert float(module.penalty().detach()) == 0


def test_gradients_are_clipped_together_or_one_by_one_by_hand() -> None:
    def clipped(*overrides: str) -> list[list[float]]:
        one, two = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
        one.grad, two.grad = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 0.5])
        clip_gradients([one, two], load_recipe("nuclei-light", list(overrides)).optimiser)
        return [one.grad.tolist(), two.grad.tolist()]

    # Norms 5 and 0.5, together 5.025.
    each = clipped("optimiser.clip_norm=1", "optimiser.clip=tensor")
    np.testing.assert_allclose(each, [[0.6, 0.8], [0, 0.5]], rtol=1e-5)
    both = clipped("optimiser.clip_norm=1", "optimiser.clip=network")
    np.testing.assert_allclose(both, np.array([[3, 4], [0, 0.5]]) / 25.25**0.5, rtol=1e-5)
    assert clipped("optimiser.clip_norm=0") == [[3, 4], [0, 0.5]]


def test_epsilon_reaches_adam() -> None:
    recipe = row("watershed", "network.encoder=lcnet_050")
    module = SegmentationModule(recipe, 1, MadeUp([noise_field((128, 128))]))
    assert {group["eps"] for group in module.configure_optimizers().param_groups} == {1e-7}
