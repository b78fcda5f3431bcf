"""Label one field of view with the preset ``auto`` and write its files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.annotations.stains import open_stain, view_of
from sparcell.classical.auto import (
    AutoSettings,
    StrategyChoice,
    choose_strategy,
    segment_tiles,
)
from sparcell.classical.objects import StainObjects
from sparcell.classical.segment import paste_tile
from sparcell.classical.stain_statistics import StainView
from sparcell.core.dataset import Sample
from sparcell.io import create_image
from sparcell.labeling.contact_sheet import Thumbnail, downsample
from sparcell.labeling.quality import (
    PlaneMeasures,
    QualitySettings,
    measure_quality,
    quality_reason,
)


@dataclass(frozen=True)
class FieldResult:
    """Row of ``quality.csv`` and picture of one field."""

    row: dict[str, Any]
    thumbnail: Thumbnail


def label_field(
    sample: Sample, target: Path, settings: AutoSettings, quality: QualitySettings
) -> FieldResult:
    """Label every plane of a stain; write ``labels/NAME.tif`` and ``ignore/NAME.tif``.

    Parameters
    ----------
    sample : Sample
        With a stain.
    target : Path
        Dataset folder to write to.
    settings : AutoSettings
    quality : QualitySettings

    Raises
    ------
    InputError
        If the stain cannot be used; nothing is written then.
    """
    stain = open_stain(sample)
    axes = "".join(a for a in stain.axes if a in "TZ") + "YX"
    shape = [stain.size(a) for a in axes]
    create = partial(create_image, axes=axes, shape=shape, pixel_size=stain.pixel_size)
    choices: list[StrategyChoice] = []
    measures: list[PlaneMeasures] = []
    thumbnail = None
    with (
        create(target / "labels" / f"{sample.name}.tif", dtype=np.int32, labels=True) as labels,
        create(target / "ignore" / f"{sample.name}.tif", dtype=np.uint8, labels=True) as ignore,
    ):
        for plane in stain.planes():
            view = view_of(stain, plane)
            choice = choose_strategy(view, settings)
            at = tuple({"T": plane.t, "Z": plane.z}[a] for a in axes[:-2])
            measures.append(_write_plane(view, choice, settings, (labels, ignore), at))
            choices.append(choice)
            if thumbnail is None:
                small, step = downsample(view)
                thin = (*at, np.s_[::step], np.s_[::step])
                thumbnail = small, np.asarray(labels[thin]), np.asarray(ignore[thin])
    figures = measure_quality(measures)
    reason = quality_reason(figures, quality)
    row = {
        "name": sample.name,
        "accepted": not reason,
        "reason": reason,
        "preset": settings.preset,
        "strategy": " ".join(dict.fromkeys(_bare(choice.strategy) for choice in choices)),
        "why": choices[0].reason,
        **figures,
        **{f"score_{_bare(name)}": part["score"] for name, part in choices[0].scores.items()},
    }
    return FieldResult(row, Thumbnail(sample.name, reason, *(thumbnail or ())))


def _bare(strategy: str) -> str:
    """Name of a strategy without its file of weights, which the record has."""
    return strategy.partition(":")[0]


def _write_plane(
    view: StainView,
    choice: StrategyChoice,
    settings: AutoSettings,
    files: tuple[Any, Any],
    at: tuple[int, ...],
) -> PlaneMeasures:
    labels, ignore = files
    parts: list[StainObjects] = []
    uncertain = residue = 0
    last = 0
    for result in segment_tiles(view, choice, settings):
        ids = paste_tile(result, labels, at, last)
        last += int(ids.sum())
        parts.append(result.objects.kept(ids))
        ignore[(*at, *result.tile.core)] = result.uncertain.astype(np.uint8)
        uncertain += int(result.uncertain.sum())
        residue += result.residue
    stats = choice.stats
    pixels = view.shape[0] * view.shape[1]
    return PlaneMeasures(
        objects=StainObjects.join(parts),
        pixels=pixels,
        diameter=stats.diameter,
        noise=stats.noise,
        background_sigma=stats.sigma,
        residue=residue / pixels,
        uncertain=uncertain / pixels,
    )
