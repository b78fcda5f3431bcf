"""Preset ``auto``: look at the stain, try several strategies, keep the one that fits best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sparcell.core.labels import Labels
from sparcell.core.tiles import Tile, tiles
from sparcell.labeling.appearance import Appearance, Pixels, View
from sparcell.labeling.doubt import mark_doubt
from sparcell.labeling.estimation import estimate_appearance
from sparcell.labeling.objects import Objects, Segments, find_objects
from sparcell.labeling.scoring import SCORE_PARTS, score_objects
from sparcell.labeling.shapes import keep_regions
from sparcell.labeling.strategies import STRATEGIES

ALIGN = 64
HALO_DIAMETERS = 4.0


class AutoSettings(BaseModel):
    """Settings of the preset ``auto``; the defaults suit any nuclear stain on dark background."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    diameter: float | None = Field(
        None, gt=2, description="Typical diameter of a nucleus in px; estimated if not given"
    )
    strategies: tuple[str, ...] = Field(
        tuple(STRATEGIES), min_length=1, description="Strategies to try, by name"
    )
    tile: int = Field(
        1024, ge=256, description="Edge in px of the tiles a large image is worked on in"
    )


@dataclass(frozen=True)
class Choice:
    """Which strategy was chosen for one plane, and why.

    Attributes
    ----------
    look : Appearance
    strategy : str
    reason : str
        One sentence with the figures.
    scores : dict
        Strategy to its score and the parts of it.
    contrast : float
        Median contrast of the nuclei in the sample, in the units of the file.
    """

    look: Appearance
    strategy: str
    reason: str
    scores: dict[str, dict[str, float]]
    contrast: float


def choose_strategy(view: View, settings: AutoSettings) -> Choice:
    """Estimate how the stain looks and run every strategy on a sample of it.

    The sample is the whole plane up to 4 MP, else four windows of 1 MP. The strategy with the
    best `score_objects` wins; on equal scores the first in the settings.
    """
    look = estimate_appearance(view, settings.diameter)
    if not look.diameter:
        return Choice(look, "none", "nothing stands out of the noise", {}, 0.0)
    signals = [look.signal(view, y, x) for y, x in view.sample()]
    scores: dict[str, dict[str, float]] = {}
    found: dict[str, Objects] = {}
    for name in settings.strategies:
        segments = [find_objects(signal, look, STRATEGIES[name]) for signal in signals]
        found[name] = Objects.join([part.objects for part in segments])
        scores[name] = score_objects(found[name], _explained(signals, segments, look))
    best = max(settings.strategies, key=lambda name: scores[name]["score"])
    return Choice(look, best, _explain(best, scores), scores, found[best].typical_contrast(look))


def _explained(signals: list[Pixels], segments: list[Segments], look: Appearance) -> float:
    """Part of the signal above the floor that lies in objects."""
    inside = sum(float(s[part.labels > 0].sum()) for s, part in zip(signals, segments, strict=True))
    return inside / max(sum(float(s[s > look.floor].sum()) for s in signals), 1e-9)


def _explain(best: str, scores: dict[str, dict[str, float]]) -> str:
    others = sorted((name for name in scores if name != best), key=lambda n: -scores[n]["score"])
    if not scores[best]["objects"]:
        return "no strategy found a nucleus"
    text = f"{best} {scores[best]['score']:.3f}"
    if others:
        part = max(SCORE_PARTS, key=lambda p: scores[best][p] - scores[others[0]][p])
        text += f" over {others[0]} {scores[others[0]]['score']:.3f}, mostly by {part}"
    return text


@dataclass(frozen=True)
class TileResult:
    """Nuclei and doubt found in one tile.

    Attributes
    ----------
    tile : Tile
    labels : (Y, X) int32
        Of the window; only the objects whose centre lies in the core.
    doubt : (Y, X) bool
        Of the core.
    residue : int
        Bright pixels of the core that no object accounts for.
    objects : Objects
        One row per id of `labels`, positions in the whole plane.
    """

    tile: Tile
    labels: Labels
    doubt: NDArray[np.bool_]
    residue: int
    objects: Objects


def segment_tiles(view: View, choice: Choice, settings: AutoSettings) -> Iterator[TileResult]:
    """Apply the choice tile by tile; every nucleus comes out of exactly one tile.

    A window reaches four diameters beyond its core, and all estimates are those of the whole
    plane, so the result does not depend on the tiles unless a clump is larger than that.
    """
    if not choice.look.diameter:
        return
    halo = _aligned(HALO_DIAMETERS * choice.look.diameter)
    size = max(_aligned(settings.tile), 2 * halo)
    if max(view.shape) <= 2 * size:
        size = _aligned(max(view.shape))
    for tile in tiles(view.shape, size, halo):
        signal = choice.look.signal(view, *tile.window)
        segments = find_objects(signal, choice.look, STRATEGIES[choice.strategy])
        doubt, residue = mark_doubt(signal, segments, choice.look, choice.contrast)
        core = tile.core_in_window
        labels, objects = _owned(tile, segments)
        yield TileResult(tile, labels, doubt[core], int(residue[core].sum()), objects)


def _owned(tile: Tile, segments: Segments) -> tuple[Labels, Objects]:
    """Keep the objects whose centre lies in the tile's core, in coordinates of the plane."""
    core, window = tile.core, tile.window
    objects = segments.objects.moved(window[0].start, window[1].start)
    mine = np.ones(len(objects), bool)
    for at, side in ((objects.y, core[0]), (objects.x, core[1])):
        mine &= (np.floor(at) >= side.start) & (np.floor(at) < side.stop)
    labels = keep_regions(segments.labels, np.append(False, mine))
    return labels, objects.kept(mine)


def _aligned(length: float) -> int:
    return int(np.ceil(length / ALIGN)) * ALIGN
