"""What the app does with review sessions: one log for each expert, opened once."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sparcell.core.dataset import Sample
from sparcell.review import (
    CONSENSUS,
    Case,
    CaseVerdict,
    Event,
    ExpertReview,
    Session,
    agree,
    open_session,
    open_verdicts,
)
from sparcell.review.disagreements import list_disagreements
from sparcell.review.verdicts import replay
from sparcell.system.lock import lock_folder

UNDOABLE = ("extra", "missed", "unsure", "comment", "done", "reopen")
"""Kinds of events that the page takes back, the last one first."""


class OpenReview:
    """A session that this process serves; others cannot write its logs meanwhile.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    InputError
        If the session or a log is damaged, or another process has locked it.
    """

    def __init__(self, folder: Path) -> None:
        self.session: Session = open_session(folder)
        self._closing = ExitStack()
        self._closing.enter_context(lock_folder(folder))
        self._reviews: dict[str, ExpertReview] = {}
        # Events of one session are written one after the other.
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let other processes write again."""
        self._closing.close()

    def of(self, name: str) -> ExpertReview:
        """Return the review of an expert, or the consensus."""
        with self._lock:
            if name not in self._reviews:
                self._reviews[name] = ExpertReview(self.session, name, repair=True)
            return self._reviews[name]

    def sample(self, case: Case) -> Sample:
        """Return the field of a case."""
        return self.session.sample(case.field)

    def overview(self, expert: str) -> dict[str, Any]:
        """Describe the progress of an expert: cases in order, without anything of their origin."""
        review = self.of(expert)
        verdicts = review.verdicts
        cases = [
            {"id": case.id, "done": case.id in verdicts and verdicts[case.id].done}
            for case in review.order
        ]
        return {"cases": cases, "sealed": review.sealed}

    def progress(self) -> list[dict[str, Any]]:
        """Tell how far each expert is: numbers, no verdicts."""
        return [
            {
                "expert": name,
                "left": len(self.of(name).unfinished()),
                "cases": len(self.session.cases),
                "sealed": self.of(name).sealed,
            }
            for name in self.session.experts
        ]

    def case(self, expert: str, case_id: str) -> dict[str, Any]:
        """Describe a case with the verdict of an expert on it."""
        case, review = self.session.case(case_id), self.of(expert)
        events = [event for event in review.log.effective() if event.case == case_id]
        verdict = replay(events).get(case_id, CaseVerdict())
        return {
            "id": case.id,
            "t": case.t,
            "z": case.z,
            "objects": case.objects,
            "diameter": case.diameter,
            "stain": "stain" in self.sample(case).files,
            "sealed": review.sealed,
            "undo": [event.id for event in events if event.kind in UNDOABLE],
            **_state(verdict),
        }

    def record(self, expert: str, event: Event) -> dict[str, Any]:
        """Write an event, and describe its case afterwards; what is undone names its case, too."""
        review = self.of(expert)
        with self._lock:
            review.record(event)
        case_id = event.case
        if event.kind == "undo":
            case_id = _case_of(review, event.text)
        return self.case(expert, case_id)

    def seal(self, expert: str) -> None:
        """Finish the review of an expert for good."""
        review = self.of(expert)
        with self._lock:
            review.seal()

    @property
    def open_to_all(self) -> bool:
        """Whether all experts have sealed their reviews."""
        return all(self.of(name).sealed for name in self.session.experts)

    def agreement(self) -> dict[str, Any]:
        """Compute all tables, and what was judged so far; an InputError before all is sealed."""
        report = agree(self.session)
        judged = {
            f"{case} {key}": stands
            for case, verdict in self.of(CONSENSUS).verdicts.items()
            for key, stands in verdict.judged.items()
        }
        places = {one.id: [one.y, one.x] for one in report.disagreements}
        return report.to_json() | {
            "models": self.session.models,
            "experts": self.session.experts,
            "judged": judged,
            "places": places,
        }

    def findings(self, case_id: str) -> dict[str, Any]:
        """Describe what experts found in a case, once all have sealed theirs."""
        verdicts = open_verdicts(self.session)
        case = self.session.case(case_id)
        disputed = list_disagreements([case], verdicts)
        return {
            "id": case.id,
            "t": case.t,
            "z": case.z,
            "objects": case.objects,
            "diameter": case.diameter,
            "stain": "stain" in self.sample(case).files,
            "marks": [
                {"expert": name, **mark}
                for name, known in verdicts.items()
                for mark in _state(known.get(case_id, CaseVerdict()))["marks"]
            ],
            "disputed": [one._asdict() for one in disputed],
        }


def _state(verdict: CaseVerdict) -> dict[str, Any]:
    return {
        "done": verdict.done,
        "marks": [
            {"id": m.id, "kind": m.kind, "object": m.object, "y": m.y, "x": m.x}
            for m in verdict.marks
        ],
        "comments": verdict.comments,
    }


def _case_of(review: ExpertReview, event_id: str) -> str:
    """Find the case of an event, also of one that undoes another."""
    events = {event.id: event for event in review.log.events}
    event = events[event_id]
    while event.kind == "undo":
        event = events[event.text]
    return event.case
