"""Start weights from a model file.

A model file has no checkpoint: each batch normalisation was folded into the convolution before it
(Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", eq. 14). Here they are separated again. The mean and variance of
a normalisation are those of the convolution's output for the example image of the model file, and
its scale and shift undo that normalisation. So the network gives the outputs of the model.

Folding multiplies the weights of a channel by the scale of its normalisation, which may be a
thousandth. Steps of Adam are as large as the learning rate whatever the weights are, and would
change such a channel out of recognition. So each channel is enlarged to the usual size of weights,
which its normalisation undoes, and the network can be trained like any other.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparcell.core.errors import InputError
from sparcell.core.onnx_file import check_onnx_file
from sparcell.nets.head import head_name, mark_pretrained, repeat_maps
from sparcell.system.libraries import import_openvino

Convolution: TypeAlias = nn.Conv2d | nn.ConvTranspose2d
Folded = dict[str, tuple[NDArray[np.float32], NDArray[np.float32] | None]]
"""Name of a convolution in the network to its weight and bias."""


def load_folded(network: nn.Module, path: Path, head: str = "kept", encoder: str = "") -> str:
    """Fill a network with the weights of a model file.

    Parameters
    ----------
    network : torch.nn.Module
        Built like that of the model; convolutions of another shape keep their weights, and so do
        normalisations after them.
    path : Path
        A ``model.zip``.
    head : {"kept", "new", "copied"}
        Treatment of the last convolution, see `NetworkConfig.head`.
    encoder : str
        Prefix of the encoder's modules, ``"pyramid.encoder."``. Models of another method may have
        another prefix.

    Returns
    -------
    str
        How many convolutions fitted, in words.

    Raises
    ------
    InputError
        If it is no model of Sparcell's, or none of its convolutions fits.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            onnx = archive.read("model.onnx")
            example = np.load(io.BytesIO(archive.read("golden_input.npy")), allow_pickle=False)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} that is no model of Sparcell's", "a model.zip", "check network.weights"
        ) from error
    check_onnx_file(onnx, str(path))
    stored = read_convolutions(onnx)
    own = {n: m for n, m in network.named_modules() if isinstance(m, Convolution)}
    # No common name: a model of another method, whose encoder has another prefix.
    if encoder and not stored.keys() & own.keys():
        parts = {name: name.partition("encoder.") for name in stored}
        stored = {encoder + inside: stored[n] for n, (_, found, inside) in parts.items() if found}
    last = head_name(network)
    if head == "new":
        stored.pop(last, None)
    elif head == "copied" and last in stored:
        stored[last] = _copied(*stored[last], own[last])
    fitting = {
        name: module
        for name, module in own.items()
        if name in stored and stored[name][0].size == module.weight.numel()
    }
    if not fitting:
        raise InputError(
            f"no convolution in {path} that fits", "the same network", "use that model's recipe"
        )
    training = network.training
    network.eval()
    with torch.no_grad():
        image = torch.from_numpy(example.reshape(1, *example.shape[-3:]))
        follower = _normalisations(network, image)
        for name, module in fitting.items():
            _fill(module, follower.get(name), *stored[name])
        pairs = {n: (fitting[n], bn) for n, bn in follower.items() if n in fitting}
        _normalise(network, image, pairs)
    network.train(training)
    pretrained = [module for name, module in fitting.items() if head == "kept" or name != last]
    pretrained += [bn for name, bn in follower.items() if name in fitting]
    marked = {id(parameter) for module in pretrained for parameter in module.parameters()}
    mark_pretrained(network, [n for n, p in network.named_parameters() if id(p) in marked])
    return f"{path}: {len(fitting)} of {len(own)} convolutions"


def _copied(
    weight: NDArray[np.float32], bias: NDArray[np.float32] | None, own: Convolution
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Repeat the maps of a last convolution until there are as many as in `own`."""
    maps = own.weight.numel() // len(own.weight)
    longer = repeat_maps(torch.from_numpy(weight.reshape(-1, maps)), own.weight.reshape(-1, maps))
    if bias is not None:
        bias = np.tile(bias.ravel(), len(longer) // max(bias.size, 1))
    return longer.numpy(), bias


def read_convolutions(onnx: bytes) -> Folded:
    """Read the convolutions of an ONNX file that PyTorch wrote, by the names of its modules."""
    openvino = import_openvino()

    found: Folded = {}
    for node in openvino.Core().read_model(onnx, b"").get_ordered_ops():
        if "Convolution" not in node.get_type_name():
            continue
        weight = _constant(node.input_value(1))
        if weight is None:
            continue
        bias, names = None, [node.get_friendly_name(), *node.output(0).get_names()]
        for target in node.output(0).get_target_inputs():
            after = target.get_node()
            if after.get_type_name() == "Add":
                bias = _constant(after.input_value(1 - target.get_index()))
                # The sum after a transposed convolution has the convolution's name.
                names += [after.get_friendly_name(), *after.output(0).get_names()]
        node_name = next((name for name in names if "/Conv" in name), "")
        found[_module(node_name)] = weight, bias
    return found


def _module(node: str) -> str:
    """Module of a graph node: ``head.0`` of ``/network/head/head.0/Conv/WithoutBiases``.

    The name of a module in a container follows that of the container, and contains it.
    """
    names: list[str] = []
    for part in node.partition("/Conv")[0].removeprefix("/network").strip("/").split("/"):
        if names and part.startswith(f"{names[-1]}."):
            names.pop()
        names.append(part)
    return ".".join(names)


def _constant(output: Any) -> NDArray[np.float32] | None:
    """Values of a constant of any precision and shape; None if it is none."""
    node = output.get_node()
    while node.get_type_name() in ("Convert", "Reshape"):
        node = node.input_value(0).get_node()
    return np.array(node.data, np.float32) if node.get_type_name() == "Constant" else None


def _normalisations(network: nn.Module, image: Tensor) -> dict[str, nn.BatchNorm2d]:
    """Find the batch normalisation after each convolution, by the name of the convolution."""
    given: list[tuple[str, Tensor]] = []
    found: dict[str, nn.BatchNorm2d] = {}

    def note(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, Convolution):
            given.append((name, output))
        elif isinstance(module, nn.BatchNorm2d):
            found.update({before: module for before, tensor in given if tensor is inputs[0]})

    with _watched(network, note):
        network(image)
    return found


def _fill(
    module: Convolution,
    after: nn.BatchNorm2d | None,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
) -> None:
    """Set a convolution; the normalisation after it only adds the bias."""
    module.weight.copy_(torch.from_numpy(weight.reshape(module.weight.shape)))
    shift = torch.zeros(module.out_channels) if bias is None else torch.from_numpy(bias.ravel())
    if module.bias is not None:
        module.bias.copy_(shift)
        shift = torch.zeros_like(shift)
    if after is not None:
        _set(after, torch.zeros_like(shift), torch.ones_like(shift), shift)


def _normalise(
    network: nn.Module, image: Tensor, layers: dict[str, tuple[Convolution, nn.BatchNorm2d]]
) -> None:
    """Enlarge weights, and give normalisations the moments of their inputs.

    The outputs of the normalisations remain as they are.
    """
    moments: dict[str, tuple[Tensor, Tensor]] = {}

    def note(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if name in layers:
            moments[name] = output.mean((0, 2, 3)), output.var((0, 2, 3), unbiased=False)

    with _watched(network, note):
        network(image)
    for name, (mean, variance) in moments.items():
        convolution, layer = layers[name]
        shift, size = layer.bias.detach().clone(), _enlarge(convolution)
        _set(layer, mean, variance, shift, size)


def _enlarge(convolution: Convolution) -> Tensor:
    """Divide the weights of each channel by their size, (channels,), and return the sizes.

    They become a root mean square of one by the root of the number of inputs, as at random
    (LeCun et al. 1998, "Efficient BackProp", 4.6).
    """
    weight = convolution.weight
    if isinstance(convolution, nn.ConvTranspose2d):
        return weight.new_ones(convolution.out_channels)
    size: Tensor = weight.flatten(1).norm(dim=1)
    size = torch.where(size > 0, size, torch.ones_like(size))
    weight.div_(size[:, None, None, None])
    if convolution.bias is not None:
        convolution.bias.div_(size)
    return size


def _set(
    layer: nn.BatchNorm2d,
    mean: Tensor,
    variance: Tensor,
    shift: Tensor,
    size: Tensor | float = 1.0,
) -> None:
    """Make a normalisation whose output is `size` times its input, plus `shift`.

    The moments are those of `size` times its input.
    """
    assert layer.running_mean is not None and layer.running_var is not None
    layer.running_mean.copy_(mean / size)
    layer.running_var.copy_(variance / size**2)
    layer.weight.copy_((layer.running_var + layer.eps).sqrt() * size)
    layer.bias.copy_(mean + shift)


@contextmanager
def _watched(network: nn.Module, note: Any) -> Iterator[None]:
    """Call `note(name, module, inputs, output)` after each module has run."""
    hooks = [
        module.register_forward_hook(
            lambda module, inputs, output, name=name: note(name, module, inputs, output)
        )
        for name, module in network.named_modules()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
