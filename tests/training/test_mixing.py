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
