"""Packages in the format of bioimage.io, as other tools write them.

Formats 0.4 and 0.5 of the model description are read, and of them what running the ONNX network
takes: axes, sizes, processing, test tensors. Only the graph of a package is executed.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from math import lcm
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError, first_line
from sparcell.core.onnx_file import check_onnx_file
from sparcell.models.external_model import (
    MEANINGS,
    SUPPORTED,
    UNUSED,
    ExternalLayout,
    OutputLayout,
    find_mapping,
    meaning_of,
    to_cyx,
)
from sparcell.models.model import Model, ModelSpec
from sparcell.models.package import Package
from sparcell.models.rdf import Tensor, read_description, read_tensors

logger = logging.getLogger(__name__)

REACH = 64.0
"""Largest extent of objects, px, where it is not known."""


def read_bioimageio(package: Package, outputs: Sequence[str] | None = None) -> Model:
    """Read another tool's package as a model.

    Parameters
    ----------
    package : Package
    outputs : sequence of str, optional
        What the output channels show; see `sparcell.models.loading.load_model`.

    Raises
    ------
    InputError
        If it has no ONNX weights, or a network that cannot be run on planes of images, or
        outputs that no method decodes.
    """
    described = read_description(package)
    base = PurePosixPath(str(package.description)).parent
    onnx = _read_weights(package, described.get("weights"), base)
    try:
        inputs, results = read_tensors(described)
        name = str(described.get("name", "model"))
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{package.source} with a description that cannot be read ({first_line(error)!r})",
            "inputs and outputs as bioimage.io describes them",
            "let its author check it with the validator of bioimage.io",
        ) from error
    image = _check_input(package, inputs)
    test_input = _test_tensor(package, image, base)
    prepared = image.steps.fit(test_input)(test_input)
    test_outputs = [_dense_output(package, one, base, test_input.shape) for one in results]
    meanings = _meanings(package, results, test_outputs, outputs)
    layout = ExternalLayout(
        axes=image.axes,
        smallest=(image.sizes["y"][0], image.sizes["x"][0]),
        step=(image.sizes["y"][1], image.sizes["x"][1]),
        outputs=tuple(
            OutputLayout(axes=one.axes if found is not None else "", steps=one.steps)
            for one, found in zip(results, test_outputs, strict=True)
        ),
        meanings=meanings,
    )
    channels = np.concatenate([found for found in test_outputs if found is not None])
    _check_range(package, channels, meanings)
    spec = ModelSpec(
        name=name,
        method=layout.mapping.method,
        decode={},
        normalise=image.steps,
        channels=len(test_input),
        pixel_size=image.pixel_size,
        multiple=lcm(*(max(step, 1) for step in layout.step)),
        typical_area=None,
        largest_diameter=REACH,
        layout=layout,
        record={"source": package.source, "format_version": described["format_version"]},
    )
    return Model(spec, onnx, prepared, layout.maps(channels), package.source)


def _read_weights(package: Package, weights: Any, base: PurePosixPath) -> bytes:
    if not isinstance(weights, dict) or not isinstance(weights.get("onnx"), dict):
        formats = ", ".join(map(str, weights)) if isinstance(weights, dict) and weights else ""
        raise InputError(
            f"weights as {formats or 'nothing'} in {package.source}",
            "ONNX, which runs without the code of the network",
            "ask its author for ONNX weights, or convert them with bioimageio.core",
        )
    entry = weights["onnx"]
    onnx = package.read(str(base / str(entry.get("source"))))
    if entry.get("external_data"):
        raise InputError(
            f"{entry.get('source')} in {package.source}, whose weights are in another file",
            "an ONNX file that holds them",
            "save it again with onnx.save(onnx.load(PATH), PATH)",
        )
    check_onnx_file(onnx, f"{entry.get('source')} in {package.source}")
    stated = entry.get("sha256")
    if stated and hashlib.sha256(onnx).hexdigest() != stated:
        raise InputError(
            f"{entry['source']} in {package.source} whose SHA-256 differs from its description",
            str(stated),
            "get the package again",
        )
    return onnx


def _check_input(package: Package, inputs: list[Tensor]) -> Tensor:
    """Check that the network has one input, which takes planes of images; return it."""
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs)
        raise InputError(
            f"{len(inputs)} inputs ({names}) in {package.source}",
            "a network of one image",
            "use another model",
        )
    (image,) = inputs
    sane = all(smallest > 0 and step >= 0 for smallest, step in image.sizes.values())
    if not sane or not image.axes.startswith("b") or not {"y", "x"} <= set(image.sizes):
        raise InputError(
            f"axes {image.axes} of the input of {package.source}",
            "b, then y and x of known sizes, and c",
            "use another model",
        )
    for letter, (smallest, _) in image.sizes.items():
        if letter not in "bcyx" and smallest > 1:
            raise InputError(
                f"a network of {smallest} or more along {letter} in {package.source}",
                "one of planes: b, c, y and x",
                "use a model of 2-D images",
            )
    if dataset := [s.name for s in image.steps.steps if s.kwargs.get("mode") == "per_dataset"]:
        logger.warning(
            f"{package.source}: {dataset[0]} is measured on each image, not on a whole data set"
        )
    return image


def _test_tensor(package: Package, tensor: Tensor, base: PurePosixPath) -> NDArray[np.float32]:
    """Read a test tensor's first sample as (C, Y, X) float32."""
    if not tensor.test.endswith(".npy"):
        raise InputError(
            f"test tensor {tensor.test} in {package.source}", "a .npy file", "use another model"
        )
    array = package.array(str(base / tensor.test))
    if array.ndim != len(tensor.axes) or array.size == 0 or array.dtype.kind not in "fiub":
        raise InputError(
            f"{tensor.test} of shape {array.shape}, {array.dtype}, in {package.source}",
            f"numbers with the axes {tensor.axes}",
            "use another model",
        )
    return to_cyx(array[0].astype(np.float32), tensor.axes[1:])


def _dense_output(
    package: Package, tensor: Tensor, base: PurePosixPath, shape: tuple[int, ...]
) -> NDArray[np.float32] | None:
    """Read a test output as (C, Y, X); None where it is no map of the image."""
    beside = [n for a, (n, _) in tensor.sizes.items() if a not in "bcyx"]
    of_planes = tensor.axes.startswith("b") and {"y", "x"} <= set(tensor.axes)
    if not of_planes or max(beside, default=1) > 1:
        return None
    found = _test_tensor(package, tensor, base)
    if found.shape[1:] != shape[1:]:
        return None
    if tensor.steps.measuring:
        raise InputError(
            f"postprocessing '{tensor.steps.measuring[0]}' in {package.source}",
            "one that treats every tile alike",
            "use another model",
        )
    # The result is not used: this raises where a step is unknown.
    tensor.steps.fit(found)
    return found


def _meanings(
    package: Package,
    results: list[Tensor],
    test_outputs: list[NDArray[np.float32] | None],
    chosen: Sequence[str] | None,
) -> tuple[str, ...]:
    """Meanings of all channels of the dense outputs."""
    listed, guessed = [], []
    for one, found in zip(results, test_outputs, strict=True):
        if found is None:
            continue
        named = len(one.channels) == len(found)
        names = one.channels if named else tuple(str(at) for at in range(len(found)))
        listed += [f"{one.name}.{name}" for name in names]
        by_name = [meaning_of(name) for name in names]
        if by_name == [UNUSED]:
            by_name = [meaning_of(one.name)]
        guessed += by_name
    supported = f"channels that show {SUPPORTED}"
    if not listed:
        others = ", ".join(f"{one.name} ({one.axes})" for one in results)
        raise InputError(
            f"outputs {others} in {package.source}, none as large as the image",
            supported,
            "use another model",
        )
    if chosen is None and guessed == [UNUSED]:
        logger.warning(f"{package.source}: its one output, {listed[0]}, is used as the foreground")
        return ("foreground",)
    meanings = tuple(guessed if chosen is None else chosen)
    unknown = [m for m in meanings if m not in (*MEANINGS, UNUSED)]
    used = [m for m in meanings if m != UNUSED]
    fits = not unknown and len(meanings) == len(listed) and len(set(used)) == len(used)
    if not fits or find_mapping(meanings) is None:
        what = f" called {','.join(meanings)}" if chosen else ""
        raise InputError(
            f"{len(listed)} output channels ({', '.join(listed)}){what} in {package.source}",
            supported,
            f"name what each output shows, such as `outputs={_example(len(listed))}`",
        )
    return meanings


def _example(count: int) -> str:
    """Write a list of meanings as Python does."""
    first = ("foreground",) if count == 1 else ("background", "foreground", "boundary")[:count]
    return str([*first, *[UNUSED] * (count - len(first))])


def _check_range(
    package: Package, channels: NDArray[np.float32], meanings: tuple[str, ...]
) -> None:
    for values, meaning in zip(channels, meanings, strict=True):
        low, high = float(values.min()), float(values.max())
        if meaning != UNUSED and not (low >= -0.01 and high <= 1.01):
            raise InputError(
                f"values of {low:.3g} to {high:.3g} for {meaning} in {package.source}",
                "probabilities, 0 to 1",
                "if it gives logits, add the postprocessing sigmoid to its description",
            )
