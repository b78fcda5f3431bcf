from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sparcell.methods.base import DecodedObjects, DecodeSettings
from sparcell.methods.watershed.config import WatershedDecode
from sparcell.training import tuning
from sparcell.training.data.fields import TrainingField


def a_cell(**known: object) -> TrainingField:
    """A cell of radius 6 px and brightness 0.5 with a core of radius 2 px and brightness 1."""
    y, x = np.indices((30, 40))
    away = np.hypot(y - 14, x - 20)
    image = np.select([away <= 2, away <= 6], [1.0, 0.5], 0.0).astype(np.float32)
    return TrainingField(
        "a",
        image[None],
        np.zeros(image.shape, np.int32),
        np.ones(image.shape, bool),
        np.array([[14.0, 20.0]]),
        **known,
    )


POINTS = {
    "points": np.array([[14, 20]], np.float32),
    "mask": a_cell().image[0] > 0,
    "annotation": frozenset({"points", "mask"}),
}


def tuned(field: TrainingField, monkeypatch: pytest.MonkeyPatch) -> float:
    """Threshold that is chosen of 0.8, the start, and 0.2."""
    monkeypatch.setattr(tuning, "_maps", lambda module, image: image[0])
    method = SimpleNamespace(
        decode=lambda held, level: DecodedObjects((held > level).astype(np.int32), np.ones(1)),
        candidates=lambda start, area: [0.2],
    )
    recipe = SimpleNamespace(fit=SimpleNamespace(match_within=0.0, tune_decoding=True))
    module = SimpleNamespace(method=method, decode_settings=0.8, recipe=recipe)
    return tuning.tune_decoding(module, [field], 100.0)[0]


def test_decoding_is_tuned_by_outlines_though_there_are_points_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both thresholds find one object round the point; one of them finds all of it."""
    assert tuned(a_cell(**POINTS), monkeypatch) == 0.2


def test_outlines_by_hand_stand_above_proposed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    core = (a_cell().image[0] == 1).astype(np.int32)
    assert tuned(a_cell(**POINTS)._replace(labels=core), monkeypatch) == 0.8


def test_sizes_are_those_of_proposed_outlines() -> None:
    class Train(list):
        outlined, diameter = 1, 0.0

    area, extent = tuning.object_sizes(Train([a_cell(**POINTS)]))
    assert area == POINTS["mask"].sum() and extent == 13
    assert tuning.object_sizes(Train([a_cell()])) == (1.0, 32.0)
    # Fields are enlarged to objects of 40 px, so `predict` shall do so.
    enlarged = Train([a_cell(**POINTS)])
    for diameter in (5.0, 40.0):
        enlarged.diameter = diameter
        assert tuning.object_sizes(enlarged)[0] == pytest.approx(np.pi * (diameter / 2) ** 2)


def test_threshold_and_smallest_size_are_tuned_and_the_rest_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The candidate with the best score has another `h`, which is not looked at."""
    start = WatershedDecode(threshold=0.5, h=0.08)
    grid = [
        start.model_copy(update={"threshold": threshold, "min_size": size, "h": h})
        for threshold in (0.1, 0.2)
        for size in (0, 30, 75)
        for h in (0.03, 0.05)
    ]
    monkeypatch.setattr(tuning, "predict_fields", lambda module, fields: [])
    # Lower thresholds and h, and larger sizes, score better.
    monkeypatch.setattr(
        tuning, "score_decoding", lambda *args: args[2].min_size - args[2].threshold - args[2].h
    )
    fit = SimpleNamespace(match_within=0.0, tune_decoding="threshold")
    module = SimpleNamespace(
        method=SimpleNamespace(candidates=lambda *args: grid),
        decode_settings=start,
        recipe=SimpleNamespace(fit=fit),
    )
    # The third size would drop small objects of images that `predict` does not enlarge.
    expected = {True: (0.1, 75, 0.03), "threshold": (0.1, 30, 0.08)}
    for fit.tune_decoding, values in expected.items():
        found = tuning.tune_decoding(module, [], 100.0)[0]
        assert (found.threshold, found.min_size, found.h) == values


def test_a_threshold_lays_outlines_on_the_true_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ramp from 1 in the middle to 0 at 10 px, a cell of radius 6 px: its outline lies at 0.4."""
    y, x = np.indices((30, 40))
    away = np.hypot(y - 14, x - 20)
    cell = a_cell()._replace(
        image=np.clip(1 - away / 10, 0, 1)[None].astype(np.float32),
        labels=(away <= 6).astype(np.int32),
    )
    monkeypatch.setattr(tuning, "_maps", lambda module, image: image[0])
    method = SimpleNamespace(
        decode=lambda held, level: DecodedObjects(
            (held >= level.threshold).astype(np.int32), np.ones(1)
        )
    )
    module = SimpleNamespace(method=method, decode_settings=DecodeSettings(threshold=0.5))
    settings, scores = tuning.fit_outlines(module, [cell])
    assert settings.threshold == 0.4
    assert scores["shift_tuned"] == 0 and scores["shift_default"] < -0.5
