"""Verdicts become data: a dataset folder with the labels that experts confirmed."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparcell.annotations.derive import find_points
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.files import sha256, whole_file, write_json
from sparcell.core.image import FIRST_PLANE, Plane
from sparcell.core.labels import Labels, raster_order
from sparcell.core.linked_dataset import link_dataset
from sparcell.core.progress import track
from sparcell.core.record import now, start_record
from sparcell.core.text import counted
from sparcell.io import open_sample, write_image, write_table
from sparcell.io.points import write_points
from sparcell.review.cases import Case
from sparcell.review.disagreements import collect_findings, place_id
from sparcell.review.expert import ExpertReview, open_verdicts
from sparcell.review.session import CONSENSUS, FILE, Session
from sparcell.review.verdicts import CaseVerdict
from sparcell.system.lock import is_unused

logger = logging.getLogger(__name__)

MAJORITY = "majority"
OWN = ("labels", "ignore", "points")
"""Kinds of files that the exported dataset has itself; the others stay where they are."""
LEAST_RADIUS = 3.0
"""Radius of what is ignored around a missed cell where no object shows the size of cells, px."""


class Reviewed(NamedTuple):
    """A field as experts left it.

    Attributes
    ----------
    labels : (Y, X) int32
        Objects that were confirmed, under the label contract.
    ignore : (Y, X) uint8
        1 where nobody knows: undecided objects, objects that cover several cells, and discs around
        missed cells, whose outline is unknown.
    points : (N, 2) float32
        y and x of each confirmed object and each missed cell, px.
    """

    labels: Labels
    ignore: NDArray[np.uint8]
    points: NDArray[np.float32]


def export_review(
    session: Session, out: Path | str, by: str = CONSENSUS, model: str | None = None
) -> Path:
    """Write a dataset folder whose labels are those that experts confirmed.

    Reviewed fields keep their split, so that fields of a blind review remain test fields. The
    other fields keep the annotations that they had.

    Parameters
    ----------
    session : Session
        Sealed by all experts.
    out : Path or str
        New folder.
    by : str
        ``consensus``: what all experts share, and disagreements as they were judged. ``majority``:
        what more than half of the experts say. Or the name of an expert. What remains undecided is
        ignored.
    model : str, optional
        Whose objects become labels; needed where the session has several models.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If a review is not sealed, a name is unknown, an image has changed, or `out` holds files.
    """
    root = Path(out)
    model = _choose_model(session, model)
    verdicts = open_verdicts(session)
    if by not in (CONSENSUS, MAJORITY, *verdicts):
        known = ", ".join((CONSENSUS, MAJORITY, *verdicts))
        raise InputError(f"by '{by}'", f"one of {known}", "choose one")
    if not is_unused(root):
        raise InputError(f"{root}, which holds files", "a new folder", "choose another `out`")
    chosen = {by: verdicts[by]} if by in verdicts else verdicts
    judged = {} if by != CONSENSUS else ExpertReview(session, CONSENSUS).verdicts
    cases = [case for case in session.originals if case.model == model]
    planes = Counter(case.field for case in cases)
    data = Dataset.open(session.dataset_root)
    with whole_file(root) as partial:
        partial.mkdir(parents=True)
        by_field: dict[str, dict[Plane, Reviewed]] = {}
        for case in track(cases, "exporting", len(cases), "planes"):
            _check_image(session, case)
            of_case = {name: known[case.id] for name, known in chosen.items()}
            of_consensus = judged.get(case.id, CaseVerdict()).judged
            reviewed = _apply(session, case, of_case, of_consensus, by == MAJORITY)
            by_field.setdefault(case.field, {})[case.plane] = reviewed
            if len(by_field[case.field]) == planes[case.field]:
                _write_planes(partial, session.sample(case.field), by_field.pop(case.field))
        link_dataset(data, partial, OWN)
        copy_others(data, partial, {case.field for case in cases})
        write_tables(data, partial, {field.name: field.split for field in session.fields})
        logs = [session.root / f"{name}.jsonl" for name in session.experts]
        record = start_record({"by": by, "model": model}, [session.root / FILE, *logs])
        write_json(partial / "record.json", record | {"verb": "review export", "finished": now()})
    logger.info(f"{counted(len(cases), 'reviewed image')} of {model}, by {by}: {root}")
    return root


def _choose_model(session: Session, model: str | None) -> str:
    if model is None and len(session.models) == 1:
        return session.models[0]
    if model not in session.models:
        raise InputError(
            f"the model {model}" if model else "no model named",
            "one of " + ", ".join(session.models),
            "choose one with `model`",
        )
    return model


def _check_image(session: Session, case: Case) -> None:
    image = session.sample(case.field).image.path
    if sha256(image) != session.field_by_name[case.field].sha256:
        raise InputError(
            f"{image}, which has changed since the session was made",
            "the image that experts saw",
            "restore the file",
        )


def _apply(
    session: Session,
    case: Case,
    verdicts: Mapping[str, CaseVerdict],
    judged: Mapping[str, bool],
    majority: bool,
) -> Reviewed:
    """Keep what was confirmed, remove what is extra, and ignore the rest."""
    labels = session.read_objects(case)
    found = collect_findings(case, verdicts)
    experts = len(verdicts)

    def decide(key: str, votes: int, against: int) -> bool | None:
        """Tell whether a finding stands; None where that is undecided."""
        if majority:
            return votes > experts / 2 or (False if against > experts / 2 else None)
        if votes == experts:
            return True
        return False if against == experts else judged.get(key)

    # Per id: 1 keep, 0 remove, -1 ignore. Element 0 is the background.
    fate = np.ones(case.objects + 1, np.int8)
    for number in set(found.extra) | found.unsure:
        votes = len(found.extra.get(number, ()))
        unsure = sum(number in one.objects("unsure") for one in verdicts.values())
        extra = decide(f"extra:{number}", votes, experts - votes - unsure)
        fate[number] = {True: 0, False: 1, None: -1}[extra]
    covers_several = [one.places("extra") for one in verdicts.values()]
    missed, uncertain = [], []
    for y, x, names in found.missed:
        stands = decide(place_id(y, x), len(names), experts - len(names))
        if stands is not False:
            uncertain.append((y, x))
        if stands:
            missed.append((y, x))
    ignore = _discs(labels.shape, np.array(uncertain).reshape(-1, 2), _radius(session, case))
    # Outlines are wrong where a cell was missed inside an object, or a part of it is extra.
    for y, x in np.concatenate([*covers_several, np.array(uncertain).reshape(-1, 2)]):
        fate[labels[round(y), round(x)]] = -1
    fate[0] = 0
    ignore |= fate[labels] < 0
    kept = raster_order(np.where(fate[labels] > 0, labels, 0).astype(np.int32))
    points = np.concatenate([find_points(kept), np.array(missed, np.float32).reshape(-1, 2)])
    return Reviewed(kept, ignore.astype(np.uint8), points)


def _radius(session: Session, case: Case) -> float:
    """Radius of the median object of the field; of all fields where this one has none."""
    sizes = [case.diameter] if case.diameter else [c.diameter for c in session.cases if c.diameter]
    return max(LEAST_RADIUS, float(np.median(sizes)) / 2 if sizes else 0.0)


def _discs(shape: tuple[int, ...], places: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    mask = np.zeros(shape, bool)
    reach = int(np.ceil(radius))
    for y, x in places:
        rows = slice(max(0, round(y) - reach), round(y) + reach + 1)
        columns = slice(max(0, round(x) - reach), round(x) + reach + 1)
        window = mask[rows, columns]
        dy = np.arange(rows.start, rows.start + window.shape[0])[:, None] - y
        dx = np.arange(columns.start, columns.start + window.shape[1]) - x
        window |= dy**2 + dx**2 <= radius**2
    return mask


def _write_planes(root: Path, sample: Sample, planes: Mapping[Plane, Reviewed]) -> None:
    """Write the reviewed planes of a field; what nobody judged is ignored."""
    times, depths, *_ = open_sample(sample).tzyx
    if times == depths == 1:
        write_reviewed(root, sample.name, planes[FIRST_PLANE])
        return
    axes = "T" * (times > 1) + "Z" * (depths > 1) + "YX"
    shape = next(iter(planes.values())).labels.shape
    size = [count for count in (times, depths) if count > 1]
    labels = np.zeros((*size, *shape), np.int32)
    ignore = np.ones((*size, *shape), np.uint8)
    for plane, reviewed in planes.items():
        index = tuple(n for n, count in zip(plane, (times, depths), strict=True) if count > 1)
        labels[index], ignore[index] = reviewed.labels, reviewed.ignore
    for kind, pixels in (("labels", labels), ("ignore", ignore)):
        (root / kind).mkdir(exist_ok=True)
        write_image(root / kind / f"{sample.name}.tif", pixels, axes, labels=True)
    at = [plane for plane, reviewed in planes.items() for _ in reviewed.points]
    points = np.concatenate([reviewed.points for reviewed in planes.values()])
    more = {"t": [plane.t for plane in at], "z": [plane.z for plane in at]}
    write_points(root / "points" / f"{sample.name}.csv", points, more)


def write_reviewed(root: Path, name: str, reviewed: Reviewed) -> None:
    """Write labels, ignore mask and points of a field into a dataset folder."""
    for kind, pixels in (("labels", reviewed.labels), ("ignore", reviewed.ignore)):
        (root / kind).mkdir(exist_ok=True)
        write_image(root / kind / f"{name}.tif", pixels, "YX", labels=True)
    write_points(root / "points" / f"{name}.csv", reviewed.points)


def copy_others(data: Dataset, root: Path, reviewed: set[str]) -> None:
    """Copy the annotations of fields that were not reviewed."""
    for sample in data.samples:
        for kind in OWN if sample.name not in reviewed else ():
            if kind not in sample.files:
                continue
            source = sample.files[kind].path
            suffix = "".join(source.suffixes[-2:]) if source.is_dir() else source.suffix
            target = root / kind / f"{sample.name}{suffix}"
            target.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)


def write_tables(data: Dataset, root: Path, splits: Mapping[str, str]) -> None:
    """Write the split of all fields, and which labels of other fields were refused.

    Parameters
    ----------
    data : Dataset
    root : Path
        Of the exported dataset.
    splits : mapping of str to str
        Split of each field that was reviewed.
    """
    rows = [
        {"name": sample.name, "split": splits.get(sample.name, sample.split), **sample.info}
        for sample in data.samples
    ]
    write_table(pd.DataFrame(rows), root / "split.csv")
    refused = [
        {"name": sample.name, "accepted": False, "reason": sample.refused}
        for sample in data.samples
        if sample.refused and sample.name not in splits
    ]
    if refused:
        write_table(pd.DataFrame(refused), root / "quality.csv")
