"""One expert of a session: the order of the cases, the verdicts so far, and the seal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.core.text import counted
from sparcell.review.cases import Case
from sparcell.review.disagreements import list_disagreements
from sparcell.review.events import Event, EventLog
from sparcell.review.order import order_cases
from sparcell.review.session import CONSENSUS, Session
from sparcell.review.verdicts import CaseVerdict, replay

PLACED = ("extra", "missed", "unsure")


class ExpertReview:
    """The review of one expert, as the log has it.

    Parameters
    ----------
    session : Session
    name : str
        One of the experts.
    repair : bool
        See `EventLog`.

    Raises
    ------
    InputError
        If the session has no such expert, or the log is damaged or was changed after the seal.
    """

    def __init__(self, session: Session, name: str, repair: bool = False) -> None:
        if name not in session.experts and name != CONSENSUS:
            raise InputError(
                f"the expert {name}", "one of " + ", ".join(session.experts), "correct the name"
            )
        self.session, self.name = session, name
        self.log = EventLog(session.root / f"{name}.jsonl", repair)
        self._check_seal()

    @property
    def order(self) -> list[Case]:
        """All cases, in the order in which this expert sees them."""
        return order_cases(self.session.cases, self.session.seed, self.name)

    @property
    def verdicts(self) -> dict[str, CaseVerdict]:
        """Verdicts by the ids of cases; those that the expert has not opened are absent."""
        return replay(self.log.effective())

    @property
    def sealed(self) -> bool:
        """Whether the review is finished and cannot be changed any more."""
        return bool(self.log.events) and self.log.events[-1].kind == "seal"

    def unfinished(self) -> list[Case]:
        """Cases that are not done, in order."""
        verdicts = self.verdicts
        return [c for c in self.order if c.id not in verdicts or not verdicts[c.id].done]

    def record(self, event: Event) -> bool:
        """Check an event and write it; False if it was written before.

        When it returns, the event is on the disk.

        Raises
        ------
        InputError
            If the review is sealed, or there is no such case, object, place or event.
        """
        if self.sealed and event.id != self.log.events[-1].id:
            raise InputError(
                f"an event after {self.name} has sealed the review",
                "none: a sealed review does not change",
                "make a new session for further verdicts",
            )
        self.check(event)
        return self.log.append(event)

    def seal(self) -> None:
        """Finish the review for good. Once all experts have, their verdicts can be compared.

        Raises
        ------
        InputError
            If a case is not done.
        """
        if self.sealed:
            return
        if left := self.unfinished():
            raise InputError(
                f"{counted(len(left), 'case')} of {len(self.session.cases)} that {self.name} has "
                f"not finished, such as {left[0].id}",
                "each case judged and marked as done",
                "finish them first",
            )
        self.record(Event(kind="seal", text=_hash(self.log.path, self.log.size)))

    def _check_seal(self) -> None:
        if self.sealed:
            size = _size_before_last(self.log.path)
            if self.log.events[-1].text != _hash(self.log.path, size):
                raise InputError(
                    f"{self.log.path}, which was changed after it was sealed",
                    "the log as it was sealed",
                    "restore it from a backup",
                )

    def check(self, event: Event) -> None:
        """Check that an event fits the session.

        Raises
        ------
        InputError
            If there is no such case, object, place or event.
        """
        if event.kind == "seal":
            return
        if event.kind == "undo":
            known = next((e for e in self.log.events if e.id == event.text), None)
            if known is None:
                raise InputError(f"event {event.text}", "an earlier event", "load it again")
            return
        case = self.session.case(event.case)
        if (event.kind == "judge") != (self.name == CONSENSUS):
            raise InputError(
                f"{event.kind} by {self.name}",
                "judge by consensus, everything else by an expert",
                "correct it",
            )
        if event.kind == "judge":
            open_disagreements = list_disagreements([case], open_verdicts(self.session))
            if event.stands is None or event.text not in {one.id for one in open_disagreements}:
                raise InputError(
                    f"a judgement of '{event.text}' in case {case.id}",
                    "a finding that not all experts share, and whether it stands",
                    "take it from the list of disagreements",
                )
        if event.kind not in PLACED:
            return
        if event.object > case.objects or (event.object and event.kind == "missed"):
            raise InputError(
                f"{event.kind} at object {event.object} of case {case.id}",
                f"an object of 1 to {case.objects}, or y and x of what was missed",
                "correct it",
            )
        if not event.object:
            self._check_place(event, case)

    def _check_place(self, event: Event, case: Case) -> None:
        """Check that a place is in the image, and that something extra is on an object."""
        height, width = case.shape
        inside = (
            event.y is not None
            and event.x is not None
            and -0.5 <= event.y < height - 0.5
            and -0.5 <= event.x < width - 0.5
        )
        if not inside:
            raise InputError(
                f"{event.kind} at y {event.y}, x {event.x} of case {case.id}",
                f"a place in its {height} x {width} px",
                "correct it",
            )
        if event.kind == "extra" and not self._object_at(event, case):
            raise InputError(
                f"extra at y {event.y:g}, x {event.x:g} of case {case.id}, where no object is",
                "a place on a predicted object",
                "correct it",
            )

    def _object_at(self, event: Event, case: Case) -> int:
        assert event.y is not None and event.x is not None
        return int(self.session.read_objects(case)[round(event.y), round(event.x)])


def _size_before_last(path: Path) -> int:
    raw = path.read_bytes()
    return raw[:-1].rfind(b"\n") + 1


def _hash(path: Path, size: int) -> str:
    """SHA-256 of the first `size` bytes of a file."""
    content = path.read_bytes()[:size] if path.exists() else b""
    return hashlib.sha256(content).hexdigest()


def open_verdicts(session: Session) -> Mapping[str, dict[str, CaseVerdict]]:
    """Give the verdicts of all experts by their names; only once all have sealed theirs.

    Raises
    ------
    InputError
        If one has not: whoever saw the others' verdicts before would not judge blind.
    """
    reviews = [ExpertReview(session, name) for name in session.experts]
    for review in reviews:
        if not review.sealed:
            left = len(review.unfinished())
            raise InputError(
                f"a review that {review.name} has not sealed ({counted(left, 'case')} left)",
                "sealed reviews of " + ", ".join(session.experts),
                "let each expert finish first",
            )
    return {review.name: review.verdicts for review in reviews}
