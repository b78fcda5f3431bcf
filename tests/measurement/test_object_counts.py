from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cases import CASES, draw
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.draw import disk

from sparcell.core import rows as core_rows
from sparcell.core.image import FIRST_PLANE
from sparcell.core.labels import connected_labels
from sparcell.measurement import (
    clumping_note,
    count_by_area,
    count_components,
    object_table,
    typical_area,
)
from sparcell.measurement.count_table import (
    complete_counts,
    count_planes,
    read_counts,
    typical_areas,
    write_counts,
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
    assert clumping_note(len(grid), by_area).startswith(
        f"{len(grid)} found, but their area would hold"
    )


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
        "100 found, but their area would hold 130 average ones: touching ones"
    )
    assert clumping_note(100, 60).startswith(
        "100 found, but their area would hold 60 average ones: debris"
    )


def test_few_objects_may_differ_by_chance():
    # Two standard deviations of the total area of five objects: 2 * 0.4 * sqrt(5) = 1.8 of them.
    assert clumping_note(5, 6.7) == "" != clumping_note(5, 6.9)
    assert clumping_note(1, 2) != ""


def sized(image, area, count):
    return pd.DataFrame({
        "image": image, "t": 0, "z": 0, "area_px": [area] * count, "solidity": 0.95,
        "touches_border": False,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("pixel_size", "flagged"), [(None, [False] * 3), (0.5, [False, True, True])]
)
def test_magnifications_are_told_apart_where_pixel_sizes_are_unknown(pixel_size, flagged):
    # Sixteen objects of four times the area: touching ones, unless the magnification is another.
    objects = [sized("a", 100, 30), sized("b", 400, 16), sized("c", 400, 3)]
    rows = [
        row
        for part in objects
        for row in count_planes(part["image"][0], [FIRST_PLANE], part, pixel_size)
    ]
    counts = complete_counts(rows, pd.concat(objects))
    assert counts["needs_a_look"].tolist() == flagged
    # Three objects are too few for a typical area of their own.
    expected = [30, 16, np.nan] if pixel_size is None else [30, 64, 12]
    np.testing.assert_equal(counts["count_by_area"], expected)
    if pixel_size:
        # Half a um to a px: a quarter of the area.
        assert counts["area_um2"].tolist() == [750, 1600, 300]


def test_five_single_objects_show_the_magnification_of_an_image():
    cut = sized("b", 200, 6).assign(touches_border=True)
    objects = pd.concat([sized("a", 100, 30), sized("b", 400, 5), cut], ignore_index=True)
    assert typical_areas(objects, {"a": 0.0, "b": 0.0}) == {"a": 100, "b": 400}


def test_images_of_unknown_pixel_size_and_like_objects_share_the_typical_area():
    # The median is that of 60 objects; 16 of 1.5 times the area count as 24 of them.
    objects = [sized("a", 100, 60), sized("b", 150, 16)]
    rows = [
        row for part in objects for row in count_planes(part["image"][0], [FIRST_PLANE], part, None)
    ]
    counts = complete_counts(rows, pd.concat(objects), typical=100)
    assert counts["count_by_area"].tolist() == [60, 24]
    areas = typical_areas(pd.concat(objects), {"a": 0.0, "b": 0.0})
    assert areas["a"] == areas["b"]


def test_counts_of_earlier_versions_are_read_by_their_names_of_now(tmp_path):
    (tmp_path / "counts.csv").write_text("image,n_objects,n_by_area,clumped\na,3,2.5,False\n")
    assert read_counts(tmp_path / "counts.csv").to_dict("records") == [
        {"image": "a", "count": 3, "count_by_area": 2.5, "needs_a_look": False}
    ]
    write_counts(pd.DataFrame({"image": ["a"], "count": [3]}), tmp_path / "both.csv")
    assert (tmp_path / "both.csv").read_text() == "image,count,objects,n_objects\na,3,3,3\n"
    assert read_counts(tmp_path / "both.csv").to_dict("records") == [{"image": "a", "count": 3}]
