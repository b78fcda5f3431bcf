"""What a model is shown of an image."""

from __future__ import annotations

import numpy as np
import pytest
from models import bright_model, exported

from sparcell.core.channel_selection import ChannelSelection
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.models import Model
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.prepared_image import PreparedImage, fit_channels
from sparcell.prediction.settings import PredictSettings
from sparcell.preprocessing.normalise import Normalise


def test_other_channels_are_listed_with_their_intensities() -> None:
    pixels = np.zeros((3, 64, 64), np.uint8)
    pixels[2, 8:16, 8:16] = 200
    image = Image(pixels, "CYX", channels=("red", "green", "blue"), source="blue.tif")
    with pytest.raises(InputError) as said:
        fit_channels(image, bright_model(), PredictSettings(channel=(0, 1, 2)))
    assert str(said.value) == (
        "blue.tif has 3 channels: 0 red (empty), 1 green (empty), 2 blue (0 to 200). The model "
        "looks at 1: add `channel=2`."
    )


def test_channels_and_size_are_those_of_the_model() -> None:
    image = Image(np.arange(3 * 40 * 60, dtype=np.float32).reshape(3, 40, 60), "CYX", 0.5)
    model, settings = bright_model(pixel_size=1.0), PredictSettings(channel=(2,))
    prepared = PreparedImage.of(image, LoadedModel(model, "onnxruntime"), settings)
    assert prepared.image.channels == ("2",) and prepared.image.shape == (40, 60)
    assert prepared.network_image.shape == (20, 30) and prepared.network_image.pixel_size == 1.0
    assert prepared.scale.factor == 0.5 and prepared.runtime.name == "onnxruntime f32"


def test_prepareds_of_windows_are_averaged_as_the_settings_or_the_model_say() -> None:
    image, model = Image(np.zeros((40, 60), np.uint8), "YX"), bright_model(tta="flips")
    flips = PreparedImage.of(image, LoadedModel(model, "onnxruntime"))
    assert flips.runtime.name.endswith("tta flips")
    plain = PreparedImage.of(image, LoadedModel(model, "onnxruntime", tta="none"))
    assert plain.runtime.name == "onnxruntime f32"


def test_no_network_is_started_for_an_image_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[object] = []
    monkeypatch.setattr(Model, "open", lambda *arguments: started.append(arguments))
    with pytest.raises(InputError, match="3 channels"):
        PreparedImage.of(Image(np.zeros((3, 40, 60)), "CYX"), LoadedModel(bright_model()))
    assert not started


@pytest.mark.parametrize(
    ("learned", "names", "seen"),
    [
        (("DNA", "phase"), ("phase", "DNA"), ("DNA", "phase")),
        ((1, 0), ("phase", "DNA"), ("DNA", "phase")),
        ((0, 1), ("phase", "DNA"), ("phase", "DNA")),
        # Two channels of files with more, saved alone.
        ((0, 2), ("phase", "DNA"), ("phase", "DNA")),
        (("DNA", "phase"), ("a", "b"), ("a", "b")),
        (None, ("phase", "DNA"), ("phase", "DNA")),
    ],
)
def test_channels_come_in_the_order_of_the_training(
    learned: tuple[int | str, ...] | None, names: tuple[str, ...], seen: tuple[str, ...]
) -> None:
    from torch import nn

    selection = ChannelSelection(channels=learned)
    model = exported(nn.Conv2d(2, 1, 1), 2, Normalise(), selection=selection)
    image = Image(np.zeros((2, 40, 60)), "CYX", None, names)
    assert fit_channels(image, model).channels == seen
    assert fit_channels(image, model, PredictSettings(channel=(1, 0))).channels == names[::-1]
