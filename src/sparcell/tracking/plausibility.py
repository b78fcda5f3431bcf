"""Whether the divisions of a movie are followed by what follows a division.

A mask that falls into two pieces, and two touching cells that part, look like a division. But a
piece is soon lost, and such "mothers" begin and "divide" anywhere. Real daughters are lost as
seldom as other cells. Where cells do divide, most divisions are clear, and most daughters are about
as large as their sisters. Where yeast cells bud, each "division" has one large and one small cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from sparcell.tracking.objects import MovieObjects

if TYPE_CHECKING:
    from sparcell.tracking.linking import Links

LIVES = 3
"""Frames that a daughter lives, and a mother has lived."""
FALSE_FLAWED = 0.6
"""Share of false divisions that have a flaw, as measured on masks with faults."""
DOUBTFUL = 1
"""Divisions of even odds that are added before the doubtful ones are counted."""
PRIOR_DIVISIONS = 4
"""As many divisions without excess of flaws are added: a few cannot condemn a movie."""
ALIKE = 0.5
"""Area of a daughter over that of her larger sister from which they are alike."""
MOST_UNLIKE = 0.5
"""Share of divisions with unlike daughters above which cells bud."""


def false_share(objects: MovieObjects, links: Links) -> float:
    """Estimate the share of false divisions in three ways, 0 to 1; the largest counts."""
    if buds(objects, links):
        return 1.0
    return max(flawed_share(objects, links), doubtful_share(links))


def buds(objects: MovieObjects, links: Links) -> bool:
    """Tell whether the "divisions" of a movie are mostly small cells that part from large ones.

    One division into alike daughters is added: a few cannot condemn a movie. The border cuts
    daughters, so divisions there do not count.
    """
    # Links are in the order of mothers, so daughters follow each other in pairs.
    daughters = links.second[links.is_division].reshape(-1, 2)
    inside = ~objects.at_border[daughters].any(axis=1)
    areas = objects.areas[daughters[inside]]
    if not objects.has_sizes or not len(areas):
        return False
    unlike = areas.min(axis=1) < ALIKE * areas.max(axis=1)
    return bool(unlike.sum() / (len(areas) + 1) > MOST_UNLIKE)


def doubtful_share(links: Links) -> float:
    """Estimate the share of false divisions from their log-odds, 0 to 1.

    `DOUBTFUL` divisions of even odds are added: a few must be clear to count.
    """
    odds = links.odds[links.is_division]
    if not len(odds):
        return 0.0
    # Both links of a division have its log-odds.
    expected = float(expit(-odds).sum()) / 2
    return (expected + DOUBTFUL / 2) / (len(odds) / 2 + DOUBTFUL)


def flawed_share(objects: MovieObjects, links: Links) -> float:
    """Estimate the share of false divisions, 0 to 1.

    A division has a flaw if a daughter is lost inside the field within `LIVES` frames, or the
    mother began there fewer than `LIVES` frames before. Some have one by chance, as follows from
    the rates at which all tracks end and begin; the excess comes from false divisions.
    """
    mothers = np.unique(links.first[links.is_division])
    if not len(mothers):
        return 0.0
    count = len(objects)
    following, before = np.full(count, -1), np.full(count, -1)
    going_on = ~links.is_division
    following[links.first[going_on]] = links.second[going_on]
    before[links.second[going_on]] = links.first[going_on]
    divides, born = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    divides[mothers] = True
    born[links.second[links.is_division]] = True
    inside = ~objects.at_border
    lost = inside & (following < 0) & ~divides & (objects.frames < objects.count - 1)
    appeared = inside & (before < 0) & (objects.frames > 0)
    # A daughter's own beginning is no flaw of hers, but one of a mother that divides at once.
    young = _within(appeared, before)[mothers]
    short = np.zeros(count, np.bool_)
    short[links.first[links.is_division]] = False
    soon_lost = _within(lost, following)
    np.logical_or.at(
        short, links.first[links.is_division], soon_lost[links.second[links.is_division]]
    )
    observed = float((short[mothers] | young).mean())
    steps = max(count, 1)
    ends, begins = lost.sum() / steps, (appeared & ~born).sum() / steps
    expected = float(1 - (1 - ends) ** (2 * LIVES) * (1 - begins) ** (LIVES - 1))
    weight = len(mothers) / (len(mothers) + PRIOR_DIVISIONS)
    excess = weight * (observed - expected) / max(FALSE_FLAWED - expected, 0.1)
    return float(np.clip(excess, 0, 1))


def _within(marked: NDArray[np.bool_], step: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which objects reach a marked one in fewer than `LIVES` steps, (N,)."""
    reached = marked.copy()
    for _ in range(LIVES - 1):
        has = step >= 0
        reached[has] |= reached[step[has]]
    return reached
