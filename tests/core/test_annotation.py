from __future__ import annotations

from pathlib import Path

import pytest

from sparcell.core.annotation import available_annotations
from sparcell.core.dataset import Sample
from sparcell.core.image_ref import ImageRef


@pytest.mark.parametrize(
    ("folders", "wanted", "expected"),
    [
        ("labels points stain", "outlines points mask stain", "outlines points stain"),
        ("labels", "points mask", "points mask"),
        ("labels", "points", "points"),
        ("labels stain", "stain", "stain"),
        ("masks ignore", "outlines mask", "mask"),
        ("ignore", "outlines points mask stain", ""),
    ],
)
def test_outlines_that_are_not_wanted_are_points_and_a_mask(
    folders: str, wanted: str, expected: str
) -> None:
    sample = Sample("a", {kind: ImageRef(Path(kind)) for kind in ("images", *folders.split())})
    assert available_annotations(sample, frozenset(wanted.split())) == set(expected.split())
