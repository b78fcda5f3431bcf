"""What cannot end well is one plain line; what looks odd but is right gives the right result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from bases.scenes import ellipses
from models import bright_model

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.io import chunks, open_image, write_image
from sparcell.models import Model, Normalise, Scaling
from sparcell.prediction.planning.input_checks import (
    check_chunk_size,
    check_declared_size,
    chunk_bytes,
)
from sparcell.prediction.predict import predict
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tiling.rescale import rescaled
from sparcell.system.machine import GIB, Memory

TRUTH = ellipses(1)
BRIGHT = 200 * (TRUTH > 0)


@pytest.fixture(scope="module")
def model() -> Model:
    return bright_model()


def bomb(path: Path, edge: int = 200_000) -> Path:
    """A TIFF of a few kB that promises `edge` x `edge` px, all in one empty tile."""
    tifffile.imwrite(
        path, np.zeros((64, 64), np.uint8), tile=(64, 64), compression=8, metadata=None
    )
    with tifffile.TiffFile(path, mode="r+") as tif:
        for name in ("ImageWidth", "ImageLength", "TileWidth", "TileLength"):
            tif.pages[0].tags[name].overwrite(edge, dtype="I")
    return path


def test_a_decompression_bomb_is_refused_by_its_header(model: Model, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = bomb(tmp_path / "in" / "bomb.tif")
    write_image(tmp_path / "in" / "good.tif", BRIGHT.astype(np.uint8), "YX")
    summary = predict(model, tmp_path / "in", tmp_path / "out", runtime="onnxruntime", threads=1)
    (reason,) = summary.failures.values()
    assert "200000 x 200000 px" in reason and "`max_pixels=40000000000`" in reason
    assert summary.counts["image"].tolist() == ["good"]
    assert path.stat().st_size < 10_000


def test_a_limit_that_is_given_counts_alone(tmp_path: Path) -> None:
    path = bomb(tmp_path / "bomb.tif", 20_000)
    image = open_image(path)
    with pytest.raises(InputError, match="a file that can hold them"):
        check_declared_size(image, path)
    check_declared_size(image, path, 400_000_000)
    with pytest.raises(InputError, match="at most 399999999"):
        check_declared_size(image, path, 399_999_999)


def test_planes_may_be_large_but_not_without_end(tmp_path: Path) -> None:
    # Chunks of zeros need not be there, so a small folder is no sign of anything.
    for edge, fine in ((100_000, True), (200_000, False)):
        array = zarr.create_array(
            tmp_path / f"{edge}.zarr", shape=(edge, edge), chunks=(1024, 1024), dtype="u1"
        )
        image = Image(array, "YX", source=f"{edge}.zarr")
        if fine:
            check_declared_size(image, tmp_path / f"{edge}.zarr")
        else:
            with pytest.raises(InputError, match="in a plane"):
                check_declared_size(image, tmp_path / f"{edge}.zarr")


def test_a_full_image_of_any_kind_passes(tmp_path: Path) -> None:
    path = tmp_path / "zeros.tif"
    tifffile.imwrite(path, np.zeros((3000, 3000), np.uint8), tile=(512, 512), compression="zlib")
    check_declared_size(open_image(path), path)


def test_pieces_that_fill_the_memory(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "strip.tif"
    pixels = np.random.default_rng(0).integers(0, 255, (256, 512), dtype=np.uint8)
    tifffile.imwrite(path, pixels, rowsperstrip=256, compression="zlib")
    image = open_image(path)
    assert chunk_bytes(image) == 256 * 512
    check_chunk_size(image)
    monkeypatch.setattr(chunks, "memory", lambda: Memory(GIB, 200_000, None))
    with pytest.raises(InputError, match="save it in smaller tiles"):
        check_chunk_size(image)
    summary = predict(model, path, tmp_path / "out", runtime="onnxruntime", threads=1)
    assert "each decoded as a whole" in next(iter(summary.failures.values()))
    tifffile.imwrite(path, pixels)
    assert chunk_bytes(open_image(path)) == 0


ODD = {
    "tiny": (0, 1e-30, np.float32),
    "large": (0, 1e35, np.float32),
    "negative": (-5, 1, np.float32),
    "signed": (-100, 1, np.int8),
    "half": (0, 100, np.float16),
    "fractions": (0, 1 / 200, np.float64),
    "unsigned": (2**31, 1000, np.uint32),
    "offset": (1e6, 100, np.float64),
    "mask": (0, 1, np.bool_),
}
REFUSED = {
    "denormal": (0, 1e-42, np.float32, "a range of 1e-37"),
    "all floats": (-2e38, 1.5e36, np.float32, "a range of 1e-37"),
    "infinite in 32 bits": (0, 1e300, np.float64, "NaN or infinite"),
    "far offset": (1e9, 1, np.float64, "cannot represent"),
    "far integers": (2**40, 1, np.int64, "cannot represent"),
    "far 32 bit": (2**31, 1, np.uint32, "cannot represent"),
    "nothing in 32 bits": (0, 1e-200, np.float64, "constant image"),
    "constant": (7, 0, np.float64, "constant image"),
    "constant integers": (7, 0, np.int64, "constant image"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_ranges_give_the_right_result(model: Model, tmp_path: Path, case: str) -> None:
    offset, gain, dtype = ODD[case]
    write_image(tmp_path / "a.tif", (offset + gain * BRIGHT).astype(dtype), "YX")
    summary = predict(model, tmp_path / "a.tif", tmp_path / "out", runtime="onnxruntime", threads=1)
    assert summary.failures == {}
    found = open_image(tmp_path / "out" / "labels" / "a.tif").read_labels()
    assert np.array_equal(found, TRUTH)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", REFUSED)
def test_ranges_that_would_be_rounded_away_are_refused(case: str) -> None:
    offset, gain, dtype, says = REFUSED[case]
    pixels = (np.array(offset, dtype) + np.array(gain, dtype) * BRIGHT.astype(dtype)).astype(dtype)
    image = Image(pixels, "YX", source="odd.tif")
    for view in (image, rescaled(image, 0.5)):
        with pytest.raises(InputError, match=says):
            Scaling.measure(view, Normalise(low=0, high=100))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number(model: Model, tmp_path: Path, value: float) -> None:
    pixels = BRIGHT.astype(np.float32)
    pixels[5, 7] = value
    write_image(tmp_path / "a.tif", pixels, "YX")
    for diameter in (None, "auto", 30.0):
        out = tmp_path / f"out {diameter}"
        settings = PredictSettings(diameter=diameter)
        summary = predict(model, tmp_path / "a.tif", out, settings=settings)
        assert "NaN or infinite" in next(iter(summary.failures.values()))
        assert not list(out.rglob("a.*"))


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (1, 300), (300, 1), (3, 3), (17, 5)])
@pytest.mark.parametrize("diameter", [None, "auto", 5.0, 40.0])
def test_images_smaller_than_what_the_network_sees(
    model: Model, tmp_path: Path, shape: tuple[int, int], diameter: float | str | None
) -> None:
    pixels = np.zeros(shape, np.uint8)
    pixels[0, 0] = 200
    write_image(tmp_path / "a.tif", pixels, "YX")
    settings = PredictSettings(diameter=diameter)
    summary = predict(
        model, tmp_path / "a.tif", tmp_path / "out", settings=settings, runtime="onnxruntime"
    )
    if summary.failures:
        # Shrunk to one pixel, or what is left of the dot is nothing.
        assert diameter == 40 and "constant image" in next(iter(summary.failures.values()))
        return
    found = open_image(tmp_path / "out" / "labels" / "a.tif").read_labels()
    assert found.shape == shape and found.max() <= 1
    if diameter is None:
        assert np.array_equal(found, pixels > 0)


def test_a_file_that_is_written_while_it_is_predicted(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    write_image(path, BRIGHT.astype(np.uint8), "YX")
    read = Image.read

    def read_and_grow(self: Image, *at: object, **where: object) -> np.ndarray:
        region = read(self, *at, **where)  # type: ignore[arg-type]
        with path.open("ab") as stream:
            stream.write(b"more")
        return region

    monkeypatch.setattr(Image, "read", read_and_grow)
    summary = predict(model, path, tmp_path / "out", runtime="onnxruntime", threads=1)
    assert "changes while it is read" in next(iter(summary.failures.values()))
    assert not list((tmp_path / "out").rglob("a.*"))
