"""The contract of a method: `Method`, its settings, targets, loss and decoding."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sparcell.core.labels import Labels
from sparcell.core.registry import Registry
from sparcell.methods.task import INSTANCES, Task

Maps = NDArray[np.uint8]
"""(K, Y, X) uint8, 0..255 standing for 0..1: what a network says about a window."""


class DecodedObjects(NamedTuple):
    """Objects found in a window.

    Attributes
    ----------
    labels : (Y, X) int32
        Under the label contract.
    scores : (n,) float32
        Confidence 0..1 of objects 1..n.
    """

    labels: Labels
    scores: NDArray[np.float32]


def to_uint8(maps: NDArray[np.float32]) -> Maps:
    """Turn maps of 0..1 into 0..255."""
    return (maps * np.float32(255) + np.float32(0.5)).astype(np.uint8)


class OutputSpec(NamedTuple):
    """Outputs of an exported network, and how they are read; for most methods `DENSE_MAPS`.

    Attributes
    ----------
    outputs : dict
        Names of the graph's outputs; the axes of each after the batch, named where their length
        depends on the image.
    read : callable
        ``read(outputs without batch axis, (Y, X) of the window) -> what decode takes``, which can
        be cut along Y and X.
    reference_image : callable
        ``reference_image(the same) -> (K, Y, X) float32 in 0..1``, by which runtimes are compared.
    every_pixel : bool
        A runtime in full precision must agree in every pixel of the reference image, not in most: a
        detection just above a threshold in one may be just below it in the other.
    assemble : callable, optional
        ``assemble(outputs without batch axis) -> [boxes, scores, masks]``, where the last steps of
        a network that detects are taken outside its graph. `read` and `reference_image` take
        what it gives, too.
    """

    outputs: dict[str, tuple[str | int, ...]]
    read: Callable[[Sequence[NDArray[np.float32]], tuple[int, int]], Any]
    reference_image: Callable[[Sequence[NDArray[np.float32]], tuple[int, int]], NDArray[np.float32]]
    every_pixel: bool
    assemble: Callable[[Sequence[NDArray[np.float32]]], list[NDArray[np.float32]]] | None = None


def _read_maps(outputs: Sequence[NDArray[np.float32]], shape: tuple[int, int]) -> Maps:
    return to_uint8(outputs[0])


def _reference_maps(
    outputs: Sequence[NDArray[np.float32]], shape: tuple[int, int]
) -> NDArray[np.float32]:
    return outputs[0]


DENSE_MAPS = OutputSpec(
    {"maps": ("channel", "y", "x")}, _read_maps, _reference_maps, every_pixel=True
)
"""Dense maps: every pixel of the window has its values."""


RequiredSettings = dict[str, tuple[str, tuple[object, ...]]]
"""Setting without effect of its own to the setting and the values that it requires."""


class MethodConfig(BaseModel):
    """Settings of a method's targets and objective; each method adds its own.

    Attributes
    ----------
    requires : RequiredSettings
        Settings of this method that have an effect only with some values of another.
    name : str
        Name of the method; each method narrows it to a literal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    requires: ClassVar[RequiredSettings] = {}

    name: str


class DecodeSettings(BaseModel):
    """Settings of a method's decoding; tuned on validation images, stored in the model."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    threshold: float = Field(0.5, gt=0, lt=1, description="foreground probability of an object")
    min_size: int = Field(0, ge=0, description="smallest object, px")

    def resized(self, factor: float) -> Self:
        """Settings for an image that was resized by a factor for the network."""
        return self


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes
    ----------
    name : str
        What users type.
    maps : tuple of str
        Names of the network's output channels.
    config, decode_settings : type
        Pydantic models of the settings.
    targets : callable
        ``targets(labels (Y, X) int32, config) -> (K, Y, X) float32 in 0..1``. Labels may be
        `outlines.BEYOND` where a crop reaches beyond its image: no object, and no outline.
    decode : callable
        ``decode(maps (K, Y, X) uint8 or Detections, settings) -> Objects``.
    candidates : callable
        ``candidates(settings, typical_area px) -> settings to try on validation images``.
    output : OutputSpec
        What the exported network gives.
    own_network : bool
        The method's folder has a ``network.py`` whose ``build(network, channels, config)``
        stands in for the decoders of `sparcell.nets`.
    task : Task
        What a model predicts: objects, which `decode` finds in its maps, or an image, which its
        maps are.
    learns_from : {"labels", "stain", "any"}
        What of a field `targets` is given: its labels; its stains, (K, Y, X) float32, which the
        network predicts as an image of as many maps; or whatever annotation there is, a
        `sparcell.core.annotation.Annotation`.
    alternatives : callable, optional
        ``alternatives(settings) -> settings`` that merge more, split more and find more, of which
        tracking chooses for each cell.
    """

    name: str
    maps: tuple[str, ...]
    config: type[Any]
    decode_settings: type[Any]
    targets: Callable[[Any, Any], NDArray[np.float32]]
    decode: Callable[[Any, Any], DecodedObjects]
    candidates: Callable[[Any, float], Sequence[Any]]
    output: OutputSpec = DENSE_MAPS
    own_network: bool = False
    task: Task = INSTANCES
    learns_from: Literal["labels", "stain", "any"] = "labels"
    alternatives: Callable[[Any], Sequence[Any]] | None = None

    def objective(self) -> Callable[..., Any]:
        """Import the loss (torch): ``objective(outputs, targets, valid, config) -> scalar``.

        Tensors are (N, K, Y, X); `valid` is (N, 1, Y, X), 0 where the labels are in doubt.
        """
        loss: Callable[..., Any] = self._torch_side("objective").objective
        return loss

    def activate(self) -> Callable[..., Any]:
        """Import what turns the network's outputs to maps: ``activate(outputs, config)``.

        This is exported with the network, so that decoding needs no PyTorch. A method whose
        ``objective.py`` has no `activate` is squashed by a sigmoid.
        """
        module = self._torch_side("objective")
        activate: Callable[..., Any] = getattr(module, "activate", None) or _sigmoid
        return activate

    def build(
        self, network: Any, channels: int, config: Any, maps: int | None = None
    ) -> tuple[Any, str]:
        """Build the network (torch) and say in words what it starts from.

        Parameters
        ----------
        network : NetworkConfig
        channels : int
            Input channels of one frame.
        config : MethodConfig
        maps : int, optional
            Output maps where the data decides, as the number of stains does.
        """
        if self.own_network:
            built: tuple[Any, str] = self._torch_side("network").build(network, channels, config)
            return built
        from sparcell.nets.build import build_network

        return build_network(network, channels, maps or len(self.maps))

    def _torch_side(self, part: str) -> Any:
        return importlib.import_module(f"sparcell.methods.{self.name}.{part}")


def _sigmoid(outputs: Any, config: Any) -> Any:
    return outputs.sigmoid()


METHODS: Registry[Method] = Registry("method")


def mean_per_object(values: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    """Mean of `values` (Y, X) over each object 1..n of `labels`."""
    flat = labels.ravel()
    inside = np.flatnonzero(flat != 0)
    ids = flat[inside]
    sizes = np.bincount(ids)[1:]
    sums = np.bincount(ids, weights=values.ravel()[inside])[1:]
    means: NDArray[np.float64] = sums / np.maximum(sizes, 1)
    return means
