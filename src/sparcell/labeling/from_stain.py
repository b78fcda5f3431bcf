"""Label the fields of a dataset from their stains, with the presets ``auto`` and ``cellpose``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

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
from sparcell.classical.strategies import find_strategy
from sparcell.core.dataset import Dataset, Sample
from sparcell.labeling.contact_sheet import Thumbnail, thumbnail_pixels
from sparcell.labeling.labeler import LABELERS, FieldResult, Labeler
from sparcell.labeling.quality import (
    PlaneMeasures,
    QualitySettings,
    measure_quality,
    quality_reason,
)
from sparcell.labeling.writers import PlanePixels, write_labels, write_nuclei_as_points


@LABELERS.register("auto")
class AutoLabeler(Labeler):
    """The best of several strategies for each plane, judged by the quality gate."""

    name = "auto"
    settings_class = AutoSettings
    has_quality_gate = True
    settings: AutoSettings

    @property
    def kind(self) -> str:
        """As the setting `to` says."""
        return self.settings.to

    @property
    def own_folder(self) -> tuple[str, str] | None:
        """Points of a stain need one; labels do not."""
        if self.settings.to == "points":
            return "points from a stain", "where they are checked first"
        return None

    @property
    def uses_all_cores(self) -> bool:
        """The network of Cellpose does."""
        return any(_bare(name) == "cellpose" for name in self.settings.strategies)

    def check_fields(self, fields: Dataset) -> None:
        """Check that there is a strategy of each name, before any field is labelled."""
        for name in self.settings.strategies:
            find_strategy(name)

    def label_field(self, sample: Sample, target: Path) -> Iterable[FieldResult]:
        """Label all planes of one field."""
        return [label_stain(sample, target, self.settings, self.quality)]


@LABELERS.register("cellpose")
class CellposeLabeler(AutoLabeler):
    """Outlines of Cellpose, where that is installed, judged as those of ``auto``."""

    name = "cellpose"
    takes_weights = True

    def __init__(
        self,
        settings: BaseModel | Mapping[str, Any] | None = None,
        quality: QualitySettings | None = None,
        weights: str = "",
    ) -> None:
        super().__init__(settings, quality, weights)
        tool = f"cellpose:{weights}" if weights else "cellpose"
        self.settings = self.settings.model_copy(update={"strategies": (tool,)})


def label_stain(
    sample: Sample, target: Path, settings: AutoSettings, quality: QualitySettings
) -> FieldResult:
    """Find the nuclei in every plane of a stain; write labels or points, and the ignore mask.

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
    choices: list[StrategyChoice] = []
    measures: list[PlaneMeasures] = []
    thumbnail = None
    write = write_nuclei_as_points if settings.to == "points" else write_labels
    with write(target, sample.name, stain) as writer:
        for plane in stain.planes():
            view = view_of(stain, plane)
            choice = choose_strategy(view, settings)
            labels, ignore = writer.open_plane(plane)
            measures.append(_label_plane(view, choice, settings, labels, ignore))
            choices.append(choice)
            if thumbnail is None:
                thumbnail = thumbnail_pixels(view, labels, ignore)
            writer.close_plane(plane)
        figures = measure_quality(measures)
        reason = quality_reason(figures, quality)
        writer.accepted = not reason
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
    shown = replace(
        Thumbnail(sample.name, reason, *(thumbnail or ())), objects=int(figures["count"])
    )
    return FieldResult(row, shown)


def _bare(strategy: str) -> str:
    """Name of a strategy without its file of weights, which the record has."""
    return strategy.partition(":")[0]


def _label_plane(
    view: StainView,
    choice: StrategyChoice,
    settings: AutoSettings,
    labels: PlanePixels,
    ignore: PlanePixels,
) -> PlaneMeasures:
    """Label one plane tile by tile, and measure what the quality gate asks for."""
    parts: list[StainObjects] = []
    uncertain = residue = 0
    last = 0
    for tile in segment_tiles(view, choice, settings):
        added = paste_tile(tile, labels, last)
        last += int(added.sum())
        parts.append(tile.objects.select(added))
        ignore[tile.tile.core] = tile.uncertain.astype(np.uint8)
        uncertain += int(tile.uncertain.sum())
        residue += tile.residue
    pixels = view.shape[0] * view.shape[1]
    return PlaneMeasures(
        objects=StainObjects.join(parts),
        pixels=pixels,
        diameter=choice.stats.diameter,
        noise=choice.stats.noise,
        background_sigma=choice.stats.sigma,
        residue=residue / pixels,
        uncertain=uncertain / pixels,
    )
