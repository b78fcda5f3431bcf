"""The running mean of the weights."""

from __future__ import annotations

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from sparcell.training.callbacks import running_mean


def test_the_first_steps_move_the_mean_most() -> None:
    mean, new = torch.tensor(1.0), torch.tensor(2.0)
    assert running_mean(mean, new, 0, 0.99).item() == pytest.approx(0.1 * 1 + 0.9 * 2)
    assert running_mean(mean, new, 8, 0.99).item() == pytest.approx(0.5 * 1 + 0.5 * 2)
    assert running_mean(mean, new, 10_000, 0.99).item() == pytest.approx(0.99 * 1 + 0.01 * 2)
    assert running_mean(mean, new, 10_000, 0.8).item() == pytest.approx(0.8 * 1 + 0.2 * 2)


def test_the_mean_of_noisy_weights_is_nearer_to_what_they_waver_about() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    averaged = AveragedModel(layer, avg_fn=lambda m, new, n: running_mean(m, new, n, 0.95))
    generator = torch.Generator().manual_seed(0)
    errors = []
    for _ in range(300):
        layer.weight.data.fill_(3 + torch.randn(1, generator=generator).item())
        averaged.update_parameters(layer)
        errors.append(abs(averaged.module.weight.item() - 3))
    # The SD of such a mean is sqrt((1 - keep) / (1 + keep)) = 0.16 of that of the weights.
    assert max(errors[50:]) < 0.16 * 4
