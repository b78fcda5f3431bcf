"""Images that a model was not made for are named; those that it knows are not."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from models import bright_model
from numpy.typing import NDArray
from pictures import grid, stain_of

from sparcell.core.image import FIRST_PLANE, Image
from sparcell.core.image_ref import ImageRef
from sparcell.io import read_table, write_image
from sparcell.models import Model
from sparcell.prediction.array import predict_array
from sparcell.prediction.domain_check import measure_domain, sample_windows
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings


def stained(seed: int, shape: tuple[int, int] = (160, 200)) -> NDArray[np.float32]:
    """Bright discs of one size on a dark background."""
    rng = np.random.default_rng(seed)
    labels = grid(shape, int(rng.integers(30, 42)), 9)
    return stain_of(labels, noise=float(rng.uniform(5, 15)), blur=1.5, seed=seed)


def shadows(seed: int, shape: tuple[int, int] = (160, 200)) -> NDArray[np.float32]:
    """Dark discs on a bright background."""
    return 800 - stained(seed, shape)


def ripples(seed: int) -> NDArray[np.float32]:
    """Fine structure without objects, half of it bright."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((160, 200))
    return (np.sin(x / 3) + np.sin(y / 4) + rng.normal(0, 0.3, x.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of what is bright, with the statistics of eight images of bright discs."""
    folder = tmp_path_factory.mktemp("training")
    for seed in range(8):
        write_image(folder / f"{seed}.tif", stained(seed), "YX")
    made = bright_model(typical_area=254.0)
    planes = [(ImageRef(path), FIRST_PLANE) for path in sorted(folder.iterdir())]
    domain = measure_domain(made, planes)
    assert domain is not None and domain.images == 8
    made.spec = made.spec.model_copy(update={"domain": domain})
    return made


def test_small_objects_are_measured_in_both_sizes(tmp_path: Path) -> None:
    """Discs of 18 px, of a model that knows 36 px: `predict` judges the image, and its double."""
    write_image(tmp_path / "a.tif", stained(0), "YX")
    planes = [(ImageRef(tmp_path / "a.tif"), FIRST_PLANE)]
    made = bright_model(typical_area=np.pi * 18**2)
    alone, small, both = (measure_domain(made, planes, below) for below in (0.0, 15.0, 25.0))
    assert alone == small and (alone.images, both.images) == (1, 2)
    assert both.centre["raggedness"] != alone.centre["raggedness"]
    # The size that it knows is that in the file.
    assert both.diameters == alone.diameters
    assert both.diameters[0] == pytest.approx(18, abs=1.5)


def test_files_that_do_not_fit_are_named_in_one_line(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, pixels in {"a": stained(20), "b": shadows(21), "c": stained(22)}.items():
        write_image(tmp_path / "in" / f"{name}.tif", pixels, "YX")
    with caplog.at_level(logging.WARNING):
        predict(model, tmp_path / "in", tmp_path / "out", runtime="onnxruntime")
    (line,) = [text for text in caplog.messages if "trained on" in text]
    assert line.startswith("1 of 3 images") and "(b)" in line
    assert "darker than their background" in line and "Invert" in line
    misfit = read_table(tmp_path / "out/counts.csv").set_index("image")["misfit"]
    assert (misfit > 1).to_dict() == {"a": False, "b": True, "c": False}
    results = json.loads((tmp_path / "out/record.json").read_text())["results"]
    assert results["b"]["fit"]["distance"] == pytest.approx(misfit["b"], abs=0.01)
    assert results["b"]["fit"]["deviations"]["background"] > 3
    # What is finished is not judged again, but named again.
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        predict(model, tmp_path / "in", tmp_path / "out", runtime="onnxruntime", resume=True)
    assert line in caplog.messages


def test_other_structures_do_not_fit(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert predict_array(model, stained(30)).fit.fits
        assert not caplog.messages
        found = predict_array(model, ripples(31))
    assert found.fit is not None and not found.fit.fits
    assert caplog.messages[0].startswith("This image does not look like what tiny was trained on")


def test_gain_offset_and_empty_fields_fit(model: Model) -> None:
    for pixels in (stained(40) * 70 + 1000, stained(40) / 1e4):
        assert predict_array(model, pixels).fit.fits
    noise = np.random.default_rng(0).normal(100, 5, (160, 200)).astype(np.float32)
    noise[80, 100] = 1e5
    assert predict_array(model, noise).fit is None


def test_large_images_stacks_and_resized_ones_are_judged_by_a_sample(model: Model) -> None:
    stack = np.stack([stained(seed, (900, 1000)) for seed in (50, 51, 52)])
    assert predict_array(model, stack, "ZYX").fit.fits
    assert not predict_array(model, stack.max() - stack, "ZYX").fit.fits
    assert len(sample_windows((900, 1000))) == 4 and len(sample_windows((700, 768))) == 1
    assert sample_windows((100, 5000)) == [
        (slice(0, 100), slice(1058, 1442)),
        (slice(0, 100), slice(3558, 3942)),
    ]
    twice = np.kron(stained(53), np.ones((2, 2), np.float32))
    assert predict_array(model, twice, settings=PredictSettings(diameter=36.0)).fit.fits


def test_blocks_are_judged_as_images_in_one_go(model: Model, tmp_path: Path) -> None:
    write_image(tmp_path / "in/a.tif", shadows(60, (800, 900)), "YX")
    settings = PredictSettings(block=512)
    in_blocks = predict(model, tmp_path / "in", tmp_path / "blocks", settings=settings).counts
    whole = predict(model, tmp_path / "in", tmp_path / "whole").counts
    assert in_blocks["misfit"].tolist() == whole["misfit"].tolist()
    assert whole["misfit"][0] > 1


def test_models_without_statistics_say_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_image(tmp_path / "in/a.tif", shadows(70), "YX")
    summary = predict(bright_model(), tmp_path / "in", tmp_path / "out")
    assert "misfit" not in summary.counts
    assert not any("trained on" in text for text in caplog.messages)
    assert predict_array(bright_model(), shadows(70)).fit is None


def test_frames_that_are_read_together_are_judged(tmp_path: Path) -> None:
    movie = np.stack([stained(seed) for seed in (80, 81, 82)])
    write_image(tmp_path / "movie.tif", movie, "TYX")
    made = bright_model(0.0, 8.0, frames=2, typical_area=254.0)
    planes = [(ImageRef(tmp_path / "movie.tif"), plane) for plane in Image(movie, "TYX").planes()]
    domain = measure_domain(made, planes)
    assert domain is not None and domain.images == 3
    made.spec = made.spec.model_copy(update={"domain": domain})
    assert predict_array(made, movie, "TYX").fit.fits
    assert not predict_array(made, 800 - movie, "TYX").fit.fits
