"""Images in; label images, object tables and counts out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import ceil
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
from sparcell.prediction.rescale import Restore, rescaled
from sparcell.prediction.runtime import Runtime
from sparcell.prediction.size import Scale, check_diameter, choose_scale, say_if_far
from sparcell.prediction.tiling import MAX_CORE, Band, Found, Stitcher, ahead, cut_axis, map_rows
from sparcell.prediction.turning import Turned


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
    diameter : float or str, optional
        Median diameter of the objects, px of the images, by which they are resized for the model;
        ``auto`` to estimate it from each image; ``none`` to resize nothing. By default an image
        is resized if its pixel size and the model's are known and differ.
    """

    axes: str | None = None
    channels: tuple[int, ...] | None = None
    tile: int = MAX_CORE
    halo: int | None = None
    format: str = ".tif"
    tta: str | None = None
    diameter: float | str | None = None


@dataclass
class Summary:
    """What a batch came to.

    Attributes
    ----------
    counts : DataFrame
        One row per image and plane: image, t, z, objects, area_px, scale, scale_from.
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
    check_diameter(settings.diameter)
    asked: dict[str, Any] = {"model_sha256": model.digest, **asdict(settings)}
    scales = _check_out(out, asked, resume)
    engine = Turned(model.open(runtime, threads), tta)
    say(f"{len(paths)} images, {model.card.name} ({model.card.method}) on {engine.name}")
    record = start_record({"model": model.source, **asked})
    record |= {"runtime": engine.name, "scales": scales}
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
                scale = predict_image(image, model, engine, labels, objects, settings, name)
                scales[name] = scale._asdict()
                seconds += time.perf_counter() - began
                pixels += image.shape[0] * image.shape[1] * len(list(image.planes()))
            elif name not in scales:
                # Finished by a call that did not live to write it down.
                image = _fit_channels(open_image(path, settings.axes), model, settings.channels)
                scales[name] = choose_scale(image, model, settings.diameter)._asdict()
            done.append(_count(name, read_table(objects), open_image(labels), scales[name]))
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
) -> Scale:
    """Find the objects of one image, plane by plane, with memory bounded by the tile.

    Parameters
    ----------
    image : Image
        With the model's number of channels.
    labels : Path
        Where the label image goes: the image's axes but C, ids 1..n in every plane.
    objects : Path
        Where the object table goes.

    Returns
    -------
    Scale
        By how much the image was resized for the network.

    Raises
    ------
    InputError
        If the image cannot be read or does not fit the model.
    """
    image = _fit_channels(image, model, settings.channels)
    scale = choose_scale(image, model, settings.diameter)
    if scale.factor != 1:
        say(f"{image.source}: resized by {scale.factor:.3g}, {scale.found}")
    shown = rescaled(image, scale.factor)
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
                        image, shown, plane, model, runtime, _into(target, axes), settings, name
                    )
            break
        except _TooManyIds:
            continue
    table = pd.concat(tables, ignore_index=True)
    if scale.factor == 1 and settings.diameter is None:
        say_if_far(table["area_px"].to_numpy(), model.card, image.source)
    write_table(table, objects)
    return scale


def _predict_plane(
    image: Image,
    shown: Image,
    plane: Plane,
    model: Model,
    runtime: Runtime,
    write: Callable[[Plane, Band], None],
    settings: PredictSettings,
    name: str,
) -> list[pd.DataFrame]:
    """Write the labels of one plane of `image`, which the network is `shown`; give its tables."""
    scaling = model.scaling(shown, plane)
    size = shown.shape[0] / image.shape[0]
    if settings.halo is None:
        halo = int(np.clip(2 * model.card.largest_diameter, 32, settings.tile // 2))
    else:
        halo = ceil(settings.halo * size)
    # A band of tiles shall not be more of the image because the network sees it smaller.
    tile = min(settings.tile, max(int(settings.tile * size), 2 * halo))
    cuts = tuple(cut_axis(edge, *model.grid(tile)) for edge in shown.shape)
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
    rows = ahead(map_rows(shown, plane, scaling, runtime, (cuts[0], cuts[1]), answer))
    if shown.shape == image.shape:
        bands = stitcher.run(rows, keep)
    else:
        restore = Restore(image.shape, shown.shape, keep)
        bands = restore.bands(stitcher.run(rows, restore.take))
    for band in bands:
        write(plane, band)
    if stitcher.cut:
        say(
            f"{image.source}: {stitcher.cut} objects may be cut at tiles; "
            f"give --halo over {ceil(halo / size)}"
        )
    return tables


def _into(target: Any, axes: str) -> Callable[[Plane, Band], None]:
    """Write bands of planes into a label image, as long as its dtype can number the objects."""
    largest = np.iinfo(target.dtype).max

    def write(plane: Plane, band: Band) -> None:
        if band.labels.max(initial=0) > largest:
            raise _TooManyIds
        rows = slice(band.top, band.top + len(band.labels))
        where = {"T": plane.t, "Z": plane.z, "Y": rows, "X": slice(None)}
        target[tuple(where[a] for a in axes)] = band.labels.astype(target.dtype)

    return write


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


def _check_out(out: Path, asked: dict[str, Any], resume: bool) -> dict[str, Any]:
    """Mix no results of two calls; give the scales of the images that an earlier one recorded."""
    earlier = out / "record.json"
    if not earlier.exists():
        return {}
    if not resume:
        raise InputError(
            f"results in {out}", "a new folder", "add --resume to go on, or choose another -o"
        )
    record = json.loads(earlier.read_text("utf8"))
    held = record.get("settings", {})
    # As JSON, in which tuples are lists.
    for name, value in json.loads(json.dumps(asked)).items():
        if held.get(name) != value:
            what = "model" if name == "model_sha256" else f"setting {name}"
            raise InputError(
                f"results of another {what} in {out}", "those of this one", "choose another -o"
            )
    scales: dict[str, Any] = record.get("scales", {})
    return scales


def _count(name: str, objects: pd.DataFrame, labels: Image, scale: dict[str, Any]) -> pd.DataFrame:
    """Objects and their area in every plane of one image, and how it was resized."""
    rows = []
    for plane in labels.planes():
        here = objects[(objects["t"] == plane.t) & (objects["z"] == plane.z)]
        area = int(here["area_px"].sum())
        numbers = {"objects": len(here), "area_px": area, "scale": scale["factor"]}
        rows.append({"image": name, **plane._asdict(), **numbers, "scale_from": scale["found"]})
    return pd.DataFrame(rows)
