"""From a trained network to a model file."""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class _Exported(nn.Module):
    """The network with its sigmoid, so that maps are 0..1 outside PyTorch."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.network(image))


def export_onnx(
    network: nn.Module, image: NDArray[np.float32]
) -> tuple[bytes, NDArray[np.float32]]:
    """Write a network as ONNX for any number of images of any size it takes.

    Parameters
    ----------
    network : torch.nn.Module
        (N, C, Y, X) to logits (N, K, Y, X).
    image : (C, Y, X) float32
        Normalised example input.

    Returns
    -------
    onnx : bytes
    maps : (K, Y, X) float32
        What PyTorch says about the example, 0..1: the golden output.
    """
    exported = _Exported(network).cpu().eval().to(memory_format=torch.contiguous_format)
    example = torch.from_numpy(image[None])
    with torch.inference_mode():
        maps: NDArray[np.float32] = exported(example)[0].numpy()
    stream = io.BytesIO()
    free = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        # The exporter that needs no further package announces its successor at every call.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            exported,
            (example,),
            stream,
            input_names=["image"],
            output_names=["maps"],
            dynamic_axes={"image": free, "maps": free},
            opset_version=18,
            dynamo=False,
        )
    return stream.getvalue(), maps
