from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bases.scenes import ellipses
from models import bright_model
from PIL import Image as Pillow

from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.drawing.palette import MATCHED
from sparcell.io import write_image, write_table
from sparcell.models import Model
from sparcell.prediction.overview import pictures, summaries
from sparcell.prediction.overview.pictures import densest_region
from sparcell.prediction.overview.summaries import ImageSummary, size_histogram
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings


@pytest.fixture(scope="module")
def model() -> Model:
    return bright_model()


def write_field(path: Path, seed: int) -> np.ndarray:
    """Bright ellipses of known number."""
    labels = ellipses(seed)
    write_image(path, (100 + 3000 * (labels > 0)).astype(np.uint16), "YX", pixel_size=0.5)
    return labels


def page_text(out: Path) -> str:
    """Text of the page without tags."""
    page = (out / "overview.html").read_text("utf8")
    body = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", page, flags=re.DOTALL)
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


def test_every_image_is_drawn(model: Model, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    truths = {name: write_field(tmp_path / "in" / f"{name}.tif", i) for i, name in enumerate("ab")}
    out = tmp_path / "out"
    predict(model, tmp_path / "in", out, runtime="onnxruntime", threads=1)
    for name, truth in truths.items():
        drawn = np.asarray(Pillow.open(out / "pictures" / f"{name}.png").convert("RGB"))
        # 128 px are drawn as large as fits into 500 px.
        truth = truth.repeat(3, 0).repeat(3, 1)
        assert drawn.shape == (*truth.shape, 3)
        outlined = (drawn == MATCHED).all(axis=2)
        assert outlined.any() and (truth[outlined] > 0).all()
        assert not outlined[truth == 0].any()
    total = sum(int(truth.max()) for truth in truths.values())
    text = page_text(out)
    assert f"Found {total} objects in 2 images" in text
    for name, truth in truths.items():
        assert f"{name} {truth.max()} objects" in text
    page = (out / "overview.html").read_text("utf8")
    # Nothing is loaded: all sources are in the page, and links lead to files beside it.
    assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]*)"', page))
    links = re.findall(r'href="([^"]*)"', page)
    assert links and all((out / link).exists() for link in links)


def test_failures_and_warnings_are_on_the_page(tmp_path: Path) -> None:
    # A circle of 10 px has a diameter of 3.6 px; the objects of the image are far larger.
    model = bright_model(typical_area=10.0)
    (tmp_path / "in").mkdir()
    write_field(tmp_path / "in" / "good.tif", 0)
    (tmp_path / "in" / "<bad>.tif").write_bytes(b"no image")
    predict(model, tmp_path / "in", tmp_path / "out", runtime="onnxruntime", threads=1)
    text = page_text(tmp_path / "out")
    assert "1 image without a result" in text and "<bad>.tif" in text
    assert "the model learned objects of 2 to 7 px" in text
    warnings = json.loads((tmp_path / "out" / "record.json").read_text())["warnings"]
    assert len(warnings) == 1 and warnings[0] in text


def test_an_image_without_objects_comes_first(tmp_path: Path) -> None:
    model = bright_model(decode={"threshold": 0.5, "min_size": 5})
    (tmp_path / "in").mkdir()
    write_field(tmp_path / "in" / "a.tif", 0)
    dark = np.zeros((64, 64), np.uint16)
    dark[0, 0] = 1
    write_image(tmp_path / "in" / "z.tif", dark, "YX")
    predict(model, tmp_path / "in", tmp_path / "out", runtime="onnxruntime")
    page = (tmp_path / "out" / "overview.html").read_text()
    assert re.findall(r'data-name="([^"]*)"', page) == ["z", "a"]
    assert "z 0 objects no object found" in page_text(tmp_path / "out")


def test_pictures_can_be_left_out(model: Model, tmp_path: Path) -> None:
    write_field(tmp_path / "a.tif", 0)
    settings = PredictSettings(pictures=False)
    out = tmp_path / "out"
    predict(model, tmp_path / "a.tif", out, settings=settings, runtime="onnxruntime")
    assert not (out / "pictures").exists() and not (out / "overview.html").exists()
    # Pictures change no result, so a call that draws them may resume one that did not.
    (out / "objects" / "a.csv").unlink()
    predict(model, tmp_path / "a.tif", out, runtime="onnxruntime", resume=True)
    assert (out / "pictures" / "a.png").exists()


def test_pages_of_others_are_not_replaced(model: Model, tmp_path: Path) -> None:
    write_field(tmp_path / "a.tif", 0)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "overview.html").write_text("mine")
    with pytest.raises(InputError, match=r"overview\.html, which no prediction wrote"):
        predict(model, tmp_path / "a.tif", tmp_path / "out", runtime="onnxruntime")
    assert (tmp_path / "out" / "overview.html").read_text() == "mine"


def test_a_large_image_has_a_detail(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = write_field(tmp_path / "a.tif", 0)
    monkeypatch.setattr(pictures, "LARGEST_EDGE", max(truth.shape) // 2)
    monkeypatch.setattr(pictures, "DETAIL_EDGE", 64)
    predict(model, tmp_path / "a.tif", tmp_path / "out", runtime="onnxruntime")
    whole = Pillow.open(tmp_path / "out" / "pictures" / "a.png")
    # Shrunk to a half, then drawn as large as fits into 500 px.
    assert whole.size == tuple(edge // 2 * 7 for edge in reversed(truth.shape))
    detail = Pillow.open(tmp_path / "out" / "pictures" / "a_detail.png")
    assert detail.size == (64 * 7, 64 * 7)
    assert 'data-detail="pictures/a_detail.png"' in (tmp_path / "out" / "overview.html").read_text()


def test_the_densest_region_holds_most_objects(tmp_path: Path) -> None:
    edge = pictures.DETAIL_EDGE
    # Two objects of the plane in the last square, which is cut; three of another plane elsewhere.
    table = pd.DataFrame(
        {
            "t": [0, 0, 0, 1, 1, 1],
            "z": 0,
            "y": [1.5, 2 * edge + 1, 2 * edge + 9, 1, 2, 3],
            "x": [1.0, edge + 3, edge + 4, 1, 2, 3],
        }
    )
    write_table(table, tmp_path / "a.csv")
    found = densest_region(tmp_path / "a.csv", Plane(0, 0), (2 * edge + 20, 2 * edge - 5))
    assert (found.y, found.x) == (slice(edge + 20, 2 * edge + 20), slice(edge - 5, 2 * edge - 5))
    assert found.step == 1


def summary(diameters: list[float], pixel_size: float | None) -> ImageSummary:
    """Summary of an image with these objects."""
    sizes = np.array(diameters, np.float32)
    return ImageSummary(None, len(sizes), 1, sizes, pixel_size, 0.1, 0.9)  # type: ignore[arg-type]


def test_sizes_are_counted_in_um_where_all_pixel_sizes_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(summaries, "BINS", 4)
    found = size_histogram([summary([4, 8, 12], 0.5), summary([16, 20], 0.5)])
    assert found is not None and found.unit == "µm"
    assert found.quartiles == (4, 6, 8)
    # The largest are 10 um, so bars are 2 um wide; 10 itself is above the 99.5th percentile.
    assert found.bars == [(0, 2, 0), (2, 4, 1), (4, 6, 1), (6, 8, 1), (8, 10, 2)]
    mixed = size_histogram([summary([4], 0.5), summary([8], None)])
    assert mixed is not None and mixed.unit == "px" and mixed.quartiles[1] == 6
    assert size_histogram([summary([], None)]) is None


def test_counts_of_a_movie_are_drawn_over_its_frames(model: Model, tmp_path: Path) -> None:
    labels = ellipses(0)
    frames = np.stack([100 + 3000 * (labels > 0)] * 3).astype(np.uint16)
    write_image(tmp_path / "movie.tif", frames, "TYX")
    predict(model, tmp_path / "movie.tif", tmp_path / "out", runtime="onnxruntime")
    text = page_text(tmp_path / "out")
    assert "Counts over time" in text
    assert f"{3 * labels.max()} objects in 3 planes, the middle one is drawn" in text


def test_results_count_without_pictures_and_page(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault in drawing costs neither results nor the record."""

    def fail(*_: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr("sparcell.prediction.overview.pictures.draw_objects", fail)
    monkeypatch.setattr("sparcell.prediction.overview.page.write_overview", fail)
    (tmp_path / "in").mkdir()
    truth = write_field(tmp_path / "in" / "a.tif", 0)
    found = predict(model, tmp_path / "in", tmp_path / "out", runtime="onnxruntime", threads=1)
    assert found.counts["count"].tolist() == [truth.max()] and not found.failures
    assert "finished" in json.loads((tmp_path / "out" / "record.json").read_text())
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert any("a.tif: no picture of the result: no ink" in message for message in warned)
    assert any("overview.html was not written: no ink" in message for message in warned)


def test_a_name_too_long_for_a_picture_costs_no_page(model: Model, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    # With "_detail.png" it has more than the 255 letters of a name.
    names = ["a", "b" * 245]
    for number, name in enumerate(names):
        write_field(tmp_path / "in" / f"{name}.tif", number)
    out = tmp_path / "out"
    found = predict(model, tmp_path / "in", out, runtime="onnxruntime", threads=1)
    assert not found.failures and found.headline.endswith(f"Pictures  {out / 'overview.html'}")
    assert all(name in page_text(out) for name in names)
