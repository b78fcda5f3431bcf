"""Export a model for other programs: as a bioimage.io package, or as ONNX with a description."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.models.catalogue import ModelInfo
from sparcell.models.description import TEST_TENSOR, describe, normalised, preprocessing
from sparcell.models.float16 import to_float16
from sparcell.models.loading import info_from_spec
from sparcell.models.model import Model, ModelSpec, npy, write_zip
from sparcell.models.redaction import redact_record
from sparcell.preprocessing.normalise import Normalise

FORMATS = ("bioimageio", "onnx")


def export_model(
    model: Model,
    out: Path,
    format: str = "bioimageio",
    info: ModelInfo | None = None,
    half_weights: bool = False,
) -> None:
    """Write a model for other programs.

    Parameters
    ----------
    model : Model
        One of Sparcell's own.
    out : Path
        ``bioimageio``: a ``.zip``, which stays a Sparcell model too. ``onnx``: a new folder with
        ``model.onnx``, ``model.json`` and ``README.md``.
    format : str
        A name in `FORMATS`.
    info : Card, optional
        Who made the model and under which licence, what it was trained on, its limits.
    half_weights : bool
        Store the weights in float16; see `sparcell.models.float16.to_float16`.

    Raises
    ------
    InputError
        If the format is unknown, the model is another tool's, or `out` cannot be written.
    """
    if format not in FORMATS:
        raise InputError(
            f"format {format}", "one of " + ", ".join(FORMATS), "choose another `format`"
        )
    if model.spec.layout:
        raise another_tools(model.source)
    if format == "bioimageio":
        _check_package(model, out)
    info = info or info_from_spec(model.spec)
    about = model.spec.model_copy(update={"record": redact_record(model.spec.record)})
    model = replace(model, spec=about)
    if half_weights:
        model = to_float16(model)
    if format == "onnx":
        _write_onnx(model, out, info)
    else:
        write_zip(out, bioimageio_parts(model, info))


def _check_package(model: Model, out: Path) -> None:
    if out.suffix != ".zip":
        raise InputError(f"{out} for a bioimage.io package", "a name that ends in .zip", "add it")
    if model.spec.frames > 1:
        raise InputError(
            f"a model of {model.spec.frames} frames",
            "one of single images, which is all that bioimage.io describes",
            'choose `format="onnx"`',
        )


def another_tools(source: str) -> InputError:
    """Error for packages of other tools, which are not exported again."""
    return InputError(
        f"{source}, a package of another tool", "a model of Sparcell", "pass it on as it is"
    )


def bioimageio_parts(model: Model, info: ModelInfo) -> dict[str, bytes]:
    """Return the files of a bioimage.io package by name.

    The test tensors are an input that normalisation does not change, and the output of this
    machine's reference runtime for it.
    """
    runtime = model.open("onnxruntime")
    image = normalised(model.golden_input, model.spec.normalise)
    outputs, output = runtime(image), model.method.output
    picture = output.reference_image(outputs, (image.shape[1], image.shape[2]))
    tested = replace(model, golden_input=image, golden_output=picture)
    authors = {"authors": [{"name": name} for name in info.authors]} if info.authors else {}
    rdf = describe(tested) | authors | {
        "description": info.purpose[:1024],
        "documentation": {"source": "README.md"},
        "tags": ["sparcell", "segmentation", "2d", "cells", model.spec.method],
    }  # fmt: skip
    if info.licence:
        rdf["license"] = info.licence
    parts = tested.parts() | {
        "rdf.yaml": yaml.safe_dump(rdf, sort_keys=False, allow_unicode=True).encode(),
        "README.md": (readme(tested, info) + PACKAGE).encode(),
    }
    if len(outputs) > 1:
        for name, array in zip(output.outputs, outputs, strict=True):
            parts[TEST_TENSOR.format(name)] = npy(array[None])
    return parts


def _write_onnx(model: Model, out: Path, info: ModelInfo) -> None:
    settings = model.spec
    about: dict[str, Any] = {
        "input": {
            "name": "image",
            "axes": ["batch", "channel", "y", "x"],
            "dtype": "float32",
            "channels": settings.channels * settings.frames,
            "frames": settings.frames,
            "multiple_of_px": settings.multiple,
            "window_px": settings.window,
            "pixel_size_um": settings.pixel_size,
        },
        "preprocessing": preprocessing(settings.normalise),
        "outputs": {
            name: {"axes": ["batch", *map(str, axes)]}
            | ({"channels": list(model.maps)} if "channel" in axes else {})
            for name, axes in model.method.output.outputs.items()
        },
        "method": settings.method,
        "decode": model.decode_settings.model_dump(),
        "licence": info.licence,
    }
    with whole_file(out) as partial:
        partial.mkdir()
        (partial / "model.onnx").write_bytes(model.onnx)
        (partial / "model.json").write_text(json.dumps(about, indent=1) + "\n", "utf8")
        (partial / "README.md").write_text(readme(model, info), "utf8")


def readme(model: Model, info: ModelInfo) -> str:
    """Text for users of ImageJ, QuPath and scripts: input, output, decoding."""
    parts = [
        f"# {model.spec.name}",
        info.purpose,
        *_facts(info),
        "## Input",
        _input_text(model),
        "## Output",
        _output_text(model),
        "## Decoding: from the output to objects",
        _decoding_text(model),
        "## Programs",
        PROGRAMS.format(edges=model.spec.window or f"multiples of {model.spec.multiple}"),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(info: ModelInfo) -> list[str]:
    facts = [
        ("Licence", info.licence),
        ("Made by", ", ".join(info.authors)),
        ("Trained on", info.data),
        ("Scores", _listed(info)),
        ("Limits", " ".join(info.limits)),
    ]
    lines = [f"- {name}: {text}" for name, text in facts if text]
    return ["\n".join(lines)] if lines else []


def _listed(info: ModelInfo) -> str:
    scores = ", ".join(f"{name} {value:g}" for name, value in info.scores.items())
    return f"{scores} ({info.scores_of})" if scores and info.scores_of else scores


def _input_text(model: Model) -> str:
    spec = model.spec
    lines = [
        f"`image`: batch, channel ({spec.channels * spec.frames}), y, x; float32. Height and width "
        + _size_text(spec)
    ]
    if spec.frames > 1:
        lines.append(f"Channels are those of {spec.frames} frames, the oldest frame first.")
    if spec.pixel_size:
        lines.append(f"The training images have {spec.pixel_size:g} um per pixel.")
    if spec.typical_area:
        lines.append(f"Their objects have a median area of {spec.typical_area:g} px.")
    if isinstance(spec.normalise, Normalise):
        settings = spec.normalise
        if settings.method == "signal":
            lines.append(
                "Sparcell scales the intensities of each channel so that the background becomes -1 "
                "and the brightness of objects 0; v above 1 becomes 1 + log(v). Where nothing "
                "stands out from the noise, -1 to 1 are 100 standard deviations of it. In other "
                "programs percentiles come close, unless an image shows few objects or none:"
            )
        lines.append(
            f"Intensities of each channel are scaled so that the percentile {settings.low:g} "
            f"becomes -1 and the percentile {settings.high:g} becomes 1, and cut at "
            f"+-{settings.limit:g}. Take the percentiles of the whole image, not of each tile: "
            "the noise of a tile without objects would be scaled up to the range of objects."
        )
    return "\n".join(lines)


def _size_text(spec: ModelSpec) -> str:
    if not spec.window:
        return f"are multiples of {spec.multiple} px; pad by reflection and cut the result."
    return (
        f"are {spec.window} px, for the position in the window is an input. Cut larger "
        f"images into windows every {spec.window // 2} px and take the middle half of each output; "
        "pad smaller ones by reflection."
    )


def _output_text(model: Model) -> str:
    lines = []
    for name, axes in model.method.output.outputs.items():
        lines.append(f"- `{name}`: batch, {', '.join(map(str, axes))}")
        if "channel" in axes:
            lines[-1] += f"; channels {', '.join(model.maps)}, each 0 to 1"
    return "\n".join(lines)


def _decoding_text(model: Model) -> str:
    """The decoding in its own words, and the settings it was tuned to."""
    description = inspect.getdoc(model.method.decode) or ""
    first = description.partition("\nParameters\n")[0].strip()
    settings = model.decode_settings
    lines = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        lines.append(f"- {name} = {_setting_text(value)}: {field.description}")
    return f"{first}\n\nSettings of this model:\n\n" + "\n".join(lines)


def _setting_text(value: object) -> str:
    """One setting as it is read in a sentence."""
    if isinstance(value, float | int):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_setting_text, value)) + ")"
    return "none" if value is None else str(value)


PROGRAMS = """\
ImageJ/Fiji: deepImageJ runs bioimage.io packages where its engines include ONNX, and normalises
as the package says. Give it tiles whose edges are {edges} px. A foreground map
becomes a mask by Image > Adjust > Threshold at the threshold above; Analyze Particles counts the
objects of a mask. Touching objects are divided by a marker-controlled watershed (MorphoLibJ) of
the distance map, or of the interior, inside the mask.

QuPath: its Bioimage Model Zoo extension makes a pixel classifier of a package, given an engine that
runs ONNX. QuPath normalises each tile, not the whole image: choose large tiles, and
fixed limits in place of percentiles if background tiles come out full of objects. Objects are then
made from the classifier at the threshold above; what touches stays together, so counts are too low
where cells are dense."""
PACKAGE = """
Sparcell itself does all of the above, on images of any size:

    sparcell predict THIS.zip image.tif -o out

The label images in `out/labels` open in ImageJ and QuPath; each object has its own number.

## Validation

The golden input is an image that is normalised already; normalising it again leaves it as it is.
The golden output is the network's output for it. On images of your own, count objects by hand
in a few fields first.
"""
