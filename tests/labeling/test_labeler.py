"""Labelers: which settings each takes, and what it says about others."""

from __future__ import annotations

from typing import Any

import pytest

from sparcell.classical.auto import AutoSettings
from sparcell.core.errors import InputError
from sparcell.labeling.batch import find_labeler
from sparcell.labeling.quality import QualitySettings


def test_settings_are_given_by_name_or_as_a_whole() -> None:
    assert find_labeler("auto", settings={"to": "points", "tile": 512}).kind == "points"
    assert find_labeler("auto", settings=AutoSettings(tile=512)).settings.tile == 512
    assert find_labeler("salomon2023", settings={"by": "day"}).settings.by == "day"
    assert find_labeler("auto", "points", {"mask": "stain"}).settings.mask == "stain"
    assert find_labeler("auto").settings == AutoSettings()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"preset": "auto", "settings": {"by": "day"}},
            "`by=day` for labels by auto; .* by salomon2023; .* add `preset=salomon2023`",
        ),
        (
            {"preset": "auto", "settings": {"to": "masks"}},
            "`to=masks`; expected 'labels' or 'points",
        ),
        ({"preset": "auto", "settings": {"bye": 1}}, "`bye=1` for .*diameter, strategies"),
        ({"preset": "auto:weights"}, "weights weights for the preset auto"),
        ({"preset": "cellpose:"}, "preset 'cellpose:'; expected one of auto, cellpose, salo"),
        ({"preset": "points"}, "preset 'points'; expected one of auto"),
        ({"preset": "cellpose", "source": "points"}, "`preset=cellpose` for labels from points"),
        ({"preset": "salomon2023", "quality": QualitySettings()}, "limits of quality for labels"),
        (
            {"preset": "auto", "source": "points", "quality": QualitySettings()},
            "labels from points",
        ),
    ],
)
def test_what_does_not_fit_is_one_plain_line(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as raised:
        find_labeler(**arguments)
    assert "\n" not in str(raised.value)
