"""Colour images for a model of one channel."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from models import bright_model
from numpy.typing import NDArray
from pictures import grid, stain_of

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.io import read_table, write_image
from sparcell.models import Model
from sparcell.models.domain import FEATURES, Domain
from sparcell.prediction.array import predict_array
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.predict import predict
from sparcell.prediction.prepared_image import PreparedImage, choose_channels
from sparcell.prediction.settings import PredictSettings

LABELS = grid((96, 128), 32, 9)


def fluorescence_model() -> Model:
    """A model of what is bright, trained on dark backgrounds."""
    domain = Domain.of([dict.fromkeys(FEATURES, 0.0)])
    assert domain is not None
    return bright_model(domain=domain)


def colours(*channels: NDArray[np.generic]) -> Image:
    return Image(
        np.clip(np.stack(channels), 0, 255).astype(np.uint8),
        "CYX",
        channels=("red", "green", "blue"),
        source="cells.png",
    )


def empty(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(5, 2, LABELS.shape)


@pytest.mark.parametrize("where", [0, 1, 2])
def test_the_channel_with_the_signal_is_predicted(
    where: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    channels: list[NDArray[np.generic]] = [empty(0), empty(1), empty(2)]
    channels[where] = stain_of(LABELS, 150, 10)
    image, model = colours(*channels), fluorescence_model()
    assert choose_channels(image, model).channels == (where,)
    write_image(
        tmp_path / "cells.tif", np.moveaxis(image.data, 0, -1), "YXC", channels=image.channels
    )
    with caplog.at_level(logging.INFO):
        predict(model, tmp_path / "cells.tif", tmp_path / "out")
    assert read_table(tmp_path / "out/counts.csv")["count"].tolist() == [LABELS.max()]
    name = ("red", "green", "blue")[where]
    assert any(f"the {name} channel of this colour image" in text for text in caplog.messages)
    # What is asked for is what counts.
    assert choose_channels(image, model, PredictSettings(channel=(1,))).channels == (1,)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (stain_of(grid((96, 128), 24, 7), 75, 10, seed=9), "; red has signal, too (`channel=0`"),
        (stain_of(LABELS, 120, 10), ""),
        (stain_of(grid((96, 128), 24, 7), 15, 10, seed=9), ""),
    ],
    ids=["another stain", "the same objects", "a faint one"],
)
def test_another_channel_with_signal_is_reported(
    other: NDArray[np.generic], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    image = colours(other, empty(1), stain_of(LABELS, 150, 10))
    with caplog.at_level(logging.INFO):
        PreparedImage.of(image, LoadedModel(fluorescence_model(), "onnxruntime"))
    (line,) = caplog.messages
    assert line.startswith("cells.png: the blue channel of this colour image is predicted" + words)
    assert ("signal" in line) == bool(words)


def test_the_empty_channel_of_a_colour_image_is_named() -> None:
    nothing = np.zeros(LABELS.shape)
    image = colours(stain_of(LABELS, 150, 10), stain_of(LABELS, 90, 10), nothing)
    with pytest.raises(InputError, match=r"constant channel 2 \(every pixel is 0\)"):
        predict_array(bright_model(8.0, 8.0, 8.0), image.data, "CYX", channel=(0, 1, 2))


def test_grey_saved_as_colours_is_one_channel_for_any_model() -> None:
    grey = stain_of(LABELS, 150, 10)
    assert choose_channels(colours(grey, grey, grey), bright_model()).channels == (0,)


@pytest.mark.parametrize("bundled", [True, False])
def test_bright_backgrounds_are_refused_by_name(
    bundled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not bundled:
        monkeypatch.setattr("sparcell.prediction.colour_images.entries", dict)
    bright = 255 - stain_of(LABELS, 150, 10)
    image = colours(bright, bright - 20, bright - 10)
    with pytest.raises(InputError, match="with a bright background: cells") as error:
        choose_channels(image, fluorescence_model())
    advice = "a model for colour images: stained" if bundled else "none of the models in `sparcell"
    assert advice in error.value.fix


def test_other_models_and_channels_are_not_guessed() -> None:
    image = colours(stain_of(LABELS, 150, 10), empty(1), empty(2))
    assert choose_channels(image, bright_model()).channels is None
    with pytest.raises(InputError, match="3 channels"):
        predict_array(fluorescence_model(), image.data, "CYX")


@pytest.mark.parametrize("opaque", [None, 255])
def test_three_channels_last_are_colours(
    opaque: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    planes = [empty(0), stain_of(LABELS, 150, 10), empty(2)]
    planes += [np.full(LABELS.shape, opaque)] if opaque else []
    pixels = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    found = predict_array(fluorescence_model(), pixels, "YXC")
    assert len(found.objects) == LABELS.max() and "mean_green" in found.objects
    assert not any("signal" in text for text in caplog.messages)


def test_a_fourth_channel_that_shows_something_is_no_opacity() -> None:
    stain = np.clip(stain_of(LABELS, 150, 10), 0, 255).astype(np.uint8)
    with pytest.raises(InputError, match="4 channels"):
        predict_array(fluorescence_model(), np.stack([stain] * 4, -1), "YXC")


def test_a_second_signal_of_an_array_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    other = stain_of(grid((96, 128), 24, 7), 75, 10, seed=9)
    pixels = np.stack([stain_of(LABELS, 150, 10), empty(1), other], -1)
    predict_array(fluorescence_model(), np.clip(pixels, 0, 255).astype(np.uint8), "YXC")
    (line,) = [text for text in caplog.messages if "colour image" in text]
    assert "blue has signal, too (`channel=2` predicts that)" in line
