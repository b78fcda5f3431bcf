from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bases.scenes import ellipses
from dataset_folder import fields_of, write_field, write_fields
from scipy import ndimage

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.io import write_image
from sparcell.preprocessing.normalise import Normalise
from sparcell.training.data import fields as fields_module
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.data.fields import Fields, read_field
from sparcell.training.data.selection import find_fields
from sparcell.training.recipe_parts import DataConfig


def names(places: list[FieldRef]) -> list[str]:
    return [place.name for place in places]


def test_a_field_has_image_labels_doubt_and_centres(tmp_path: Path) -> None:
    labels = ellipses(0)
    doubt = (labels == 2).astype(np.uint8) * 255
    write_field(tmp_path, "a", labels, ignore=doubt)
    (sample,) = Dataset.open(tmp_path).samples
    field = read_field(FieldRef(sample, Plane()), Normalise(low=0, high=100))
    assert field.image.shape == (1, *labels.shape) and field.image.dtype == np.float32
    np.testing.assert_allclose(field.image[0], labels / labels.max() * 2 - 1, atol=1e-6)
    assert np.array_equal(field.labels, labels) and np.array_equal(field.valid, labels != 2)
    expected = ndimage.center_of_mass(labels > 0, labels, range(1, labels.max() + 1))
    np.testing.assert_allclose(field.centres, expected)


def test_labels_that_break_the_contract_are_brought_under_it(tmp_path: Path) -> None:
    labels = np.zeros((20, 30), np.uint16)
    labels[2:5, 2:5] = labels[10:13, 20:24] = 700
    write_field(tmp_path, "a", labels)
    (sample,) = Dataset.open(tmp_path).samples
    field = read_field(FieldRef(sample, Plane()), Normalise())
    assert field.labels.max() == len(field.centres) == 2 and field.valid.all()


def test_a_field_without_objects_has_no_centres(tmp_path: Path) -> None:
    image = np.arange(400, dtype=np.uint16).reshape(20, 20)
    write_field(tmp_path, "a", np.zeros((20, 20), np.int32), images=image)
    field = fields_of(Dataset.open(tmp_path))[0]
    assert field.centres.shape == (0, 2)


@pytest.mark.parametrize("kind", ["labels", "ignore"])
def test_files_that_do_not_match_are_refused(tmp_path: Path, kind: str) -> None:
    write_field(tmp_path, "a", ellipses(0), **{kind: np.zeros((96, 127), np.uint8)})
    with pytest.raises(InputError, match=rf"{kind} of \(96, 127\) px for the image a"):
        fields_of(Dataset.open(tmp_path))[0]


def test_planes_of_a_movie_are_fields_of_their_own(tmp_path: Path) -> None:
    labels = np.stack([ellipses(0), ellipses(1)])
    for kind, pixels in (("images", (labels * 10).astype(np.uint16)), ("labels", labels)):
        (tmp_path / kind).mkdir()
        write_image(tmp_path / kind / "m.tif", pixels, "TYX")
    places = find_fields([Dataset.open(tmp_path)], DataConfig(), 0)
    # One sample: the right part of every plane is for validation.
    assert names(places["train"]) == names(places["val"]) == ["m", "m_t1z0"]
    left, right = (Fields(places[part], Normalise()) for part in ("train", "val"))
    joined = np.concatenate([left[1].image, right[1].image], axis=2)
    assert joined.shape == (1, 96, 128) and right[1].labels.shape[1] == round(128 * 0.2)
    assert np.array_equal(left[1].labels > 0, labels[1][:, : left[1].labels.shape[1]] > 0)


def test_fields_are_kept_while_memory_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = fields_of(write_fields(tmp_path, 3))
    first = fields[0]
    assert fields[0] is first and len(fields) == 3
    monkeypatch.setattr(fields_module, "CACHE_BYTES", first.image.nbytes * 3)
    assert fields[1] is fields[1] and fields[0] is not first
    assert np.array_equal(fields[0].image, first.image)


def test_the_area_is_that_of_the_fields(tmp_path: Path) -> None:
    dataset = write_fields(tmp_path, 1)
    places = find_fields([dataset], DataConfig(), 0)
    parts = [Fields(places[part], Normalise()) for part in ("train", "val")]
    assert [part.area for part in parts] == [part[0].labels.size for part in parts]
    assert sum(part.area for part in parts) == 96 * 128
