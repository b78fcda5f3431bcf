"""What more labels would bring, in words."""

from __future__ import annotations

import numpy as np

from sparcell.core.text import counted
from sparcell.evaluation import score_title
from sparcell.reports.verdict import FAIR_F1, GOOD_F1
from sparcell.studies.curve import Expected, LearningCurve, forecast_curve

NO_GROWTH = 1e-9
TOO_WIDE = 0.3
"""Width of an expected score from which a forecast says nothing."""
SHORT_S = 120.0
"""Time of a training, s, below which its length may be what is missing."""
FEW = 10
"""Fewer images differ too much from each other for a forecast."""


def describe(
    curve: LearningCurve,
    minutes_per_field: float | None = None,
    more: int | None = None,
    seconds_per_object: float | None = None,
) -> str:
    """Say in words how good the labels are, and what more of them would bring.

    A forecast wider than `TOO_WIDE` is refused, with the reason. Parameters and errors are those of
    `sparcell.studies.curve.forecast_curve`.
    """
    ahead = forecast_curve(curve, minutes_per_field, more, seconds_per_object)
    noun = "image" if curve.unit == "fields" else "outlined object"
    score = curve.means[-1]
    enough = f": {_enough(score)}" if curve.metric == "f1" else ""
    sentences = [
        f"Learning from {counted(round(curve.most), noun)} gives a score of {score:.2f} of 1 "
        f"({score_title(curve.metric)}){enough}."
    ]
    if ahead.expected is None:
        few = f"one training at each of {counted(len(curve.amounts), 'number')} of images is"
        return f"{sentences[0]} No forecast: {few} too few. Add seeds or budgets."
    extra = counted(ahead.more, f"more {noun}")
    if ahead.minutes is not None:
        extra += f" ({duration(ahead.minutes)} of outlining)"
    low, _, high = ahead.expected
    if high - low > TOO_WIDE:
        return (
            f"{sentences[0]} With {extra} it may be {low:.2f} to {high:.2f}: too uncertain for a "
            f"forecast. {_why_uncertain(curve)}"
        )
    sentences.append(_forecast(curve, extra, ahead.expected))
    if ahead.doubling is not None:
        again = rounded_up(ahead.doubling)
        sentences.append(f"Doubling that again adds less than {again:.2f}.")
    if curve.fit is not None and curve.fit[1] < NO_GROWTH:
        sentences.append(
            "The scores do not grow with the labels: more of them are not what is missing."
        )
    if not curve.repeated:
        sentences.append(
            "There is one training for each number, so what another seed would change is not known."
        )
    return " ".join(sentences)


def rounded_up(gain: float) -> float:
    """Round to hundredths, upwards and to no less than one: a promise of less must hold."""
    return float(max(0.01, np.ceil(gain * 100) / 100))


def duration(minutes: float) -> str:
    """Name a time in the unit that fits: minutes below two hours."""
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _enough(score: float) -> str:
    if score >= GOOD_F1:
        return "good enough to count with"
    return "usable with care" if score >= FAIR_F1 else "not enough to count with"


def _forecast(curve: LearningCurve, extra: str, expected: Expected) -> str:
    forecast = f"With {extra} expect {expected.low:.2f} to {expected.high:.2f}"
    if curve.fit is not None:
        return f"{forecast}."
    return (
        f"{forecast}, if every doubling brings no more than the last one did "
        f"({max(0.0, curve.last_doubling):.2f}). A curve needs more than {len(curve.amounts)} "
        "numbers of images."
    )


def _why_uncertain(curve: LearningCurve) -> str:
    """Say what a forecast lacks, and what to do."""
    if curve.seconds is not None and curve.seconds < SHORT_S:
        return f"The trainings took {curve.seconds:.0f} s each: repeat with 3 minutes each."
    if curve.unit == "fields" and curve.most < FEW:
        return "The images are few and differ: outline some more, then ask again."
    return "Equal trainings differ much: repeat with more seeds."
