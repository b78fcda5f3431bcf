"""Make a review session: draw the fields, copy the predicted objects, hide where they are from."""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.field_tables import SPLITS
from sparcell.core.files import sha256, whole_file, write_json
from sparcell.core.image import Image, Plane
from sparcell.core.label_kinds import separate_objects
from sparcell.core.labels import Labels, connected_labels
from sparcell.core.progress import track
from sparcell.core.record import now
from sparcell.core.text import counted
from sparcell.evaluation.groups import usual_groups
from sparcell.evaluation.pairs import ImageSource, images_by_name
from sparcell.io import open_image, open_sample, write_image, write_table
from sparcell.review.cases import Case, ReviewField
from sparcell.review.order import order_cases, rank
from sparcell.review.session import CONSENSUS, FILE, Session, diameters
from sparcell.system.lock import is_unused

logger = logging.getLogger(__name__)

EXPERT = re.compile(r"[A-Za-z0-9][\w.-]{0,40}")
"""Names of experts, which are names of files, too."""
Predictions = Mapping[str, Mapping[str, ImageSource]]


def new_session(
    dataset: Path | str,
    predictions: Mapping[str, Sequence[Path | str]],
    out: Path | str,
    *,
    experts: Sequence[str],
    by: str = "",
    per_group: int = 30,
    seed: int = 0,
    split: str = "test",
    repeats: float = 0.1,
    planes: int = 1,
) -> Session:
    """Make a review session of a sample of fields, the same for each model.

    Experts judge single planes. Of a movie or a stack, some are drawn at random.

    Parameters
    ----------
    dataset : Path or str
        Dataset folder.
    predictions : mapping from str to sequence of Path
        Folders that `predict` wrote, by the model's name. Several folders of one model, such as
        one for each cell line, must not share a field.
    out : Path or str
        New folder.
    experts : sequence of str
        Names, of letters, digits and ``-_.``.
    by : str
        Column of ``split.csv`` that groups the fields; by default ``cell`` where there is one.
    per_group : int
        Fields that are drawn of each group; 30 in Salomon-Sörensen 2023 (5.4.3).
    seed : int
        Of the draw and of the experts' orders.
    split : {"test", "train", "val"}
        Part of the dataset that is reviewed. Only ``test`` shows how good a model is.
    repeats : float
        Share of the cases that are shown twice, 0 to 1.
    planes : int
        Planes that are drawn of each movie or stack.

    Returns
    -------
    Session

    Raises
    ------
    InputError
        If a name cannot be used, no field has a prediction of every model, or one does not fit its
        image. Nothing is written then.
    """
    root = Path(out)
    _check_names(experts, predictions)
    if not is_unused(root):
        raise InputError(f"{root}, which holds files", "a new folder", "choose another `out`")
    data = Dataset.open(Path(dataset))
    found = {model: _merge(model, folders) for model, folders in predictions.items()}
    groups = _draw(_eligible(data, split, found), data, by, per_group, seed)
    chosen = [
        (group, sample, plane)
        for group, samples in groups.items()
        for sample in samples
        for plane in _draw_planes(sample, planes, seed)
    ]
    numbers = _choose_repeats(chosen, tuple(predictions), repeats, seed)
    fields = [
        _describe_field(sample, group, split) for group, ones in groups.items() for sample in ones
    ]
    with whole_file(root) as partial:
        (partial / "cases").mkdir(parents=True)
        cases = _write_cases(partial / "cases", chosen, found, numbers)
        session = Session(
            root=partial,
            dataset=_relative(data.root, root),
            seed=seed,
            created=now(),
            experts=tuple(experts),
            models=tuple(predictions),
            by=by or _usual_column(data),
            fields=tuple(fields),
            cases=tuple(cases),
        )
        for expert in experts:
            _write_order(session, expert)
        write_json(partial / FILE, session.model_dump(mode="json"))
    for group, samples in groups.items():
        if len(samples) < per_group:
            logger.info(f"{group}: {counted(len(samples), 'image')}, fewer than {per_group}")
    logger.info(
        f"{counted(len(fields), 'image')}, {counted(len(cases), 'case')} for each of "
        f"{counted(len(experts), 'expert')}: {root}"
    )
    return session.model_copy(update={"root": root})


def _write_cases(
    folder: Path,
    chosen: Sequence[tuple[str, Sample, Plane]],
    found: Mapping[str, Mapping[str, ImageSource]],
    numbers: Mapping[tuple[str, Plane, str], int],
) -> list[Case]:
    """Write the objects of every chosen plane and model, as often as they are shown."""
    # Without it, somebody who knows the images could compute which model a case is of.
    secret = secrets.token_hex(16)
    cases: list[Case] = []
    for _, sample, plane in track(chosen, "preparing", len(chosen), "planes"):
        for model, images in found.items():
            labels = _read_prediction(sample, images[sample.name], plane)
            for repeat in range(numbers[sample.name, plane, model]):
                facts = {"field": sample.name, "model": model, "repeat": repeat}
                facts |= plane._asdict()
                case = _write_case(folder, rank(secret, *facts.values())[:16], labels)
                cases.append(Case.model_validate({**case, **facts}))
    return cases


def _check_names(experts: Sequence[str], predictions: Predictions | Mapping[str, object]) -> None:
    for name in experts:
        if not EXPERT.fullmatch(name) or name.lower() == CONSENSUS:
            raise InputError(
                f"the expert '{name}'",
                f"letters, digits and -_. at most 41 of them, and not {CONSENSUS}",
                "choose another name",
            )
    if not experts or len({name.lower() for name in experts}) < len(experts):
        raise InputError(
            f"the experts {', '.join(experts) or '(none)'}", "different names", "name each once"
        )
    if not predictions:
        raise InputError("no predictions", "one model or more", "name a folder")


def _merge(model: str, folders: Sequence[Path | str]) -> Mapping[str, ImageSource]:
    """Label images of one model by field, from all of its folders."""
    merged: dict[str, ImageSource] = {}
    for folder in folders:
        found = images_by_name(folder)
        if twice := sorted(merged.keys() & found.keys()):
            raise InputError(
                f"{twice[0]} in several folders of the model {model}", "one", "leave one out"
            )
        merged |= found
    return merged


def _eligible(
    data: Dataset, split: str, found: Mapping[str, Mapping[str, ImageSource]]
) -> list[Sample]:
    """Samples of the split that each model has a prediction of."""
    if split not in SPLITS:
        raise InputError(f"split '{split}'", ", ".join(SPLITS), "choose one")
    samples = list(data.samples)
    if any(sample.split for sample in samples):
        samples = [sample for sample in samples if sample.split == split]
    else:
        logger.warning(
            f"no split in {data.root}: any image may have been trained on; the images of the "
            f"session count as {split}"
        )
    for model, images in found.items():
        kept = [sample for sample in samples if sample.name in images]
        if not kept:
            raise InputError(
                f"no prediction of {model} for the {len(samples)} {split} images of {data.root}",
                "label images with the images' names",
                "predict these images, or choose another split",
            )
        if len(kept) < len(samples):
            left = counted(len(samples) - len(kept), "image")
            logger.info(f"{left} without a prediction of {model} cannot be drawn")
        samples = kept
    return samples


def _usual_column(data: Dataset) -> str:
    rows = {sample.name: sample.info for sample in data.samples}
    groups = usual_groups(None, rows, "split.csv")
    return groups.column if groups else ""


def _draw(
    samples: list[Sample], data: Dataset, by: str, per_group: int, seed: int
) -> dict[str, list[Sample]]:
    """Draw fields of each group, those with the lowest hashes of seed and name."""
    rows = {sample.name: sample.info for sample in data.samples}
    column = usual_groups(by or None, rows, str(data.root / "split.csv"))
    drawn: dict[str, list[Sample]] = {}
    known = {sample.name: sample for sample in samples}
    groups = column.split(known) if column else {"all": list(known)}
    for group, names in groups.items():
        lots = sorted(names, key=lambda name: rank(seed, name))
        drawn[group] = [known[name] for name in sorted(lots[:per_group])]
    return drawn


def _draw_planes(sample: Sample, count: int, seed: int) -> list[Plane]:
    """Draw planes of a movie or stack, those with the lowest hashes; in order."""
    if count < 1:
        raise InputError(f"{count} planes of an image", "1 or more", "try 1")
    planes = list(open_sample(sample).planes())
    return sorted(sorted(planes, key=lambda plane: rank(seed, sample.name, *plane))[:count])


def _describe_field(sample: Sample, group: str, split: str) -> ReviewField:
    hashed = sha256(sample.image.path)
    return ReviewField(name=sample.name, group=group, split=sample.split or split, sha256=hashed)


def _choose_repeats(
    chosen: Sequence[tuple[str, Sample, Plane]], models: Sequence[str], share: float, seed: int
) -> dict[tuple[str, Plane, str], int]:
    """How often each plane of a field and a model is shown, 1 or 2."""
    if not 0 <= share <= 1:
        raise InputError(f"repeats {share:g}", "a share of 0 to 1", "try 0.1")
    shown = [(sample.name, plane, model) for _, sample, plane in chosen for model in models]

    def lot(one: tuple[str, Plane, str]) -> str:
        name, plane, model = one
        return rank(seed, "repeat", name, model, *(plane if any(plane) else ()))

    twice = set(sorted(shown, key=lot)[: int(np.ceil(share * len(shown)))])
    return {one: 1 + (one in twice) for one in shown}


def _read_prediction(sample: Sample, place: ImageSource, plane: Plane) -> Labels:
    """Read the predicted objects of a plane of a field, under the label contract."""
    image = open_sample(sample)
    predicted = separate_objects(place if isinstance(place, Image) else open_image(place))
    if predicted.tzyx != image.tzyx:
        raise InputError(
            f"{predicted.source} of T, Z, Y, X = {predicted.tzyx} for the image {sample.name} of "
            f"{image.tzyx}",
            "images of the same size",
            "predict the image again",
        )
    return connected_labels(predicted.read_labels(plane=plane))


def _write_case(folder: Path, identity: str, labels: Labels) -> dict[str, Any]:
    """Write the objects of a case, and return what `Case` says of them."""
    path = folder / f"{identity}.tif"
    write_image(path, labels, "YX", labels=True)
    size = diameters(labels)
    return {
        "id": identity,
        "objects": len(size),
        "shape": labels.shape,
        "diameter": float(np.median(size)) if len(size) else 0.0,
        "sha256": sha256(path),
    }


def _write_order(session: Session, expert: str) -> None:
    """Write the cases in an expert's order, with what is needed to judge them elsewhere."""
    order = order_cases(session.cases, session.seed, expert)
    rows = [(case.id, f"cases/{case.id}.tif", case.field, *case.plane) for case in order]
    frame = pd.DataFrame(rows, columns=["case", "objects", "image", "t", "z"])
    if not frame[["t", "z"]].any(axis=None):
        frame = frame[["case", "objects", "image"]]
    write_table(frame, session.root / f"{expert}_cases.csv")


def _relative(dataset: Path, root: Path) -> str:
    try:
        return os.path.relpath(dataset.resolve(), root.resolve())
    except ValueError:
        # Another drive on Windows.
        return str(dataset.resolve())
