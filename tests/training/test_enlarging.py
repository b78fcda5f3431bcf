"""Fields with small objects are enlarged to the size that the start weights know."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from dataset_folder import write_field

from sparcell.core.dataset import Dataset
from sparcell.core.image import FIRST_PLANE
from sparcell.preprocessing.normalise import Normalise
from sparcell.training.data.enlarging import enlarge
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.data.fields import Fields, TrainingField, learned_diameter

DIAMETER_OF_4 = 2 * math.sqrt(16 / math.pi)
"""Diameter of a circle with the area of a square of 4 px, px."""


def squares(count: int) -> np.ndarray:
    """Squares of 4 px, 8 px apart, in 40 x 48 px."""
    labels = np.zeros((40, 48), np.int32)
    for number in range(count):
        y, x = 2 + 8 * (number // 6), 2 + 8 * (number % 6)
        labels[y : y + 4, x : x + 4] = number + 1
    return labels


def field(labels: np.ndarray) -> TrainingField:
    centres = [np.argwhere(labels == n).mean(0) for n in range(1, labels.max() + 1)]
    valid = np.ones(labels.shape, bool)
    valid[0] = False
    image = np.stack([np.indices(labels.shape)[0], labels > 0]).astype(np.float32)
    return TrainingField("f", image, labels, valid, np.array(centres))


def test_twice_the_size_by_hand() -> None:
    small = field(squares(6))
    large = enlarge(small, 2 * DIAMETER_OF_4)
    # Each pixel becomes four.
    assert np.array_equal(large.labels, np.kron(small.labels, np.ones((2, 2), int)))
    assert not large.valid[:2].any() and large.valid[2:].all()
    for number, centre in enumerate(large.centres, 1):
        np.testing.assert_allclose(centre, np.argwhere(large.labels == number).mean(0))
    # A ramp of 1 per px is interpolated linearly: middles of new pixels lie at .25 and .75 of old.
    ramp = large.image[0, :, 5]
    np.testing.assert_allclose(ramp[1:-1], (np.arange(1, 79) + 0.5) / 2 - 0.5, atol=1e-5)
    assert large.image.shape == (2, 80, 96) and large.image.dtype == np.float32


@pytest.mark.parametrize(
    ("count", "factor", "enlarged"),
    [
        (6, 1.4, False),  # 1 / 1.4 is above 0.7
        (6, 1.5, True),
        (6, 4.1, False),  # as `predict`: beyond 4 it is no matter of size
        (4, 2.0, False),  # fewer than 5 objects have no median worth it
        (0, 2.0, False),
        (6, 0.0, False),
    ],
)
def test_what_is_enlarged(count: int, factor: float, enlarged: bool) -> None:
    before = field(squares(count)) if count else field(squares(1))._replace(labels=squares(0))
    after = enlarge(before, factor * DIAMETER_OF_4)
    if not enlarged:
        assert after is before
        return
    assert after.labels.shape == (60, 72)
    areas = np.bincount(after.labels.ravel())[1:]
    assert np.median(areas) == pytest.approx(16 * factor**2, rel=0.15)


def test_frames_before_are_enlarged_alike() -> None:
    earlier = np.stack([squares(5), squares(6)])
    before = field(squares(6))._replace(earlier_labels=earlier, earlier_valid=earlier == 0)
    after = enlarge(before, 2 * DIAMETER_OF_4)
    assert [one.labels.max() for one in after.earlier] == [5, 6]
    assert all(one.labels.shape == one.valid.shape == (80, 96) for one in after.earlier)


def test_fields_of_both_sizes(tmp_path: Path) -> None:
    write_field(tmp_path, "small", squares(6))
    write_field(tmp_path, "large", np.kron(squares(6), np.ones((2, 2), np.int32)))
    refs = [FieldRef(sample, FIRST_PLANE) for sample in Dataset.open(tmp_path).samples]
    fields = Fields(refs, Normalise(low=0, high=100), diameter=2 * DIAMETER_OF_4)
    assert fields.shapes == [(80, 96), (80, 96)] == [one.labels.shape for one in fields]
    assert fields.area == 2 * 80 * 96


def test_objects_much_larger_than_the_starts_keep_their_size(tmp_path: Path) -> None:
    write_field(tmp_path, "a", squares(6))
    refs = [FieldRef(sample, FIRST_PLANE) for sample in Dataset.open(tmp_path).samples]
    # `predict` takes objects above 1.6 of the model's for large ones.
    assert learned_diameter(refs, DIAMETER_OF_4 / 1.7) == pytest.approx(DIAMETER_OF_4)
    for wanted in (DIAMETER_OF_4 / 1.5, 2 * DIAMETER_OF_4):
        assert learned_diameter(refs, wanted) == wanted
    assert learned_diameter(refs, 0.0) == 0


def test_without_outlines_the_size_is_the_starts(tmp_path: Path) -> None:
    write_field(tmp_path, "a", squares(0))
    refs = [FieldRef(sample, FIRST_PLANE) for sample in Dataset.open(tmp_path).samples]
    assert learned_diameter(refs, 20.0) == 20
