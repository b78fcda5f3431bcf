"""What blocks keep between steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparcell.core.errors import InputError
from sparcell.prediction.blocks.cache import load, require, save


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": [1, 2], "y": [0.5, np.nan], "touches_border": [True, False]})
    arrays = {
        "labels": np.arange(60, dtype=np.int32).reshape(6, 10)[::2, ::-1],
        "scores": np.zeros((0,), np.float32),
        "none": np.zeros((0, 4), np.float32),
        "cut": np.array(3),
        "table": table.to_records(index=False),
        "inside": np.array([[True], [False]]),
    }
    save(tmp_path / "deep" / "file", **arrays)
    back = require(tmp_path / "deep" / "file")
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert np.dtype(back[name].dtype.descr) == np.dtype(array.dtype.descr)
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()
    pd.testing.assert_frame_equal(pd.DataFrame.from_records(back["table"]), table)


@pytest.mark.parametrize("place", [0, 31, 32, 60, -1])
def test_a_changed_byte_is_seen(tmp_path: Path, place: int) -> None:
    path = tmp_path / "file"
    save(path, labels=np.arange(500))
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert load(path) is None
    with pytest.raises(InputError, match="`resume=True`"):
        require(path)


@pytest.mark.parametrize("length", [0, 10, 40])
def test_a_torn_file_is_seen(tmp_path: Path, length: int) -> None:
    path = tmp_path / "file"
    save(path, labels=np.arange(500))
    path.write_bytes(path.read_bytes()[:length])
    assert load(path) is None and load(tmp_path / "absent") is None
