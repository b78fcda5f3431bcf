from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bases.scenes import ellipses
from dataset_folder import write_field

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.io import write_image
from sparcell.training.data.field_refs import FieldRef, check_channels


def test_all_fields_have_the_same_channels(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = ellipses(0)
    for name, size in (("a", 0.5), ("b", 0.7), ("c", 0.6)):
        write_field(tmp_path, name, labels)
        image = (labels * 3).astype(np.uint16)
        write_image(tmp_path / "images" / f"{name}.tif", image, "YX", pixel_size=size)
    places = [FieldRef(sample, Plane()) for sample in Dataset.open(tmp_path).samples]
    assert check_channels(places) == (1, pytest.approx(0.6))
    assert "0.5 to 0.7 um" in caplog.text
    write_field(tmp_path, "d", labels, images=np.stack([labels, labels]).astype(np.uint16))
    places = [FieldRef(sample, Plane()) for sample in Dataset.open(tmp_path).samples]
    with pytest.raises(InputError, match=r"1 channels in .* but 2 in .*d\.tif"):
        check_channels(places)


def test_fields_of_one_name_in_two_datasets_are_both_looked_at(tmp_path: Path) -> None:
    labels, places = ellipses(0), []
    for root, image in (("one", labels), ("two", np.stack([labels] * 3))):
        write_field(tmp_path / root, "a", labels, images=image.astype(np.uint16))
        (sample,) = Dataset.open(tmp_path / root).samples
        places.append(FieldRef(sample, Plane()))
    with pytest.raises(InputError, match=r"1 channels in .* but 3 in"):
        check_channels(places)
