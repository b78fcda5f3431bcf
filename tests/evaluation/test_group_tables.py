"""Groups of images by a column of a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparcell.core.errors import InputError
from sparcell.evaluation.groups import read_groups


def test_groups_from_a_table_of_a_spreadsheet(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("Name;cell\na.tif;None\nb;HeLa\n")
    groups = read_groups("cell", tmp_path, table)
    assert groups.split(["a", "b", "c"]) == {"HeLa": ["b"], "None": ["a"], "unknown": ["c"]}
    with pytest.raises(InputError, match="no name of the images, such as x"):
        groups.split(["x", "y"])
