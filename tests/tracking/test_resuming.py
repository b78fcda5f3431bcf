"""A run of `track` that is killed, and resumed."""

from __future__ import annotations

import logging
import os
import pkgutil
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import sparcell
from sparcell.core.errors import InputError
from sparcell.io import write_image
from sparcell.tracking.results import TABLES, is_tracked
from sparcell.tracking.unfinished import Unfinished, fingerprint

KILLED = """
import os, signal, sys
import sparcell.tracking.run as run
first = run.tabulate
def tabulate(movie, result):
    if movie.name == "c":
        os.kill(os.getpid(), signal.SIGKILL)
    return first(movie, result)
run.tabulate = tabulate
run.track(sys.argv[1], sys.argv[2], interval="1h")
"""


KILLED_INSIDE = """
import os, signal, sys
import sparcell.tracking.{module} as module
import sparcell.tracking.kept_frames as kept_frames
from sparcell.tracking import track
kept_frames.WINDOW = 2
calls, first = [], module.{function}
def stopped(*arguments):
    calls.append(1)
    if len(calls) == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return first(*arguments)
module.{function} = stopped
track(sys.argv[1], sys.argv[2], interval="1h")
"""


@pytest.fixture
def movies(tmp_path) -> Path:
    """Three movies of a few discs that move."""
    y, x = np.mgrid[:60, :60]
    for number, name in enumerate("abc"):
        labels = np.zeros((6, 60, 60), np.uint16)
        for t in range(6):
            for one in range(1, 4):
                centre = 15 * one + t, 12 + 9 * number + 2 * t
                labels[t][np.hypot(y - centre[0], x - centre[1]) < 5] = one
        write_image(tmp_path / "labels" / f"{name}.tif", labels, axes="TYX")
    # A movie without any object has tables without rows.
    write_image(tmp_path / "labels" / "empty.tif", np.zeros((6, 60, 60), np.uint16), axes="TYX")
    return tmp_path / "labels"


def kill_in_third_movie(movies: Path, out: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, movies, out], env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL


def same_files(one: Path, other: Path, names: str = "abc") -> bool:
    # TIFF files have an identifier of their own, so their pixels are compared.
    labels = [
        [tifffile.imread(out / "labels" / f"{name}.tif") for name in names] for out in (one, other)
    ]
    return np.array_equal(*labels) and all(
        (one / f"{name}.csv").read_bytes() == (other / f"{name}.csv").read_bytes()
        for name in TABLES
    )


def test_a_killed_run_resumes_to_the_same_tables(movies, tmp_path, caplog):
    out = tmp_path / "killed"
    kill_in_third_movie(movies, out)
    assert not is_tracked(out)
    kept = (out / "labels" / "a.tif").stat().st_mtime_ns
    with pytest.raises(InputError, match="began with fast = False, not True"):
        sparcell.track(movies, out, interval="1h", fast=True, resume=True)
    with caplog.at_level(logging.INFO):
        found = sparcell.track(movies, out, interval="1h", resume=True)
        assert "2 movies of 4 tracked already" in caplog.text
        sparcell.track(movies, out, interval="1h", resume=True)
        assert "is complete" in caplog.text
    assert (out / "labels" / "a.tif").stat().st_mtime_ns == kept
    unbroken = sparcell.track(movies, tmp_path / "unbroken", interval="1h")
    assert same_files(out, tmp_path / "unbroken")
    for name in TABLES:
        assert getattr(found, name).equals(getattr(unbroken, name)), name
    assert sorted(path.name for path in out.iterdir()) == sorted(
        path.name for path in (tmp_path / "unbroken").iterdir()
    )


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        # In the fourth frame, and in the fifth pair of frames, of windows of two.
        (("movie_tracking", "_measure", 4), "2 frames measured and 0 linked"),
        (("linking", "_pair_next", 5), "6 frames measured and 4 linked"),
        (("linking", "_pair_lost", 4), "6 frames measured and 4 linked"),
        (("linking", "_solve_all", 1), "6 frames measured and 4 linked"),
        (("pictures", "recolour", 1), "6 frames measured and 4 linked"),
    ],
)
def test_a_movie_goes_on_where_it_was_killed(movies, tmp_path, caplog, monkeypatch, place, kept):
    monkeypatch.setattr("sparcell.tracking.kept_frames.WINDOW", 2)
    movie, out = movies / "a.tif", tmp_path / "killed"
    names = dict(zip(("module", "function", "call"), place, strict=True))
    command = [sys.executable, "-c", KILLED_INSIDE.format(**names), movie, out]
    assert subprocess.run(command, env=dict(os.environ)).returncode == -signal.SIGKILL
    assert list((out / "unfinished").rglob("*.npz"))
    measured = count_calls(monkeypatch, "movie_tracking", "_measure")
    paired = count_calls(monkeypatch, "linking", "_pair_next")
    with caplog.at_level(logging.INFO):
        sparcell.track(movie, out, interval="1h", resume=True)
    assert f"a: goes on with {kept}" in caplog.text
    # Only what is not kept is measured and paired, and six frames have five pairs.
    assert (len(measured), len(paired)) == tuple(
        whole - int(number) for whole, number in zip((6, 5), re.findall(r"\d+", kept), strict=True)
    )
    sparcell.track(movie, tmp_path / "unbroken", interval="1h")
    assert same_files(out, tmp_path / "unbroken", "a")
    assert not (out / "unfinished").exists()


def count_calls(monkeypatch: pytest.MonkeyPatch, module: str, function: str) -> list[int]:
    place, calls = f"sparcell.tracking.{module}.{function}", []
    first = pkgutil.resolve_name(place)

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return first(*arguments)

    monkeypatch.setattr(place, counted)
    return calls


def test_a_stopped_run_says_what_is_kept(movies, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("sparcell.tracking.kept_frames.WINDOW", 2)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sparcell.tracking.linking._solve_all", stop)
    with pytest.raises(KeyboardInterrupt):
        sparcell.track(movies, tmp_path / "out", interval="1h")
    assert (
        "kept for `resume`: 0 movies of 4, and of a 6 frames measured and 4 linked" in caplog.text
    )


def test_a_movie_that_changed_is_tracked_again(movies, tmp_path):
    out = tmp_path / "killed"
    kill_in_third_movie(movies, out)
    write_image(movies / "a.tif", np.zeros((6, 60, 60), np.uint16), axes="TYX")
    found = sparcell.track(movies, out, interval="1h", resume=True)
    assert set(found.tracks["movie"]) == {"b", "c"}


def test_another_version_begins_anew(movies, tmp_path, caplog, monkeypatch):
    out = tmp_path / "killed"
    kill_in_third_movie(movies, out)
    monkeypatch.setattr("sparcell.__version__", "9.9.9")
    sparcell.track(movies, out, interval="1h", resume=True)
    assert f"another version of Sparcell began {out}" in caplog.text
    assert "tracked already" not in caplog.text
    assert not (out / "unfinished").exists()


def test_without_resume_a_run_begins_anew(movies, tmp_path, caplog):
    out = tmp_path / "killed"
    kill_in_third_movie(movies, out)
    with caplog.at_level(logging.INFO):
        sparcell.track(movies, out, interval="1h")
    assert "begins anew" in caplog.text
    assert is_tracked(out)


def test_tables_are_kept_as_they_are(tmp_path, movies):
    rows = sparcell.track(movies / "a.tif").objects
    unfinished = Unfinished(tmp_path / "out", {}, resume=False)
    files = fingerprint([movies / "a.tif"])
    unfinished.save("a/b", files, {"objects": rows})
    assert unfinished.has("a/b", files)
    assert not unfinished.has("a/b", "other")
    assert not unfinished.has("a", files)
    assert unfinished.load("a/b")["objects"].equals(rows)
