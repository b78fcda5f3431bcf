from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from label_pairs import label_pairs
from rich.console import Console
from scipy.ndimage import distance_transform_edt
from scipy.optimize import linear_sum_assignment

from sparcell.core.errors import InputError
from sparcell.core.labels import connected_labels
from sparcell.evaluation import Confusion, ObjectCount, detect, evaluate


def points(*places, shape=(20, 20)):
    mask = np.zeros(shape, np.uint8)
    for place in places:
        mask[place] = 1
    return mask


def test_distance_is_between_closest_pixels():
    truth, pred = points(np.s_[5:8, 5:8]), points(np.s_[5, 10])
    assert detect(truth, pred, 2.9).confusion == Confusion(0, 1, 1)
    assert detect(truth, pred, 3).confusion == Confusion(1, 0, 0)
    diagonal = points(np.s_[10, 11])
    assert detect(truth, diagonal, 5).confusion.tp == 1  # 3 down, 4 right
    assert detect(truth, diagonal, 4.99).confusion.tp == 0


def test_a_particle_inside_another_is_at_distance_0():
    assert detect(points(np.s_[2:18, 2:18]), points((9, 9)), 0).confusion == Confusion(1, 0, 0)


def test_each_particle_is_paired_once_and_as_many_as_possible():
    # Greedily the middle prediction would take the left particle and leave two alone.
    truth, pred = points((5, 4), (5, 9)), points((5, 2), (5, 6))
    assert detect(truth, pred, 3).confusion == Confusion(2, 0, 0)
    assert detect(truth, points((5, 5)), 5).confusion == Confusion(1, 0, 1)


def test_size_classes_by_hand():
    truth = points((0, 0), np.s_[3, 0:2], np.s_[6:10, 0:5])
    pred = points((0, 1), np.s_[6:10, 0:4], (15, 15))
    found = detect(truth, pred, 1, size_edges=(2, 20))
    assert found.truth_sizes == (1, 1, 1)
    assert found.pred_sizes == (2, 1, 0)
    assert found.found_sizes == (1, 0, 1)
    assert found.size_names == ["<2", "2-19", ">=20"]
    assert found.count == ObjectCount(3, 3)
    assert found.confusion == Confusion(2, 1, 1)
    large = detect(truth, pred, 1, size_edges=(2, 20), min_size=2)
    assert large.confusion == Confusion(1, 0, 1)
    assert large.truth_sizes == (0, 1, 1)


@settings(max_examples=40, deadline=None)
@given(label_pairs())
def test_agrees_with_distance_maps_and_a_plain_assignment(pair):
    truth, pred = (connected_labels(ids) for ids in pair)
    distance = np.array(
        [
            [distance_transform_edt(truth != a)[pred == b].min() for b in range(1, pred.max() + 1)]
            for a in range(1, truth.max() + 1)
        ]
    ).reshape(truth.max(), pred.max())
    gain = np.where(distance <= 1.5, 1000 - distance, 0)
    expected = int((gain[linear_sum_assignment(gain, maximize=True)] > 0).sum())
    found = detect(*pair, 1.5)
    assert found.confusion == Confusion(expected, pred.max() - expected, truth.max() - expected)
    assert found.count == ObjectCount(truth.max(), pred.max())


def test_empty_images():
    nothing = points()
    assert detect(nothing, nothing, 3).confusion.dice == 1
    assert detect(nothing, points((3, 3)), 3).confusion == Confusion(0, 1, 0)


@pytest.fixture
def folders(tmp_path):
    for folder, places in (("a", [(5, 5), (12, 12)]), ("b", [(5, 7), (1, 1)])):
        (tmp_path / folder).mkdir()
        for name in ("one", "two"):
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", points(*places))
    return tmp_path


def test_folders(folders):
    report = evaluate(folders / "a", folders / "b", metric="detection", radius=3, size_edges=[2])
    found = report.to_json()
    assert found["within_px"] == 3
    assert (found["tp"], found["fp"], found["fn"]) == (2, 2, 2)
    assert found["f1"] == 0.5
    assert found["sizes"][0] == {"area_px": "<2", "truth": 4, "pred": 4, "found": 2}
    assert found["images"]["one"]["count"]["difference"] == 0
    console = Console(file=StringIO(), width=100)
    console.print(report.table())
    assert "within 3 px: precision 0.500" in console.file.getvalue()


def test_ignored_regions_hold_no_particles(folders):
    (folders / "ignore").mkdir()
    tifffile.imwrite(folders / "ignore" / "one.tif", points(np.s_[:3, :3]))
    report = evaluate(
        folders / "a",
        folders / "b",
        metric="detection",
        radius=3,
        ignore=folders / "ignore",
    )
    assert report.images["one"].confusion == Confusion(1, 0, 1)
    assert report.images["two"].confusion == Confusion(1, 1, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        (points(), points(shape=(3, 3)), 3),
        (points(), points(), -1),
        (points(), points(), 3, (5, 5)),
        (points(), points(), 3, (0, 5)),
    ],
)
def test_mistakes_are_plain(arguments):
    with pytest.raises(InputError):
        detect(*arguments)


@pytest.mark.data
def test_labelled_microplastics_find_themselves(data_root):
    labels = data_root / "mpnet-microplastics" / "labels"
    total = evaluate(labels, labels, metric="detection", radius=3).total
    assert total.confusion == Confusion(69, 0, 0)
    assert total.truth_sizes == total.pred_sizes == total.found_sizes
