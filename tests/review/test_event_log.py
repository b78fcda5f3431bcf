"""The log of an expert: nothing that was acknowledged is ever lost."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import pytest

from sparcell.core.errors import InputError
from sparcell.review import Event, EventLog
from sparcell.review.verdicts import replay


def mark(number: int) -> Event:
    return Event(id=str(number), kind="missed", case="c", y=float(number), x=2.0)


def test_events_come_back_as_they_were_written(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "a.jsonl")
    events = [
        mark(1),
        Event(kind="comment", case="c", text="näh\n\u2028"),
        Event(kind="undo", text="1"),
    ]
    for event in events:
        assert log.append(event)
    assert EventLog(tmp_path / "a.jsonl").events == events
    # Anybody can read it: one JSON object a line.
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["missed", "comment", "undo"]


def test_an_event_that_is_sent_twice_counts_once(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "a.jsonl")
    assert log.append(mark(1)) and not log.append(mark(1))
    assert len(EventLog(tmp_path / "a.jsonl").events) == 1


def test_undo_is_an_event_that_can_be_undone(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "a.jsonl")

    def marks() -> list[str]:
        return [one.id for one in replay(log.effective()).get("c", replay([mark(0)])["c"]).marks]

    log.append(mark(1))
    log.append(mark(2))
    log.append(Event(id="u", kind="undo", text="1"))
    assert marks() == ["2"]
    log.append(Event(id="uu", kind="undo", text="u"))
    assert marks() == ["1", "2"]
    log.append(Event(id="uuu", kind="undo", text="uu"))
    assert marks() == ["2"]


@pytest.mark.parametrize("left", [1, 20, -1])
def test_an_unfinished_last_line_is_removed_with_a_warning(tmp_path: Path, caplog, left) -> None:
    path = tmp_path / "a.jsonl"
    log = EventLog(path)
    log.append(mark(1))
    whole = path.read_bytes()
    log.append(mark(2))
    second = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + second[:left])
    assert [event.id for event in EventLog(path).events] == ["1"]
    repaired = EventLog(path, repair=True)
    assert "was not finished and was removed" in caplog.text
    assert path.read_bytes() == whole
    repaired.append(mark(3))
    assert [event.id for event in EventLog(path).events] == ["1", "3"]


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    log = EventLog(path)
    log.append(mark(1))
    log.append(mark(2))
    path.write_bytes(path.read_bytes().replace(b'"y": 1.0', b'"y": 7.0'))
    with pytest.raises(InputError, match="damaged line 1"):
        EventLog(path, repair=True)


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.jsonl"
    log = EventLog(path)
    log.append(mark(1))
    before = path.read_bytes()
    write = os.write

    def fail(descriptor: int, data: bytes) -> int:
        if len(data) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:-5])

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(InputError, match="free space"):
        log.append(mark(2))
    monkeypatch.undo()
    assert path.read_bytes() == before
    log.append(mark(3))
    assert [event.id for event in EventLog(path).events] == ["1", "3"]


def write_until_killed(path: Path, acknowledge: int) -> None:
    """Write events, and their numbers into a pipe once each is acknowledged."""
    log = EventLog(path, repair=True)
    first = len(log.events)
    for number in range(first, first + 100_000):
        log.append(mark(number))
        os.write(acknowledge, f"{number}\n".encode())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9")
def test_kill_9_loses_no_acknowledged_event(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for number in range(20):
        receive, send = os.pipe()
        writer = os.fork()
        if not writer:
            try:
                write_until_killed(path, send)
            finally:
                os._exit(1)
        os.close(send)
        with os.fdopen(receive) as pipe:
            told = [pipe.readline() for _ in range(1 + number % 7)]
            os.kill(writer, signal.SIGKILL)
            told += pipe.readlines()
        os.waitpid(writer, 0)
        log = EventLog(path, repair=True)
        assert len(log.events) > int(told[-1])
        assert [event.id for event in log.events] == [str(n) for n in range(len(log.events))]
