from __future__ import annotations

import numpy as np
import pytest
import torch
from bases.methods import MethodContract

from sparcell.methods import SEMANTIC
from sparcell.methods.losses import bce, soft_dice, soft_jaccard
from sparcell.methods.semantic import SemanticConfig, SemanticDecode, candidates


class TestFocal(MethodContract):
    method, config = SEMANTIC, SemanticConfig()


class TestFocalOfLowGamma(MethodContract):
    method, config = SEMANTIC, SemanticConfig(gamma=0.5, alpha=0.25)


class TestCrossEntropy(MethodContract):
    method, config = SEMANTIC, SemanticConfig(loss="bce", positive_weight=9)


class TestCrossEntropyAndDice(MethodContract):
    method, config = SEMANTIC, SemanticConfig(loss="bce-dice")


class TestDiceOfEachImage(MethodContract):
    method, config = SEMANTIC, SemanticConfig(loss="dice")


class TestDiceAndCrossEntropy(MethodContract):
    method, config = SEMANTIC, SemanticConfig(loss="dice-bce")


class TestJaccard(MethodContract):
    method, config = SEMANTIC, SemanticConfig(loss="jaccard")


class TestOffset(MethodContract):
    method, config = SEMANTIC, SemanticConfig(loss="jaccard", offset=0.5)


def test_the_threshold_is_a_probability_and_the_score_a_mean() -> None:
    maps = np.array([[[127, 128, 255, 0, 200]]], np.uint8)
    found = SEMANTIC.decode(maps, SemanticDecode(threshold=0.5))
    assert found.labels.tolist() == [[0, 1, 1, 0, 2]]
    np.testing.assert_allclose(found.scores, [(128 + 255) / 2 / 255, 200 / 255], rtol=1e-6)


def test_losses_are_put_together_as_published() -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.standard_normal((3, 1, 6, 7)))
    target = torch.from_numpy(rng.integers(0, 2, (3, 1, 6, 7))).double()
    valid = torch.from_numpy(rng.integers(0, 2, (3, 1, 6, 7))).double()
    expected = {
        "bce": bce(logits, target, valid, 9),
        "dice": soft_dice(logits, target, valid, 0.5, per_image=True),
        "jaccard": soft_jaccard(logits, target, valid, 0.5),
    }
    expected["dice-bce"] = expected["bce"] + expected["dice"]  # mp-net eq. 3
    over_batch = soft_dice(logits, target, valid, 0.5)
    expected["bce-dice"] = (expected["bce"] + over_batch) / 2
    for loss, value in expected.items():
        config = SemanticConfig(loss=loss, positive_weight=9, epsilon=0.5)
        found = SEMANTIC.objective()(logits, target, valid, config)
        assert found.item() == pytest.approx(value.item())
        moved = SEMANTIC.objective()(
            logits + 2, target, valid, config.model_copy(update={"offset": 2.0})
        )
        assert moved.item() == pytest.approx(value.item())


def test_activation_by_hand_isl_eq_1() -> None:
    outputs = torch.tensor([[[[-1.0, 0, 0.5, 1]]]])
    found = SEMANTIC.activate()(outputs, SemanticConfig(offset=0.5)).flatten().tolist()
    assert found == pytest.approx([1 / (1 + np.exp(-(x - 0.5))) for x in (-1, 0, 0.5, 1)])
    plain = SEMANTIC.activate()(outputs, SemanticConfig()).flatten().tolist()
    assert plain == pytest.approx([1 / (1 + np.exp(-x)) for x in (-1, 0, 0.5, 1)])


def test_specks_of_a_few_pixels_are_tried_whole() -> None:
    tried = candidates(SemanticDecode(), 3.0)
    assert {one.min_size for one in tried} == {0}
    assert {0.05, 0.5, 0.9} <= {one.threshold for one in tried}
    assert len({one.threshold for one in tried}) == len(tried)
