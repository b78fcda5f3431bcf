"""The scores of objects in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def count_sentences(scores: Mapping[str, Any]) -> list[str]:
    """Say how many objects were counted, found, missed and extra.

    Parameters
    ----------
    scores : mapping
        The content of a JSON report of label images. Its truth has an object at least.
    """
    count, match = scores["count"], main_match(scores)
    near = scores.get("detection")
    how = f"within {near['radius']:g} px" if near else "with a fitting outline"
    difference = (count["pred"] - count["truth"]) / count["truth"]
    return [
        f"Counted {count['pred']}, the labels have {count['truth']} ({difference:+.0%}).",
        f"{match['tp']} of {match['tp'] + match['fn']} were found {how}, {match['fn']} were "
        f"missed, {match['fp']} are extra.",
    ]


def main_match(scores: Mapping[str, Any]) -> Mapping[str, Any]:
    """Choose the matches that count: of particles those within a distance, else at IoU 0.5.

    Returns
    -------
    mapping
        With ``tp``, ``fp``, ``fn`` and ``f1``.
    """
    match: Mapping[str, Any] = scores.get("detection") or scores["matching"][0]
    return match
