from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

import sparcell
from sparcell.core.files import sha256
from sparcell.core.record import now, start_record


def test_a_record_says_what_was_asked_with_what_on_what(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    record = start_record({"threshold": 0.5}, [tmp_path / "a.txt"])
    assert record["settings"] == {"threshold": 0.5}
    assert record["versions"]["numpy"] == np.__version__
    assert record["versions"]["sparcell"] == sparcell.__version__
    assert record["inputs"] == {str(tmp_path / "a.txt"): sha256(tmp_path / "a.txt")}
    assert json.loads(json.dumps(record)) == record


def test_time_is_iso_in_utc() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", now())
