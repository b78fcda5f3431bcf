"""Preset ``auto``: estimate statistics of a stain, try several strategies, choose the best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sparcell.classical.estimation import estimate_statistics, find_scale, trial_scale
from sparcell.classical.objects import (
    StainObjects,
    StainSegments,
    enlarge_segments,
    find_objects,
)
from sparcell.classical.scoring import SCORE_PARTS, count_missed, score_objects
from sparcell.classical.stain_statistics import StainStatistics, StainView
from sparcell.classical.strategies import InstanceStrategy, Strategy, find_strategy
from sparcell.classical.uncertainty import (
    doubtful_objects,
    find_faint,
    find_residue,
    mark_uncertain,
)
from sparcell.core.labels import Labels
from sparcell.core.tiles import Tile, tiles
from sparcell.morphology.shapes import keep_regions

ALIGN = 64
HALO_DIAMETERS = 4.0
# Found, like the weights of the score, on the training part of the Data Science Bowl 2018. Below
# this score of the first strategy, the others are tried.
GOOD = 0.85
MARGIN = 0.015
PART_NAMES = {
    "residue": "less left unexplained",
    "size_spread": "more even sizes",
    "clumps": "fewer clumps",
    "missed": "fewer nuclei missed",
}


class AutoSettings(BaseModel):
    """Settings of the preset ``auto``; the defaults suit any nuclear stain on dark background."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    diameter: float | None = Field(
        None, gt=2, description="Typical diameter of a nucleus in px; estimated if not given"
    )
    strategies: tuple[str, ...] = Field(
        ("local", "levels", "otsu"),
        min_length=1,
        description="Strategies to try, by name; cellpose or cellpose:FILE is that tool",
    )
    tile: int = Field(
        1024, ge=256, description="Edge in px of the tiles a large image is worked on in"
    )
    to: Literal["labels", "points"] = Field(
        "labels", description="What is written: outlines, or a point in each nucleus"
    )

    @property
    def preset(self) -> str:
        """Which preset these settings stand for: ``auto``, or ``cellpose`` where that is alone."""
        tools = {name.partition(":")[0] for name in self.strategies}
        return "cellpose" if tools == {"cellpose"} else "auto"


@dataclass(frozen=True)
class StrategyChoice:
    """The strategy chosen for one plane, and why.

    Attributes
    ----------
    stats : StainStatistics
        At full resolution.
    strategy : str
    reason : str
        One sentence with the figures.
    scores : dict
        Strategy to its score and the parts of it.
    contrast : float
        Median contrast of the nuclei in the sample, in the units of the file.
    whole : StainSegments or None
        What the strategy found in the reduced plane, where that was the sample.
    scale : int
        Pixels along each side of a pixel of the reduced plane, where nuclei are sought.
    """

    stats: StainStatistics
    strategy: str
    reason: str
    scores: dict[str, dict[str, float]]
    contrast: float
    whole: StainSegments | None = None
    scale: int = 1


def choose_strategy(view: StainView, settings: AutoSettings) -> StrategyChoice:
    """Estimate the statistics of a stain, and choose a strategy for it.

    The first strategy of the settings is chosen if its `score_objects` reaches `GOOD`. Else all are
    tried, and the first is chosen unless the score of another is higher by `MARGIN`.

    Large nuclei are sought in a reduced plane (`find_scale`), and strategies are compared in one
    that is reduced further (`trial_scale`). They are tried on a sample of it: the whole plane up to
    4 MP, else four windows of 1 MP.
    """
    strategies = {name: find_strategy(name) for name in settings.strategies}
    # Outlines of other tools stay as they are, so they are made at full resolution.
    outlined = any(isinstance(one, InstanceStrategy) for one in strategies.values())
    full = estimate_statistics(view, settings.diameter)
    if not full.diameter:
        return StrategyChoice(full, "none", "nothing is brighter than the noise", {}, 0.0)
    scale, coarse = (1, 1) if outlined else (find_scale(full.diameter), trial_scale(full.diameter))
    first = settings.strategies[0]
    # What the first finds in a small plane is used, so that it is found in the final one.
    trial = _Trial(view.reduced(scale if view.small else coarse), full)
    segments = {first: trial.of(strategies[first])}
    scores = {first: trial.score(first, segments)}
    best, whole = first, segments[first][0] if view.small else None
    if len(strategies) > 1 and scores[first]["score"] < GOOD:
        if trial.view.scale != coarse:
            trial = _Trial(view.reduced(coarse), full)
            segments = {}
        segments = {
            name: segments.get(name) or trial.of(strategy) for name, strategy in strategies.items()
        }
        scores = {name: trial.score(name, segments) for name in segments}
        best = max(segments, key=lambda name: scores[name]["score"] + MARGIN * (name == first))
        if best != first:
            whole = segments[best][0] if view.small and coarse == scale else None
    objects = StainObjects.join([part.objects for part in segments[best]])
    return StrategyChoice(
        full,
        best,
        _explain(best, scores),
        scores,
        objects.typical_contrast(trial.stats),
        whole,
        scale,
    )


class _Trial:
    """A sample of a plane on which strategies are tried."""

    def __init__(self, view: StainView, full: StainStatistics) -> None:
        self.view, self.stats = view, full.at(view)
        self.signals = [self.stats.signal(view, y, x) for y, x in view.sample()]

    def of(self, strategy: Strategy | InstanceStrategy) -> list[StainSegments]:
        """Run a strategy on each window."""
        return [find_objects(signal, self.stats, strategy) for signal in self.signals]

    def score(self, name: str, found: dict[str, list[StainSegments]]) -> dict[str, float]:
        """Score what one of several strategies found."""
        mine, stats = found[name], self.stats
        objects = StainObjects.join([part.objects for part in mine])
        contrast = objects.typical_contrast(stats)
        bright = [
            find_residue(signal, part.labels > 0, stats, contrast)
            for signal, part in zip(self.signals, mine, strict=True)
        ]
        residue = sum(int(b.sum()) for b in bright) / sum(b.size for b in bright)
        missed = sum(
            count_missed(part.labels, theirs, stats.area)
            for other in found
            if other != name
            for part, theirs in zip(mine, found[other], strict=True)
        )
        return score_objects(objects, residue, missed / max(len(found) - 1, 1), stats.area)


def _explain(best: str, scores: dict[str, dict[str, float]]) -> str:
    if not any(part["objects"] for part in scores.values()):
        return "no strategy found a nucleus"
    mine = scores[best]
    others = sorted((name for name in scores if name != best), key=lambda n: -scores[n]["score"])
    if not others:
        return f"{best} scores {mine['score']:.3f}"
    next_best = scores[others[0]]
    both = f"{best} {mine['score']:.3f}, {others[0]} {next_best['score']:.3f}"
    if mine["score"] < next_best["score"]:
        return f"two ways were about equally good; the usual one was kept ({both})"
    text = f"{best} was better than {others[0]} ({both})"
    part = max(SCORE_PARTS, key=lambda p: mine[p] - next_best[p])
    return text + f", mostly by {PART_NAMES[part]}"


@dataclass(frozen=True)
class LabelledTile:
    """Nuclei and uncertain pixels of one tile.

    Attributes
    ----------
    tile : Tile
    labels : (Y, X) int32
        Of the window; only the objects whose centre lies in the core.
    uncertain : (Y, X) bool
        Of the core.
    residue : int
        Bright pixels of the core that no object accounts for.
    objects : StainObjects
        One row per id of `labels`, positions in the whole plane.
    """

    tile: Tile
    labels: Labels
    uncertain: NDArray[np.bool_]
    residue: int
    objects: StainObjects


def segment_tiles(
    view: StainView, choice: StrategyChoice, settings: AutoSettings
) -> Iterator[LabelledTile]:
    """Apply the choice tile by tile; every nucleus comes out of exactly one tile.

    A window reaches four diameters beyond its core, and all estimates are those of the whole
    plane, so the result does not depend on the tiles unless a clump is larger than that.
    """
    if not choice.stats.diameter:
        return
    scale, full = choice.scale, choice.stats
    small = view.reduced(scale)
    stats = full.at(small)
    halo = _aligned(HALO_DIAMETERS * stats.diameter)
    size = max(small.shape) if small.small else max(_aligned(settings.tile / scale), 2 * halo)
    for part in tiles(small.shape, size, halo):
        signal = stats.signal(small, *part.window)
        segments = choice.whole or find_objects(signal, stats, find_strategy(choice.strategy))
        uncertain, residue = mark_uncertain(signal, segments, stats, choice.contrast)
        uncertain |= _faint_nuclei(view, choice, part, segments.labels)
        bright = int(residue[part.core_in_window].sum()) * scale**2
        tile = part
        if scale > 1:
            tile = _enlarged(part, scale, view.shape)
            bare = uncertain & (segments.labels == 0)
            segments = enlarge_segments(segments, full.signal(view, *tile.window), full, scale)
            uncertain = _enlarged_doubt(bare, segments, choice)
        labels, objects = _owned(tile, segments)
        yield LabelledTile(tile, labels, uncertain[tile.core_in_window], bright, objects)


def _faint_nuclei(
    view: StainView, choice: StrategyChoice, part: Tile, labels: Labels
) -> NDArray[np.bool_]:
    """Nuclei too faint to be labelled, (Y, X) bool; sought where strategies are compared."""
    reduced = trial_scale(choice.stats.diameter)
    factor = max(reduced // choice.scale, 1)
    small = view.reduced(choice.scale * factor)
    stats = choice.stats.at(small)
    rows, columns = (slice(s.start // factor, -(-s.stop // factor)) for s in part.window)
    faint = find_faint(stats.signal(small, rows, columns), labels[::factor, ::factor], stats)
    height, width = labels.shape
    return np.asarray(faint.repeat(factor, 0).repeat(factor, 1)[:height, :width] & (labels == 0))


def _enlarged_doubt(
    bare: NDArray[np.bool_], segments: StainSegments, choice: StrategyChoice
) -> NDArray[np.bool_]:
    """Uncertain pixels at full resolution, (Y, X) bool; `bare`: those of no object, reduced."""
    labels, scale = segments.labels, choice.scale
    copied = bare.repeat(scale, 0).repeat(scale, 1)[: labels.shape[0], : labels.shape[1]]
    doubtful = doubtful_objects(segments, choice.stats, choice.contrast)
    uncertain = np.append(False, doubtful)[labels] | segments.rejected | (copied & (labels == 0))
    return np.asarray(uncertain)


def _enlarged(tile: Tile, scale: int, shape: tuple[int, int]) -> Tile:
    """The tile in pixels of the plane that is not reduced."""

    def enlarged(place: tuple[slice, slice]) -> tuple[slice, slice]:
        y, x = (
            slice(s.start * scale, min(s.stop * scale, edge))
            for s, edge in zip(place, shape, strict=True)
        )
        return y, x

    return Tile(enlarged(tile.core), enlarged(tile.window))


def _owned(tile: Tile, segments: StainSegments) -> tuple[Labels, StainObjects]:
    """Keep the objects whose centre lies in the tile's core, in coordinates of the plane."""
    core, window = tile.core, tile.window
    objects = segments.objects.moved(window[0].start, window[1].start)
    mine = np.ones(len(objects), bool)
    for at, side in ((objects.y, core[0]), (objects.x, core[1])):
        mine &= (np.floor(at) >= side.start) & (np.floor(at) < side.stop)
    labels = keep_regions(segments.labels, np.append(False, mine))
    return labels, objects.select(mine)


def _aligned(length: float) -> int:
    return int(np.ceil(length / ALIGN)) * ALIGN
