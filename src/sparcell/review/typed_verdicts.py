"""Verdicts from a table, for reviews that were not done in the app."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import get_args

from sparcell.core.errors import InputError
from sparcell.core.tables import name_columns, read_typed_table
from sparcell.core.text import counted
from sparcell.review.events import Event
from sparcell.review.expert import ExpertReview
from sparcell.review.order import rank
from sparcell.review.session import CONSENSUS, Session
from sparcell.review.verdicts import Finding
from sparcell.system.lock import lock_folder

logger = logging.getLogger(__name__)

COLUMNS = ("case", "kind", "object", "y", "x", "text", "stands")
KINDS = (*get_args(Finding), "comment", "done", "judge")
ANSWERS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def record_table(session: Session, expert: str, table: Path | str, seal: bool = False) -> int:
    """Add the verdicts of a table to the log of an expert.

    Parameters
    ----------
    session : Session
    expert : str
    table : Path or str
        Columns ``case`` (of ``NAME_cases.csv``) and ``kind``: ``extra``, ``missed``, ``unsure``,
        ``comment`` or ``done``; further ``object`` or ``y`` and ``x`` (px), and ``text``. A case
        without errors has the row ``done`` alone; a case without it stays open. For the expert
        ``consensus`` the kind is ``judge``, ``text`` names the finding, and ``stands`` is yes or
        no; rows without an answer are left out.
    seal : bool
        Finish the review for good, see `ExpertReview.seal`.

    Returns
    -------
    int
        Number of new events; rows that were recorded before do not count again.

    Raises
    ------
    InputError
        If a row cannot be used. Nothing is recorded then.
    """
    path = Path(table)
    frame = name_columns(read_typed_table(path), COLUMNS, path)
    for column in ("case", "kind"):
        if column not in frame.columns:
            raise InputError(f"{path} without a column '{column}'", "case,kind,...", "add it")
    with lock_folder(session.root):
        review = ExpertReview(session, expert, repair=True)
        rows = list(zip(frame.index, frame.to_dict("records"), strict=True))
        rows = [(line, row) for line, row in rows if row["kind"] != "judge" or row.get("stands")]
        # The same row has the same id in each run, so that a table can be given again.
        seen: dict[str, int] = {}
        events = []
        for line, row in rows:
            event = _read_row({str(k): str(v) for k, v in row.items()}, f"line {line} of {path}")
            same = rank(*(getattr(event, name) for name in COLUMNS))
            seen[same] = seen.get(same, 0) + 1
            events.append(event.model_copy(update={"id": rank(same, seen[same])[:32]}))
        for event in events:
            review.check(event)
        new = sum(review.record(event) for event in events)
        if seal:
            review.seal()
    left = f"; {counted(len(review.unfinished()), 'case')} left" if expert != CONSENSUS else ""
    logger.info(
        f"{counted(new, 'new verdict')} of {expert}" + (", sealed" if review.sealed else left)
    )
    return new


def _read_row(row: dict[str, str], where: str) -> Event:
    kind = row["kind"].lower()
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise InputError(f"kind '{row['kind']}' in {where}", f"one of {known}", "correct it")
    numbers = {name: _number(row.get(name, ""), name, where) for name in ("object", "y", "x")}
    thing = numbers["object"] or 0
    if thing != int(thing) or thing < 0:
        raise InputError(f"object {row['object']} in {where}", "a whole number", "correct it")
    answer = row.get("stands", "").lower()
    if kind == "judge" and answer not in ANSWERS:
        raise InputError(f"stands '{answer}' in {where}", "yes or no", "correct it")
    return Event(
        kind=kind,
        case=row["case"],
        object=int(thing),
        y=numbers["y"],
        x=numbers["x"],
        text=row.get("text", ""),
        stands=ANSWERS[answer] if kind == "judge" else None,
    )


def _number(text: str, name: str, where: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} '{text}' in {where}", "a number", "correct it")
    return number
