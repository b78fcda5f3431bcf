"""What it means where growth by counting, by events and by cycles disagree."""

from __future__ import annotations

import numpy as np

from sparcell.tracking.rates.estimates import Estimate
from sparcell.tracking.rates.lives import Lives


def disagree(one: Estimate, other: Estimate) -> bool:
    """Whether both are known with intervals, and these do not overlap."""
    bounds = np.array([one.low, one.high, other.low, other.high])
    if np.isnan(bounds).any():
        return False
    return bool(one.low > other.high or other.low > one.high)


def explain_counting(counting: Estimate, events: Estimate, lives: Lives) -> str:
    """Say where the cells come from, or go, that counting has and divisions and deaths have not.

    The number of cells changes by divisions, deaths and the border of the field. Tracks that begin
    or end inside it count as deaths already, less or more.
    """
    if not disagree(counting, events):
        return ""
    entered, left = lives.number_born("entered"), lives.number("left")
    appeared, lost = lives.number_born("appeared"), lives.number("lost")
    border = entered - left
    faster = counting.value > events.value
    head = f"the count grows {'faster' if faster else 'slower'} than divisions and deaths say: "
    across = f"{entered} tracks entered at the border and {left} left"
    within = f"{appeared} tracks appeared inside the field and {lost} were lost"
    # A flow in the direction of the difference explains it.
    if border > 0 if faster else border < 0:
        return f"{head}{across}; divisions and deaths do not depend on this"
    if faster:
        return f"{head}{within}; divisions are missed, or more cells are found later"
    return f"{head}{within}; crowded cells are missed"


def explain_cycles(cycles: Estimate, events: Estimate) -> str:
    """Say what it means if cells that were seen to divide cycle faster, or slower, than all."""
    if not disagree(cycles, events):
        return ""
    if cycles.value > events.value:
        return (
            "newborn cells divide faster than all cells do: some cells do not divide, or divisions "
            "are missed"
        )
    return "newborn cells divide more slowly than all cells do: divisions may be false"
