from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, split
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sparcell.core import rows as core_rows
from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.rows import LabelPlane
from sparcell.evaluation import count_overlaps

few = settings(deadline=None, max_examples=40)


def as_sets(overlaps):
    o = overlaps
    return (
        dict(zip(o.truth_ids.tolist(), o.truth_areas.tolist(), strict=True)),
        dict(zip(o.pred_ids.tolist(), o.pred_areas.tolist(), strict=True)),
        {
            (int(o.truth_ids[a]), int(o.pred_ids[b])): int(n)
            for a, b, n in zip(o.pair_truth, o.pair_pred, o.pair_areas, strict=True)
        },
        o.pixels,
    )


def test_split_object_by_hand():
    overlaps = count_overlaps(*split())
    assert as_sets(overlaps) == ({1: 200}, {1: 100, 2: 100}, {(1, 1): 100, (1, 2): 100}, 48 * 64)
    assert overlaps.iou.tolist() == [0.5, 0.5]


@given(
    arrays(np.int32, (7, 5), elements=st.integers(0, 4)),
    arrays(np.int32, (7, 5), elements=st.integers(0, 4)),
    arrays(np.bool_, (7, 5)),
    st.integers(1, 8),
)
@few
def test_equals_counting_pixel_by_pixel(truth, pred, ignore, rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core_rows, "STRIP_PIXELS", rows * 5)
        truths, preds, pairs, pixels = as_sets(count_overlaps(truth, pred, ignore))
    kept = list(zip(truth[~ignore].tolist(), pred[~ignore].tolist(), strict=True))
    assert pixels == len(kept)
    assert pairs == {p: kept.count(p) for p in set(kept) if p[0] and p[1]}
    assert truths == {t: sum(a == t for a, _ in kept) for t in {a for a, _ in kept} - {0}}
    assert preds == {p: sum(b == p for _, b in kept) for p in {b for _, b in kept} - {0}}


def test_large_ids_keep_apart():
    top = np.iinfo(np.int32).max
    truth = np.array([[0, top, top, 1]])
    pred = np.array([[top, top, 2, 0]])
    assert as_sets(count_overlaps(truth, pred))[2] == {(top, top): 1, (top, 2): 1}


@pytest.mark.parametrize("name", CASES)
def test_planes_of_an_image_read_lazily(name):
    truth, pred = CASES[name]()
    stack = Image(np.stack([np.zeros_like(truth), truth]), "TYX")
    rows = LabelPlane(stack, Plane(t=1))
    assert as_sets(count_overlaps(rows, pred)) == as_sets(count_overlaps(truth, pred))


@pytest.mark.parametrize(
    ("truth", "pred"),
    [
        (np.zeros((3, 4), int), np.zeros((4, 3), int)),
        (np.zeros((3, 4), int), np.full((3, 4), -1)),
        (np.zeros((3, 4), int), np.zeros((3, 4))),
    ],
    ids=["sizes", "negative", "float"],
)
def test_unfit_images_are_refused(truth, pred):
    with pytest.raises(InputError):
        count_overlaps(truth, pred)
