"""Images in; label images, object tables and counts out."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.dataset import field_pattern, write_layout
from sparcell.core.errors import InputError
from sparcell.core.files import remove_partial_files, whole_file, write_json
from sparcell.core.image_files import IMAGE_SUFFIXES
from sparcell.core.record import now, read_record, start_record
from sparcell.io import open_image, read_pieces, write_table
from sparcell.measurement import stack_note
from sparcell.models.loading import load_model
from sparcell.models.model import Model
from sparcell.prediction.batch import Item, list_items, predict_items
from sparcell.prediction.inputs import Inputs, find_inputs
from sparcell.prediction.loaded_model import RuntimeSpec
from sparcell.prediction.prepared_image import choose_channels, fit_channels
from sparcell.prediction.results import KEY as RESULTS
from sparcell.prediction.results import Results
from sparcell.prediction.settings import DEFAULTS, PredictSettings
from sparcell.prediction.size import check_diameter, choose_scale, median_diameter, say_if_far
from sparcell.prediction.stain import check_stain_settings
from sparcell.system.cluster import call_on_workers, check_workers, connect

logger = logging.getLogger(__name__)


@dataclass
class Summary:
    """What a batch came to.

    Attributes
    ----------
    counts : DataFrame
        One row per image and plane: image, t, z, objects, area_px, diameter_px, scale,
        scale_from.
    failures : dict
        Image to the reason why it has no result.
    stains : list of Path
        Images of predicted stains, of a model that predicts them; `counts` is then empty.
    skipped : dict
        Image to its planes in which nothing was looked for, and why; the others have results.
    """

    counts: pd.DataFrame
    failures: dict[str, str] = field(default_factory=dict)
    stains: list[Path] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def predict(
    model: Model | Path | str,
    inputs: Inputs,
    out: Path | str,
    *,
    settings: PredictSettings = DEFAULTS,
    runtime: str = "auto",
    threads: int = 0,
    resume: bool = False,
    dask: str = "",
) -> Summary:
    """Find objects in images, or predict their stains.

    Writes ``labels/NAME.tif`` and ``objects/NAME.csv`` for every input, ``counts.csv`` and
    ``record.json`` for all. Large images are predicted in blocks, and their labels are OME-Zarr.
    A model that predicts stains writes ``stain/NAME.tif`` and ``record.json``. With the images, if
    they lie in one folder, the result is a dataset, to train on or to label: ``dataset.yaml``.

    Parameters
    ----------
    model : Model, Path or str
        A model, or what `load_model` takes.
    inputs : sequence of Path or str, or mapping from name to Path
        Images, folders of images, patterns, OME-Zarr folders, plates, dataset folders. A mapping
        names the results.
    out : Path or str
        A new folder; with `resume` one that an earlier call has begun to fill.
    settings : PredictSettings
    runtime : str
        ``auto`` or a name in `sparcell.models.runtime.RUNTIMES`.
    threads : int
        Of the network; 0 lets the runtime choose, and is 1 on Dask's workers.
    resume : bool
        Skip the inputs whose results are there already, and the blocks of those that are begun.
        Images that have changed since are predicted anew.
    dask : str
        Where images and blocks are predicted; see `sparcell.system.cluster.check_workers`. In a
        script, call it under ``if __name__ == "__main__"``, which new processes do not run.

    Returns
    -------
    Summary
        One bad image does not stop the others; it is listed under `failures`.

    Raises
    ------
    InputError
        If the model, the list of inputs or the output folder cannot be used, such as one that
        holds files of others, or the cluster is lost.
    """
    out = Path(out)
    check_workers(dask, "--workers or --scheduler")
    model = model if isinstance(model, Model) else load_model(model)
    paths = find_inputs(inputs, out)
    if dask:
        # Workers may have been started in another folder.
        out, paths = out.absolute(), {path.absolute(): name for path, name in paths.items()}
    settings = replace(settings, tta=settings.tta or model.spec.tta)
    check_diameter(settings.diameter)
    gives_stain = model.spec.stain is not None
    if gives_stain:
        check_stain_settings(settings)
    items = list_items(paths, out, settings, resume, gives_stain)
    asked: dict[str, Any] = {"model_sha256": model.digest, **asdict(settings)}
    # What may be read does not change what is found.
    del asked["max_pixels"]
    earlier = _check_out(out, asked, resume, _written_kinds(settings, gives_stain))
    results = Results(out, earlier)
    left = [item for item in items if not (resume and results.is_finished(item))]
    if resume:
        folders = {out / "objects", out / "stain", *(item.labels(False).parent for item in items)}
        for folder in {out, *folders}:
            remove_partial_files(folder)
    unfinished = out / "unfinished"
    engine = RuntimeSpec.start(
        model, unfinished / ".model.zip", runtime, threads or int(bool(dask)), str(settings.tta)
    )
    if any(item.scratch.exists() for item in left):
        _check_runtime(out, earlier, engine)
    logger.info(f"{len(paths)} images, {model.spec.name} ({model.spec.method}) on {engine.name}")
    record = start_record({"model": model.source, **asked})
    scales: dict[str, Any] = dict(earlier.get("scales", {}))
    record |= {"runtime": engine.name, "scales": scales}
    write_json(out / "record.json", record | {RESULTS: earlier.get(RESULTS, {})})
    results.begin(left)

    failures: dict[str, str] = {}
    traces = ""
    seconds = megapixels = 0.0
    with closing(engine), _workers(dask if left else "", model, engine) as client:
        for item, outcome in predict_items(engine, left, client):
            if outcome.scale is None:
                failures[str(item.path)] = outcome.failure
                traces += outcome.trace and f"{item.path}\n{outcome.trace}\n"
                logger.warning(f"{item.path}: {outcome.failure}")
            else:
                scales[item.name] = outcome.scale._asdict()
                results.finish(item, outcome.skipped)
            seconds += outcome.seconds
            megapixels += outcome.megapixels
    finished = [item for item in items if item in results]
    counts = pd.DataFrame(columns=["image"])
    _make_dataset(finished, out, model)
    if not gives_stain:
        counts = _count_all(finished, model, scales)
        write_table(counts, out / "counts.csv")
        if settings.diameter is None:
            say_if_far(counts, model.spec)
        if settings.axes is None and len(counts) and (note := stack_note(counts)):
            logger.warning(note)
    record |= {"seconds": round(seconds, 3), "megapixels": megapixels}
    record |= {"finished": now(), "failures": failures, RESULTS: results.known}
    write_json(out / "record.json", record)
    results.close()
    if traces:
        with whole_file(out / "failure.txt") as partial:
            partial.write_text(traces, "utf8")
    with suppress(OSError):
        unfinished.rmdir()
    stains = [item.stain for item in finished if gives_stain]
    return Summary(counts, failures, stains, results.skipped(finished))


@contextmanager
def _workers(dask: str, model: Model, engine: RuntimeSpec) -> Iterator[Any]:
    """Connect to workers, who find the model beside the results; None where there are none."""
    if not dask:
        yield None
        return
    model.save(engine.model)
    try:
        with connect(dask, threads=engine.threads) as client:
            call_on_workers(client, engine.warm_up)
            yield client
    finally:
        engine.model.unlink(missing_ok=True)


def _written_kinds(settings: PredictSettings, gives_stain: bool) -> tuple[str, ...]:
    """Names of what is written into the folder of results, beside the record."""
    if gives_stain:
        return ("stain", "unfinished")
    labels = () if settings.into_image else ("labels",)
    return (*labels, "objects", "counts.csv", "unfinished")


def _check_out(
    out: Path, asked: dict[str, Any], resume: bool, written: tuple[str, ...]
) -> dict[str, Any]:
    """Mix no results of two calls, replace no others; give the record of an earlier call."""
    if not (out / "record.json").exists():
        for path in (out / name for name in written):
            if path.exists() and not (path.is_dir() and not any(path.iterdir())):
                raise InputError(
                    f"{path}, which no prediction wrote",
                    "a folder without",
                    "choose another with -o",
                )
        return {}
    if not resume:
        raise InputError(
            f"results in {out}", "a new folder", "add --resume to go on, or choose another -o"
        )
    record = read_record(out)
    settings = record.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    # As JSON, in which tuples are lists.
    for name, value in json.loads(json.dumps(asked)).items():
        if settings.get(name) != value:
            what = "model" if name == "model_sha256" else f"setting {name}"
            raise InputError(
                f"results of another {what} in {out}", "those of this one", "choose another -o"
            )
    return record


def _check_runtime(out: Path, earlier: dict[str, Any], engine: RuntimeSpec) -> None:
    """Mix no blocks of two runtimes, which differ by a hair."""
    if earlier and earlier.get("runtime") != engine.name:
        raise InputError(
            f"an unfinished image in {out} on {earlier.get('runtime')}",
            f"the same runtime as now, {engine.name}",
            "choose with --runtime, or choose another -o",
        )


def _count_all(items: list[Item], model: Model, scales: dict[str, Any]) -> pd.DataFrame:
    """Objects and their area in every plane of all images, and how these were resized."""
    rows = []
    for item in items:
        if item.name not in scales:
            # Finished by a call that did not live to write it down.
            image = open_image(item.path, item.settings.axes)
            image = fit_channels(image, model, item.settings.channels)
            scales[item.name] = choose_scale(image, model, item.settings.diameter)._asdict()
        rows += _count(item, scales[item.name])
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["image"])


def _count(item: Item, scale: dict[str, Any]) -> list[dict[str, Any]]:
    areas: defaultdict[Any, list[Any]] = defaultdict(list)
    for piece in read_pieces(item.objects, ["t", "z", "area_px"]):
        for plane, part in piece.groupby(["t", "z"])["area_px"]:
            areas[plane].append(part.to_numpy())
    place = {"well": item.place.well, "field": item.place.field} if item.place else {}
    return [
        {
            "image": item.name,
            **place,
            **plane._asdict(),
            "objects": len(area),
            "area_px": int(area.sum()),
            "diameter_px": round(median_diameter(area), 3),
            "scale": scale["factor"],
            "scale_from": scale["found"],
        }
        for plane in open_image(item.written).planes()
        for area in [np.concatenate([np.zeros(0, np.int64), *areas[plane]])]
    ]


def _make_dataset(items: Sequence[Item], out: Path, model: Model) -> None:
    """Say in ``dataset.yaml`` where the images of predictions are, if in one folder.

    One that is there stays: whoever predicts into a dataset has said where its images are.
    """
    if (out / "dataset.yaml").exists():
        return
    paths = [item.path.resolve() for item in items]
    places = {field_pattern(path, item.name) for item, path in zip(items, paths, strict=True)}
    # Whoever opens the dataset is told no axes, and looks for labels beside the images alone.
    found = all(path.name.lower().endswith(IMAGE_SUFFIXES) for path in paths) and not any(
        item.settings.axes or item.settings.into_image for item in items
    )
    if found and len(places) == 1 and all(item.name in item.path.name for item in items):
        seen = {_channel_selection(item, model) for item in items}
        cut = {"images": seen.pop()} if len(seen) == 1 else {}
        write_layout(out, {"images": places.pop()}, cut)


def _channel_selection(item: Item, model: Model) -> ChannelSelection:
    """Tell what of an image the model was shown; files are opened where that can differ."""
    if model.spec.selection == WHOLE and item.settings.channels is None:
        return WHOLE
    image = open_image(item.path, item.settings.axes)
    return choose_channels(image, model, item.settings.channels)
