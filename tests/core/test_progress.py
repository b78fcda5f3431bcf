from __future__ import annotations

import pytest

from sparcell.core import progress


def test_items_pass_unchanged_and_progress_is_logged(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0.0)
    assert list(progress.track(iter("abc"), "count", 3, "letters")) == ["a", "b", "c"]
    assert caplog.messages[0].startswith("Count: 1 of 3 letters, ")
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
