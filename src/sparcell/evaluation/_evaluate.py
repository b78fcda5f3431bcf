"""Compare predictions on disk with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from pathlib import Path

from sparcell.core.label_kinds import separate_objects
from sparcell.core.progress import track
from sparcell.core.rows import LabelPlane
from sparcell.evaluation.errors import Rules
from sparcell.evaluation.overlap import ObjectDefinition
from sparcell.evaluation.overlay import Overlay, OverlayPainter
from sparcell.evaluation.pairs import Source, pair_images
from sparcell.evaluation.scores import Scores, score
from sparcell.evaluation.sets import Evaluation


def evaluate(
    truth: Source,
    pred: Source,
    *,
    ignore: Source | None = None,
    objects: ObjectDefinition = "components",
    force_event_links: bool = False,
    rules: Rules = "thesis",
    fields: Sequence[str] = (),
    min_size: int = 0,
    overlays: Path | str | None = None,
    overlay: Overlay = "pixels",
) -> Evaluation:
    """Compare predicted label images with true ones.

    Images are read in strips, so memory does not grow with them. Time points and depths are
    compared plane by plane.

    Parameters
    ----------
    truth, pred : Path, str or mapping from name to Path
        Two folders of label images with the same names (or with ``labels/`` in them), or two
        label images.
    ignore : Path, str or mapping from name to Path, optional
        Images of the same names, non-zero where pixels shall be left out.
    objects : {"components", "ids"}
        What an object is for the overlap scores: a connected component of the mask, as in the
        autolabel thesis (5.4.2), or an id.
    force_event_links : bool
        How small fragments count as errors; see `classify_errors`.
    rules : {"thesis", "toolbox"}
        By which errors are named; see `classify_errors`.
    fields : sequence of str
        Names of the images that are compared, ``*`` and ``?`` stand for any letters; all by
        default.
    min_size : int
        Objects with fewer px are removed from truth and prediction before scoring, as in the
        single-cell thesis (2.4), which reports both with and without (100 px there).
    overlays : Path or str, optional
        Folder for one PNG per plane.
    overlay : {"pixels", "errors"}
        What the PNGs show: green, red, blue and black for true positive, false positive, false
        negative and true negative pixels; or every object in the colour of its error class,
        with a legend. See `draw_errors`.

    Raises
    ------
    InputError
        If names do not pair, no image has a name of `fields`, sizes differ, or a file cannot be
        read; it names the file.
    """
    import pandas as pd

    pairs = pair_images(truth, pred, ignore, fields=fields)
    images: dict[str, Scores] = {}
    tables = []
    for pair in track(pairs, "evaluating", len(pairs), "images"):
        true, predicted, left_out = pair.open()
        true, predicted = separate_objects(true), separate_objects(predicted)
        planes = list(true.planes())
        by_plane = []
        for plane in planes:
            painter = OverlayPainter(true.shape, overlay) if overlays else None
            scores, errors = score(
                LabelPlane(true, plane),
                LabelPlane(predicted, plane),
                LabelPlane(left_out, plane) if left_out else None,
                objects=objects,
                force_event_links=force_event_links,
                rules=rules,
                min_size=min_size,
                painter=painter,
            )
            by_plane.append(scores)
            table = errors.table()
            table[["image", "t", "z"]] = pair.name, plane.t, plane.z
            tables.append(table)
            if overlays and painter:
                suffix = f"_t{plane.t:03d}_z{plane.z:03d}" if len(planes) > 1 else ""
                painter.save(Path(overlays) / f"{pair.name}{suffix}.png", errors)
        images[pair.name] = reduce(add, by_plane)
    rows = pd.concat(tables, ignore_index=True)
    first = ["image", "t", "z"]
    return Evaluation(images, rows[first + [c for c in rows.columns if c not in first]], rules)
