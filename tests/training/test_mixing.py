"""How much of the start weights a model keeps."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from dataset_folder import fields_of, write_fields

from sparcell.methods import METHODS
from sparcell.training import load_recipe
from sparcell.training.mixing import choose_share


class Shifted:
    """A network whose one weight says how far, in px, from the true objects it finds them."""

    def __init__(self, fields: Any) -> None:
        self.recipe = load_recipe("nuclei-light", ["method.name=semantic", "network.weights=none"])
        self.method = METHODS["semantic"]
        self.decode_settings = self.method.decode_settings()
        self.truth = {field.image.tobytes(): field.labels for field in fields}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        self.shift = round(float(state["shift"]))

    def predict_maps(self, image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        labels = self.truth[image[:, : shape[0], : shape[1]].tobytes()]
        return (255 * (np.roll(labels, self.shift, axis=1) > 0)).astype(np.uint8)[None]


@pytest.mark.parametrize(
    ("start", "end", "share"), [(12, 0, 0.0), (0, 12, 1.0), (4, -12, 0.75), (-8, 8, 0.5)]
)
def test_the_share_with_the_best_score_on_validation_fields_is_chosen(
    start: float, end: float, share: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # All 96 x 128 px, multiples of what the network takes, so nothing is padded.
    fields = fields_of(write_fields(tmp_path, 2))
    module: Any = Shifted(fields)
    states = [{"shift": torch.tensor(float(shift))} for shift in (start, end)]
    with caplog.at_level(logging.INFO):
        assert choose_share(module, *states, fields) == share
    words = f"{1 - share:.0%} of the change" if share < 1 else "The weights of the start are kept"
    assert caplog.messages[-1].startswith(words)


class Dimmed(Shifted):
    """Besides, its second weight says how sure it is, 0..1, of the pixels that it finds."""

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        super().load_state_dict(state)
        self.level = float(state["level"])

    def predict_maps(self, image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        return (self.level * super().predict_maps(image, shape)).astype(np.uint8)


def test_each_share_is_judged_with_the_threshold_that_suits_it(tmp_path: Path) -> None:
    fields = fields_of(write_fields(tmp_path, 2))
    module: Any = Dimmed(fields)
    # The start finds objects 3 px beside the true ones. The end finds the true ones, but with 0.45
    # it is below the threshold of the start, 0.5.
    start, end = (
        {"shift": torch.tensor(shift), "level": torch.tensor(level)}
        for shift, level in ((3.0, 1.0), (0.0, 0.45))
    )
    assert module.decode_settings.threshold == 0.5
    assert choose_share(module, start, end, fields) > 0
    assert choose_share(module, start, end, fields, typical_area=200.0) == 0
