from __future__ import annotations

import logging
import pickle

import pytest

from sparcell.core.errors import SparcellWarning
from sparcell.core.log import package, printed_messages, printing_like_here, show_warning
from sparcell.system.cluster import connect, run_jobs

logger = logging.getLogger("sparcell.somewhere")


def test_messages_are_printed_as_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with printed_messages():
        logger.info("plate[A1].tif: no image")
        with printed_messages(level=logging.WARNING):
            logger.info("fact")
        logger.debug("detail")
    logger.warning("later")
    captured = capsys.readouterr()
    assert captured.err == "plate[A1].tif: no image\n" and captured.out == ""


def test_a_note_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with printed_messages():
            for _ in range(2):
                show_warning("JPEG", SparcellWarning)
                logger.warning("again")
    assert capsys.readouterr().err == 2 * "note: JPEG\nagain\nagain\n"


def test_a_worker_prints_what_its_parent_prints(capsys: pytest.CaptureFixture[str]) -> None:
    silent = pickle.loads(pickle.dumps(printing_like_here()))
    silent(3)
    assert not package.handlers
    with printed_messages(level=logging.WARNING):
        prepare = pickle.loads(pickle.dumps(printing_like_here()))
    try:
        prepare(3)
        prepare()
        logger.info("fact")
        logger.warning("doubt")
    finally:
        package.handlers.clear()
        package.setLevel(logging.NOTSET)
    assert capsys.readouterr().err == "doubt\n"


def test_messages_of_dask_workers_reach_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    with printed_messages(), connect("local:1") as client:
        assert list(run_jobs(client, _log_job, [5])) == [(0, 5)]
    assert "job 5\n" in capfd.readouterr().err


def _log_job(job: int) -> int:
    logging.getLogger("sparcell.worker").info(f"job {job}")
    return job
