"""Blocks do not show: the files of a prediction in blocks are those of one in one go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from models import bright_model
from scipy.ndimage import gaussian_filter

from sparcell.core.channel_selection import ChannelSelection
from sparcell.core.image_ref import ImageRef
from sparcell.core.labels import check_labels
from sparcell.io import open_image, write_image
from sparcell.methods import METHODS
from sparcell.methods.base import DENSE_MAPS
from sparcell.models import Model, ModelSpec, Normalise
from sparcell.prediction import loaded_model
from sparcell.prediction.blocks.plan import BlockPlan, NetworkImageSpec
from sparcell.prediction.items import Item
from sparcell.prediction.predict import Summary, predict
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tiling.tta import TTARuntime

PLANE = (150, 180)


class Blurs:
    """Stands in for a network: dense maps of some scales, or a detection for every 8 x 8 px."""

    name = "blurs"

    def __init__(self, method: str) -> None:
        self.method = method

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        pixels = image.mean(axis=0)
        if METHODS[self.method].output is DENSE_MAPS:
            count = len(METHODS[self.method].maps)
            # The grid of 16 px shows, as that of a network that pools does.
            grid = np.add.outer(np.arange(pixels.shape[0]) % 16, np.arange(pixels.shape[1]) % 16)
            maps = [gaussian_filter(pixels, 1 + n, mode="mirror", truncate=3) for n in range(count)]
            return [(1 / (1 + np.exp(-6 * np.stack(maps) + 0.02 * grid))).astype(np.float32)]
        height, width = pixels.shape[0] // 8, pixels.shape[1] // 8
        means = pixels.reshape(height, 8, width, 8).mean(axis=(1, 3)).ravel()
        centres = np.indices((height, width)).reshape(2, -1).T * 8 + 4 + 3 * np.sin(means)[:, None]
        half = 6 + 3 * np.cos(9 * means)[:, None]
        boxes = np.concatenate([centres - half, centres + half], axis=1)
        y, x = np.indices((28, 28)) - 13.5
        masks = np.broadcast_to(np.hypot(y, x) < 14, (len(means), 28, 28))
        given = (boxes, 1 / (1 + np.exp(-6 * means)), masks)
        return [part.astype(np.float32) for part in given]


def stand_in(method: str, **spec: object) -> Model:
    settings: dict[str, object] = {
        "name": "tiny",
        "method": method,
        "decode": {},
        "normalise": Normalise(),
        "channels": 1,
        "multiple": 16,
        "typical_area": 100.0,
        "largest_diameter": 20.0,
    }
    nothing = np.zeros((1, 16, 16), np.float32)
    return Model(ModelSpec(**(settings | spec)), b"", nothing, nothing)


@pytest.fixture
def blurs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "open", lambda self, runtime, threads: Blurs(self.spec.method))
    # Its detections are assembled already.
    monkeypatch.setattr(
        loaded_model.TTARuntime, "of", lambda network, model, tta: TTARuntime(network, tta)
    )


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two time points of blobs of all sizes, many larger than any halo of these tests."""
    rng = np.random.default_rng(0)
    fine, coarse = (rng.standard_normal((2, *PLANE)) for _ in range(2))
    pixels = gaussian_filter(fine, (0, 3, 3)) + 3 * gaussian_filter(coarse, (0, 12, 12))
    path = tmp_path_factory.mktemp("movie") / "movie.ome.zarr"
    write_image(path, pixels.astype(np.float32), "TYX", pixel_size=0.5)
    return path


def both(model: Model, image: Path, out: Path, **settings: object) -> tuple[Summary, Summary]:
    """Predict in one go and in blocks."""
    common = {"tile": 48, "halo": 18, "format": ".ome.zarr"} | settings
    block = int(str(common.pop("block", 96)))
    return (
        predict(model, image, out / "whole", settings=PredictSettings(**common), threads=1),
        predict(
            model, image, out / "blocks", settings=PredictSettings(**common, block=block), threads=1
        ),
    )


def assert_same(out: Path, name: str) -> np.ndarray:
    """Compare everything but the records; labels may be of other integers. Give the labels."""
    for table in (f"objects/{name}.csv", "counts.csv"):
        assert (out / "whole" / table).read_bytes() == (out / "blocks" / table).read_bytes()
    groups = [
        zarr.open_group(out / part / "labels" / f"{name}.ome.zarr", mode="r")
        for part in ("whole", "blocks")
    ]
    assert dict(groups[0].attrs) == dict(groups[1].attrs)
    levels = sorted(groups[0].array_keys())
    assert levels == sorted(groups[1].array_keys())
    for level in levels:
        np.testing.assert_array_equal(groups[0][level][...], groups[1][level][...])
    assert not (out / "blocks" / "unfinished").exists()
    labels: np.ndarray = groups[1]["0"][...]
    return labels


@pytest.mark.usefixtures("blurs")
@pytest.mark.parametrize("method", [n for n in METHODS if METHODS[n].task.finds_objects])
def test_blocks_give_the_files_of_one_go(method: str, movie: Path, tmp_path: Path) -> None:
    whole, blocks = both(stand_in(method), movie, tmp_path)
    assert whole.failures == blocks.failures == {}
    labels = assert_same(tmp_path, "movie")
    for plane in labels:
        check_labels(plane)
        assert plane.max() > 10
        # There is something to do at the seams of the blocks, which are 96 px apart or nearer.
        seams = [(plane[:, x - 1] == plane[:, x]) & (plane[:, x] > 0) for x in (48, 96, 144)]
        assert np.any(seams)


@pytest.mark.usefixtures("blurs")
@pytest.mark.parametrize(
    "settings",
    [{"diameter": 16.0}, {"diameter": 8.0, "block": 40}, {"block": 1}, {"halo": 47, "block": 48}],
)
def test_blocks_of_a_resized_image_and_of_any_size(
    settings: dict[str, float], movie: Path, tmp_path: Path
) -> None:
    both(stand_in("watershed"), movie, tmp_path, **settings)
    assert assert_same(tmp_path, "movie").max() > 10


@pytest.mark.usefixtures("blurs")
def test_a_model_of_several_frames_in_blocks(movie: Path, tmp_path: Path) -> None:
    both(stand_in("distance", frames=2), movie, tmp_path)
    assert assert_same(tmp_path, "movie").max() > 10


@pytest.mark.usefixtures("blurs")
def test_blocks_of_several_chunks_and_levels(tmp_path: Path) -> None:
    pixels = np.zeros((1100, 2600), np.uint8)
    pixels[10::90, 15::70] = 1
    pixels = np.where(gaussian_filter(pixels * 1000.0, 6) > 1, 200, 10).astype(np.uint8)
    # Over the corner of four chunks.
    pixels[1018:1030, 1015:1040] = 200
    write_image(tmp_path / "large.tif", pixels, "YX")
    both(stand_in("semantic"), tmp_path / "large.tif", tmp_path, tile=400, block=1024)
    labels = assert_same(tmp_path, "large")
    assert labels.max() > 300 and labels[1023, 1023] == labels[1024, 1024] > 0
    levels = tmp_path / "blocks" / "labels" / "large.ome.zarr"
    assert {path.name for path in levels.iterdir()} == {"0", "1", "2", "zarr.json"}


def test_large_images_are_predicted_in_blocks_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pixels = np.zeros((40, 50), np.uint8)
    pixels[5:20, 5:20] = 200
    write_image(tmp_path / "in" / "image.tif", pixels, "YX")
    write_image(tmp_path / "in" / "movie.tif", np.stack([pixels] * 2), "TYX")
    monkeypatch.setattr("sparcell.prediction.settings.LARGE_PIXELS", 3000)
    out = tmp_path / "out"
    summary = predict(bright_model(), tmp_path / "in", out, runtime="onnxruntime", threads=1)
    assert summary.counts["image"].tolist() == ["image", "movie", "movie"]
    assert summary.counts["count"].tolist() == [1, 1, 1]
    names = {path.name for path in (out / "labels").iterdir()}
    assert names == {"image.tif", "movie.ome.zarr"}
    said = caplog.text
    assert "movie.tif: 2 blocks" in said and "image.tif" not in said
    found = open_image(Item(ImageRef(tmp_path), "movie", out, PredictSettings()).written_labels)
    assert np.array_equal(found.data[1, :, :], pixels > 0)


@pytest.mark.parametrize("depths", ["max", "channels", (1,)])
def test_channels_and_depths_that_a_model_learned_are_chosen_in_blocks_too(
    tmp_path: Path, depths: str | tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    stack = (gaussian_filter(rng.random((2, *PLANE)), (0, 2, 2)) * 9000).astype(np.uint16)
    pixels = np.stack([stack[::-1], stack], axis=1)
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in/a.ome.tif", pixels, "ZCYX", None, ("other", "phase"))
    selection = ChannelSelection(channels="phase", depths=depths)
    weights = (8.0, -3.0) if depths == "channels" else (8.0,)
    model = bright_model(*weights, selection=selection)
    # What is shown, in a file of its own.
    shown = selection.of(open_image(tmp_path / "in/a.ome.tif")).read().astype(np.uint16)
    (tmp_path / "alone").mkdir()
    write_image(tmp_path / "alone/a.tif", shown, "CYX")
    found = []
    for folder, block in (("alone", None), ("in", None), ("in", 64)):
        out = tmp_path / f"{folder}-{block}"
        settings = PredictSettings(block=block, halo=60, tile=32)
        assert not predict(model, tmp_path / folder, out, settings=settings).failures
        (labels,) = (out / "labels").iterdir()
        found.append(open_image(labels))
    assert [labels.axes for labels in found] == ["YX"] * 3
    plain, *others = (labels.read_labels() for labels in found)
    assert plain.max() > 3
    for other in others:
        assert np.array_equal(plain, other)


def test_a_channel_that_is_asked_for_stands_above_what_was_learned(tmp_path: Path) -> None:
    pixels = np.zeros((2, *PLANE), np.uint16)
    pixels[0, 20:40, 20:40], pixels[1, 80:90, 100:110] = 900, 900
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in/a.ome.tif", pixels, "CYX", None, ("other", "phase"))
    model = bright_model(selection=ChannelSelection(channels="phase"))
    for channels, area in ((None, 100), ((0,), 400)):
        out = tmp_path / f"out{channels}"
        settings = PredictSettings(channel=channels)
        table = predict(model, tmp_path / "in", out, settings=settings).counts
        assert table["area_px"].tolist() == [area]


def test_tiles_of_blocks_partition_the_plane_and_windows_know_their_neighbours() -> None:
    plan = BlockPlan(
        NetworkImageSpec(ImageRef(Path())),
        "",
        Path(),
        (500, 333),
        grids=((16, 64, 16), (16, 48, 16)),
        halo=20,
        block=200,
    )
    tiles = list(plan.tiles())
    assert sorted(tile for block in plan.blocks for tile in block) == tiles
    assert len(plan.blocks) == 6 and plan.blocks_across == 2
    drawn = np.zeros(plan.shape, int)
    for tile in tiles:
        drawn[plan.core(tile)] += 1
        y, x = plan.window(tile)
        near = set(plan.touching((y, x)))
        assert near == {
            other
            for other in tiles
            if all(
                core.start < part.stop and core.stop > part.start
                for core, part in zip(plan.core(other), (y, x), strict=True)
            )
        }
    assert (drawn == 1).all()
