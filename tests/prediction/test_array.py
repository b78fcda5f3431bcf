"""Arrays in, labels out: the same as from files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bases.scenes import ellipses
from models import bright_model

import sparcell
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.io import open_image, write_image
from sparcell.prediction import predict_instances
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tiling.rescale import rescaled
from sparcell.prediction.tiling.tiles import cut_plane


def test_arrays_and_files_give_the_same(tmp_path: Path) -> None:
    pixels = np.stack([(ellipses(seed) > 0) * 200.0 for seed in (1, 2)]).astype(np.uint8)
    write_image(tmp_path / "movie.tif", pixels, "TYX", pixel_size=0.5)
    model = bright_model()
    sparcell.predict(model, tmp_path / "movie.tif", tmp_path / "out")
    found = sparcell.predict_array(
        model, pixels, "TYX", runtime=model.open(), threads=2, pixel_size=0.5
    )
    kept = open_image(tmp_path / "out" / "labels" / "movie.tif")
    assert found.labels.dtype == np.int32 and found.labels.max() > 1
    assert np.array_equal(found.labels, kept.data[:])
    table = pd.read_csv(tmp_path / "out" / "objects" / "movie.csv")
    assert (found.objects["image"] == "array").all()
    pd.testing.assert_frame_equal(
        found.objects.drop(columns="image"), table.drop(columns="image"), check_dtype=False
    )
    assert found.scale.factor == 1


def test_objects_are_those_of_the_call_whatever_becomes_of_the_arrays() -> None:
    pixels = (ellipses(1) > 0) * np.uint8(200)
    found = sparcell.predict_array(bright_model(), pixels)
    expected = sparcell.predict_array(bright_model(), Image(pixels.copy(), "YX")).objects
    kept = pickle.loads(pickle.dumps(found))
    pixels[:] = 0
    found.labels[:] = 0
    assert len(expected) > 1
    for one in (found, kept):
        pd.testing.assert_frame_equal(one.objects, expected)
    labels, objects, scale, fit = kept
    assert (labels is kept.labels, objects is kept.objects) == (True, True)
    assert (scale, fit) == (kept.scale, kept.fit)


def test_axes_and_channels_must_fit() -> None:
    with pytest.raises(InputError, match="axes 'YX'"):
        sparcell.predict_array(bright_model(), np.zeros((3, 40, 40)))
    with pytest.raises(InputError, match="3 channels"):
        sparcell.predict_array(bright_model(), np.zeros((3, 40, 40)), "CYX")
    chosen = PredictSettings(channel=(1,))
    pixels = np.zeros((3, 40, 40))
    pixels[1, 10:20, 10:20] = 1
    found = sparcell.predict_array(bright_model(), pixels, "CYX", settings=chosen)
    assert found.labels.shape == (40, 40) and found.objects["area_px"].tolist() == [100]


def test_columns_are_decoded_apart_and_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.tile((ellipses(1) > 0) * np.uint8(200), (1, 4))
    settings = PredictSettings(halo=20)
    assert pixels.shape[1] < 2 * predict_instances.MIN_DECODED
    whole = sparcell.predict_array(bright_model(), pixels, settings=settings)
    monkeypatch.setattr(predict_instances, "MIN_DECODED", 80)
    apart = sparcell.predict_array(bright_model(), pixels, settings=settings)
    assert len(predict_instances.split_columns([slice(0, pixels.shape[1])], 20)) >= 4
    pairs = np.unique(np.stack([whole.labels.ravel(), apart.labels.ravel()]), axis=1)
    assert pairs.shape[1] == len(whole.objects) + 1 == len(apart.objects) + 1
    measured = ["y", "x", "area_px", "score", "touches_border"]
    frames = [found.objects.sort_values(["y", "x"])[measured] for found in (whole, apart)]
    pd.testing.assert_frame_equal(*(frame.reset_index(drop=True) for frame in frames))


def test_columns_partition_the_tiles_and_are_wider_than_what_they_look_beyond() -> None:
    assert predict_instances.split_columns([slice(0, 2048)], 200) == [
        slice(0, 1024),
        slice(1024, 2048),
    ]
    assert predict_instances.split_columns([slice(0, 2048)], 300) == [slice(0, 2048)]
    assert len(predict_instances.split_columns([slice(0, 4096)], 0)) == predict_instances.MOST_TILES
    assert predict_instances.split_columns([slice(0, 1800), slice(1800, 4001)], 0) == [
        slice(0, 1800), slice(1800, 2900), slice(2900, 4001),
    ]  # fmt: skip
    many = [slice(left, left + 2048) for left in range(0, 8192, 2048)]
    assert predict_instances.split_columns(many, 0) == many


@pytest.mark.parametrize(
    ("largest", "width", "tile", "expected"),
    [
        (40.0, 2000, None, (2048, 2048, 80)),
        (40.0, 8192, None, (512, 2048, 80)),
        # Tiles are high enough for large objects.
        (300.0, 8192, None, (1200, 2048, 600)),
        (5000.0, 8192, None, (2048, 2048, 1024)),
        (300.0, 8192, 256, (256, 256, 128)),
    ],
)
def test_tiles_of_images_by_width_and_object(
    largest: float, width: int, tile: int | None, expected: tuple[int, int, int]
) -> None:
    model = bright_model(largest_diameter=largest)
    image = Image(np.broadcast_to(np.uint8(0), (8192, width)), "YX")
    grids, halo = predict_instances.plan_tiles(image, image, model, PredictSettings(tile=tile))
    assert (grids[0][1], grids[1][1], halo) == expected


def test_resized_images_share_few_sizes_of_windows() -> None:
    def edges(multiple: int, sizes: range, **other: int) -> set[int]:
        model = bright_model(multiple=multiple, **other)
        found = set()
        for size in sizes:
            image = Image(np.broadcast_to(np.uint8(0), (256, 256)), "YX")
            network_image = rescaled(image, size / 256)
            grids, _ = predict_instances.plan_tiles(image, network_image, model, PredictSettings())
            found |= {cut.size for cut in cut_plane(network_image.shape, grids)}
        return found

    assert edges(64, range(300, 640, 20)) == {384, 512, 640}
    assert edges(64, range(256, 257)) == {256}
    # A network that takes one size of window gets that.
    assert edges(96, range(200, 240, 20), window=96) == {288}


def test_channel_and_diameter_are_keywords() -> None:
    pixels = np.zeros((2, 40, 60))
    pixels[1, 10:20, 10:20] = 1
    found = sparcell.predict_array(bright_model(), pixels, "CYX", channel=1)
    assert found.objects["area_px"].tolist() == [100]
    # The model's objects have 100 px, a diameter of 11.28 px.
    model = bright_model()
    half = sparcell.predict_array(model, pixels[1], diameter=2 * 11.2838)
    assert half.scale.factor == pytest.approx(0.5, abs=1e-4)
    with pytest.raises(InputError, match="a diameter of -1"):
        sparcell.predict_array(model, pixels[1], diameter=-1)


def test_an_image_names_its_axes_and_pixel_size() -> None:
    pixels = np.zeros((3, 40, 60))
    pixels[:, 10:20, 10:20] = 1
    image = Image(pixels, "TYX", pixel_size=0.5)
    found = sparcell.predict_array(bright_model(), image)
    assert found.labels.shape == (3, 40, 60)
    assert found.objects["area_um2"].tolist() == [25.0] * 3


def test_a_model_and_a_prediction_are_one_line() -> None:
    model = bright_model()
    assert repr(model).startswith("<Model tiny: semantic, 1 channel, objects of about 11 px, ")
    assert len(repr(model)) < 100
    assert "<td>11 px</td>" in model._repr_html_() and len(model._repr_html_()) < 500
    pixels = np.zeros((40, 60))
    pixels[10:20, 10:20] = 1
    found = sparcell.predict_array(model, pixels)
    assert repr(found) == "<Prediction: 1 object in 40 x 60 px>"
    assert "1 object in 40 x 60 px" in found._repr_html_() and "<table" in found._repr_html_()


def test_outlines_are_drawn_where_the_objects_are() -> None:
    from matplotlib.figure import Figure

    from sparcell.drawing.palette import MATCHED

    pixels = np.zeros((600, 800))
    pixels[100:200, 300:400] = 1
    found = sparcell.predict_array(bright_model(), pixels)
    axis = found.plot(pixels, axis=Figure().subplots())
    assert axis.get_title() == "1 object"
    (drawn,) = axis.images
    assert tuple(drawn.get_extent()) == (-0.5, 799.5, 599.5, -0.5)
    y, x = np.nonzero((drawn.get_array() == MATCHED).all(axis=2))
    assert (y.min(), y.max(), x.min(), x.max()) == (100, 199, 300, 399)
