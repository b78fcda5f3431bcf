"""Load a model by its name, file or folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from sparcell.core.errors import InputError
from sparcell.core.onnx_file import check_onnx_file
from sparcell.methods import METHODS
from sparcell.models.bioimageio import read_bioimageio
from sparcell.models.catalogue import ModelInfo, find_model, info_of
from sparcell.models.model import FORMAT, PARTS, Model, ModelSpec
from sparcell.models.package import LARGEST_TEXT, UNREADABLE, Package, open_package
from sparcell.models.rdf import read_description


def load_model(name: Path | str, outputs: Sequence[str] | None = None) -> Model:
    """Read a model.

    Parameters
    ----------
    name : Path or str
        The name of a bundled or cached model, a ``model.zip``, the run
        folder that holds it, or a bioimage.io package with ONNX weights, zip or folder.
    outputs : sequence of str, optional
        Of another tool's package: the meanings of its output channels in their order, words of
        `sparcell.models.external_model.MEANINGS` or ``-`` for unused ones; by default those given
        when it was fetched, or those of the package itself.

    Raises
    ------
    InputError
        If there is none, or it is damaged, of a later format, or of a kind that Sparcell cannot
        run or decode.
    """
    path = find_model(name)
    if outputs is None and (info := info_of(path)):
        outputs = info.outputs or None
    with open_package(path) as package:
        if "sparcell.json" in package.names:
            if outputs:
                raise InputError(
                    f"outputs given for {path}, a model of Sparcell",
                    "none: its outputs are known",
                    "leave `outputs` out",
                )
            return _read_own(package)
        if package.description:
            return read_bioimageio(package, outputs)
        raise _no_model(package)


def read_info(path: Path) -> tuple[ModelInfo, str]:
    """Read the information about a model in its package, without its network.

    Returns
    -------
    info : ModelInfo
    kind : str
        Method of a Sparcell model, or ``bioimage.io``.

    Raises
    ------
    InputError
        If it is no model.
    """
    with open_package(path) as package:
        if "sparcell.json" in package.names:
            spec = _read_spec(package)
            return info_from_spec(spec), spec.method
        if not package.description:
            raise _no_model(package)
        described = read_description(package)
    authors = described.get("authors") or ()
    info = ModelInfo(
        purpose=str(described.get("description") or described.get("name") or ""),
        licence=str(described.get("license") or ""),
        authors=tuple(str(one.get("name")) for one in authors if isinstance(one, dict)),
    )
    return info, "bioimage.io"


def read_spec(path: Path) -> ModelSpec | None:
    """Read the spec of a Sparcell model without its network; None of another tool's package.

    Raises
    ------
    InputError
        If it is no model.
    """
    with open_package(path) as package:
        return _read_spec(package) if "sparcell.json" in package.names else None


def info_from_spec(spec: ModelSpec) -> ModelInfo:
    """Information about a Sparcell model from its spec."""
    parts = {"test": "its test images", "val": "its validation images"}
    part = next((part for part in parts if part in spec.scores), None)
    return ModelInfo(
        purpose=f"recipe {spec.name}, method {spec.method}",
        scores={k: float(spec.scores[part][k]) for k in ("f1", "map") if k in spec.scores[part]}
        if part
        else {},
        scores_of=parts[part] if part else "",
    )


def _no_model(package: Package) -> InputError:
    return InputError(
        f"{package.source} that is no Sparcell model and no bioimage.io package (no rdf.yaml)",
        "the model.zip of a run, or a zip with rdf.yaml",
        "name the run folder, or copy the file again",
    )


def _damaged(package: Package, reason: object) -> InputError:
    return InputError(
        f"{package.source} that is no Sparcell model ({reason})",
        "the model.zip of a run",
        "name the run folder, or copy the file again",
    )


def _read_spec(package: Package) -> ModelSpec:
    try:
        raw = dict(json.loads(package.read("sparcell.json", LARGEST_TEXT)))
    except InputError:
        raise
    except UNREADABLE as error:
        raise _damaged(package, error) from error
    if raw.get("format", 0) > FORMAT:
        raise InputError(
            f"{package.source} of model format {raw['format']}",
            f"format {FORMAT}",
            "update Sparcell",
        )
    try:
        return ModelSpec.model_validate(raw)
    except ValidationError as error:
        raise InputError(
            f"{package.source} with a damaged sparcell.json ({error.errors()[0]['msg']})",
            "a whole model",
            "export again",
        ) from error


def _read_own(package: Package) -> Model:
    if missing := [part for part in PARTS if part not in package.names]:
        raise _damaged(package, f"no {missing[0]}")
    spec = _read_spec(package)
    golden_input, golden_output = (
        without_batch(package.array(f"golden_{end}.npy")) for end in ("input", "output")
    )
    try:
        METHODS[spec.method].decode_settings(**spec.decode)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise _damaged(package, f"decode.{where}: {error.errors()[0]['msg']}") from error
    onnx = package.read("model.onnx")
    check_onnx_file(onnx, package.source)
    return Model(
        spec=spec,
        onnx=onnx,
        golden_input=golden_input,
        golden_output=golden_output,
        source=package.source,
    )


def without_batch(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (C, Y, X) of (1, C, Y, X)."""
    return array[0] if array.ndim == 4 else array
