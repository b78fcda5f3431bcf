"""Images in; label images, object tables and counts out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparcell.core.dataset import stem
from sparcell.core.errors import InputError
from sparcell.core.files import write_json
from sparcell.core.image import Image, Plane
from sparcell.core.progress import say, track
from sparcell.core.record import now, start_record
from sparcell.io import create_image, list_images, open_image, read_table, write_table
from sparcell.measurement.objects import Window, object_table
from sparcell.prediction.loading import load_model
from sparcell.prediction.model import Model
from sparcell.prediction.runtime import Runtime
from sparcell.prediction.tiling import MAX_CORE, Found, Stitcher, ahead, cut_axis, map_rows
from sparcell.prediction.turning import Turned

PIXEL_SIZE_TOLERANCE = 1.25


@dataclass(frozen=True)
class PredictSettings:
    """How images are read and cut.

    Attributes
    ----------
    axes : str, optional
        Axes of the inputs, where their metadata does not say.
    channels : tuple of int, optional
        Channels of the inputs that the model shall see, by number from 0.
    tile : int
        Largest edge of a tile's core, px.
    halo : int, optional
        How far a tile looks for the rest of its objects, px; by default twice the largest object
        of the training.
    format : str
        Suffix of the label images: ``.tif`` or ``.ome.zarr``.
    tta : str, optional
        Views of every window that are averaged, a name in `sparcell.prediction.turning.GROUPS`;
        by default what the model says.
    """

    axes: str | None = None
    channels: tuple[int, ...] | None = None
    tile: int = MAX_CORE
    halo: int | None = None
    format: str = ".tif"
    tta: str | None = None


@dataclass
class Summary:
    """What a batch came to.

    Attributes
    ----------
    counts : DataFrame
        One row per image and plane: image, t, z, objects, area_px.
    failures : dict
        Image to the reason why it has no result.
    """

    counts: pd.DataFrame
    failures: dict[str, str] = field(default_factory=dict)


def predict(
    model: Model | Path | str,
    inputs: Sequence[Path | str] | Path | str,
    out: Path | str,
    *,
    settings: PredictSettings = PredictSettings(),
    runtime: str = "auto",
    threads: int = 0,
    resume: bool = False,
) -> Summary:
    """Find objects in images.

    Writes ``labels/NAME.tif`` and ``objects/NAME.csv`` for every input, ``counts.csv`` and
    ``record.json`` for all.

    Parameters
    ----------
    model : Model, Path or str
        A model file or the run folder that holds it.
    inputs : sequence of Path or str
        Images, folders of images, patterns, OME-Zarr folders.
    out : Path or str
        A new folder; with `resume` one that an earlier call has begun to fill.
    settings : PredictSettings
    runtime : str
        ``auto`` or a name in `sparcell.prediction.runtime.RUNTIMES`.
    threads : int
        Of the network; 0 lets the runtime choose.
    resume : bool
        Skip the inputs whose results are there already.

    Returns
    -------
    Summary
        One bad image does not stop the others; it is listed under `failures`.

    Raises
    ------
    InputError
        If the model, the list of inputs or the output folder cannot be used.
    """
    out = Path(out)
    model = model if isinstance(model, Model) else load_model(model)
    paths = list_images([inputs] if isinstance(inputs, str | Path) else list(inputs))
    names = _names(paths)
    tta = settings.tta or model.card.tta
    settings = replace(settings, tta=tta)
    asked: dict[str, Any] = {"model_sha256": model.digest, **asdict(settings)}
    _check_out(out, asked, resume)
    engine = Turned(model.open(runtime, threads), tta)
    say(f"{len(paths)} images, {model.card.name} ({model.card.method}) on {engine.name}")
    record = start_record({"model": model.source, **asked})
    record["runtime"] = engine.name
    write_json(out / "record.json", record)

    failures: dict[str, str] = {}
    done = []
    seconds, pixels = 0.0, 0
    for path, name in track(zip(paths, names, strict=True), "predict", len(paths), "images"):
        labels = out / "labels" / (name + settings.format)
        objects = out / "objects" / f"{name}.csv"
        try:
            # The table is written last, so where it is there the labels are too.
            if not (resume and objects.exists()):
                began = time.perf_counter()
                image = open_image(path, settings.axes)
                predict_image(image, model, engine, labels, objects, settings, name)
                seconds += time.perf_counter() - began
                pixels += image.shape[0] * image.shape[1] * len(list(image.planes()))
            done.append(_count(name, read_table(objects), open_image(labels)))
        except InputError as error:
            failures[str(path)] = str(error)
            say(f"{path}: {error}")
    counts = pd.concat(done, ignore_index=True) if done else pd.DataFrame(columns=["image"])
    write_table(counts, out / "counts.csv")
    record |= {"seconds": round(seconds, 3), "megapixels": pixels / 1e6}
    write_json(out / "record.json", record | {"finished": now(), "failures": failures})
    return Summary(counts, failures)


def predict_image(
    image: Image,
    model: Model,
    runtime: Runtime,
    labels: Path,
    objects: Path,
    settings: PredictSettings = PredictSettings(),
    name: str = "",
) -> None:
    """Find the objects of one image, plane by plane, with memory bounded by the tile.

    Parameters
    ----------
    image : Image
        With the model's number of channels.
    labels : Path
        Where the label image goes: the image's axes but C, ids 1..n in every plane.
    objects : Path
        Where the object table goes.

    Raises
    ------
    InputError
        If the image cannot be read or does not fit the model.
    """
    image = _fit_channels(image, model, settings.channels)
    ratio = (image.pixel_size or 1) / (model.card.pixel_size or image.pixel_size or 1)
    if max(ratio, 1 / ratio) > PIXEL_SIZE_TOLERANCE:
        say(
            f"{image.source}: {image.pixel_size:g} um per pixel, the model was trained at "
            f"{model.card.pixel_size:g}; objects may be missed"
        )
    axes = "".join(a for a in image.axes if a != "C")
    axes = "".join(a for a in "TZYX" if a in axes)
    shape = [image.size(a) for a in axes]
    # Few programs show 32-bit labels, so they are used only where ids need them.
    for dtype in (np.uint16, np.uint32):
        tables: list[pd.DataFrame] = []
        try:
            with create_image(labels, axes, shape, dtype, image.pixel_size, labels=True) as target:
                for plane in image.planes():
                    tables += _predict_plane(
                        image, plane, model, runtime, target, axes, settings, name
                    )
            break
        except _TooManyIds:
            continue
    write_table(pd.concat(tables, ignore_index=True), objects)


def _predict_plane(
    image: Image,
    plane: Plane,
    model: Model,
    runtime: Runtime,
    target: Any,
    axes: str,
    settings: PredictSettings,
    name: str,
) -> list[pd.DataFrame]:
    """Fill one plane of `target`; return its object tables."""
    scaling = model.scaling(image, plane)
    cuts = tuple(cut_axis(edge, *model.grid(settings.tile)) for edge in image.shape)
    halo = settings.halo
    if halo is None:
        halo = int(np.clip(2 * model.card.largest_diameter, 32, settings.tile // 2))
    halo = min(halo, *(core.stop - core.start for core in cuts[0].cores))
    decode: Callable[..., Any] = model.method.decode
    stitcher = Stitcher(lambda maps: decode(maps, model.decode_settings), cuts[1].cores, halo)
    # A first, empty table gives the columns where nothing is found.
    nothing = np.zeros((1, 1), np.int32)
    tables = [object_table(nothing, pixel_size=image.pixel_size, image_name=name)]

    def keep(found: Found) -> None:
        table = object_table(
            found.labels,
            pixel_size=image.pixel_size,
            scores=found.scores,
            image_name=name,
            plane=plane,
            window=Window(found.offset, image.shape),
        )
        table["id"] += found.first_id - 1
        if len(table):
            tables.append(table)

    answer = model.method.answer
    rows = ahead(map_rows(image, plane, scaling, runtime, (cuts[0], cuts[1]), answer))
    largest = np.iinfo(target.dtype).max
    where = {"T": plane.t, "Z": plane.z, "X": slice(None)}
    for band in stitcher.run(rows, keep):
        if stitcher.count > largest:
            raise _TooManyIds
        where["Y"] = slice(band.top, band.top + len(band.labels))
        target[tuple(where[a] for a in axes)] = band.labels.astype(target.dtype)
    if stitcher.cut:
        say(f"{image.source}: {stitcher.cut} objects may be cut at tiles; give --halo over {halo}")
    return tables


class _TooManyIds(Exception):
    """More objects than the label image's dtype can number."""


def _fit_channels(image: Image, model: Model, channels: tuple[int, ...] | None) -> Image:
    if channels is not None:
        image = image.only(channels)
    if image.size("C") != model.card.channels:
        raise InputError(
            f"{image.size('C')} channels ({', '.join(image.channels)}) in {image.source}",
            f"{model.card.channels}, as the model was trained on",
            "choose with --channel NUMBER",
        )
    return image.with_frames(model.card.frames)


def _names(paths: list[Path]) -> list[str]:
    """Name the results after the inputs; the folder is added where names repeat."""
    names = [stem(path) for path in paths]
    if len(set(names)) == len(names):
        return names
    longer = [f"{path.parent.name}_{name}" for path, name in zip(paths, names, strict=True)]
    if len(set(longer)) == len(longer):
        return longer
    twice = next(name for name in longer if longer.count(name) > 1)
    raise InputError(
        f"several inputs named {twice}",
        "inputs whose names differ",
        "predict them into two folders",
    )


def _check_out(out: Path, asked: dict[str, Any], resume: bool) -> None:
    """Mix no results of two calls."""
    earlier = out / "record.json"
    if not earlier.exists():
        return
    if not resume:
        raise InputError(
            f"results in {out}", "a new folder", "add --resume to go on, or choose another -o"
        )
    held = json.loads(earlier.read_text("utf8")).get("settings", {})
    # As JSON, in which tuples are lists.
    for name, value in json.loads(json.dumps(asked)).items():
        if held.get(name) != value:
            what = "model" if name == "model_sha256" else f"setting {name}"
            raise InputError(
                f"results of another {what} in {out}", "those of this one", "choose another -o"
            )


def _count(name: str, objects: pd.DataFrame, labels: Image) -> pd.DataFrame:
    """Objects and their area in every plane of one image."""
    rows = []
    for plane in labels.planes():
        here = objects[(objects["t"] == plane.t) & (objects["z"] == plane.z)]
        area = int(here["area_px"].sum())
        rows.append({"image": name, **plane._asdict(), "objects": len(here), "area_px": area})
    return pd.DataFrame(rows)
