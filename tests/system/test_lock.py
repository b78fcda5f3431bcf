"""One process at a time in a folder, whatever becomes of it."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bases.holder import held_elsewhere

from sparcell.core.errors import InputError
from sparcell.system import lock
from sparcell.system.lock import LOCK, is_unused, lock_folder

FORK = """
import os, sys, time
from pathlib import Path
from sparcell.system.lock import lock_folder
with lock_folder(Path(sys.argv[1])):
    child = os.fork()
    if not child:
        time.sleep(60)
    print(child, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds ``run``."""
    with held_elsewhere(tmp_path / "run") as process:
        yield process


def test_another_process_is_named(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    run = tmp_path / "run"
    named = rf"another process \(pid {other.pid} on {socket.gethostname()}\) working in .*run"
    with pytest.raises(InputError, match=named), lock_folder(run):
        pass
    # Another folder is free, and so is this one when the process ends.
    with lock_folder(tmp_path / "else"):
        assert other.poll() is None
    other.communicate("")
    with lock_folder(run):
        assert (run / LOCK).read_text().split()[0] == str(os.getpid())
    assert not (run / LOCK).exists()


def test_a_killed_process_holds_nothing(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    run = tmp_path / "run"
    assert (run / LOCK).exists() and is_unused(run)
    with lock_folder(run):
        (run / "file").touch()
    assert [path.name for path in run.iterdir()] == ["file"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_nor_do_the_processes_that_it_forked(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORK, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        try:
            os.kill(child, 0)
            with lock_folder(tmp_path / "run"):
                pass
        finally:
            os.kill(child, 9)


def test_one_may_wait_for_another_to_end(
    tmp_path: Path, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: other.communicate(""))
    with lock_folder(tmp_path / "run", patience=30):
        assert other.returncode == 0


def test_a_folder_that_was_made_in_vain_is_removed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        assert is_unused(tmp_path / name)
        with pytest.raises(ZeroDivisionError), lock_folder(tmp_path / name):
            assert is_unused(tmp_path / name)
            raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    (tmp_path / "empty" / "file").touch()
    assert not is_unused(tmp_path / "empty") and not is_unused(tmp_path / "empty" / "file")


def test_a_lock_that_was_removed_before_it_was_taken_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / LOCK
    look, seen = lock._lock, []

    def removed_first(descriptor: int) -> bool:
        seen.append(descriptor)
        if len(seen) == 1:
            path.unlink()
        return look(descriptor)

    monkeypatch.setattr(lock, "_lock", removed_first)
    with lock_folder(tmp_path):
        assert path.exists() and len(seen) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="locks of another kind")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.lockf", refuse)
    with lock_folder(tmp_path), lock_folder(tmp_path):
        (tmp_path / "file").touch()
    assert (tmp_path / "file").exists() and not (tmp_path / LOCK).exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="no way to write"), lock_folder(tmp_path / "file"):
        pass
