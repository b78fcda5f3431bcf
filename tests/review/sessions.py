"""Review sessions of small images with known objects, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparcell.io import write_image
from sparcell.review import Event, ExpertReview, Session, new_session

SHAPE = (40, 60)
SQUARES = ((5, 5), (5, 25), (25, 5), (25, 25))
"""Upper left corners of four objects of 10 x 10 px, ids 1 to 4; so their diameter is 11.3 px."""


def squares(*corners: tuple[int, int]) -> np.ndarray:
    """Label image of squares of 10 px."""
    labels = np.zeros(SHAPE, np.int32)
    for number, (y, x) in enumerate(corners, 1):
        labels[y : y + 10, x : x + 10] = number
    return labels


def write_dataset(root: Path, names: dict[str, tuple[str, str]]) -> Path:
    """Write a dataset: names of fields with their split and cell line."""
    rows = ["name,split,cell"]
    for name, (split, cell) in names.items():
        image = (50 + 100 * (squares(*SQUARES) > 0)).astype(np.uint16)
        image[0, 0] = len(rows)  # No two images are the same.
        write_image(root / "images" / f"{name}.tif", image, "YX")
        write_image(root / "labels" / f"{name}.tif", squares(*SQUARES[:3]), "YX", labels=True)
        rows.append(f"{name},{split},{cell}")
    (root / "split.csv").write_text("\n".join(rows) + "\n")
    return root


def make_session(
    root: Path, fields: int = 4, models: tuple[str, ...] = ("pure", "mixed"), **options
) -> Session:
    """Make a session of two cell lines, with predictions of four squares, and a train field."""
    lines = ("RAS", "TERT")
    names = {f"f{n}": ("test", lines[n % 2]) for n in range(fields)} | {"t": ("train", "RAS")}
    data = write_dataset(root / "data", names)
    for model in models:
        for name in names:
            write_image(root / model / "labels" / f"{name}.tif", squares(*SQUARES), "YX")
    folders = {model: [root / model] for model in models}
    options = {"experts": ("anna", "ben"), "repeats": 0.0} | options
    return new_session(data, folders, root / "session", **options)


def finish(session: Session, expert: str, events: list[Event] = [], seal: bool = True) -> None:  # noqa: B006
    """Record events, mark all cases as done, and seal."""
    review = ExpertReview(session, expert)
    for event in [*events, *(Event(kind="done", case=case.id) for case in session.cases)]:
        review.record(event)
    if seal:
        review.seal()
