"""The model file: everything that prediction needs, in one zip without pickles.

A zip in the layout of bioimage.io: ``rdf.yaml``, ``model.onnx``, ``sparcell.json`` (the card:
decoding, preprocessing, pixel size, record), ``golden_input.npy`` and ``golden_output.npy``: one
input and what the network said about it when it was exported, compared on first use.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.methods import METHODS, Method
from sparcell.prediction.normalise import Normalise
from sparcell.prediction.runtime import Runtime, open_runtime

FORMAT = 1
PARTS = ("rdf.yaml", "model.onnx", "sparcell.json", "golden_input.npy", "golden_output.npy")
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, ValueError, TypeError,
    NotImplementedError,
)  # fmt: skip


class ModelCard(BaseModel):
    """What a model is, apart from its network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(FORMAT, description="version of this layout")
    name: str = Field(description="recipe that made the model")
    method: str = Field(description="how its maps are decoded")
    decode: dict[str, Any] = Field(description="decode settings, tuned on validation images")
    normalise: Normalise
    channels: int = Field(ge=1, description="input channels of one frame")
    frames: int = Field(1, ge=1, description="frames that are seen together, the last is judged")
    tta: Literal["none", "flips", "turns", "all"] = Field(
        "none", description="views that are averaged unless the user says otherwise"
    )
    pixel_size: float | None = Field(None, description="um per px of the training images")
    multiple: int = Field(32, description="input height and width are multiples of this, px")
    typical_area: float = Field(description="median object area in training, px")
    largest_diameter: float = Field(description="99th percentile of object extent, px")
    scores: dict[str, Any] = Field(default_factory=dict, description="on validation and test")
    record: dict[str, Any] = Field(default_factory=dict, description="how it was made")


@dataclass
class Model:
    """A loaded model file."""

    card: ModelCard
    onnx: bytes
    golden_input: NDArray[np.float32]
    golden_output: NDArray[np.float32]
    source: str = "model"

    @property
    def method(self) -> Method:
        """The method that decodes the maps."""
        return METHODS[self.card.method]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the network and of what decides a prediction beside it.

        Scores and record are left out: a resumed run, whose record tells of a later start, ends
        with a model that says the same.
        """
        settings = self.card.model_dump_json(exclude={"name", "scores", "record"})
        return hashlib.sha256(self.onnx + settings.encode()).hexdigest()

    @cached_property
    def decode_settings(self) -> Any:
        """The decode settings as the method's own type."""
        return self.method.decode_settings(**self.card.decode)

    def open(self, runtime: str = "auto", threads: int = 0) -> Runtime:
        """Start the network and compare it with the golden output.

        Raises
        ------
        InputError
            If the runtime is unknown or does not reproduce the golden output.
        """
        return open_runtime(
            runtime,
            self.onnx,
            self.golden_input,
            self.golden_output,
            threads,
            self.method.answer,
        )

    def save(self, path: Path) -> None:
        """Write the zip, completely or not at all."""
        parts = {
            "rdf.yaml": yaml.safe_dump(self._rdf(), sort_keys=False).encode(),
            "model.onnx": self.onnx,
            "sparcell.json": self.card.model_dump_json(indent=1).encode(),
            "golden_input.npy": _npy(self.golden_input),
            "golden_output.npy": _npy(self.golden_output),
        }
        with (
            whole_file(path) as partial,
            zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for name, content in parts.items():
                archive.writestr(name, content)

    def _rdf(self) -> dict[str, Any]:
        """Describe the network for bioimage.io tools."""

        def axes(names: Sequence[str | int], channels: int) -> list[dict[str, Any]]:
            return [_axis(name, channels, self.card.multiple) for name in ("batch", *names)]

        outputs: list[dict[str, Any]] = [
            {"id": name, "axes": axes(names, len(self.method.maps))}
            for name, names in self.method.answer.outputs.items()
        ]
        if len(outputs) == 1:
            # Of several outputs the golden one is a picture of them all.
            outputs[0]["test_tensor"] = {"source": "golden_output.npy"}
        return {
            "format_version": "0.5.3",
            "type": "model",
            "name": self.card.name,
            "description": f"Sparcell model: {self.card.method}",
            "license": "BSD-3-Clause",
            "inputs": [
                {
                    "id": "image",
                    "axes": axes(("channel", "y", "x"), self.card.channels * self.card.frames),
                    "test_tensor": {"source": "golden_input.npy"},
                }
            ],
            "outputs": outputs,
            "weights": {"onnx": {"source": "model.onnx", "opset_version": 18}},
        }


def load_model(path: Path | str) -> Model:
    """Read a model file.

    Parameters
    ----------
    path : Path or str
        A ``model.zip``, or the run folder that holds it.

    Raises
    ------
    InputError
        If there is none, or it is damaged, or of a later format.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "model.zip"
    if not path.exists():
        raise InputError(f"no model {path}", "a model.zip or a run folder", "check the path")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in PARTS}
        raw = dict(json.loads(parts["sparcell.json"]))
        golden_input, golden_output = (
            np.load(io.BytesIO(parts[f"golden_{end}.npy"]), allow_pickle=False)
            for end in ("input", "output")
        )
    except UNREADABLE as error:
        raise InputError(
            f"{path} that is no Sparcell model ({error})",
            "the model.zip of a run",
            "name the run folder, or copy the file again",
        ) from error
    if raw.get("format", 0) > FORMAT:
        raise InputError(
            f"{path} of model format {raw['format']}", f"format {FORMAT}", "update Sparcell"
        )
    try:
        card = ModelCard.model_validate(raw)
    except ValidationError as error:
        raise InputError(
            f"{path} with a damaged card ({error.errors()[0]['msg']})",
            "a whole model",
            "export again",
        ) from error
    return Model(
        card=card,
        onnx=parts["model.onnx"],
        golden_input=golden_input,
        golden_output=golden_output,
        source=str(path),
    )


def _axis(name: str | int, channels: int, multiple: int) -> dict[str, Any]:
    """Describe one axis of a tensor as bioimage.io does; a number is the length of a fixed one."""
    if name == "batch":
        return {"type": "batch"}
    if name == "channel":
        return {"type": "channel", "channel_names": [f"c{i}" for i in range(channels)]}
    if name == "detection":
        return {"type": "index", "id": name, "size": {"min": 0}}
    if isinstance(name, int):
        return {"type": "index", "size": name}
    return {"type": "space", "id": name, "size": {"min": multiple, "step": multiple}}


def _npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
