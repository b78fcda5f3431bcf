"""Corrected labels become a dataset that a model can be trained on."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.annotations.derive import find_points
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.files import sha256, whole_file, write_json
from sparcell.core.labels import raster_order
from sparcell.core.linked_dataset import link_dataset
from sparcell.core.progress import track
from sparcell.core.record import now, start_record
from sparcell.core.text import counted
from sparcell.review.corrected_field import QUARTERS, CorrectedField
from sparcell.review.correction import CORRECTION_FILE, Correction
from sparcell.review.edits import GAP
from sparcell.review.exporting import (
    OWN,
    Reviewed,
    copy_others,
    write_reviewed,
    write_tables,
)
from sparcell.system.lock import is_unused

logger = logging.getLogger(__name__)


CONFIDENT = 0.2
"""Usual limit of the uncertainty of objects that are learned from without a verdict. A model that
learned from the judged objects alone lost 0.1 of its AP50: these are mostly wrong ones."""


def export_corrections(
    correction: Correction, out: Path | str, confident: float | None = None
) -> Path:
    """Write a dataset folder whose labels are those that somebody accepted, changed or drew.

    Objects that nobody judged are ignored: they are neither cells nor background. Background counts
    as such where it was searched for missed cells, and around judged objects. Images without any
    edit keep the annotations that they had, but no predictions.

    Parameters
    ----------
    correction : Correction
    out : Path or str
        New folder.
    confident : float, optional
        Also take what the model is sure of, as a student learns from its teacher: objects that
        nobody judged with an uncertainty of at most this, 0 to 1, and the background without
        candidates. Nothing of this where there is no model.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If nothing was edited, an image has changed, or `out` holds files.
    """
    root = Path(out)
    if not is_unused(root):
        raise InputError(f"{root}, which holds files", "a new folder", "choose another `out`")
    confident = confident if correction.model else None
    fields = [CorrectedField(correction, image.name) for image in correction.images]
    edited = [field for field in fields if field.done]
    if not edited:
        raise InputError(
            f"no edit in {correction.root}", "some", "correct objects with `sparcell app` first"
        )
    data = Dataset.open(correction.dataset_root)
    objects = 0
    with whole_file(root) as partial:
        partial.mkdir(parents=True)
        for field in track(edited, "exporting", len(edited), "images"):
            _check_image(field)
            reviewed = judge_pixels(field, confident)
            objects += len(reviewed.points)
            write_reviewed(partial, field.name, reviewed)
        link_dataset(data, partial, OWN)
        # Labels that `predict` wrote are annotations only where somebody has corrected them.
        if not (correction.dataset_root / "counts.csv").exists():
            copy_others(data, partial, {field.name for field in edited})
        write_tables(data, partial, {field.name: field.image.split for field in edited})
        files = [correction.root / CORRECTION_FILE, *(field.log.path for field in edited)]
        record = start_record({"model": correction.model, "confident": confident}, files)
        write_json(partial / "record.json", record | {"verb": "review export", "finished": now()})
    logger.info(
        f"{counted(objects, 'object')} of {counted(len(edited), 'corrected image')}: {root}"
    )
    return root


def judge_pixels(field: CorrectedField, confident: float | None = None) -> Reviewed:
    """Separate what a person has judged in an image from what nobody looked at.

    See `export_corrections` for what `confident` adds.
    """
    labels, judged = field.labels, field.judged
    known = np.zeros(field.state.last + 1, bool)
    known[list(judged)] = True
    if confident is not None:
        known[_sure(field, confident)] = True
    kept = np.where(known[labels], labels, 0)
    searched = _searched(labels.shape, field.scanned)
    if confident is not None:
        searched |= ~_is_disputed(field)
    # Around a judged object somebody has looked at the background, too; so where one was deleted.
    looked_at = (kept > 0) | (_deleted(field) & (labels == 0))
    if looked_at.any() and not searched.all():
        radius = max(field.correction.diameter / 2, 3.0)
        searched |= ndimage.distance_transform_edt(~looked_at) <= radius
    ignore = ((labels > 0) & (kept == 0)) | ((labels == 0) & ~searched)
    ordered = raster_order(kept.astype(np.int32))
    return Reviewed(ordered, ignore.astype(np.uint8), find_points(ordered))


def _sure(field: CorrectedField, confident: float) -> list[int]:
    """Ids of the objects of the start whose uncertainty is known and small."""
    return [
        one.object
        for one in field.correction.queue
        if one.field == field.name and not one.candidate and 0 <= one.uncertainty <= confident
    ]


def _is_disputed(field: CorrectedField) -> NDArray[np.bool_]:
    """Pixels of candidates that nobody took or dismissed, with a rim of `GAP` px."""
    candidates = field.candidates
    settled = np.isin(candidates, list(field.settled_candidates))
    return np.asarray(ndimage.binary_dilation((candidates > 0) & ~settled, iterations=GAP))


def _searched(shape: tuple[int, ...], quarters: set[int]) -> NDArray[np.bool_]:
    """Pixels of the quarters, numbered 0 to 3 row by row, that were searched for missed cells."""
    searched = np.zeros(shape, bool)
    height, width = shape
    rows = (slice(0, height // 2), slice(height // 2, height))
    columns = (slice(0, width // 2), slice(width // 2, width))
    for quarter in range(QUARTERS):
        if quarter in quarters:
            searched[rows[quarter // 2], columns[quarter % 2]] = True
    return searched


def _deleted(field: CorrectedField) -> NDArray[np.bool_]:
    """Pixels of objects that were deleted."""
    deleted = np.zeros(field.labels.size, bool)
    for edit in field.done:
        if edit.kind == "delete":
            for start, length, _, _ in edit.patch:
                deleted[start : start + length] = True
    return deleted.reshape(field.labels.shape)


def _check_image(field: CorrectedField) -> None:
    path = field.correction.sample(field.name).image.path
    if path.is_file() and sha256(path) != field.image.sha256:
        raise InputError(
            f"{path}, which has changed since the correction was made",
            "the image that was corrected",
            "restore the file",
        )
