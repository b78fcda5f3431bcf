from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bases.methods import match_ids
from bases.scenes import ellipses
from models import bright_model

from sparcell.core.columns import Columns
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.labels import Labels, check_labels
from sparcell.io import open_image, read_table, write_image
from sparcell.models import Model
from sparcell.models.domain import DIAMETER, FEATURES, Domain
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.size import (
    ScaleTrial,
    choose_scale,
    estimate_diameter,
    is_far_off,
    known_diameters,
)
from sparcell.prediction.tiling.restore import restore_labels

# The circle of 100 px, the typical area of the models here.
KNOWN = 2 * np.sqrt(100 / np.pi)


@pytest.fixture(scope="module")
def model() -> Model:
    return bright_model()


def photograph(labels: Labels) -> np.ndarray:
    return (100 + 3000 * (labels > 0)).astype(np.uint16)


def enlarged(labels: Labels, times: float) -> Labels:
    shape = (round(labels.shape[0] * times), round(labels.shape[1] * times))
    return restore_labels(labels, (0, 0), labels.shape, shape)[0]


def run(model: Model, folder: Path, out: str = "out", **settings: object) -> Labels:
    predict(
        model,
        folder / "field.tif",
        folder / out,
        settings=PredictSettings(**settings),  # type: ignore[arg-type]
        runtime="onnxruntime",
        threads=1,
    )
    return open_image(folder / out / "labels" / "field.tif").read_labels()


@pytest.mark.parametrize("times", [0.6, 2.5])
def test_a_given_diameter_shows_the_model_its_own_size(
    model: Model, tmp_path: Path, times: float, caplog: pytest.LogCaptureFixture
) -> None:
    truth = enlarged(ellipses(1), times)
    write_image(tmp_path / "field.tif", photograph(truth), "YX", pixel_size=0.5)
    found = run(model, tmp_path, diameter=KNOWN * times)
    check_labels(found)
    assert found.shape == truth.shape and f"resized by {1 / times:.3g}" in caplog.text
    ids = match_ids(found, truth)
    assert (ids[found] != truth).mean() < 0.02
    # Tables are those of the labels, in the image's own pixels.
    table = read_table(tmp_path / "out" / "objects" / "field.csv").set_index("id")
    sizes = np.bincount(found.ravel())[1:]
    assert table.index.tolist() == list(range(1, found.max() + 1))
    assert table["area_px"].tolist() == sizes.tolist()
    np.testing.assert_allclose(table["area_um2"], sizes * 0.25)
    y, x = np.indices(found.shape)
    for number, row in table.iterrows():
        assert row["y"] == pytest.approx(y[found == number].mean(), abs=1e-4)
        assert row["x1"] == x[found == number].max() + 1
    recorded = json.loads((tmp_path / "out" / "record.json").read_text())
    assert recorded["scales"]["field"]["factor"] == pytest.approx(1 / times)
    (counted,) = read_table(tmp_path / "out" / "counts.csv").to_dict("records")
    assert counted["resized_by"] == pytest.approx(1 / times) and "given" in counted["why"]
    assert counted["count"] == found.max() and counted["area_px"] == sizes.sum()


@pytest.mark.parametrize("diameter", [KNOWN / 1.7, 2.3 * KNOWN])
def test_tiles_give_the_whole_also_when_resized(tmp_path: Path, diameter: float) -> None:
    model = bright_model(decode={"threshold": 0.5, "min_size": 4})
    truth = ellipses(4, (220, 260), 90)
    noise = np.random.default_rng(0).normal(0, 300, truth.shape)
    pixels = (photograph(truth) + 2000 + noise).astype(np.float32)
    write_image(tmp_path / "field.tif", pixels, "YX")
    whole = run(model, tmp_path, "whole", diameter=diameter, tile=4096)
    tiled = run(model, tmp_path, "tiled", diameter=diameter, tile=64, halo=64)
    check_labels(tiled)
    assert whole.max() > 10
    ids = match_ids(tiled, whole)
    assert np.array_equal(ids[tiled], whole)
    tables = [read_table(tmp_path / out / "objects" / "field.csv") for out in ("whole", "tiled")]
    places = [table.sort_values(["y", "x"])[["y", "x", "area_px"]] for table in tables]
    np.testing.assert_allclose(*(place.to_numpy() for place in places), atol=1e-4)


def test_without_a_diameter_nothing_changes(model: Model, tmp_path: Path) -> None:
    truth = ellipses(2)
    write_image(tmp_path / "field.tif", photograph(truth), "YX")
    assert np.array_equal(run(model, tmp_path), truth)
    assert np.array_equal(run(model, tmp_path, "exact", diameter=KNOWN), truth)
    scales = json.loads((tmp_path / "out" / "record.json").read_text())["scales"]
    assert scales == {"field": {"factor": 1.0, "found": "not resized"}}


def test_pixel_sizes_decide_where_both_are_known(tmp_path: Path) -> None:
    image = Image(np.zeros((50, 60)), "YX", pixel_size=0.65)
    near, far = bright_model(pixel_size=0.6), bright_model(pixel_size=0.325)
    assert choose_scale(image, near).factor == 1
    scale = choose_scale(image, far)
    assert scale.factor == 2 and "0.65 um per pixel" in scale.found
    assert choose_scale(image, far, "none").factor == 1
    assert choose_scale(image, far, 2 * KNOWN).factor == 0.5
    assert choose_scale(Image(np.zeros((50, 60)), "YX"), far).factor == 1
    with pytest.raises(InputError, match='`diameter="none"`'):
        choose_scale(image, bright_model(pixel_size=0.01))


@pytest.mark.parametrize("diameter", [0, -3.0, "many", 1e-3, 1e5, float("nan")])
def test_diameters_that_make_no_sense(model: Model, diameter: object) -> None:
    with pytest.raises(InputError, match="diameter"):
        choose_scale(Image(np.zeros((50, 60)), "YX"), model, diameter)  # type: ignore[arg-type]


def test_a_model_that_does_not_know_its_size() -> None:
    silent = bright_model(typical_area=None)
    image = Image(np.zeros((50, 60)), "YX")
    assert choose_scale(image, silent).factor == 1
    with pytest.raises(InputError, match="typical object size is not known"):
        choose_scale(image, silent, "auto")


def test_objects_far_from_the_models_size_are_said(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    truth = enlarged(ellipses(1), 3)
    write_image(tmp_path / "field.tif", photograph(truth), "YX")
    run(model, tmp_path)
    said = caplog.text
    assert "In 1 of 1 image (field) the objects are" in said
    # Half and twice 11.28 px, where a model does not say which sizes it has seen.
    assert "this model learned objects of 6 to 23 px" in said
    assert f'`diameter={median_diameter(truth):.0f}` or `diameter="auto"`' in said
    caplog.clear()
    run(model, tmp_path, "again", diameter="none")
    assert "repeat with" not in caplog.text


def test_objects_of_a_size_that_was_trained_on_are_not_far_off(model: Model) -> None:
    images = [dict.fromkeys(FEATURES, 1.0) | {DIAMETER: 8.0 + number} for number in range(41)]
    domain = Domain.of(images)
    # Percentiles 1 and 99 of 8, 9 ... 48 px.
    assert domain is not None and domain.diameters == (8.4, 47.6)
    spec = model.spec.model_copy(update={"domain": domain})
    # A quarter more and less is still near, as for pixel sizes.
    assert known_diameters(spec) == pytest.approx((8.4 / 1.25, 47.6 * 1.25))
    counts = Columns(
        {"diameter_px": [6.6, 6.8, 23.0, 59.0, 60.0, 60.0, 60.0], "resized_by": [1] * 5 + [0.5, 1],
         "count": [9] * 6 + [4]}
    )  # fmt: skip
    # Neither what was resized, nor what has fewer than five objects.
    assert is_far_off(counts, spec).tolist() == [True, False, False, False, True, False, False]
    alone = model.spec.model_copy(update={"domain": None, "typical_area": None})
    assert known_diameters(alone) is None and not is_far_off(counts, alone).any()


def test_a_resumed_run_knows_how_finished_images_were_resized(model: Model, tmp_path: Path) -> None:
    write_image(tmp_path / "field.tif", photograph(enlarged(ellipses(1), 2)), "YX")
    settings = PredictSettings(diameter=2 * KNOWN)
    predict(model, tmp_path / "field.tif", tmp_path / "out", settings=settings)
    before = (tmp_path / "out" / "counts.csv").read_text()
    record = tmp_path / "out" / "record.json"
    held = json.loads(record.read_text())
    record.write_text(json.dumps(held | {"scales": {}}))
    predict(model, tmp_path / "field.tif", tmp_path / "out", settings=settings, resume=True)
    assert (tmp_path / "out" / "counts.csv").read_text() == before
    assert json.loads(record.read_text())["scales"] == held["scales"]
    with pytest.raises(InputError, match="setting diameter"):
        predict(model, tmp_path / "field.tif", tmp_path / "out", resume=True)


def median_diameter(labels: Labels) -> float:
    return float(2 * np.sqrt(np.median(np.bincount(labels.ravel())[1:]) / np.pi))


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0, 5.0])
def test_a_diameter_is_estimated_at_any_size(model: Model, times: float) -> None:
    truth = enlarged(ellipses(6, (150, 150), 25), times)
    image = Image(photograph(truth), "YX")
    found = estimate_diameter(image, model, model.open("onnxruntime", 1))
    assert found == pytest.approx(median_diameter(truth), rel=0.1)


def test_large_images_and_movies_are_estimated_from_a_few_windows(model: Model) -> None:
    field = photograph(enlarged(ellipses(6, (150, 150), 25), 2))
    movie = np.zeros((5, 1200, 1500), np.uint16) + 100
    # Only the windows of the first, middle and last frame hold anything.
    for t in (0, 2, 4):
        for y in (150, 750):
            for x in (225, 975):
                movie[t, y : y + 300, x : x + 300] = field
    movie[1], movie[3] = 5000, 0
    read = 0

    class Watched:
        shape, dtype = movie.shape, movie.dtype

        def __getitem__(self, index: tuple[int, slice, slice]) -> np.ndarray:
            nonlocal read
            assert index[0] in (0, 2, 4)
            region = movie[index]
            read += region.size
            return region

    runtime = model.open("onnxruntime", 1)
    found = estimate_diameter(Image(Watched(), "TYX"), model, runtime)
    assert found == pytest.approx(2 * median_diameter(ellipses(6, (150, 150), 25)), rel=0.15)
    assert read < 25e6


def test_auto_resizes_by_the_estimate(model: Model, tmp_path: Path) -> None:
    truth = enlarged(ellipses(1), 2.5)
    write_image(tmp_path / "field.tif", photograph(truth), "YX")
    found = run(model, tmp_path, diameter="auto")
    assert (match_ids(found, truth)[found] != truth).mean() < 0.02
    (counted,) = read_table(tmp_path / "out" / "counts.csv").to_dict("records")
    assert counted["resized_by"] == pytest.approx(KNOWN / median_diameter(truth), rel=0.1)
    assert "estimated" in counted["why"]


def test_auto_leaves_alone_what_is_near_or_shows_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    truth = ellipses(6, (150, 150), 25)
    near = bright_model(typical_area=1.2 * float(np.median(np.bincount(truth.ravel())[1:])))
    scale = choose_scale(Image(photograph(truth), "YX"), near, "auto")
    assert scale.factor == 1 and "near the model's" in scale.found
    blind = bright_model(decode={"threshold": 0.5, "min_size": 10_000})
    scale = choose_scale(Image(photograph(truth), "YX"), blind, "auto")
    assert scale == (1.0, "no diameter estimated") and "no objects" in caplog.text


def test_a_look_is_worth_more_where_sizes_fit() -> None:
    scores = np.array([0.8, 0.4])
    fits = ScaleTrial(2.0, np.array([100.0, 100.0]), scores, 0.25)
    assert fits.diameter == pytest.approx(KNOWN / 2)
    assert fits.rating(KNOWN) == pytest.approx(0.5 * 0.6)
    assert fits.rating(2 * KNOWN) == pytest.approx(0.3 * np.exp(-((np.log(2) / 0.7) ** 2) / 2))
    assert ScaleTrial(1.0, np.zeros(0), np.zeros(0), 0.0).rating(KNOWN) == 0
