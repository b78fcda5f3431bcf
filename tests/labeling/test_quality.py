from __future__ import annotations

import numpy as np
import pytest
from pictures import discs, stain_of

from sparcell.classical.auto import AutoSettings, choose_strategy, segment_tiles
from sparcell.classical.objects import StainObjects
from sparcell.classical.stain_statistics import StainView
from sparcell.labeling.quality import (
    REASONS,
    PlaneMeasures,
    QualitySettings,
    measure_quality,
    quality_reason,
)
from sparcell.simulation import SimulationSettings, simulate_field

LIMITS = QualitySettings()


def reason_of(stain: np.ndarray) -> str:
    view = StainView.of(stain)
    settings = AutoSettings()
    choice = choose_strategy(view, settings)
    parts = list(segment_tiles(view, choice, settings))
    pixels = stain.size
    plane = PlaneMeasures(
        objects=StainObjects.join([part.objects for part in parts]),
        pixels=pixels,
        diameter=choice.stats.diameter,
        noise=choice.stats.noise,
        background_sigma=choice.stats.sigma,
        residue=sum(part.residue for part in parts) / pixels,
        uncertain=sum(int(part.uncertain.sum()) for part in parts) / pixels,
    )
    return quality_reason(measure_quality([plane]), LIMITS)


def field_of(failure: str, seed: int = 0) -> np.ndarray:
    return np.asarray(simulate_field(SimulationSettings(size=(384, 384)), seed, failure).stain)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("failure", "reasons"),
    [
        ("none", {""}),
        # Without any dye only the chance peaks of noise are left, if anything.
        ("empty", {"empty", "too noisy"}),
        ("noise", {"empty", "too noisy"}),
        ("leak", {"stain everywhere"}),
        ("out_of_focus", {"blurred"}),
    ],
)
def test_simulated_failures_are_refused(failure: str, reasons: set[str], seed: int) -> None:
    assert reason_of(field_of(failure, seed)).split(":")[0] in reasons


def test_one_nucleus_in_a_wide_field_is_too_few() -> None:
    stain = stain_of(discs((512, 512), [(250, 250)], 8))
    assert reason_of(stain).startswith("too few")


def test_few_nuclei_in_a_small_field_are_fine() -> None:
    assert reason_of(stain_of(discs((256, 256), [(60, 60), (150, 200)], 10))) == ""


def test_sizes_of_every_order_are_uneven() -> None:
    objects = StainObjects(*(np.array([1.0, 40.0, 2000.0]),) * 7)
    plane = PlaneMeasures(objects, 512 * 512, 20.0, 1.0, 0.01, 0.0, 0.0)
    assert quality_reason(measure_quality([plane]), LIMITS).startswith("uneven sizes")


def figures(**changes: float) -> dict[str, float | int]:
    good: dict[str, float | int] = {
        "count": 50,
        "noise": 5.0,
        "residue": 0.0,
        "uncertain": 0.0,
        "diameter_px": 20.0,
        "coverage": 0.1,
        "largest": 0.005,
        "contrast": 500.0,
        "snr": 100.0,
        "focus": 6.0,
        "size_spread": 0.4,
    }
    return good | changes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"count": 0}, "empty"),
        ({"residue": 0.11}, "stain everywhere"),
        ({"residue": 0.1}, ""),
        ({"largest": 0.3}, "stain everywhere"),
        ({"snr": 5.9}, "too noisy"),
        ({"snr": 6.0}, ""),
        ({"diameter_px": 3.0}, "too small"),
        ({"size_spread": 1.3}, "uneven sizes"),
        ({"coverage": 0.8}, "too full"),
        ({"coverage": 0.0005}, "too few"),
        ({"focus": 3.1}, "blurred"),
    ],
)
def test_each_limit(change: dict[str, float], reason: str) -> None:
    verdict = quality_reason(figures(**change), LIMITS)
    assert verdict.split(":")[0] == reason
    assert not reason or reason in REASONS


def test_reasons_are_sentences_with_figure_and_limit() -> None:
    assert quality_reason(figures(snr=4.43), LIMITS) == (
        "too noisy: nuclei stand out 4.4 times the noise, 6 needed"
    )
    assert quality_reason(figures(largest=0.259), LIMITS) == (
        "stain everywhere: one object covers 26% of the image (20% allowed)"
    )
    assert quality_reason(figures(focus=2.58), LIMITS) == (
        "blurred: edges too soft (2.6, 3.2 needed)"
    )


def test_figures_by_hand() -> None:
    objects = StainObjects(
        y=np.zeros(2),
        x=np.zeros(2),
        area=np.array([100.0, 400.0]),
        fit=np.ones(2),
        plateau=np.array([10.0, 20.0]),
        contrast=np.array([8.0, 16.0]),
        steepness=np.array([0.2, 0.4]),
    )
    plane = PlaneMeasures(objects, 10_000, 20.0, 2.0, 0.5, 0.01, 0.02)
    result = measure_quality([plane])
    assert result["coverage"] == 0.05
    assert result["largest"] == 0.04
    assert result["contrast"] == 12
    assert result["snr"] == 24
    assert result["focus"] == pytest.approx(6.0)
    assert result["size_spread"] == pytest.approx(np.log(2))
    assert result["diameter_px"] == pytest.approx(
        (2 * np.sqrt(100 / np.pi) + 2 * np.sqrt(400 / np.pi)) / 2
    )
