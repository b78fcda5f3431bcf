"""Images whose objects are not of the model's size are predicted in another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sparcell.core.image import Image
from sparcell.models import load_model
from sparcell.models.domain import DomainFit
from sparcell.prediction.array import predict_array
from sparcell.prediction.found_size import predict_in_size, say_resized
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.size import Scale


def nuclei(spacing: int, radius: float) -> NDArray[np.uint16]:
    y, x = np.mgrid[:160, :160]
    off = np.hypot(*(at % spacing - spacing / 2 for at in (y, x)))
    clean = 200 + 2000 / (1 + np.exp((off - radius) / 0.7))
    return np.random.default_rng(0).normal(clean, 15).astype(np.uint16)


def test_small_nuclei_are_enlarged_unless_a_size_is_given() -> None:
    pixels = nuclei(spacing=24, radius=5)
    found = predict_array("nuclei", pixels, threads=1)
    assert found.scale.factor > 1.4 and found.scale.found.startswith("objects of ")
    assert len(found.objects) == found.labels.max() == 49 and found.labels.shape == (160, 160)
    assert predict_array("nuclei", pixels, diameter="none", threads=1).scale == Scale()


def test_an_empty_frame_in_the_middle_does_not_decide() -> None:
    noise = np.random.default_rng(1).normal(200, 15, (160, 160)).astype(np.uint16)
    small = nuclei(spacing=24, radius=5)
    found = predict_array("nuclei", np.stack([small, noise, noise]), "TYX", threads=1)
    assert found.scale.factor > 1.4
    assert found.labels.max(axis=(1, 2)).tolist() == [49, 0, 0]


def test_objects_of_the_models_size_stay() -> None:
    assert predict_array("nuclei", nuclei(spacing=40, radius=11), threads=1).scale == Scale()


@pytest.mark.parametrize(
    ("diameter", "distances", "factor", "predictions"),
    [
        (12.0, [0.3], 1.61, 2),
        (12.0, [1.4], 1.0, 1),  # an image that the model does not know
        (46.0, [0.3], 1.0, 1),
        (46.0, [0.9, 0.4], 0.5, 2),
        (46.0, [0.5, 0.39], 0.5, 2),
        (46.0, [0.5, 0.45], 1.0, 3),  # hardly less unlike afterwards
        (3.0, [0.3], 1.0, 1),
    ],
)
def test_what_decides(
    diameter: float, distances: list[float], factor: float, predictions: int
) -> None:
    model = load_model("nuclei")
    image = Image(np.zeros((32, 32), np.uint16), "YX")
    settings = PredictSettings()
    loaded = LoadedModel(model, "onnxruntime", 1)
    prepared = PreparedImage(image, model, loaded.runtime, settings, Scale())
    seen: list[float] = []
    fits = iter([DomainFit(distance, {}) for distance in distances])

    def find(one: PreparedImage) -> NDArray[np.float64]:
        seen.append(one.scale.factor)
        return np.full(9, np.pi * diameter**2 / 4)

    result = predict_in_size(prepared, find, lambda one: next(fits))
    assert result.scale.factor == pytest.approx(factor, abs=0.02)
    # The last prediction is the one whose results stay.
    assert len(seen) == predictions and seen[-1] == result.scale.factor


@pytest.mark.parametrize(
    ("spacing", "radius", "found", "distance", "factors"),
    [
        (24, 5, 11.0, 0.3, [1.9]),  # bright pieces tell, and what is found agrees
        (24, 5, 23.0, 0.3, [1.9, 1.0]),  # what is found has the size of the model's
        (24, 5, 6.0, 0.3, [1.9, 1.0, 3.2]),  # what is found is smaller still
        (24, 5, 11.0, 1.4, [1.9, 1.0]),  # an image that the model does not know
        (40, 11, 23.0, 0.3, [1.0]),
        (24, 0, 23.0, 0.3, [1.0]),  # nothing bright
    ],
)
def test_bright_pieces_tell_that_objects_are_small(
    spacing: int, radius: float, found: float, distance: float, factors: list[float]
) -> None:
    model = load_model("nuclei")
    pixels = nuclei(spacing, radius) if radius else np.full((160, 160), 7, np.uint16)
    loaded = LoadedModel(model, "onnxruntime", 1)
    prepared = PreparedImage(Image(pixels, "YX"), model, loaded.runtime, PredictSettings(), Scale())
    seen: list[float] = []

    def find(one: PreparedImage) -> NDArray[np.float64]:
        seen.append(one.scale.factor)
        return np.full(9, np.pi * found**2 / 4)

    result = predict_in_size(prepared, find, lambda one: DomainFit(distance, {}))
    assert seen == pytest.approx(factors, abs=0.2)
    assert result.scale.factor == seen[-1]


def test_the_line_for_the_user() -> None:
    enlarged = Scale(2.0, "objects of 11 px, the model's have 22")._asdict()
    scales = {"a": enlarged, "b": Scale()._asdict(), "c": enlarged | {"factor": 0.5}}
    assert say_resized(scales, 3, "nuclei") == (
        "In 1 of 3 images the nuclei are smaller than those that the model learned, so the image "
        "was enlarged for it. In 1 of 3 images the nuclei are larger than those that the model "
        "learned, so the image was reduced for it. `diameter=none` does not."
    )
    assert say_resized({"b": Scale()._asdict()}, 1, "nuclei") == ""


def test_a_general_model_leaves_sizes_alone() -> None:
    model = load_model("nuclei")
    general = replace(model, spec=model.spec.model_copy(update={"general": True}))
    pixels = nuclei(spacing=24, radius=5)
    assert predict_array(general, pixels, threads=1).scale == Scale()
    assert predict_array(general, pixels, diameter=11, threads=1).scale.factor > 1.4
