"""Compare predictions on disk with the truth, by any metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from sparcell.core.errors import InputError
from sparcell.core.label_kinds import separate_objects
from sparcell.core.progress import track
from sparcell.core.rows import LabelPlane
from sparcell.evaluation.errors import check_rules
from sparcell.evaluation.metric import Metric
from sparcell.evaluation.metrics import METRICS
from sparcell.evaluation.overlap import ObjectDefinition
from sparcell.evaluation.overlay import Overlay, OverlayPainter
from sparcell.evaluation.pairs import Pair, Source, pair_images
from sparcell.evaluation.provenance import describe_evaluation
from sparcell.evaluation.report import Report
from sparcell.evaluation.scores import Scores, score
from sparcell.evaluation.tracked_movies import pair_movies

if TYPE_CHECKING:
    import pandas as pd

Sources = Source | Sequence[Source]


@overload
def evaluate(
    truth: Source, pred: Source, *, metric: None = None, **options: Any
) -> Report[Scores]: ...


@overload
def evaluate(truth: Sources, pred: Source, *, metric: str, **options: Any) -> Report[Any]: ...


def evaluate(
    truth: Sources,
    pred: Source,
    *,
    metric: str | None = None,
    ignore: Source | None = None,
    fields: Sequence[str] = (),
    min_size: int = 0,
    skip_failures: bool = False,
    **options: Any,
) -> Report[Any]:
    """Compare predicted label images, or stains, with true ones.

    Time points and depths are compared plane by plane. For the metrics of objects, images are read
    in strips, so memory does not grow with them; for others a plane is in memory.

    Parameters
    ----------
    truth, pred : Path, str or mapping from name to Path
        Two folders of label images with the same names (or with ``labels/`` in them), or two
        label images. For the metric ``tracks`` see `find_movies`; a mapping gives `TrackedMovie`.
        For the metric ``stain`` those of stains (or with ``stain/`` in them); `truth`
        may be several where a prediction has several stains that come from several folders.
    metric : str, optional
        Name in `sparcell.evaluation.METRICS`; by default all metrics of objects.
    ignore : Path, str or mapping from name to Path, optional
        Images of the same names, non-zero where pixels shall be left out.
    fields : sequence of str
        Names of the images that are compared, ``*`` and ``?`` stand for any letters; all by
        default.
    min_size : int
        Objects with fewer px are removed from truth and prediction before scoring, as in
        Cui 2020 (2.4), which reports both with and without (100 px there).
    skip_failures : bool
        Leave out images that cannot be read or compared, unless that is all of them, and list them
        under `failures` of the report. By default the first is an error.
    **options
        Settings of the metric, such as `radius` of ``detection``. Those of the metrics of objects
        are the following; overlays are drawn only beside all of them.

        - `objects` ("components", "ids"): what an object is for the overlap scores, a connected
          component of the mask, as in Salomon-Sörensen 2023 (5.4.2), or an id.
        - `force_event_links` (bool): how small fragments count as errors; see `classify_errors`.
        - `rules` ("cui2020", "toolbox"): by which errors are named; see `classify_errors`.
        - `overlays` (Path or str): folder for one PNG per plane.
        - `overlay` ("pixels", "errors"): what the PNGs show: green, red, blue and black for true
          positive, false positive, false negative and true negative pixels; or every object in
          the colour of its error class, with a legend. See `draw_errors`.

    Raises
    ------
    InputError
        If there is no such metric or setting, names do not pair, no image has a name of `fields`,
        sizes differ, or a file cannot be read; it names the file.
    """
    failures: dict[str, str] | None = {} if skip_failures else None
    chosen = METRICS[metric] if metric else None
    common: dict[str, Any] = {"ignore": ignore, "fields": fields, "min_size": min_size}
    if chosen is None or chosen.on == "objects":
        report = _of_objects(_single(truth), pred, failures, **common, **options)
        if chosen is None:
            return report
        images = {name: scores[chosen.name] for name, scores in report.images.items()}
        return replace(report, metric=chosen, images=images)
    options = chosen.settings(options)
    settings = {"metric": metric, "fields": list(fields), "min_size": min_size, **options}
    images = {}
    if chosen.on == "tracks":
        return _of_tracks(chosen, _single(truth), pred, ignore, fields, min_size, options)
    if chosen.on == "labels":
        truth = _single(truth)
        pairs = pair_images(truth, pred, ignore, fields=fields)
        for pair in track(pairs, chosen.name, len(pairs), "images"):
            with _listed(pair.name, failures):
                planes = (chosen.compute(a, b, min_size, **options) for a, b in pair.planes())
                images[pair.name] = reduce(add, planes)
    else:
        if min_size:
            raise InputError("min_size for images of stains", "label images", "leave it out")
        images, pairs = _of_stains(chosen.compute, truth, pred, ignore, fields, options, failures)
    sources = {"truth": truth, "prediction": pred, "ignore": ignore}
    provenance = describe_evaluation(settings, sources, _compared(pairs, images, failures))
    return Report(chosen, images, provenance, settings, failures=failures or {})


@contextmanager
def _listed(name: str, failures: dict[str, str] | None) -> Iterator[None]:
    """List an image that cannot be compared, where that is wanted."""
    try:
        yield
    except InputError as error:
        if failures is None:
            raise
        failures[name] = str(error)


def _compared(
    pairs: Sequence[Pair], images: Mapping[str, Any], failures: Mapping[str, str] | None
) -> list[Pair]:
    """Return the pairs that have results.

    Raises
    ------
    InputError
        If none has.
    """
    if failures and not images:
        raise InputError(
            f"no image of {len(failures)} that can be compared ({next(iter(failures.values()))})",
            "label images of the same size",
            "correct them",
        )
    return [pair for pair in pairs if pair.name in images]


def _single(truth: Sources) -> Source:
    """Return the only folder of labels.

    Raises
    ------
    InputError
        If there are several.
    """
    if isinstance(truth, str | Path | Mapping):
        return truth
    if len(truth) != 1:
        raise InputError(f"{len(truth)} folders of labels", "one", "name one")
    return truth[0]


def _of_objects(
    truth: Source,
    pred: Source,
    failures: dict[str, str] | None,
    *,
    ignore: Source | None,
    fields: Sequence[str],
    min_size: int,
    objects: ObjectDefinition = "components",
    force_event_links: bool = False,
    rules: str = "cui2020",
    overlays: Path | str | None = None,
    overlay: Overlay = "pixels",
) -> Report[Scores]:
    """Compute all metrics of objects in one pass over the pixels."""
    import pandas as pd

    how: dict[str, Any] = {
        "objects": objects,
        "force_event_links": force_event_links,
        "rules": check_rules(rules),
        "min_size": min_size,
    }
    pairs = pair_images(truth, pred, ignore, fields=fields)
    images: dict[str, Scores] = {}
    tables: list[pd.DataFrame] = []
    for pair in track(pairs, "evaluating", len(pairs), "images"):
        folder = Path(overlays) if overlays else None
        with _listed(pair.name, failures):
            images[pair.name], of_image = _score_planes(pair, how, folder, overlay)
            tables += of_image
    pairs = _compared(pairs, images, failures)
    rows = pd.concat(tables, ignore_index=True)
    first = ["image", "t", "z"]
    rows = rows[first + [column for column in rows.columns if column not in first]]
    settings = {"fields": list(fields), **how}
    sources = {"truth": truth, "prediction": pred, "ignore": ignore}
    provenance = describe_evaluation(settings, sources, pairs)
    return Report(None, images, provenance, settings, rows, failures or {})


def _score_planes(
    pair: Pair, how: Mapping[str, Any], overlays: Path | None, overlay: Overlay
) -> tuple[Scores, list[pd.DataFrame]]:
    """Scores of one image, and a table of the objects of every plane."""
    true, predicted, left_out = pair.open()
    true, predicted = separate_objects(true), separate_objects(predicted)
    planes = list(true.planes())
    by_plane, tables = [], []
    for plane in planes:
        painter = OverlayPainter(true.shape, overlay) if overlays else None
        scores, errors = score(
            LabelPlane(true, plane),
            LabelPlane(predicted, plane),
            LabelPlane(left_out, plane) if left_out else None,
            painter=painter,
            **how,
        )
        by_plane.append(scores)
        table = errors.table()
        table[["image", "t", "z"]] = pair.name, plane.t, plane.z
        tables.append(table)
        if overlays and painter:
            suffix = f"_t{plane.t:03d}_z{plane.z:03d}" if len(planes) > 1 else ""
            painter.save(overlays / f"{pair.name}{suffix}.png", errors)
    return reduce(add, by_plane), tables


def _of_tracks(
    metric: Metric[Any],
    truth: Source,
    pred: Source,
    ignore: Source | None,
    fields: Sequence[str],
    min_size: int,
    settings: dict[str, Any],
) -> Report[Any]:
    """Compare tracked movies of the same names."""
    if ignore or min_size:
        raise InputError("ignore or min_size for tracks", "neither", "leave them out")
    pairs = pair_movies(truth, pred, fields)
    images = {
        name: metric.compute(*movies, **settings)
        for name, movies in track(pairs.items(), "evaluating", len(pairs), "movies")
    }
    shown = {"metric": metric.name, "fields": list(fields), **settings}
    sources = {"truth": truth, "prediction": pred}
    files = {name: [Path(movie.source) for movie in both] for name, both in pairs.items()}
    # Movies in memory are no files.
    known = [Pair(name, *both) for name, both in files.items() if all(one.exists() for one in both)]
    return Report(metric, images, describe_evaluation(shown, sources, known), shown)


def _of_stains(
    compute: Callable[..., Any],
    truth: Sources,
    pred: Source,
    ignore: Source | None,
    fields: Sequence[str],
    settings: Mapping[str, Any],
    failures: dict[str, str] | None,
) -> tuple[dict[str, Any], list[Pair]]:
    """Results by image name, and the pairs; the channels of several truths follow each other."""
    folders: Iterable[Source] = [truth] if isinstance(truth, str | Path | Mapping) else truth
    by_folder = [pair_images(folder, pred, ignore, "stain", fields) for folder in folders]
    images = {}
    for same_name in track(zip(*by_folder, strict=True), "evaluating", len(by_folder[0]), "images"):
        name = same_name[0].name
        with _listed(name, failures):
            opened = [pair.open(projected=True) for pair in same_name]
            predicted, left_out = opened[0][1:]
            real = [truth for truth, _, _ in opened]
            images[name] = compute(real, predicted, left_out, name, **settings)
    return images, [pair for pairs in by_folder for pair in pairs]
