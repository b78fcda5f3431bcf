"""What every method must do; a method's test class inherits this and names the method."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from bases.scenes import ellipses
from pydantic import ValidationError

from sparcell.core.labels import Labels, check_labels
from sparcell.methods import METHODS, Method
from sparcell.methods.base import Maps, to_uint8
from sparcell.prediction.tiling.tiles import Stitcher, TileObjects, cut_axis


@pytest.mark.usefixtures("one_thread")
class MethodContract:
    """Subclasses name the method and its settings."""

    method: ClassVar[Method]
    config: ClassVar[Any]
    ties: ClassVar[float] = 0.0
    """Share of the object pixels on lines between equals: they may fall to either side."""

    nothing: ClassVar[tuple[float, ...] | None] = None
    """Targets where there is no object, one per map; None = all 0."""

    rate: ClassVar[float] = 0.2
    """Learning rate of a descent on the outputs, in their units."""

    def perfect_maps(self, labels: Labels) -> Maps:
        """What a network that learned everything would say."""
        return to_uint8(self.method.targets(labels, self.config))

    def perfect_outputs(self, target: torch.Tensor) -> torch.Tensor:
        """What the network would give to make these targets."""
        return torch.logit(target, 1e-4)

    def batch(self, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Random logits, targets and ignore mask of two crops, some pixels in doubt."""
        rng = np.random.default_rng(seed)
        target = np.stack([self.method.targets(ellipses(s, (48, 64)), self.config) for s in (1, 2)])
        logits = torch.from_numpy(rng.standard_normal(target.shape).astype(np.float32))
        valid = torch.from_numpy((rng.random((2, 1, 48, 64)) < 0.7).astype(np.float32))
        return logits.requires_grad_(), torch.from_numpy(target), valid

    def loss(self, *tensors: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = self.method.objective()(*tensors, self.config)
        return loss

    def test_users_find_it_by_its_name(self) -> None:
        assert METHODS[self.method.name] is self.method
        assert self.config.name == self.method.name

    def test_settings_have_no_unknown_names_and_say_what_they_are(self) -> None:
        for kind in (self.method.config, self.method.decode_settings):
            with pytest.raises(ValidationError):
                kind(no_such_setting=1)
            named = {name: f for name, f in kind.model_fields.items() if name != "name"}
            assert all(field.description for field in named.values())

    def test_targets_have_one_map_per_name_in_0_to_1(self) -> None:
        labels = ellipses(0)
        maps = self.method.targets(labels, self.config)
        assert maps.shape == (len(self.method.maps), *labels.shape) and maps.dtype == np.float32
        assert maps.min() == 0 and maps.max() == 1

    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (33, 17)])
    def test_windows_without_objects(self, shape: tuple[int, int]) -> None:
        labels = np.zeros(shape, np.int32)
        maps = self.perfect_maps(labels)
        nothing = self.nothing or (0.0,) * len(maps)
        assert np.array_equal(np.unique(maps.reshape(len(maps), -1), axis=1).T, [nothing])
        found = self.method.decode(maps, self.method.decode_settings())
        assert np.array_equal(found.labels, labels) and found.scores.shape == (0,)

    @pytest.mark.parametrize("shape", [(1, 1), (5, 6)])
    def test_windows_within_one_object(self, shape: tuple[int, int]) -> None:
        maps = self.perfect_maps(np.ones(shape, np.int32))
        found = self.method.decode(maps, self.method.decode_settings())
        assert np.array_equal(found.labels, np.ones(shape)) and found.scores == [1]

    @pytest.mark.parametrize("seed", range(4))
    def test_perfect_maps_decode_to_the_labels(self, seed: int) -> None:
        labels = ellipses(seed)
        found = self.method.decode(self.perfect_maps(labels), self.method.decode_settings())
        assert np.array_equal(found.labels, labels)
        assert found.labels.dtype == np.int32 and found.scores.dtype == np.float32
        np.testing.assert_allclose(found.scores, 1, atol=1e-6)

    @pytest.mark.parametrize("seed", range(3))
    def test_any_maps_give_labels_under_the_contract_and_a_score_each(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        maps = rng.integers(0, 256, (len(self.method.maps), 40, 50), dtype=np.uint8)
        for settings in self.method.candidates(self.method.decode_settings(), 20.0):
            found = self.method.decode(maps, settings)
            check_labels(found.labels)
            sizes = np.bincount(found.labels.ravel())[1:]
            assert len(found.scores) == len(sizes) and (sizes >= settings.min_size).all()
            assert (found.scores >= 0).all() and (found.scores <= 1).all()

    def test_small_objects_can_be_left_out(self) -> None:
        labels = ellipses(0)
        sizes = np.bincount(labels.ravel())[1:]
        settings = self.method.decode_settings(min_size=int(np.median(sizes)) + 1)
        found = self.method.decode(self.perfect_maps(labels), settings).labels
        assert found.max() == (sizes >= settings.min_size).sum() < len(sizes)

    def test_candidates_are_settings_of_the_method_and_differ(self) -> None:
        start = self.method.decode_settings()
        tried = list(self.method.candidates(start, 100.0))
        assert all(isinstance(one, self.method.decode_settings) for one in tried)
        assert len({one.model_dump_json() for one in tried}) == len(tried) > 1

    def test_every_map_has_a_gradient_and_descent_lowers_the_loss(self) -> None:
        logits, target, valid = self.batch()
        optimiser = torch.optim.Adam([logits], lr=self.rate)
        losses = []
        for _ in range(30):
            optimiser.zero_grad()
            loss = self.loss(logits, target, valid)
            loss.backward()
            assert logits.grad is not None
            assert (logits.grad.abs().amax((0, 2, 3)) > 0).all()
            losses.append(loss.item())
            optimiser.step()
        assert np.isfinite(losses).all() and losses[-1] < losses[0] / 2

    def test_perfect_logits_lose_less_than_random_ones(self) -> None:
        logits, target, valid = self.batch()
        assert (
            self.loss(self.perfect_outputs(target), target, valid)
            < self.loss(logits, target, valid) / 2
        )

    def test_pixels_in_doubt_change_neither_loss_nor_gradient(self) -> None:
        logits, target, valid = self.batch()
        loss = self.loss(logits, target, valid)
        (gradient,) = torch.autograd.grad(loss, logits)
        doubt = (valid == 0).expand_as(logits)
        other = torch.where(doubt, 1 - target, target)
        moved = torch.where(doubt, logits + 3, logits).detach().requires_grad_()
        loss_elsewhere = self.loss(moved, other, valid)
        (gradient_elsewhere,) = torch.autograd.grad(loss_elsewhere, moved)
        assert loss_elsewhere.item() == loss.item()
        assert torch.equal(gradient_elsewhere, gradient)
        assert not gradient[doubt].any()

    def test_a_batch_without_objects_or_without_valid_pixels_has_a_finite_loss(self) -> None:
        logits, target, valid = self.batch()
        for t, v in ((torch.zeros_like(target), valid), (target, torch.zeros_like(valid))):
            loss = self.loss(logits, t, v)
            (gradient,) = torch.autograd.grad(loss, logits)
            assert torch.isfinite(loss) and torch.isfinite(gradient).all()

    @pytest.mark.parametrize("size", [1e2, 1e4])
    def test_logits_of_any_size_have_finite_loss_and_gradient(self, size: float) -> None:
        logits, target, valid = self.batch()
        large = (logits.detach().sign() * size).requires_grad_()
        loss = self.loss(large, target, valid)
        (gradient,) = torch.autograd.grad(loss, large)
        assert torch.isfinite(loss) and torch.isfinite(gradient).all()

    @pytest.mark.parametrize("core", [32, 48, 80])
    def test_tiles_give_the_objects_of_the_whole(self, core: int) -> None:
        labels = ellipses(7, (150, 170), 60)
        maps = self.perfect_maps(labels)
        settings = self.method.decode_settings()
        whole = self.method.decode(maps, settings)
        found: list[TileObjects] = []
        stitcher = Stitcher(
            lambda part: self.method.decode(part, settings),
            cut_axis(170, 16, core).cores,
            halo=24,
        )
        rows = ((rows, maps[:, rows]) for rows in cut_axis(150, 16, core).cores)
        stitched = np.concatenate([band.labels for band in stitcher.run(rows, found.append)])
        assert stitcher.cut == 0
        ids = match_ids(stitched, whole.labels)
        assert (ids[stitched] != whole.labels).sum() <= self.ties * (whole.labels > 0).sum()
        assert np.array_equal(stitched > 0, whole.labels > 0)
        scores = np.concatenate([one.scores for one in found])
        np.testing.assert_allclose(scores, whole.scores[ids[1:] - 1], atol=self.ties + 1e-6)


def match_ids(one: Labels, other: Labels) -> Labels:
    """For each id 0..n of `one` the id of `other` below most of it; fails unless one to one."""
    count = int(one.max(initial=0))
    assert one.shape == other.shape and other.max(initial=0) == count
    table = np.zeros((count + 1, count + 1), np.int64)
    np.add.at(table, (one, other), 1)
    ids = table[1:, 1:].argmax(axis=1) + 1 if count else np.zeros(0, np.int64)
    assert np.array_equal(np.sort(ids), np.arange(1, count + 1))
    return np.array([0, *ids], np.int32)
