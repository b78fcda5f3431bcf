"""Arrays in, labels out: the same as from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bases.scenes import ellipses
from models import bright_model

import sparcell
from sparcell.core.errors import InputError
from sparcell.io import open_image, write_image
from sparcell.prediction.settings import PredictSettings


def test_arrays_and_files_give_the_same(tmp_path: Path) -> None:
    pixels = np.stack([(ellipses(seed) > 0) * 200.0 for seed in (1, 2)]).astype(np.uint8)
    write_image(tmp_path / "movie.tif", pixels, "TYX", pixel_size=0.5)
    model = bright_model()
    sparcell.predict(model, tmp_path / "movie.tif", tmp_path / "out")
    found = sparcell.predict_array(
        model, pixels, "TYX", runtime=model.open(), threads=2, pixel_size=0.5
    )
    kept = open_image(tmp_path / "out" / "labels" / "movie.tif")
    assert found.labels.dtype == np.int32 and found.labels.max() > 1
    assert np.array_equal(found.labels, kept.data[:])
    table = pd.read_csv(tmp_path / "out" / "objects" / "movie.csv")
    assert (found.objects["image"] == "array").all()
    pd.testing.assert_frame_equal(
        found.objects.drop(columns="image"), table.drop(columns="image"), check_dtype=False
    )
    assert found.scale.factor == 1


def test_axes_and_channels_must_fit() -> None:
    with pytest.raises(InputError, match="axes 'YX'"):
        sparcell.predict_array(bright_model(), np.zeros((3, 40, 40)))
    with pytest.raises(InputError, match="3 channels"):
        sparcell.predict_array(bright_model(), np.zeros((3, 40, 40)), "CYX")
    chosen = PredictSettings(channels=(1,))
    pixels = np.zeros((3, 40, 40))
    pixels[1, 10:20, 10:20] = 1
    found = sparcell.predict_array(bright_model(), pixels, "CYX", settings=chosen)
    assert found.labels.shape == (40, 40) and found.objects["area_px"].tolist() == [100]
