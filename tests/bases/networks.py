"""What every network must do; a network's test class inherits this and names its settings."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch

from sparcell.models.runtime import RUNTIMES
from sparcell.nets.build import build_network
from sparcell.nets.config import NetworkConfig, input_multiple
from sparcell.training.export import export_onnx


@pytest.mark.usefixtures("one_thread")
class NetworkContract:
    """Subclasses name the network's settings, with weights "none"."""

    config: ClassVar[NetworkConfig]

    def network(self, channels: int = 1, maps: int = 2) -> torch.nn.Module:
        torch.manual_seed(0)
        return build_network(self.config, channels, maps)[0]

    def image(self, channels: int, rows: int, columns: int) -> np.ndarray:
        """A random image; its size in units of the network's multiple."""
        unit = input_multiple(self.config)
        rng = np.random.default_rng(rows * 10 + columns)
        shape = (channels * self.config.frames, rows * unit, columns * unit)
        return rng.standard_normal(shape).astype(np.float32)

    @pytest.mark.parametrize(("channels", "maps"), [(1, 1), (2, 3), (3, 2), (5, 1)])
    def test_any_channels_and_maps_and_every_size_that_is_a_multiple(
        self, channels: int, maps: int
    ) -> None:
        network = self.network(channels, maps).eval()
        for rows, columns in ((1, 1), (2, 3)):
            image = torch.from_numpy(self.image(channels, rows, columns)[None])
            with torch.inference_mode():
                logits = network(image)
            assert logits.shape == (1, maps, *image.shape[2:]) and logits.dtype == torch.float32
            assert torch.isfinite(logits).all()

    def test_every_weight_has_a_gradient(self) -> None:
        network = self.network()
        batch = torch.from_numpy(np.stack([self.image(1, 2, 2), self.image(1, 2, 2)[:, ::-1]]))
        answers = network(batch)
        answers = answers if isinstance(answers, list) else [answers]
        sum(answer.square().mean() for answer in answers).backward()
        assert all(weight.grad is not None for weight in network.parameters())
        assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())
        assert all(weight.grad.any() for weight in network.parameters() if weight.ndim > 1)

    def test_the_seed_decides_the_weights(self) -> None:
        one, two = self.network().state_dict(), self.network().state_dict()
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_images_of_a_batch_do_not_see_each_other(self) -> None:
        network = self.network().eval()
        batch = torch.from_numpy(np.stack([self.image(1, 2, 2), 1 - self.image(1, 2, 2)]))
        with torch.inference_mode():
            alone = torch.cat([network(batch[:1]), network(batch[1:])])
            together = network(batch)
        torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)

    def test_exported_maps_agree_in_every_runtime_and_size(self) -> None:
        network = self.network(2, 2)
        # Moments as after some training; those of a new network leave the norms idle.
        with torch.no_grad():
            for _ in range(5):
                network(torch.from_numpy(np.stack([self.image(2, 2, 2)] * 2)))
        onnx, golden = export_onnx(network, self.image(2, 2, 2))
        assert golden.min() >= 0 and golden.max() <= 1 and golden.std() > 0
        for rows, columns in ((2, 2), (3, 1)):
            image = self.image(2, rows, columns)
            with torch.inference_mode():
                expected = torch.sigmoid(network(torch.from_numpy(image[None])))[0].numpy()
            if (rows, columns) == (2, 2):
                assert np.array_equal(golden, expected)
            for name in ("onnxruntime", "openvino"):
                (maps,) = RUNTIMES[name](onnx, 1)(image)
                assert maps.shape == expected.shape and maps.dtype == np.float32
                assert np.abs(maps - expected).max() < 1e-3, name
