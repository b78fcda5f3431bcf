from __future__ import annotations

import pytest

from sparcell.core import progress


def test_items_pass_unchanged_and_lines_go_to_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0.0)
    assert list(progress.track(iter("abc"), "count", 3, "letters")) == ["a", "b", "c"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[0].startswith("count: 1/3 letters about ")


def test_brackets_in_a_name_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    progress.say("plate[A1].tif: no image")
    assert "plate[A1].tif: no image" in capsys.readouterr().err
