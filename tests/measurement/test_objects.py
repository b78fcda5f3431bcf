from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cases import CASES, border, draw, hole, touching
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter
from skimage.measure import label, regionprops_table

from sparcell.core import rows as core_rows
from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.rows import IntensityPlane, LabelPlane
from sparcell.measurement import Window, object_table

few = settings(deadline=None, max_examples=40)
SAME_NAME = {
    "id": "label",
    "area_px": "area",
    "y": "centroid-0",
    "x": "centroid-1",
    "y0": "bbox-0",
    "x0": "bbox-1",
    "y1": "bbox-2",
    "x1": "bbox-3",
    "equivalent_diameter_px": "equivalent_diameter_area",
    "perimeter_px": "perimeter",
    "eccentricity": "eccentricity",
    "solidity": "solidity",
}
INTENSITIES = ("mean", "min", "max", "std")


def by_skimage(labels, image=None):
    names = [name.split("-")[0] for name in SAME_NAME.values()] + ["orientation"]
    if image is not None:
        names += [f"intensity_{name}" for name in INTENSITIES]
        image = np.moveaxis(image, 0, -1)
    return regionprops_table(labels, image, properties=tuple(dict.fromkeys(names)))


def cells(seed, edge=150):
    rng = np.random.default_rng(seed)
    return label(gaussian_filter(rng.random((edge, edge)), 3) > 0.503).astype(np.int32)


@pytest.mark.parametrize("rows", [1, 7, 10_000])
def test_scikit_image_gives_the_same(monkeypatch, rows):
    labels = cells(1)
    image = np.random.default_rng(2).normal(1000, 20, (2, *labels.shape))
    monkeypatch.setattr(core_rows, "STRIP_PIXELS", rows * labels.shape[1])
    table = object_table(labels, image, channels=("dapi", "phase"))
    reference = by_skimage(labels, image)
    for ours, theirs in SAME_NAME.items():
        assert table[ours].to_numpy() == pytest.approx(reference[theirs], abs=1e-9), ours
    for number, channel in enumerate(("dapi", "phase")):
        for name in INTENSITIES:
            theirs = reference[f"intensity_{name}-{number}"]
            assert table[f"{name}_{channel}"].to_numpy() == pytest.approx(theirs, abs=1e-9)
    sums = table["sum_dapi"].to_numpy()
    assert sums == pytest.approx([image[0][labels == k].sum() for k in table["id"]])
    long = reference["eccentricity"] > 1e-6
    assert table["orientation"][long].to_numpy() == pytest.approx(reference["orientation"][long])


@given(
    arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3))
)
@few
def test_scikit_image_gives_the_same_for_any_pieces(labels):
    table = object_table(labels)
    reference = by_skimage(labels)
    for ours, theirs in SAME_NAME.items():
        assert table[ours].to_numpy() == pytest.approx(reference[theirs], abs=1e-7), ours


def test_a_square_by_hand():
    (row,) = object_table(draw((10, 20, 14, 24)), pixel_size=0.5).to_dict("records")
    assert (row["y"], row["x"], row["area_px"], row["area_um2"]) == (11.5, 21.5, 16, 4.0)
    assert (row["y0"], row["x0"], row["y1"], row["x1"]) == (10, 20, 14, 24)
    assert row["perimeter_px"] == 12
    assert row["perimeter_um"] == 6
    assert row["solidity"] == 1
    assert row["eccentricity"] == 0
    assert row["equivalent_diameter_um"] == pytest.approx(np.sqrt(4 * 4 / np.pi))
    assert not row["touches_border"]


def test_a_hole_makes_an_object_less_solid():
    (row,) = object_table(hole()[0]).to_dict("records")
    assert row["area_px"] == 84
    assert row["solidity"] == pytest.approx(0.84)


def test_touching_objects_have_edges_of_their_own():
    table = object_table(touching()[0])
    assert table["perimeter_px"].tolist() == [36, 36]


def test_objects_at_the_border_are_marked():
    assert object_table(border()[0])["touches_border"].tolist() == [True, True]


@pytest.mark.parametrize("name", CASES)
def test_tables_have_the_same_columns_with_and_without_objects(name):
    truth, pred = CASES[name]()
    image = np.ones((1, *truth.shape))
    table = object_table(truth, image, image_name="a", plane=(3, 1), pixel_size=1)
    assert list(table.columns) == list(object_table(pred, image, pixel_size=1).columns)
    assert len(table) == truth.max()
    assert table[["image", "t", "z"]].drop_duplicates().values.tolist() in ([["a", 3, 1]], [])


def test_ids_need_not_be_consecutive_and_scores_follow_them():
    labels = draw((2, 2, 4, 4), (10, 10, 14, 14)) * 1000
    assert object_table(labels)["id"].tolist() == [1000, 2000]
    assert object_table(labels, scores={2000: 0.5})["score"].tolist() == pytest.approx(
        [np.nan, 0.5], nan_ok=True
    )
    assert object_table(labels, scores=[0.1, 0.2])["score"].tolist() == [0.1, 0.2]
    with pytest.raises(InputError, match="3 scores for 2 objects"):
        object_table(labels, scores=[1, 2, 3])


def test_tables_of_tiles_make_the_table_of_the_image():
    labels = draw((2, 2, 8, 9), (0, 40, 10, 50), (30, 35, 40, 64))
    image = np.random.default_rng(0).random(labels.shape)
    parts = [
        object_table(
            np.where(labels[:, part] > 0, labels[:, part], 0),
            image[:, part],
            window=Window((0, part.start), labels.shape),
        )
        for part in (slice(0, 32), slice(32, 64))
    ]
    tiled = pd.concat(parts, ignore_index=True)
    pd.testing.assert_frame_equal(tiled, object_table(labels, image))


def test_planes_are_read_lazily():
    labels = draw((2, 2, 8, 9))
    stack = Image(np.stack([0 * labels, labels]), "TYX")
    values = Image(np.stack([0 * labels, 7 * labels]).astype(np.float32), "TYX")
    plane = Plane(t=1)
    table = object_table(LabelPlane(stack, plane), IntensityPlane(values, plane))
    assert table["mean_0"].tolist() == [7]
    assert table["area_px"].tolist() == [42]


@pytest.mark.parametrize(
    "arguments",
    [
        {"labels": np.zeros((4, 4))},
        {"labels": np.full((4, 4), -1)},
        {"labels": np.zeros((2, 4, 4), int)},
        {"labels": np.zeros((4, 4), int), "image": np.zeros((4, 5))},
        {"labels": np.zeros((4, 4), int), "image": np.zeros((4, 4)), "channels": ("a", "b")},
    ],
    ids=["float", "negative", "3-D", "sizes", "names"],
)
def test_unfit_input_is_refused(arguments):
    with pytest.raises(InputError):
        object_table(**arguments)
