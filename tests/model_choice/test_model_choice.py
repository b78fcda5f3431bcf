"""Which model fits some images?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models import bright_model, random_model
from numpy.typing import NDArray
from pictures import grid, stain_of

from sparcell.cli import main
from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image
from sparcell.core.image_ref import ImageRef
from sparcell.io import write_image
from sparcell.model_choice import Choice, Trial, try_models
from sparcell.model_choice.choice import ModelTrials
from sparcell.model_choice.contact_sheet import write_sheet
from sparcell.model_choice.trial import try_model
from sparcell.models.domain import DomainFit
from sparcell.prediction.domain_check import measure_domain
from sparcell.prediction.loaded_model import LoadedModel


def stained(seed: int) -> NDArray[np.float32]:
    labels = grid((160, 200), int(np.random.default_rng(seed).integers(30, 42)), 9)
    return stain_of(labels, noise=10, blur=1.5, seed=seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of what is bright and of what is dark, each trained on its kind, and images."""
    root = tmp_path_factory.mktemp("choice")
    for name, sign in (("bright", 1), ("dark", -1)):
        model = bright_model(8.0 * sign, typical_area=254.0)
        refs = []
        for seed in range(8):
            path = root / f"training_{name}" / f"{seed}.tif"
            write_image(path, sign * stained(seed) + 400 * (1 - sign), "YX")
            refs.append((ImageRef(path), FIRST_PLANE))
        model.spec = model.spec.model_copy(update={"domain": measure_domain(model, refs)})
        model.save(root / f"{name}.zip")
        for seed in (20, 21):
            path = root / f"images_{name}" / f"{seed}.tif"
            write_image(path, sign * stained(seed) + 400 * (1 - sign), "YX")
    random_model().save(root / "random.zip")
    rng = np.random.default_rng(0)
    y, x = np.indices((160, 200))
    ripples = np.sin(x / 3) + np.sin(y / 4) + rng.normal(0, 0.3, x.shape)
    write_image(root / "ripples.tif", ripples.astype(np.float32), "YX")
    return root


@pytest.fixture(autouse=True)
def no_bundled_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the models that a test names are tried."""
    monkeypatch.setattr("sparcell.model_choice.choice.entries", dict)


def choose(folder: Path, images: str) -> Choice:
    models = [folder / f"{name}.zip" for name in ("random", "bright", "dark")]
    return try_models(folder / images, models, threads=1)


@pytest.mark.parametrize("kind", ["bright", "dark"])
def test_the_model_of_the_images_is_first(folder: Path, kind: str) -> None:
    choice = choose(folder, f"images_{kind}")
    assert choice.best is not None and choice.best.name == str(folder / f"{kind}.zip")
    assert choice.best.fitting == 2 and choice.names == ("20", "21") and choice.total == 2
    assert choice.best.median("agreement") > 0.9 and choice.best.median("objects") >= 12
    # What is bright and what is dark have the same outlines.
    assert choice.best.median("outline_contrast") > 0.9
    assert sum(model.fits for model in choice.models) == 1


def test_no_model_fits_other_images(folder: Path) -> None:
    assert choose(folder, "ripples.tif").best is None


def test_the_command_prints_what_to_do_and_writes_a_page(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    words = ["models", "try", str(folder / "images_dark"), "-o", str(page)]
    words += ["--model", str(folder / "bright.zip"), "--model", str(folder / "dark.zip")]
    for _ in range(2):
        # A page of an earlier call is replaced.
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert not stopped.value.code
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(str(folder / "dark.zip")) and "2 of 2" in lines[1]
    assert f"sparcell predict {folder / 'dark.zip'} {folder / 'images_dark'}" in lines[-1]
    text = page.read_text("utf8")
    assert text.count("data:image/jpeg") == 4 and "does not fit" in text and "http" not in text


def test_other_files_are_not_replaced(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.html"
    mine.write_text("my notes")
    words = ["models", "try", str(folder / "images_dark"), "-o", str(mine)]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2 and mine.read_text() == "my notes"


def test_an_image_that_a_model_cannot_predict_is_a_trial_with_a_reason(folder: Path) -> None:
    image = Image(np.random.default_rng(0).normal(0, 1, (2, 60, 70)).astype(np.float32), "CYX")
    trial = try_model(LoadedModel(bright_model(), "onnxruntime"), image)
    assert "2 channels" in trial.failure and not trial.fits and trial.score == 0
    model = ModelTrials("m", (trial, trial))
    assert model.failure == trial.failure and np.isnan(model.median("agreement"))


def test_scores_fall_with_distance_and_disagreement() -> None:
    near, far = DomainFit(0.5, {}), DomainFit(1.5, {})
    labels = np.ones((4, 4), np.int32)
    good = Trial(labels, 0.9, 0.5, near, True)
    assert good.fits and good.score == pytest.approx(0.9 * np.exp(-0.125))
    assert not Trial(labels, 0.9, 0.5, far, True).fits
    assert not Trial(labels, 0.6, 0.5, near, True).fits
    # Only noise: nothing is known of the image, and the model knows its domain.
    assert not Trial(labels, 0.9, 0.5, None, True).fits
    assert Trial(labels, 0.9, 0.5, None, False).score < good.score


def test_a_general_model_comes_after_others_that_fit() -> None:
    labels = np.ones((4, 4), np.int32)
    good, poor = (Trial(labels, 0.9, 0.5, DomainFit(far, {}), True) for far in (0.2, 1.5))
    weak = Trial(labels, 0.75, 0.5, DomainFit(0.9, {}), True)
    general = ModelTrials("general", (good,), general=True)
    models = [general, ModelTrials("weak", (weak,)), ModelTrials("poor", (poor,))]
    models.sort(key=lambda one: one.rank, reverse=True)
    assert [one.name for one in models] == ["weak", "general", "poor"]


def test_without_images_or_models_it_says_so(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model that finds objects"):
        try_models(folder / "images_dark")
    (tmp_path / "broken.tif").write_bytes(b"II*\0")
    with pytest.raises(InputError, match="no image that can be read"):
        try_models(tmp_path / "broken.tif", [folder / "dark.zip"])


def test_a_page_without_a_fitting_model(folder: Path, tmp_path: Path) -> None:
    write_sheet(choose(folder, "ripples.tif"), "outline some objects", tmp_path / "a.html")
    assert "No model fits these images" in (tmp_path / "a.html").read_text("utf8")
