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
    count, match = scores["count"], scores["matching"][0]
    difference = (count["pred"] - count["truth"]) / count["truth"]
    return [
        f"Counted {count['pred']}, the labels have {count['truth']} ({difference:+.0%}).",
        f"{match['tp']} of {count['truth']} were found with a fitting outline, {match['fn']} were "
        f"missed, {match['fp']} are extra.",
    ]
