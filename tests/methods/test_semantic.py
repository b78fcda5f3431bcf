from __future__ import annotations

import numpy as np
from bases.methods import MethodContract

from sparcell.methods import SEMANTIC
from sparcell.methods.semantic import SemanticConfig, SemanticDecode


class TestFocal(MethodContract):
    method, config = SEMANTIC, SemanticConfig()


class TestFocalOfLowGamma(MethodContract):
    method, config = SEMANTIC, SemanticConfig(gamma=0.5, alpha=0.25)


class TestCrossEntropy(MethodContract):
    method, config = SEMANTIC, SemanticConfig(loss="bce")


class TestCrossEntropyAndDice(MethodContract):
    method, config = SEMANTIC, SemanticConfig(loss="bce-dice")


def test_the_threshold_is_a_probability_and_the_score_a_mean() -> None:
    maps = np.array([[[127, 128, 255, 0, 200]]], np.uint8)
    found = SEMANTIC.decode(maps, SemanticDecode(threshold=0.5))
    assert found.labels.tolist() == [[0, 1, 1, 0, 2]]
    np.testing.assert_allclose(found.scores, [(128 + 255) / 2 / 255, 200 / 255], rtol=1e-6)
