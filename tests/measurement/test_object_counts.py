from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, draw
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.draw import disk

from sparcell.core import rows as core_rows
from sparcell.core.labels import connected_labels
from sparcell.measurement import (
    clumping_note,
    count_by_area,
    count_components,
    object_table,
    typical_area,
)

few = settings(deadline=None, max_examples=40)


def discs(*places, edge=400):
    """Mask of nuclei (y, x, radius)."""
    mask = np.zeros((edge, edge), bool)
    for y, x, radius in places:
        mask[disk((y, x), radius, shape=mask.shape)] = True
    return mask


@pytest.mark.parametrize(
    ("name", "components"),
    [("empty", 0), ("touching", 1), ("border", 2), ("hole", 1), ("missed", 2)],
)
def test_cases_by_hand(name, components):
    assert count_components(CASES[name]()[0]) == components


@given(
    arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 2)),
    st.integers(1, 12),
)
@few
def test_components_are_those_of_the_whole_mask(labels, rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core_rows, "STRIP_PIXELS", rows * labels.shape[1])
        assert count_components(labels) == ndimage.label(labels > 0, np.ones((3, 3)))[1]


def test_area_counts_the_nuclei_in_clumps():
    rng = np.random.default_rng(3)
    grid = [(y, x) for y in range(30, 390, 48) for x in range(30, 390, 48)]
    places = []
    for number, (y, x) in enumerate(grid):
        radius = rng.normal(9, 0.5)
        places.append((y, x, radius))
        if number % 3 == 0:
            places.append((y, x + 15, radius))
    mask = discs(*places)
    labels = connected_labels(mask)
    assert count_components(mask) == labels.max() == len(grid)
    typical = typical_area(object_table(labels))
    assert typical == pytest.approx(np.pi * 9**2, rel=0.05)
    by_area = count_by_area(labels)
    assert by_area == pytest.approx(len(places), rel=0.05)
    assert clumping_note(len(grid), by_area).startswith("clumping: the area is that of")


def test_clumps_up_to_almost_half_do_not_pull_the_typical_area():
    rng = np.random.default_rng(0)
    areas = np.concatenate(
        [rng.normal(300, 30, 60), rng.normal(620, 60, 40), rng.uniform(3, 30, 5)]
    )
    table = object_table(draw((2, 2, 4, 4)))
    table = table.loc[[0] * len(areas)].assign(area_px=areas, solidity=0.95)
    assert typical_area(table) == pytest.approx(300, rel=0.04)
    assert np.median(areas) > 1.05 * typical_area(table)


def test_given_typical_area_is_used():
    assert count_by_area(draw((10, 10, 20, 20), (30, 30, 40, 35)), typical=50) == 3


def test_nothing_to_count():
    labels = draw()
    assert typical_area(object_table(labels)) is None
    assert count_by_area(labels) == 0
    assert clumping_note(0, 0) == ""


def test_disagreement_in_words():
    assert clumping_note(100, 119) == ""
    assert clumping_note(100, 81) == ""
    assert clumping_note(100, 130).startswith(
        "clumping: the area is that of 130 typical nuclei, 30% more than the 100 objects"
    )
    assert clumping_note(100, 60).startswith(
        "fragments: the area is that of 60 typical nuclei, 40% less"
    )
