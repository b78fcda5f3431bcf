"""Models that are made in a moment, for tests of what is done with a model."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from sparcell.models import Model, ModelSpec, Normalise
from sparcell.models.description import normalised
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig
from sparcell.training.export import export_onnx

TINY = NetworkConfig(decoder="salomon2023-unet", weights="none", filters=4)


def bright_model(*weights: float, **spec: object) -> Model:
    """A model that calls foreground what is brighter than the middle of the image's range.

    Its weights, one per input channel, are known (a single 8 if not given), so what it finds is
    too; it agrees with itself at every tile.
    """
    weights = weights or (8.0,)
    network = nn.Conv2d(len(weights), 1, 1)
    network.weight.data = torch.tensor(weights).view(1, -1, 1, 1)
    nn.init.zeros_(network.bias)
    return exported(network, len(weights), Normalise(low=0, high=100), **spec)


def random_model(channels: int = 1, seed: int = 0, **spec: object) -> Model:
    """A thesis U-Net of few filters and random weights: it mixes what lies up to 94 px apart."""
    torch.manual_seed(seed)
    network, _ = build_network(TINY, channels, 1)
    with torch.no_grad():
        for _ in range(5):
            network(torch.randn(2, channels, 64, 64))
    return exported(network, channels, Normalise(), **spec)


def exported(network: nn.Module, channels: int, normalise: Normalise, **spec: object) -> Model:
    """Make a semantic model of a network."""
    pixels = np.random.default_rng(0).standard_normal((channels, 32, 48)).astype(np.float32)
    golden = normalised(pixels, normalise)
    onnx, maps = export_onnx(network, golden)
    settings: dict[str, object] = {
        "name": "tiny",
        "method": "semantic",
        "decode": {"threshold": 0.5, "min_size": 0},
        "multiple": 16,
        "typical_area": 100.0,
        "largest_diameter": 20.0,
    }
    settings |= {"normalise": normalise, "channels": channels // int(str(spec.get("frames", 1)))}
    held = ModelSpec(**(settings | spec))  # type: ignore[arg-type]
    return Model(held, onnx, golden, maps)
