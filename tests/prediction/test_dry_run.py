from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from bases.scenes import ellipses
from models import bright_model, exported
from torch import nn

from sparcell.core.errors import InputError
from sparcell.io import write_image
from sparcell.methods.stain.intensities import StainRange
from sparcell.models import Model
from sparcell.prediction import predict
from sparcell.prediction.planning import dry_run
from sparcell.prediction.planning.dry_run import PredictionEstimate
from sparcell.prediction.planning.dry_run import estimate_prediction as foresee
from sparcell.prediction.predict_stain import predict_stain_array
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.tiling.tta import TTARuntime
from sparcell.preprocessing.normalise import Normalise
from sparcell.system.machine import GIB, Memory

FIELD = (100 + 3000 * (ellipses(0) > 0)).astype(np.uint16)


@pytest.fixture(scope="module")
def model() -> Model:
    return bright_model(pixel_size=0.5)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Two usable images, and one of every kind that is not."""
    folder = tmp_path / "in"
    write_image(folder / "a.tif", FIELD, "YX", pixel_size=0.5)
    write_image(folder / "b.tif", np.stack([FIELD] * 3), "TYX", pixel_size=1.0)
    write_image(folder / "c_colours.tif", np.stack([FIELD] * 3), "CYX")
    tifffile.imwrite(folder / "d_axes.tif", np.stack([FIELD] * 5), metadata=None)
    (folder / "e_torn.tif").write_bytes((folder / "a.tif").read_bytes()[:300])
    return folder


def run(model: Model, folder: Path, out: Path, **options: object) -> PredictionEstimate:
    return foresee(model, folder, out, runtime="onnxruntime", threads=1, **options)  # type: ignore[arg-type]


def test_headers_time_memory_and_problems(model: Model, inputs: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    seen = run(model, inputs, tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == before
    a, b, *bad = seen.images
    assert (a.planes, b.planes) == (1, 3) and a.scale.factor == 1 and b.scale.factor == 2
    assert a.needs.window == (96, 128) and a.needs.windows == 1
    assert b.needs.window == (192, 256) and b.needs.windows == 3
    assert a.result == tmp_path / "out" / "labels" / "a.tif"
    assert set(seen.timed) == {(96, 128), (192, 256)} and seen.runtime == "onnxruntime f32"
    # Times are measured here, so they are compared with the measurement, not with each other.
    assert a.seconds >= seen.timed[96, 128] > 0 and b.seconds >= 3 * seen.timed[192, 256]
    assert seen.seconds >= a.seconds + b.seconds
    # The interpreter alone holds tens of MiB; these images need next to nothing.
    assert 30e6 < seen.memory < 4e9 and 0 < seen.disk < 1e6
    assert [one.path.name for one in bad] == ["c_colours.tif", "d_axes.tif", "e_torn.tif"]
    says = ("3 channels", "Channels: `axes=", "damaged")
    for one, words, problem in zip(bad, says, seen.problems, strict=True):
        assert words in one.problem and problem == f"{one.path}: {one.problem}"
        assert one.seconds == one.needs.windows == 0


def test_more_of_everything_takes_more(model: Model, tmp_path: Path) -> None:
    for edge in (256, 1024):
        write_image(tmp_path / f"{edge}.tif", np.zeros((edge, edge), np.uint8), "YX")
    small, large = (run(model, tmp_path / f"{edge}.tif", tmp_path / "out") for edge in (256, 1024))
    assert small.images[0].needs.memory < large.images[0].needs.memory
    assert small.disk < large.disk
    assert small.images[0].seconds < large.images[0].seconds


def test_windows_are_those_of_the_prediction(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "a.tif", np.tile(FIELD, (2, 3)), "YX", pixel_size=1.5)
    settings = PredictSettings(tile=256, halo=20)
    seen = run(model, tmp_path / "a.tif", tmp_path / "out", settings=settings)
    shapes = []
    look = TTARuntime.run_uint8
    monkeypatch.setattr(
        TTARuntime,
        "run_uint8",
        lambda self, image: shapes.append(image.shape[1:]) or look(self, image),
    )
    predict.predict(
        model, tmp_path / "a.tif", tmp_path / "out", settings=settings, runtime="onnxruntime"
    )
    assert (
        shapes == [seen.images[0].needs.window] * seen.images[0].needs.windows and len(shapes) > 4
    )


def test_what_stops_everything(
    model: Model, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    predict.predict(model, inputs / "a.tif", out, runtime="onnxruntime", threads=1)
    again = run(model, inputs / "a.tif", out)
    assert len(again.problems) == 1 and "`resume=True`" in again.problems[0]
    resumed = run(model, inputs, out, resume=True)
    assert resumed.finished == 1 and resumed.images[0].name == "b"
    monkeypatch.setattr(dry_run, "memory", lambda: Memory(GIB, 1 << 20, None))
    monkeypatch.setattr(dry_run.shutil, "disk_usage", lambda place: type("Usage", (), {"free": 10}))
    said = " ".join(run(model, inputs / "b.tif", tmp_path / "new").problems)
    assert "of memory are needed" in said and "are free in" in said
    (tmp_path / "file").touch()
    (problem,) = run(model, inputs / "b.tif", tmp_path / "file" / "out").problems
    assert "cannot be written" in problem


def test_a_diameter_that_is_estimated_is_not_known_before(
    model: Model, inputs: Path, tmp_path: Path
) -> None:
    settings = PredictSettings(diameter="auto")
    seen = run(model, inputs / "a.tif", tmp_path / "out", settings=settings)
    assert seen.images[0].scale is None and not seen.problems


def test_images_of_small_objects_may_be_enlarged(tmp_path: Path) -> None:
    """Only the prediction knows whether it enlarges an image; the forecast says so."""
    write_image(tmp_path / "a.tif", np.zeros((64, 64), np.uint8), "YX")
    for diameter, by_found in ((None, True), ("none", False), (20.0, False)):
        settings = PredictSettings(diameter=diameter)
        seen = foresee("nuclei", tmp_path / "a.tif", tmp_path / "out", settings=settings)
        assert [one.by_found for one in seen.images] == [by_found]


def test_images_in_blocks(model: Model, inputs: Path, tmp_path: Path) -> None:
    settings = PredictSettings(block=64)
    (one,) = run(model, inputs / "a.tif", tmp_path / "out", settings=settings).images
    assert one.result == tmp_path / "out" / "labels" / "a.ome.zarr"


@pytest.mark.parametrize("size", [0.5, 0.25, 1.0])
def test_stains_are_foreseen_as_stains(
    size: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = 1200
    pixels = np.random.default_rng(0).integers(0, 4000, (edge, edge)).astype(np.uint16)
    write_image(tmp_path / "a.tif", pixels, "YX", pixel_size=0.5)
    about = {"low": (0.0, 0.0), "high": (1.0, 1.0), "dtype": "float32"}
    stain = StainRange(names=("dna", "actin"), **about)  # type: ignore[arg-type]
    common = {"method": "stain", "decode": {}, "typical_area": None, "pixel_size": size}
    model = exported(nn.Conv2d(1, 2, 1), 1, Normalise(), stain=stain, **common)
    settings = PredictSettings(tile=512)
    seen = run(model, tmp_path / "a.tif", tmp_path / "out", settings=settings)
    assert seen.images[0].result == tmp_path / "out" / "stain" / "a.tif" and not seen.problems
    shapes = []
    look = TTARuntime.__call__
    monkeypatch.setattr(
        TTARuntime,
        "__call__",
        lambda self, image: shapes.append(image.shape[1:]) or look(self, image),
    )
    tracemalloc.start()
    predict_stain_array(model, pixels, pixel_size=0.5, settings=settings, runtime="onnxruntime")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    needs = seen.images[0].needs
    assert shapes == [needs.window] * needs.windows and len(shapes) >= 4
    monkeypatch.setattr(dry_run, "memory", lambda: Memory(GIB, 1 << 20, None))
    (problem,) = run(model, tmp_path / "a.tif", tmp_path / "out", settings=settings).problems
    assert problem.endswith("choose a smaller `tile`")
    # Labels would be foreseen as half of this.
    assert needs.disk == 2 * 4 * edge**2
    assert 0.8 * peak < needs.memory < 1.7 * peak


def test_what_cannot_be_foreseen_is_an_error(model: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image"):
        run(model, tmp_path / "nothing*.tif", tmp_path / "out")
    with pytest.raises(InputError, match="diameter"):
        run(model, tmp_path, tmp_path / "out", settings=PredictSettings(diameter="big"))


def test_the_command_line(
    model: Model, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sparcell.cli import main

    model.save(tmp_path / "model.zip")
    out = tmp_path / "out"

    def dry(*arguments: object) -> tuple[object, list[str]]:
        with pytest.raises(SystemExit) as end:
            main(["predict", *map(str, arguments), "-o", str(out), "--dry-run"])
        return end.value.code, capsys.readouterr().out.splitlines()

    code, lines = dry(tmp_path / "model.zip", inputs)
    assert code == 2 and not out.exists()
    assert lines[0].split()[:4] == ["image", "planes", "size", "axes"]
    assert lines[1].split()[:6] == ["a", "1", "96", "x", "128", "YX"]
    assert lines[2].split()[:6] == ["b", "3", "96", "x", "128", "TYX"] and " 2 " in lines[2]
    assert any(line.startswith("2 images, 4 planes on ") for line in lines)
    assert sum(line.startswith("problem: ") for line in lines) == 3
    code, lines = dry(tmp_path / "model.zip", inputs / "a.tif")
    assert not code and not any("problem" in line for line in lines)
    code, lines = dry(tmp_path / "model.zip", inputs / "a.tif", "--max-pixels", 100)
    assert code == 2 and "--max-pixels 12288" in lines[-1]


def test_of_many_images_some_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    from sparcell.cli.forecast import show_forecast
    from sparcell.core.image import Image
    from sparcell.prediction.planning.dry_run import ImageEstimate
    from sparcell.prediction.size import Scale

    image = Image(FIELD, "YX")
    ones = [
        ImageEstimate(f"n{i}", Path(f"n{i}.tif"), "", image, Scale(), Path("l"), seconds=5000)
        for i in range(100)
    ]
    show_forecast(PredictionEstimate(ones, 7, "x", {}, 0.0, 5e5, 1 << 30, 1 << 20, []))
    said = capsys.readouterr().out
    assert "and 60 more images" in said and "finished already: 7 images" in said
    assert "83 min" in said and "138.9 h, 1024 MiB of memory, 1 MiB on disk" in said
