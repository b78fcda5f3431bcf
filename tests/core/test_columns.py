"""Columns hold what a DataFrame of the same values would hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sparcell.core.columns import Columns

VALUES = {"image": ["a", "b", "b"], "id": [1, 2, 3], "score": [0.5, None, 0.25]}


def test_frame_is_that_of_pandas() -> None:
    table = Columns({**VALUES, "t": 0, "kept": np.array([True, False, True])})
    expected = pd.DataFrame({**VALUES, "t": 0, "kept": [True, False, True]})
    pd.testing.assert_frame_equal(table.frame(), expected)
    assert len(table) == 3 and list(table) == list(expected) and "t" in table


def test_a_single_value_fills_no_rows_where_there_are_none() -> None:
    table = Columns({"image": "a", "id": np.zeros(0, np.int64)})
    assert len(table) == 0 and table["image"].tolist() == []


def test_rows_become_columns_with_gaps() -> None:
    table = Columns.of_rows([{"image": "a", "n": 1}, {"image": "b", "misfit": 0.5}])
    assert list(table) == ["image", "n", "misfit"]
    np.testing.assert_equal(table["n"], [1, np.nan])
    np.testing.assert_equal(table["misfit"], [np.nan, 0.5])


@pytest.mark.parametrize("of", [Columns, pd.DataFrame])
def test_columns_of_either_kind_are_taken_joined_and_chosen(of: type) -> None:
    table = Columns.of(of(VALUES), ("image", "id"))
    twice = Columns.join([table, table.assign(id=table["id"] + 3)])
    assert list(twice) == ["image", "id"] and twice["id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert twice.where(twice["image"] == "b")["id"].tolist() == [2, 3, 5, 6]
    assert twice.where(slice(1, 2))["image"].tolist() == ["b"]
