"""Read the description of a bioimage.io package, formats 0.4 and 0.5."""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

from sparcell.core.errors import InputError, first_line
from sparcell.core.yaml_files import read_yaml
from sparcell.models.package import Package
from sparcell.preprocessing.processing import Steps, read_steps

LARGEST_DESCRIPTION = 1 << 20
MICROMETRES = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3}


class Tensor(NamedTuple):
    """An input or output as a package describes it.

    Attributes
    ----------
    name : str
    axes : str
        Letters in the order of the axes: b batch, c channel, z, y, x; t and i for others.
    sizes : dict
        Letter to the smallest length and the step by which it may grow, 0 where it may not.
    channels : tuple of str
        Names; empty where the package gives none.
    steps : Steps
        Before the network, or after it.
    test : str
        Path of the test tensor in the package.
    pixel_size : float or None
        um.
    """

    name: str
    axes: str
    sizes: dict[str, tuple[int, int]]
    channels: tuple[str, ...]
    steps: Steps
    test: str
    pixel_size: float | None = None


def read_description(package: Package) -> dict[str, Any]:
    """Read the description of a bioimage.io package.

    Raises
    ------
    InputError
        If it is no model of format 0.4 or 0.5.
    """
    name = str(package.description)
    content = package.read(name, LARGEST_DESCRIPTION)
    try:
        described = read_yaml(content)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(
            f"{name} in {package.source} that is no YAML ({first_line(error)})",
            "a description of a model",
            "copy the package again",
        ) from error
    if not isinstance(described, dict) or described.get("type") != "model":
        raise InputError(f"{name} in {package.source}", "a model's", "use a package of a model")
    version = str(described.get("format_version"))
    if not version.startswith(("0.4.", "0.5.")):
        raise InputError(
            f"{package.source} of bioimage.io format {version}",
            "format 0.4 or 0.5",
            "take a newer version of the package",
        )
    return described


def read_tensors(described: dict[str, Any]) -> tuple[list[Tensor], list[Tensor]]:
    """Read all inputs and outputs; raises what Python raises where one is not as it should be."""
    if str(described["format_version"]).startswith("0.4."):
        return (
            [
                _tensor_04(one, test, "preprocessing")
                for one, test in zip(described["inputs"], described["test_inputs"], strict=True)
            ],
            [
                _tensor_04(one, test, "postprocessing")
                for one, test in zip(described["outputs"], described["test_outputs"], strict=True)
            ],
        )
    return (
        [_tensor_05(one, "preprocessing") for one in described["inputs"]],
        [_tensor_05(one, "postprocessing") for one in described["outputs"]],
    )


def _tensor_04(one: dict[str, Any], test: str, processing: str) -> Tensor:
    axes, shape = str(one["axes"]), one["shape"]
    if isinstance(shape, list):
        sizes = {a: (int(n), 0) for a, n in zip(axes, shape, strict=True)}
    elif "min" in shape:
        ranges = zip(axes, shape["min"], shape["step"], strict=True)
        sizes = {a: (int(low), int(step)) for a, low, step in ranges}
    else:
        # An output whose size follows from the input's: the test tensor shows it.
        sizes = {}
    steps = read_steps(one.get(processing))
    return Tensor(str(one["name"]), axes, sizes, (), steps, str(test))


def _tensor_05(one: dict[str, Any], processing: str) -> Tensor:
    letters = {"batch": "b", "channel": "c", "time": "t", "index": "i"}
    axes, pixel_size = "", None
    channels: tuple[str, ...] = ()
    sizes: dict[str, tuple[int, int]] = {}
    lengths = {str(axis.get("id", axis["type"])): axis.get("size") for axis in one["axes"]}
    for axis in one["axes"]:
        letter = letters.get(axis["type"]) or str(axis["id"])
        axes += letter if len(letter) == 1 else "i"
        size = axis.get("size")
        if isinstance(size, dict) and "axis_id" in size and not size.get("offset"):
            # A width that is the height.
            size = lengths.get(str(size["axis_id"]))
        if isinstance(size, int):
            sizes[letter] = (size, 0)
        elif isinstance(size, dict) and "step" in size:
            sizes[letter] = (int(size["min"]), int(size["step"]))
        if letter == "c":
            channels = tuple(map(str, axis["channel_names"]))
        if letter == "y" and axis.get("unit") in MICROMETRES:
            pixel_size = float(axis.get("scale", 1.0)) * MICROMETRES[axis["unit"]]
    steps = read_steps(one.get(processing))
    name, test = str(one.get("id", "tensor")), str(one["test_tensor"]["source"])
    return Tensor(name, axes, sizes, channels, steps, test, pixel_size)
