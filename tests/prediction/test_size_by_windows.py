"""A large image gets the size that a small one with the same objects would get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from sparcell.core.image import Image
from sparcell.io import write_image
from sparcell.models import load_model
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.predict import predict
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.size import Scale
from sparcell.prediction.size_by_windows import in_size_of_windows


def nuclei(shape: tuple[int, int], spacing: int, radius: float) -> NDArray[np.uint16]:
    """Nuclei in a square grid; each lies in the middle of its square."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    off = np.hypot(*(at % spacing - (spacing - 1) / 2 for at in (y, x)))
    clean = 200 + 2000 / (1 + np.exp((off - radius) / 0.7))
    return np.random.default_rng(0).normal(clean, 15).astype(np.uint16)


def prepare(pixels: NDArray[np.uint16], **settings: object) -> PreparedImage:
    loaded = LoadedModel(load_model("nuclei"), "auto", 1)
    return PreparedImage.of(Image(pixels, "YX"), loaded, PredictSettings(**settings))  # type: ignore[arg-type]


def test_blocks_find_the_small_nuclei_that_the_whole_image_has(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.tif", nuclei((480, 720), 24, 5), axes="YX")
    for name, block in (("whole", None), ("blocks", 400)):
        settings = PredictSettings(block=block, pictures=False)
        predict("nuclei", tmp_path / "images", tmp_path / name, settings=settings)
    whole, blocks = (pd.read_csv(tmp_path / n / "counts.csv") for n in ("whole", "blocks"))
    assert whole["count"].tolist() == blocks["count"].tolist() == [20 * 30]
    assert blocks["resized_by"][0] == pytest.approx(whole["resized_by"][0]) and (
        blocks["resized_by"][0] > 1.4
    )


def test_most_windows_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    small, usual = nuclei((240, 240), 24, 5), nuclei((240, 240), 40, 11)
    # Four windows at the corners and one in the middle; each corner shows one kind.
    monkeypatch.setattr("sparcell.prediction.size_by_windows.EDGE", 220)
    mostly_small = np.block([[small, small], [small, usual]])
    mostly_usual = np.block([[usual, usual], [small, usual]])
    assert in_size_of_windows(prepare(mostly_small), 1).scale.factor > 1.4
    assert in_size_of_windows(prepare(mostly_usual), 1).scale == Scale()


def test_a_given_size_and_an_empty_image_stay() -> None:
    small = nuclei((240, 240), 24, 5)
    assert in_size_of_windows(prepare(small, diameter="none"), 1).scale == Scale()
    noise = np.random.default_rng(1).normal(200, 15, (240, 240)).astype(np.uint16)
    assert in_size_of_windows(prepare(noise), 1).scale == Scale()
