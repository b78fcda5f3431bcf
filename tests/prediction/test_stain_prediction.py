"""Predicted stains: grey values, axes, and no seams between tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import bright_model, random_model

from sparcell.cli import main
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image
from sparcell.io import open_image, write_image
from sparcell.methods.stain.intensities import StainRange
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.predict import predict
from sparcell.prediction.predict_stain import predict_stain_array, predict_stain_planes
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tiling.blending import blend_rows, fade
from sparcell.prediction.tiling.tiles import cut_axis

RANGE = StainRange(names=("stain",), low=(100,), high=(1100,), dtype="uint16")
STAIN = {"method": "stain", "decode": {}, "typical_area": None, "stain": RANGE}


def as_they_are(pixels):
    return pixels


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 700), st.sampled_from([16, 32]), st.integers(32, 200), st.integers(0, 70))
def test_windows_share_every_pixel_out_among_them(length, multiple, core, context):
    cuts = cut_axis(length, multiple, core, max(context, 64))
    total = np.zeros(length)
    done = 0
    for part, start in zip(fade(cuts), cuts.starts, strict=True):
        total[part.reach] += part.weight
        assert part.inside.start >= 0 and part.inside.stop <= cuts.size
        assert (
            part.reach.start + part.done >= done and part.inside.start + start == part.reach.start
        )
        done = part.reach.start + part.done
    assert done == length
    np.testing.assert_allclose(total, 1, atol=1e-6)


def blended(image, runtime, core):
    cuts = cut_axis(image.shape[0], 16, core), cut_axis(image.shape[1], 16, core)
    bands = list(blend_rows(image, FIRST_PLANE, as_they_are, runtime, cuts))
    assert [band[0].start for band in bands[1:]] == [band[0].stop for band in bands[:-1]]
    return np.concatenate([maps for _, maps in bands], axis=1)


def test_a_network_that_sees_single_pixels_gives_the_same_in_tiles():
    pixels = np.random.default_rng(0).random((2, 300, 410), np.float32)
    image = Image(pixels, "CYX")
    found = blended(image, lambda window: [window], 64)
    np.testing.assert_allclose(found, pixels, atol=1e-6)


def test_tiles_fade_over_into_each_other():
    # A network whose answer is that of the whole window: at a hard border it would jump.
    ramp = np.broadcast_to(np.linspace(0, 1, 600, dtype=np.float32), (200, 600))[None]
    image = Image(np.ascontiguousarray(ramp), "CYX")
    found = blended(image, lambda window: [np.full_like(window, window.mean())], 128)[0]
    steps = np.abs(np.diff(found[100]))
    assert np.ptp(found) > 0.3 and steps.max() < 0.02


def write_images(folder, axes="YX", shape=(90, 130), **options):
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)
    write_image(folder / "a.tif", pixels, axes, **options)
    return pixels


def test_the_image_has_the_grey_values_axes_and_pixel_size(tmp_path):
    pixels = write_images(tmp_path / "in", "TYX", (3, 90, 130), pixel_size=0.5)
    summary = predict(bright_model(**STAIN), tmp_path / "in", tmp_path / "out")
    stain = open_image(tmp_path / "out/stain/a.tif")
    assert summary.stains == [tmp_path / "out/stain/a.tif"] and not len(summary.counts)
    assert (stain.axes, stain.pixel_size, stain.data.dtype) == ("TYX", 0.5, np.uint16)
    for t, plane in enumerate(pixels):
        read = stain.read(plane=FIRST_PLANE._replace(t=t))[0]
        # The model's answer is the sigmoid of 8 times the image in -1..1.
        scaled = 2 * (plane - plane.min()) / np.ptp(plane) - 1
        expected = 100 + 1000 / (1 + np.exp(-8 * scaled))
        np.testing.assert_allclose(read, expected, atol=6)
    assert not (tmp_path / "out/labels").exists() and not (tmp_path / "out/counts.csv").exists()


def test_several_stains_are_channels_with_their_names(tmp_path):
    write_images(tmp_path / "in")
    two = RANGE.model_copy(update={"names": ("dna", "actin"), "low": (0, 5), "high": (9, 7)})
    from models import exported
    from torch import nn

    from sparcell.preprocessing.normalise import Normalise

    model = exported(nn.Conv2d(1, 2, 1), 1, Normalise(), **(STAIN | {"stain": two}))
    predict(model, tmp_path / "in", tmp_path / "out", settings=PredictSettings(format=".ome.zarr"))
    stain = open_image(tmp_path / "out/stain/a.ome.zarr")
    assert (stain.axes, stain.channels) == ("CYX", ("dna", "actin"))
    assert stain.read()[0].max() <= 9 and stain.read()[1].min() >= 5


def test_tiles_hardly_change_the_answer_of_a_network_that_sees_far(tmp_path):
    write_images(tmp_path / "in", shape=(260, 330))
    model = random_model(**STAIN)
    answers = []
    for name, tile in (("whole", None), ("tiled", 96)):
        predict(model, tmp_path / "in", tmp_path / name, settings=PredictSettings(tile=tile))
        answers.append(open_image(tmp_path / name / "stain/a.tif").read()[0])
    difference = np.abs(answers[0] - answers[1])
    assert np.ptp(answers[0]) > 100 and difference.max() < 0.1 * np.ptp(answers[0])


def test_an_image_of_another_pixel_size_is_resized_and_back(tmp_path):
    y, x = np.mgrid[:120, :160] / 20
    pixels = (2000 + 1500 * np.sin(y) * np.cos(x)).astype(np.uint16)
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in/a.tif", pixels, "YX", pixel_size=0.5)
    for name, size in (("same", 0.5), ("coarse", 1.0)):
        predict(bright_model(pixel_size=size, **STAIN), tmp_path / "in", tmp_path / name)
    same, coarse = (open_image(tmp_path / n / "stain/a.tif") for n in ("same", "coarse"))
    assert same.shape == coarse.shape == (120, 160) and coarse.pixel_size == 0.5
    # Away from the edge, where what is beyond the image is unknown.
    inner = np.s_[:, 4:-4, 4:-4]
    np.testing.assert_allclose(coarse.read()[inner], same.read()[inner], atol=40)


@pytest.mark.parametrize("size", [0.5, 2.0])
def test_a_large_image_that_is_resized_is_written_row_by_row(size, monkeypatch):
    monkeypatch.setattr("sparcell.prediction.tiling.rescale.PIXELS_AT_ONCE", 6000)
    pixels = np.random.default_rng(0).integers(0, 4000, (300, 200)).astype(np.uint16)
    image, model = Image(pixels, "YX", 1.0), bright_model(pixel_size=size, **STAIN)
    written = np.zeros((300, 200), np.uint16)
    heights = []

    class Target:
        def __setitem__(self, index, rows):
            heights.append(len(rows))
            written[index] = rows

    cut = PredictSettings(tile=64)
    predict_stain_planes(PreparedImage.of(image, LoadedModel(model, "onnxruntime"), cut), Target())
    assert sum(heights) == 300 and max(heights) <= 30
    monkeypatch.undo()
    whole = predict_stain_array(model, pixels, settings=cut, runtime="onnxruntime", pixel_size=1.0)
    assert np.array_equal(written, whole) and np.ptp(whole) > 100


def test_a_finished_image_is_kept_and_a_bad_one_does_not_stop_the_others(tmp_path, capsys):
    write_images(tmp_path / "in")
    model = bright_model(**STAIN)
    predict(model, tmp_path / "in", tmp_path / "out")
    before = (tmp_path / "out/stain/a.tif").stat().st_mtime_ns
    (tmp_path / "in/b.tif").write_bytes(b"no image")
    summary = predict(model, tmp_path / "in", tmp_path / "out", resume=True)
    assert (tmp_path / "out/stain/a.tif").stat().st_mtime_ns == before
    assert list(summary.failures) == [str(tmp_path / "in/b.tif")]


def test_images_and_their_predicted_stains_are_a_dataset(tmp_path):
    write_images(tmp_path / "in")
    predict(bright_model(**STAIN), tmp_path / "in", tmp_path / "out")
    sample = Dataset.open(tmp_path / "out").having("stain").samples[0]
    assert sample.image.path.resolve() == tmp_path / "in/a.tif"
    assert sample.files["stain"].path == tmp_path / "out/stain/a.tif"
    # Of several folders names could not tell which image is whose.
    write_images(tmp_path / "else")
    predict(bright_model(**STAIN), [tmp_path / "in", tmp_path / "else"], tmp_path / "both")
    assert len(list((tmp_path / "both/stain").iterdir())) == 2
    assert not (tmp_path / "both/dataset.yaml").exists()


@pytest.mark.parametrize("options", [{"diameter": 20.0}, {"into_image": "cells"}])
def test_what_needs_objects_is_refused(tmp_path, options):
    write_images(tmp_path / "in")
    with pytest.raises(InputError, match="with a model that predicts a stain"):
        settings = PredictSettings(**options)
        predict(bright_model(**STAIN), tmp_path / "in", tmp_path / "out", settings=settings)
    assert not (tmp_path / "out").exists()


def test_an_array_gives_what_a_file_gives(tmp_path):
    pixels = write_images(tmp_path / "in", "TYX", (2, 90, 130))
    model = bright_model(**STAIN)
    predict(model, tmp_path / "in", tmp_path / "out")
    stain = open_image(tmp_path / "out/stain/a.tif")
    found = predict_stain_array(model, pixels, "TYX")
    assert found.dtype == np.uint16 and found.shape == pixels.shape
    for t in range(2):
        assert np.array_equal(found[t], stain.read(plane=FIRST_PLANE._replace(t=t))[0])
    with pytest.raises(InputError, match="a model that predicts a stain"):
        predict_stain_array(bright_model(), pixels, "TYX")


def test_on_the_command_line(tmp_path, capsys):
    write_images(tmp_path / "in")
    bright_model(**STAIN).save(tmp_path / "model.zip")
    asked = [str(tmp_path / "model.zip"), str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as end:
        main(["predict", *asked, "--dry-run"])
    assert not end.value.code and not (tmp_path / "out").exists()
    with pytest.raises(SystemExit) as end:
        main(["predict", *asked])
    assert not end.value.code and "Predicted stain of 1 image" in capsys.readouterr().err
    folder = str(tmp_path / "out")
    with pytest.raises(SystemExit) as end:
        main(["evaluate", folder, folder, "--stain", "--json", str(tmp_path / "s.json")])
    assert not end.value.code and '"pcc": 1.0' in (tmp_path / "s.json").read_text()
