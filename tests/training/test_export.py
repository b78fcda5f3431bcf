from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from models import TINY, bright_model
from torch import nn

from sparcell.nets.build import build_network
from sparcell.training.export import export_onnx

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_exported_network_squashes_its_maps_to_0_to_1() -> None:
    model = bright_model()
    image = np.linspace(-1, 1, 16 * 16, dtype=np.float32).reshape(1, 16, 16)
    (maps,) = model.open("onnxruntime", 1)(image)
    np.testing.assert_allclose(maps, 1 / (1 + np.exp(-8 * image)), atol=1e-6)


def test_the_graph_takes_any_number_and_size_and_is_valid() -> None:
    network, _ = build_network(TINY, 2, 1)
    content, golden = export_onnx(network, np.zeros((2, 32, 48), np.float32))
    graph = onnx.load_model_from_string(content)
    onnx.checker.check_model(graph)
    (given,), (maps,) = graph.graph.input, graph.graph.output
    sizes = [dim.dim_param or dim.dim_value for dim in given.type.tensor_type.shape.dim]
    assert given.name == "image" and maps.name == "maps"
    assert sizes[1] == 2 and all(isinstance(sizes[i], str) for i in (0, 2, 3))
    assert golden.shape == (1, 32, 48) and golden.dtype == np.float32


def test_dropout_is_off_and_norms_use_their_moments() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    image = np.random.default_rng(0).standard_normal((1, 8, 8)).astype(np.float32)
    _, once = export_onnx(network, image)
    _, twice = export_onnx(network, image)
    expected = torch.sigmoid(network[0](torch.from_numpy(image[None]))).detach().numpy()[0]
    assert np.array_equal(once, twice)
    # A new norm has mean 0 and variance 1.
    np.testing.assert_allclose(once, expected, atol=1e-4)


def test_weights_in_another_memory_order_export_alike() -> None:
    torch.manual_seed(0)
    network, _ = build_network(TINY, 1, 1)
    image = np.random.default_rng(0).standard_normal((1, 32, 32)).astype(np.float32)
    _, plain = export_onnx(network, image)
    _, last = export_onnx(network.to(memory_format=torch.channels_last), image)
    np.testing.assert_allclose(last, plain, atol=1e-5)
