"""Commands as jobs: one at a time, stopped, killed and resumed."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sparcell.core.errors import InputError
from sparcell.core.progress import PROGRESS_FILE, track
from sparcell.io import write_image
from sparcell.jobs import CommandJob, JobQueue, State
from sparcell.jobs.job import COMMAND, LOG, PROGRESS, STARTED

WAIT_S = 120
LONG = ["simulate", "one", "--train", "400"]


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@pytest.fixture
def queue(tmp_path: Path):
    opened = JobQueue(tmp_path)
    yield opened
    opened.close()
    for job in opened.jobs():
        for process in job.processes:
            process.kill()


def test_a_job_runs_and_says_how_it_ended(queue: JobQueue, tmp_path: Path) -> None:
    write_image(tmp_path / "a b.tif", np.zeros((8, 9), np.uint8), "YX")
    job = queue.add(["info", "a b.tif"])
    until(lambda: job.state is State.DONE)
    assert job.line == "sparcell info 'a b.tif'"
    assert job.log.startswith("$ sparcell info 'a b.tif'\n") and "8 Y x 9 X" in job.log
    facts = job.describe()
    assert facts["state"] == "done" and facts["seconds"] > 0 and facts["output"] == ""


def test_one_job_at_a_time_in_their_order(queue: JobQueue) -> None:
    first = queue.add(LONG, "one")
    second = queue.add(["info", "nothing"])
    assert (first.state, second.state) == (State.RUNNING, State.WAITING)
    queue.advance()
    assert second.state is State.WAITING
    queue.stop(first)
    until(lambda: first.state is not State.RUNNING)
    assert first.state is State.STOPPED
    queue.open()
    until(lambda: second.state is State.PROBLEMS)
    assert "nothing" in second.log.splitlines()[-1]


def test_a_waiting_job_is_stopped_before_it_starts(queue: JobQueue) -> None:
    first = queue.add(LONG, "one")
    second = queue.add(["info", "nothing"])
    queue.stop(second)
    assert second.state is State.STOPPED and not (second.folder / STARTED).exists()
    queue.stop(first)
    queue.resume(second)
    assert second.state in (State.WAITING, State.RUNNING, State.PROBLEMS)


def test_a_job_outlives_its_server_and_is_seen_by_the_next(queue: JobQueue, tmp_path) -> None:
    job = queue.add(LONG, "one")
    queue.close()
    other = JobQueue(tmp_path)
    (known,) = other.jobs()
    assert known == job and known.state is State.RUNNING
    other.stop(known)
    until(lambda: known.state is State.STOPPED)


def test_a_killed_job_is_seen_as_killed_and_goes_on(queue: JobQueue, tmp_path: Path) -> None:
    job = queue.add(LONG, "one")
    until(lambda: len(job.processes) == 2)
    for process in job.processes:
        process.send_signal(signal.SIGKILL)
    until(lambda: job.state is State.KILLED)
    queue.resume(job)
    assert job.state is State.RUNNING
    with pytest.raises(InputError, match="another job that writes to one"):
        queue.add(["info", "x"], "one")
    with pytest.raises(InputError, match="a job that is running"):
        queue.remove(job)


def test_resume_goes_on_only_where_there_are_results(queue: JobQueue, tmp_path) -> None:
    job = queue.add(["predict", "nuclei", "none", "-o", "p"], "p", ["info", "none"])
    until(lambda: job.state is State.PROBLEMS)
    queue.resume(job)
    assert CommandJob.read(job.folder).words[0] == "predict"
    until(lambda: job.state is State.PROBLEMS)
    (tmp_path / "p").mkdir()
    queue.resume(job)
    assert CommandJob.read(job.folder).words == ("info", "none")


def test_damaged_jobs_cost_no_others(queue: JobQueue) -> None:
    job = queue.add(["info", "nothing"])
    for name, text in (("x", "{"), ("y", "[]"), ("z", '{"words": 3}')):
        folder = queue.folder / name
        folder.mkdir()
        (folder / COMMAND).write_text(text)
    (queue.folder / "empty").mkdir()
    assert [one.id for one in queue.jobs()] == [job.id]
    until(lambda: job.state is State.PROBLEMS)
    queue.remove(job)
    assert not job.folder.exists() and queue.jobs() == []


def test_a_process_of_the_same_number_is_not_the_job(queue: JobQueue, tmp_path: Path) -> None:
    import os

    folder = queue.folder / "old"
    folder.mkdir(parents=True)
    job = CommandJob(folder, ("info", "x"), (), "", "")
    job.write()
    (folder / STARTED).write_text(json.dumps({"supervisor": [os.getpid(), 1.0]}))
    assert job.state is State.KILLED and job.processes == []


def test_log_and_progress_are_read_as_they_are(tmp_path: Path) -> None:
    job = CommandJob(tmp_path / "a/b/c/d", ("info",), (), "", "")
    assert job.log == "" and job.progress is None
    job.folder.mkdir(parents=True)
    (job.folder / LOG).write_bytes(b"one\r\n10 %\r20 %\r\nbad \xff \x1b[31m\n")
    assert job.log.splitlines()[:2] == ["one", "20 %"] and "\x1b" not in job.log
    (job.folder / PROGRESS).write_text('{"done": 1}\n[2]\n{"done": 2, "total": 4}\n{"done"')
    assert [one["done"] for one in job.steps()] == [1, 2]
    assert job.progress == {"done": 2, "total": 4}


def test_progress_is_reported_to_the_file_that_is_named(tmp_path, monkeypatch) -> None:
    path = tmp_path / "progress.jsonl"
    monkeypatch.setenv(PROGRESS_FILE, str(path))
    assert list(track("abc", "reading", 3, "letters")) == ["a", "b", "c"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"what": "reading", "done": 0, "total": 3, "unit": "letters"}
    assert lines[-1]["done"] == 3 and lines[-1]["left"] == 0
    monkeypatch.setenv(PROGRESS_FILE, str(tmp_path / "no/folder"))
    assert list(track("ab", "reading", 2)) == ["a", "b"]
