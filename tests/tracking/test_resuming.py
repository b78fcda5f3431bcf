"""A run of `track` that is killed, and resumed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

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


def same_files(one: Path, other: Path) -> bool:
    # TIFF files have an identifier of their own, so their pixels are compared.
    labels = [[tifffile.imread(out / "labels" / f"{n}.tif") for n in "abc"] for out in (one, other)]
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


def test_a_movie_that_changed_is_tracked_again(movies, tmp_path):
    out = tmp_path / "killed"
    kill_in_third_movie(movies, out)
    write_image(movies / "a.tif", np.zeros((6, 60, 60), np.uint16), axes="TYX")
    found = sparcell.track(movies, out, interval="1h", resume=True)
    assert set(found.tracks["movie"]) == {"b", "c"}


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
