"""The verdict of a report: can objects be counted with this model, and why or why not.

It rests on the fields that were scored, and says on how many. The limits are our own: a count
within 10 % is as close as two people who count the same field often are, and 25 % still orders
conditions that differ twofold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sparcell.core.text import counted
from sparcell.evaluation.in_words import count_sentences, main_match

Level = Literal["good", "fair", "poor", "unknown"]

GOOD_COUNT, FAIR_COUNT = 0.10, 0.25
"""Largest relative error of the count, of all and the mean of each field, for "good" and "fair"."""
GOOD_F1, FAIR_F1 = 0.8, 0.6
"""Least F1 at IoU 0.5 for "good" and for "fair"."""
FEW_FIELDS = 3
"""Fewer fields cannot be "good": the next ones may differ."""
SMALL_DIAMETER = 8.0
"""Objects below this diameter, px, need another recipe than the default."""
TITLES = {
    "good": "Good enough for counting",
    "fair": "Usable with care",
    "poor": "Not good enough for counting",
    "unknown": "Not judged",
}


@dataclass(frozen=True)
class Verdict:
    """Whether a model is good enough for counting.

    Attributes
    ----------
    level : {"good", "fair", "poor", "unknown"}
    sentences : list of str
        What was counted, found, missed and extra, and on what it rests.
    advice : list of str
        What to try next.
    """

    level: Level
    sentences: list[str]
    advice: list[str]

    @property
    def title(self) -> str:
        """The verdict in a few words."""
        return TITLES[self.level]


def judge_counts(
    scores: Mapping[str, Any],
    part: str,
    automatic: bool = False,
    typical_diameter: float | None = None,
) -> Verdict:
    """Judge a model by its scores on labelled fields.

    Parameters
    ----------
    scores : mapping
        The content of ``evaluation.json``; empty where nothing was scored.
    part : str
        Part of the dataset that was scored: test, val or train.
    automatic : bool
        Whether Sparcell made the labels itself, from a stain or from points.
    typical_diameter : float, optional
        Of the labelled objects, px.
    """
    if not scores:
        return Verdict(
            "unknown",
            ["No image with labels was kept for a test, so nothing says how good the model is."],
            ["Outline a few more images, mark them test in split.csv, and train again."],
        )
    count, match = scores["count"], main_match(scores)
    if not count["truth"]:
        return Verdict(
            "unknown",
            [f"The labels of the {part} images have no object; {count['pred']} were found."],
            ["Mark images with objects as test in split.csv, and train again."],
        )
    fields = list(scores["images"].values())
    errors = [
        abs(one["count"]["pred"] - one["count"]["truth"]) / max(one["count"]["truth"], 1)
        for one in fields
    ]
    total_error = abs(count["pred"] - count["truth"]) / count["truth"]
    level = _level(max(float(np.mean(errors)), total_error), match["f1"], len(fields))
    sentences = [
        *count_sentences(scores),
        f"The count of an image is off by {np.mean(errors):.0%} on average.",
        _basis(len(fields), part),
    ]
    if automatic:
        sentences.append(
            "Sparcell made these labels itself, so their errors count as errors of the model."
        )
    if "detection" in scores:
        # The recipe is the one for small objects.
        typical_diameter = None
    return Verdict(level, sentences, _advice(level, match, len(fields), typical_diameter))


def judge_clicks(clicks: Mapping[str, Any], part: str) -> Verdict:
    """Judge a model by images that have a click on each object, and no outlines.

    Parameters
    ----------
    clicks : mapping
        As ``clicks.json`` of a run.
    part : str
        Part of the dataset that was compared: test or val.
    """
    made, objects, found = clicks["clicks"], clicks["objects"], clicks["found"]
    images = clicks["images"].values()
    if not made:
        return judge_counts({}, part)
    errors = [abs(one["objects"] - one["clicks"]) / max(one["clicks"], 1) for one in images]
    f1 = 2 * found / (made + objects)
    level = _level(max(float(np.mean(errors)), abs(objects - made) / made), f1, len(errors))
    match = {"tp": found, "fp": clicks["extra"], "fn": clicks["missed"]}
    return Verdict(
        level,
        [
            f"Counted {objects}, there are {counted(made, 'point')} ({objects / made - 1:+.0%}).",
            f"{found} of {made} points have an object of their own, {clicks['missed']} have none, "
            f"{clicks['extra']} objects are extra.",
            _basis(len(errors), part),
            "Points do not say whether outlines are right: see the pictures.",
        ],
        _advice(level, match, len(errors), None),
    )


def _level(count_error: float, f1: float, fields: int) -> Level:
    if count_error > FAIR_COUNT or f1 < FAIR_F1:
        return "poor"
    if count_error > GOOD_COUNT or f1 < GOOD_F1 or fields < FEW_FIELDS:
        return "fair"
    return "good"


def _basis(fields: int, part: str) -> str:
    """Say on how many fields the verdict rests, and whether they were independent."""
    kind = {"val": "check", "test": "test", "train": "training"}[part]
    many = f"This rests on {counted(fields, kind + ' image')}"
    if part == "train":
        return f"{many}, which the model was trained on, so the scores are too good."
    if part == "val":
        return f"{many}, which also chose the settings, so the scores are a little too good."
    return f"{many}, which the training did not see."


def _advice(
    level: Level,
    match: Mapping[str, Any],
    fields: int,
    typical_diameter: float | None,
) -> list[str]:
    """Advice on the next step, the most promising first."""
    advice = []
    if level == "poor":
        if typical_diameter is not None and typical_diameter < SMALL_DIAMETER:
            advice.append(
                f"The objects are small, about {typical_diameter:.0f} px: try the recipe "
                "particles-light, or images of a higher magnification."
            )
        elif not match["tp"]:
            advice.append(
                "No outline fits. Check in the pictures that the labels fit the images, and "
                "train longer (setting fit.minutes)."
            )
        else:
            advice.append("Train longer (setting fit.minutes), or outline more images.")
    if match["fp"] > 2 * match["fn"] and level != "good":
        advice.append(
            "Most errors are extra objects. See in the pictures whether they are debris, pieces of "
            "objects, or objects that the labels lack."
        )
    if match["fn"] > 2 * match["fp"] and level != "good":
        advice.append(
            "Most errors are missed objects. See in the pictures whether they are dim, out of "
            "focus or crowded, and outline more of these."
        )
    if fields < FEW_FIELDS:
        advice.append(f"Label at least {FEW_FIELDS} images for the test, since images differ.")
    if level == "good" and not advice:
        advice.append("Predict your images: sparcell predict RUN IMAGES.")
    return advice
