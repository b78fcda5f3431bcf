"""Names of results where images of several folders have equal names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparcell.core.errors import InputError
from sparcell.io import name_results


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], []),
        (["in/a.tif", "in/b.ome.tif"], ["a", "b"]),
        (["x/a.tif", "y/b.tif"], ["a", "b"]),
        (["x/a.tif", "y/a.tif"], ["x_a", "y_a"]),
        # The last folder is the same: that above tells them apart.
        (["x/images/a.tif", "y/images/a.tif"], ["x_a", "y_a"]),
        (
            ["p/TimePoint_1/a.tif", "p/TimePoint_2/a.tif"],
            ["TimePoint_1_a", "TimePoint_2_a"],
        ),
        # Names differ, but what the folders say must not be lost.
        (
            ["p/TimePoint_1/a.tif", "p/TimePoint_2/b.tif"],
            ["TimePoint_1_a", "TimePoint_2_b"],
        ),
        (
            ["p/TimePoint_1/x/a.tif", "p/TimePoint_2/y/a.tif"],
            ["TimePoint_1_x_a", "TimePoint_2_y_a"],
        ),
        # It is the same for all.
        (["p/TimePoint_1/a.tif", "p/TimePoint_1/b.tif"], ["a", "b"]),
        (
            [f"p{p}/TimePoint_{t}/ZStep_1/a.tif" for p in "12" for t in "12"],
            ["p1_TimePoint_1_a", "p1_TimePoint_2_a", "p2_TimePoint_1_a", "p2_TimePoint_2_a"],
        ),
        (["Pos0/img_1.tif", "Pos1/img_1.tif"], ["Pos0_img_1", "Pos1_img_1"]),
        # One folder lies in the other.
        (["in/a.tif", "in/sub/a.tif"], ["in_a", "sub_a"]),
        (["q/p/a.tif", "q/other/p/a.tif"], ["q_p_a", "other_p_a"]),
    ],
)
def test_folders_tell_equal_names_apart(paths: list[str], expected: list[str]) -> None:
    assert name_results([Path(path) for path in paths]) == expected


@pytest.mark.parametrize(
    "paths", [["in/a.tif", "in/a.ome.tif"], ["a_b/c.tif", "a/b_c.tif", "a/c.tif", "a_b/c.tiff"]]
)
def test_equal_names_in_one_folder(paths: list[str]) -> None:
    with pytest.raises(InputError, match="several inputs named"):
        name_results([Path(path) for path in paths])
