from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from pictures import discs, f1, grid, stain_of

from sparcell.classical.auto import AutoSettings, StrategyChoice, choose_strategy, segment_tiles
from sparcell.classical.estimation import estimate_statistics
from sparcell.classical.objects import StainObjects, find_objects
from sparcell.classical.scoring import count_missed, score_objects
from sparcell.classical.stain_statistics import StainView
from sparcell.classical.strategies import STRATEGIES
from sparcell.classical.uncertainty import find_faint, find_residue, mark_uncertain
from sparcell.core.labels import check_labels, raster_order
from sparcell.simulation import SimulationSettings, simulate_field

SETTINGS = AutoSettings()


def label_view(
    view: StainView, choice: StrategyChoice, settings: AutoSettings
) -> NDArray[np.int32]:
    labels = np.zeros(view.shape, np.int32)
    for tile in segment_tiles(view, choice, settings):
        window = labels[tile.tile.window]
        new = tile.labels > 0
        assert not window[new].any()
        window[new] = tile.labels[new] + labels.max()
    return labels


def test_tiles_give_the_nuclei_of_the_whole() -> None:
    rng = np.random.default_rng(3)
    centres = [
        (y + a, x + b)
        for y in range(20, 540, 40)
        for x in range(20, 640, 40)
        for a, b in [rng.integers(-6, 7, 2)]
    ]
    stain = stain_of(discs((550, 650), centres, 9))
    whole = StainView.of(stain)
    choice = choose_strategy(whole, SETTINGS)
    expected = label_view(whole, choice, SETTINGS)
    # The same estimates, in 9 tiles; objects on their borders come out of one tile each.
    tiled = StainView.of(stain, whole_pixels=1)
    small = AutoSettings(tile=256)
    parts = list(segment_tiles(tiled, StrategyChoice(**{**vars(choice), "whole": None}), small))
    assert len(parts) > 8
    found = label_view(tiled, StrategyChoice(**{**vars(choice), "whole": None}), small)
    assert np.array_equal(raster_order(found), raster_order(expected))
    assert sum(len(part.objects) for part in parts) == expected.max()


def test_a_large_plane_is_estimated_from_samples() -> None:
    truth = grid((700, 700), 44, 10)
    view = StainView.of(stain_of(truth), whole_pixels=1)
    assert len(list(view.sample())) == 4
    labels = label_view(view, choose_strategy(view, SETTINGS), SETTINGS)
    assert f1(truth, labels) > 0.97


def test_others_are_not_tried_where_the_first_is_good() -> None:
    choice = choose_strategy(StainView.of(stain_of(grid((256, 256), 40, 9))), SETTINGS)
    assert set(choice.scores) == {SETTINGS.strategies[0]}
    assert choice.scores["local"]["score"] >= 0.85
    assert choice.reason.startswith("local scores")


def test_choice_tells_scores_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparcell.classical.auto.GOOD", 1.0)
    choice = choose_strategy(StainView.of(stain_of(grid((256, 256), 40, 9))), SETTINGS)
    assert set(choice.scores) == set(SETTINGS.strategies)
    assert choice.reason.startswith(choice.strategy)
    for part in choice.scores.values():
        assert part["score"] == pytest.approx(
            1 + part["residue"] + part["size_spread"] + part["clumps"] + part["missed"]
        )


def test_first_strategy_stays_unless_another_is_clearly_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sparcell.classical.auto.GOOD", 1.0)
    stain = stain_of(grid((256, 256), 40, 9))
    for first in SETTINGS.strategies:
        order = (first, *(name for name in SETTINGS.strategies if name != first))
        assert (
            choose_strategy(StainView.of(stain), AutoSettings(strategies=order)).strategy == first
        )


@pytest.mark.parametrize("level", [0.0, 100.0])
def test_nothing_in_a_constant_plane(level: float) -> None:
    view = StainView.of(np.full((64, 64), level))
    choice = choose_strategy(view, SETTINGS)
    assert choice.strategy == "none"
    assert list(segment_tiles(view, choice, SETTINGS)) == []


def test_labels_do_not_depend_on_scale_and_offset_of_intensity() -> None:
    stain = stain_of(grid((256, 256), 40, 9))
    one = label_view(StainView.of(stain), choose_strategy(StainView.of(stain), SETTINGS), SETTINGS)
    other = StainView.of(stain * 7 + 1000)
    two = label_view(other, choose_strategy(other, SETTINGS), SETTINGS)
    assert (one > 0).sum() == pytest.approx((two > 0).sum(), rel=0.002)
    assert one.max() == two.max()


def test_simulated_fields_with_touching_nuclei_and_debris() -> None:
    scores = []
    for seed in (1, 2):
        field = simulate_field(SimulationSettings(size=(384, 384)), seed)
        view = StainView.of(np.asarray(field.stain))
        labels = label_view(view, choose_strategy(view, SETTINGS), SETTINGS)
        check_labels(labels)
        scores.append(f1(np.asarray(field.nuclei, np.int32), labels))
    assert np.mean(scores) > 0.9


def test_score_by_hand() -> None:
    area = np.array([100.0, 100.0])
    objects = StainObjects(*(np.zeros(2) for _ in range(2)), area, *(np.ones(2) for _ in range(4)))
    score = score_objects(objects, residue=0.1, missed=2, typical_area=50.0)
    # 2 of 4 nuclei missed; mean area twice the typical; all of one size.
    assert score["score"] == pytest.approx(1 - 2.1 * 0.1 - 0.065 * 2 - 0.2 * 0.5)
    assert score["size_spread"] == 0


def test_missed_nuclei_are_counted_where_nothing_was_found() -> None:
    truth = grid((200, 200), 50, 10)
    view = StainView.of(stain_of(truth))
    stats = estimate_statistics(view)
    segments = find_objects(
        stats.signal(view, slice(0, 200), slice(0, 200)), stats, STRATEGIES["local"]
    )
    some = np.where(segments.labels > 5, segments.labels, 0)
    assert count_missed(some, segments, stats.area) == 5
    assert count_missed(segments.labels, segments, stats.area) == 0


def test_doubt_marks_leaks_dim_nuclei_and_slivers() -> None:
    truth = grid((300, 300), 50, 10)
    brightness = np.full(truth.max(), 600.0)
    brightness[20] = 45
    truth = np.roll(truth, -23, axis=0)
    stain = stain_of(truth, brightness)
    leak = np.zeros_like(stain)
    leak[200:226, 150:176] = 500
    view = StainView.of(stain + leak)
    stats = estimate_statistics(view)
    signal = stats.signal(view, slice(0, 300), slice(0, 300))
    segments = find_objects(signal, stats, STRATEGIES["otsu"])
    uncertain, residue = mark_uncertain(
        signal, segments, stats, segments.objects.typical_contrast(stats)
    )
    uncertain |= find_faint(signal, segments.labels, stats)
    dim = truth == 21
    assert segments.labels[dim].max() == 0
    assert uncertain[dim].mean() > 0.5
    assert not uncertain[(truth == 9)].any()
    bare = find_residue(signal, np.zeros(signal.shape, bool), stats, 500.0)
    assert bare[205:220, 155:170].all()
    assert not (residue & ~uncertain).any()


@pytest.mark.slow
@pytest.mark.data
def test_reference_fields_reach_the_aim(data_root: Path) -> None:
    scores = []
    folder = data_root / "dc16-phase-nuclear"
    for name in ("3T3_2", "HeLa_1", "MCF10A_1"):
        view = StainView.of(tifffile.imread(folder / "stain" / f"{name}.tif"))
        truth = raster_order(tifffile.imread(folder / "labels_nuclei" / f"{name}.tif"))
        labels = label_view(view, choose_strategy(view, SETTINGS), SETTINGS)
        scores.append(f1(truth, labels))
    assert np.mean(scores) >= 0.90
    assert min(scores) >= 0.85


@pytest.mark.data
def test_a_few_nuclei_of_the_science_bowl(data_root: Path) -> None:
    folder = data_root / "dsb2018-fluo"
    scores = []
    for path in sorted((folder / "images").glob("*.tif"))[::20]:
        view = StainView.of(tifffile.imread(path))
        truth = raster_order(tifffile.imread(folder / "labels" / path.name).astype(np.int32))
        scores.append(f1(truth, label_view(view, choose_strategy(view, SETTINGS), SETTINGS)))
    assert np.mean(scores) > 0.85
