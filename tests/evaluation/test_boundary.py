from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from label_pairs import label_pairs
from scipy.spatial.distance import cdist

from sparcell.cli import main
from sparcell.core.errors import InputError
from sparcell.evaluation import BoundaryDistance, boundary_distance
from sparcell.evaluation.boundary import outline_shift


def drawn(*places, shape=(20, 20)):
    labels = np.zeros(shape, np.uint8)
    for number, place in enumerate(places, 1):
        labels[place] = number
    return labels


def test_equal_outlines_are_at_distance_0():
    truth = drawn(np.s_[2:8, 2:8], np.s_[10:15, 8:18])
    assert boundary_distance(truth, truth) == BoundaryDistance(2, 0.0)


def test_a_square_in_a_larger_one_by_hand():
    """5 x 5 around 3 x 3: 16 and 8 outline pixels, 1 px apart, at the 4 corners root 2."""
    found = boundary_distance(drawn(np.s_[5:10, 5:10]), drawn(np.s_[6:9, 6:9]))
    # 9 / 25 is no match.
    assert found == BoundaryDistance()
    # 7 x 7 around 5 x 5: 24 pixels of which 4 are root 2 away, and 16 that are 1 away.
    found = boundary_distance(drawn(np.s_[5:12, 5:12]), drawn(np.s_[6:11, 6:11]))
    assert found.pairs == 1
    assert found.mean == pytest.approx((20 + 4 * np.sqrt(2) + 16) / 40)


def test_a_moved_line_by_hand():
    """Lines of 4 x 1 px, the second a pixel further: each has one end 1 px from the other."""
    found = boundary_distance(drawn(np.s_[5, 5:9]), drawn(np.s_[5, 6:10]))
    assert found.mean == pytest.approx(2 / 8)


def test_the_edge_of_the_image_is_no_outline():
    """Columns 0-4 and 0-5 of the whole height: outlines are columns 4 and 5."""
    assert boundary_distance(drawn(np.s_[:, :5]), drawn(np.s_[:, :6])).mean == 1
    full = np.ones((6, 6), np.uint8)
    assert boundary_distance(full, full) == BoundaryDistance()


def test_each_pair_counts_alike():
    truth = drawn(np.s_[:, :5], np.s_[0:6, 10:16])
    pred = drawn(np.s_[:, :6], np.s_[0:6, 10:16])
    assert boundary_distance(truth, pred) == BoundaryDistance(2, 1.0)
    assert (BoundaryDistance(2, 1.0) + BoundaryDistance(1, 2.0)).mean == 1
    assert BoundaryDistance().mean == 0


@settings(deadline=None, max_examples=20)
@given(label_pairs())
def test_both_ways_it_is_the_same(pair):
    truth, pred = pair
    there, back = boundary_distance(truth, pred), boundary_distance(pred, truth)
    assert there.pairs == back.pairs
    assert there.total == pytest.approx(back.total)
    # What shares half its pixels lies no further apart than it is wide.
    assert 0 <= there.total <= there.pairs * max(truth.shape)


def test_as_by_all_distances_of_two_ellipses():
    y, x = np.indices((40, 50))
    a = ((y - 19) / 11) ** 2 + ((x - 22) / 15) ** 2 < 1
    b = ((y - 21) / 12) ** 2 + ((x - 25) / 13) ** 2 < 1

    def rim(inside):
        grown = np.pad(inside, 1)
        all_in = grown[:-2, 1:-1] & grown[2:, 1:-1] & grown[1:-1, :-2] & grown[1:-1, 2:]
        return np.argwhere(inside & ~all_in)

    away = cdist(rim(a), rim(b))
    expected = np.concatenate([away.min(0), away.min(1)]).mean()
    assert boundary_distance(a, b).mean == pytest.approx(expected)


def test_small_objects_can_be_left_out():
    labels = drawn(np.s_[2:4, 2:4], np.s_[10:15, 8:18])
    assert boundary_distance(labels, labels, min_size=5).pairs == 1


def test_sizes_must_agree():
    with pytest.raises(InputError):
        boundary_distance(drawn(), drawn(shape=(3, 3)))


def test_the_command_shows_it(tmp_path, capsys):
    for name, place in (("truth", np.s_[:, :5]), ("found", np.s_[:, :6])):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", drawn(place))
    out = tmp_path / "scores.json"
    call = ["evaluate", str(tmp_path / "truth"), str(tmp_path / "found"), "--json", str(out)]
    with pytest.raises(SystemExit) as end:
        main([*call, "--boundaries"])
    assert not end.value.code
    shown = capsys.readouterr()
    assert "1.00" in shown.out + shown.err
    scores = json.loads(out.read_text())["boundaries"]
    assert scores["pairs"] == 1 and scores["mean_distance_px"] == 1
    assert scores["images"]["a"] == {"pairs": 1, "mean_distance_px": 1.0}


def test_outline_shift_by_hand() -> None:
    truth = np.zeros((30, 60), np.int32)
    truth[5:15, 5:15] = 1
    truth[5:15, 40:50] = 2
    found = np.zeros_like(truth)
    # One pixel beyond each side of the first: 144 - 100 px more, along 36 outline pixels.
    found[4:16, 4:16] = 3
    shift = outline_shift(truth, found)
    assert (shift.pairs, shift.area, shift.length, shift.mean) == (1, 44, 36, 44 / 36)
    # The second a pixel smaller on each side: 64 - 100. Together 8 px along 72.
    found[6:14, 41:49] = 1
    both = outline_shift(truth, found)
    assert (both.pairs, both.area, both.length) == (2, 8, 72)
    # What matches nothing does not count.
    found[20:30, 20:30] = 9
    assert outline_shift(truth, found) == both
    assert outline_shift(truth, np.zeros_like(truth)).mean == 0
