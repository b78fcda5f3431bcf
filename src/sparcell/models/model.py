"""The model file: everything that prediction needs, in one zip without pickles.

A zip in the layout of bioimage.io: ``rdf.yaml``, ``model.onnx``, ``sparcell.json`` (the spec:
decoding, preprocessing, pixel size, record), ``golden_input.npy`` and ``golden_output.npy``: one
input and the network's output for it at the time of export, which are compared on first use.
`sparcell.models.loading` reads it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.files import whole_file
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.core.text import counted
from sparcell.methods import METHODS, Method
from sparcell.methods.stain.intensities import StainRange
from sparcell.models.description import describe
from sparcell.models.domain import Domain
from sparcell.models.external_model import ExternalLayout, ExternalRuntime
from sparcell.models.int8 import Int8
from sparcell.models.open_networks import OPEN_NETWORKS, NetworkKey
from sparcell.models.runtime import Runtime, open_runtime
from sparcell.models.windows import Windowed
from sparcell.preprocessing.normalise import Normalise, Scaling
from sparcell.preprocessing.processing import Steps

FORMAT = 1
OBJECTS = {
    "nuclei": ("nucleus", "nuclei"),
    "cells": ("cell", "cells"),
    "cells-phase": ("cell", "cells"),
    "particles-light": ("particle", "particles"),
}
"""What models of these names find; other recipes learn any objects."""
COARSER = 2
"""Multiple of the edges of windows of resized images, over that of others."""
PARTS = ("rdf.yaml", "model.onnx", "sparcell.json", "golden_input.npy", "golden_output.npy")


class ModelSpec(BaseModel):
    """Everything about a model but its network: the content of ``sparcell.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(FORMAT, description="version of this layout")
    name: str = Field(description="recipe that made the model")
    method: str = Field(description="how its maps are decoded")
    decode: dict[str, Any] = Field(description="decode settings, tuned on validation images")
    normalise: Normalise | Steps = Field(description="what is done to intensities first")
    channels: int = Field(ge=1, description="input channels of one frame")
    selection: ChannelSelection = Field(
        WHOLE,
        description="channels and depths of the training's files that the network was trained on",
        validation_alias=AliasChoices("selection", "excerpt"),
    )
    frames: int = Field(1, ge=1, description="frames of one input; objects are those of the last")
    tta: Literal["none", "flips", "turns", "all", "photometric"] = Field(
        "none", description="test-time augmentation unless the user chooses another"
    )
    pixel_size: float | None = Field(None, description="um per px of the training images")
    multiple: int = Field(32, description="input height and width are multiples of this, px")
    window: int | None = Field(
        None,
        description="edge of the windows of a network that has the position in its window as an "
        "input, px; None: windows of any size",
    )
    typical_area: float | None = Field(
        description="median object area in training, px; None where it is not known"
    )
    largest_diameter: float = Field(description="99th percentile of object extent, px")
    int8: Int8 | None = Field(None, description="how it is computed in 8 bits, if calibrated")
    layout: ExternalLayout | None = Field(None, description="of another tool's network")
    stain: StainRange | None = Field(
        None, description="names and grey values of the maps of a model that predicts stains"
    )
    general: bool = Field(
        False,
        description="finds objects of many kinds and sizes: images are not resized by what is "
        "found, and a model that was made for them is recommended first",
    )
    domain: Domain | None = Field(
        None, description="statistics of the training images, by which others are judged"
    )
    scores: dict[str, Any] = Field(default_factory=dict, description="on validation and test")
    record: dict[str, Any] = Field(default_factory=dict, description="how it was made")

    @property
    def objects(self) -> tuple[str, str]:
        """Noun for what the model finds, as one and as several."""
        return OBJECTS.get(self.name.rsplit("/", 1)[-1], ("object", "objects"))


@dataclass(repr=False)
class Model:
    """A loaded model file."""

    spec: ModelSpec
    onnx: bytes
    golden_input: NDArray[np.float32]
    golden_output: NDArray[np.float32]
    source: str = "model"

    def __repr__(self) -> str:
        """One line: the weights alone would fill millions of characters of a notebook."""
        spec = self.spec
        objects = ""
        if spec.typical_area is not None:
            objects = f", objects of about {2 * (spec.typical_area / np.pi) ** 0.5:.0f} px"
        return (
            f"<Model {spec.name}: {spec.method}, {counted(spec.channels, 'channel')}{objects}, "
            f"{len(self.onnx) / 1e6:.1f} MB>"
        )

    def _repr_html_(self) -> str:
        """Show what the model is in notebooks."""
        spec = self.spec
        rows = {
            "finds": spec.objects[1] if spec.stain is None else ", ".join(self.maps),
            "method": spec.method,
            "channels": str(spec.channels),
        }
        if spec.typical_area is not None:
            rows["typical diameter"] = f"{2 * (spec.typical_area / np.pi) ** 0.5:.0f} px"
        if spec.pixel_size:
            rows["pixel size in training"] = f"{spec.pixel_size:g} um"
        rows["size"] = f"{len(self.onnx) / 1e6:.1f} MB"
        cells = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in rows.items()
        )
        return f"<table><caption>Model {escape(spec.name)}</caption>{cells}</table>"

    @property
    def maps(self) -> tuple[str, ...]:
        """Names of the network's output channels."""
        return self.spec.stain.names if self.spec.stain else self.method.maps

    @property
    def method(self) -> Method:
        """The method that decodes the maps."""
        return METHODS[self.spec.method]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the network and of what decides a prediction beside it.

        What only describes is left out, so a resumed run ends with a model of the same digest.
        """
        # Newer settings count only where they are used, so digests of older models stay.
        unset = {"selection": self.spec.selection == WHOLE, "window": self.spec.window is None}
        names = ["name", "domain", "scores", "record"]
        names += [part for part, is_so in unset.items() if is_so]
        left_out: dict[str, Any] = dict.fromkeys(names, True)
        if getattr(self.spec.normalise, "method", "") == "percentiles":
            left_out["normalise"] = {"method"}
        settings = self.spec.model_dump_json(exclude=left_out)
        return hashlib.sha256(self.onnx + settings.encode()).hexdigest()

    @cached_property
    def decode_settings(self) -> Any:
        """The decode settings as the method's own type."""
        return self.method.decode_settings(**self.spec.decode)

    @cached_property
    def _golden_digest(self) -> str:
        """SHA-256 of the golden input and output."""
        both = (npy(self.golden_input), npy(self.golden_output))
        return hashlib.sha256(b"".join(both)).hexdigest()

    def open(self, runtime: str = "auto", threads: int = 0) -> Runtime:
        """Open the network, or return the one that is open in this process.

        The networks of the `MOST_OPEN` models used last stay open, until `close` or the end of the
        process. Several threads may use one network; they take turns. A forked process opens its
        own.

        Parameters
        ----------
        runtime : str
            ``auto`` or a name in `sparcell.models.runtime.RUNTIMES`.
        threads : int
            0 lets the runtime choose.

        Raises
        ------
        InputError
            If the runtime is unknown or does not reproduce the golden output. This is compared
            when the libraries or the processor are new to the cache on disk, see
            `sparcell.models.compiled_cache`.
        """
        key = NetworkKey(self.digest, self._golden_digest, runtime, threads)
        digest = f"{self.digest} {self._golden_digest}"
        return OPEN_NETWORKS.get(key, lambda: self._start(runtime, threads, digest))

    def open_new(self, runtime: str = "auto", threads: int = 0) -> Runtime:
        """Start another network and compare it with the golden output, whatever is cached.

        Raises
        ------
        InputError
            If the runtime is unknown or does not reproduce the golden output.
        """
        return self._start(runtime, threads)

    def close(self) -> None:
        """Close the networks of this model that `open` has opened, which frees their memory."""
        OPEN_NETWORKS.close(self.digest)

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, runtime: str, threads: int, digest: str = "") -> Runtime:
        layout, output = self.spec.layout, self.method.output
        wrap: Callable[[Runtime], Runtime] | None = None
        if layout:
            wrap = partial(ExternalRuntime, layout=layout)
            # Its golden output was computed by another framework.
            output = output._replace(every_pixel=False)
        elif self.spec.window:
            wrap = partial(Windowed, edge=self.spec.window, output=output)
        golden = (self.golden_input, self.golden_output)
        compared = (self.onnx, *golden, threads, output, wrap, self.spec.int8, digest)
        return open_runtime(runtime, *compared)

    def scaling(
        self, image: Image, plane: Plane = FIRST_PLANE
    ) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Measure a plane's intensities, and return the function that scales them for the network.

        Returns
        -------
        callable
            (C, Y, X) float32 to the same shape.
        """
        settings = self.spec.normalise
        if isinstance(settings, Steps):
            return settings.measure(image, plane)
        return Scaling.measure(image, settings, plane)

    def grid(self, tile: int, context: int, resized: bool = False) -> tuple[int, int, int]:
        """Multiple, largest core and context of windows that the network takes, px.

        Images of one folder that are `resized` differ in size. The network is compiled for each
        size of window, so there are fewer sizes of these.
        """
        limit = self.spec.layout and self.spec.layout.largest
        if not limit:
            coarser = COARSER if resized and not self.spec.window else 1
            return coarser * self.spec.multiple, tile, context
        context = min(context, limit // 4)
        return 1, min(tile, limit - 2 * context), context

    def parts(self) -> dict[str, bytes]:
        """Files of the zip by name, see `PARTS`."""
        return {
            "rdf.yaml": yaml.safe_dump(describe(self), sort_keys=False).encode(),
            "model.onnx": self.onnx,
            "sparcell.json": self.spec.model_dump_json(indent=1).encode(),
            # bioimage.io's tensors have a batch axis.
            "golden_input.npy": npy(self.golden_input[None]),
            "golden_output.npy": npy(self.golden_output[None]),
        }

    def save(self, path: Path) -> None:
        """Write the zip, completely or not at all."""
        write_zip(path, self.parts())


def write_zip(path: Path, parts: Mapping[str, bytes]) -> None:
    """Write files into a zip, completely or not at all."""
    with (
        whole_file(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, content in parts.items():
            archive.writestr(name, content)


def npy(array: NDArray[Any]) -> bytes:
    """Content of a ``.npy`` file of an array, without pickles."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
