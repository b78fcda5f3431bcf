"""From a trained network to a model file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparcell.methods.base import DENSE_MAPS, OutputSpec

AXES = {
    "y": "height",
    "x": "width",
    "detection": "detections",
    "proposal_y": "proposal_height",
    "proposal_x": "proposal_width",
    "feature_y": "feature_height",
    "feature_x": "feature_width",
}
"""Names in the graph of the axes whose length depends on the image."""


class _Exported(nn.Module):
    """The network with its activation, as it is run outside PyTorch."""

    def __init__(self, network: nn.Module, activate: Callable[[Any], Any]) -> None:
        super().__init__()
        self.network, self.activate = network, activate

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        given = self.activate(self.network(image))
        return (given,) if isinstance(given, Tensor) else tuple(given)


def export_onnx(
    network: nn.Module,
    image: NDArray[np.float32],
    activate: Callable[[Any], Any] = torch.sigmoid,
    output: OutputSpec = DENSE_MAPS,
) -> tuple[bytes, NDArray[np.float32]]:
    """Write a network as ONNX for images of any size it takes.

    Dense networks take any number of images at once, others one.

    Parameters
    ----------
    network : torch.nn.Module
        (N, C, Y, X) to what `activate` takes.
    image : (C, Y, X) float32
        Normalised example input.
    activate : callable
        Turns the network's outputs into those of `output`.
    output : OutputSpec
        What the exported network gives.

    Returns
    -------
    onnx : bytes
    picture : (K, Y, X) float32
        What PyTorch says about the example, 0..1: the golden output.
    """
    exported = _Exported(network, activate).cpu().eval().to(memory_format=torch.contiguous_format)
    example = torch.from_numpy(image[None])
    with torch.inference_mode():
        outputs = [one[0].numpy() for one in exported(example)]
    picture = output.reference_image(outputs, (image.shape[1], image.shape[2]))
    stream = io.BytesIO()
    many = {0: "batch"} if output is DENSE_MAPS else {}
    free = {"image": {**many, 2: "height", 3: "width"}}
    for name, axes in output.outputs.items():
        named = {at: AXES[axis] for at, axis in enumerate(axes, 1) if axis in AXES}
        free[name] = many | named
    with warnings.catch_warnings():
        # The exporter that needs no further package announces its successor at every call.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            exported,
            (example,),
            stream,
            input_names=["image"],
            output_names=list(output.outputs),
            dynamic_axes=free,
            opset_version=18,
            dynamo=False,
        )
    return stream.getvalue(), picture
