"""Workers of this machine that are gone end a prediction; they never let it wait without end."""

from __future__ import annotations

import time

import pytest

from sparcell.system import cluster

pytest.importorskip("distributed")


def _wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_jobs_end_when_no_worker_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "WATCH_S", 0.2)
    with cluster.connect("local:1") as client:
        jobs = cluster.run_jobs(client, _wait, [0.0, 60.0])
        assert next(jobs) == (0, 0.0)
        client.cluster.scale(0)
        with pytest.raises(cluster.ClusterLost, match="no Dask scheduler or no workers any more"):
            next(jobs)
