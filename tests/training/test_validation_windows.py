"""A network with a location layer is validated, tuned and used in windows of its crop's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from dataset_folder import TINY, fields_of, simulate_fields, write_fields

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image
from sparcell.models import Normalise, load_model
from sparcell.prediction.tiling.tiles import cut_axis, map_rows
from sparcell.preprocessing.normalise import Scaling
from sparcell.preprocessing.padding import pad_to
from sparcell.training import load_recipe, train
from sparcell.training.data.crops import Crop, WholeFields
from sparcell.training.module import SegmentationModule, in_tiles, stack
from sparcell.training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")
LOCATED = [*TINY, "network.pixel_unshuffle_skip=false", "network.location=true"]


def test_only_recipes_with_a_location_have_a_window() -> None:
    located = load_recipe("cui2020-location/resnet50-location-1")
    plain = load_recipe("cui2020-location/resnet50-plain-1")
    assert (located.window, located.multiple) == (128, 128)
    assert (plain.window, plain.multiple) == (None, 32)
    with pytest.raises(
        InputError, match=r"\[544, 704\] with network.location.*fit.crop=544"
    ) as told:
        load_recipe("nuclei-light", ["network.location=true", "fit.crop=[544, 704]"])
    assert "\n" not in str(told.value)


def module_of(method: str, tmp_path: Path) -> tuple[SegmentationModule, Recipe]:
    """A network of random weights whose normalisations have seen images."""
    recipe = load_recipe("nuclei-light", [*LOCATED, f"method={{name: {method}}}"])
    torch.manual_seed(0)
    fields = fields_of(write_fields(tmp_path, 1))
    module = SegmentationModule(recipe, 1, fields)
    with torch.no_grad():
        for _ in range(10):
            module(torch.randn(4, 1, 64, 64))
    return module.eval(), recipe


def test_a_validation_field_is_seen_in_the_windows_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, recipe = module_of("watershed", tmp_path)
    crop = stack([WholeFields(module.val_fields, recipe, recipe.multiple)[0]])
    assert crop.image.shape == (1, 1, 128, 128)
    logged: dict[str, Any] = {}
    monkeypatch.setattr(module, "log", lambda name, value, **how: logged.update({name: value}))
    decoded = []
    decode = module.method.decode

    def look(maps: np.ndarray, settings: Any) -> Any:
        decoded.append(maps)
        return decode(maps, settings)

    monkeypatch.setattr(
        module, "method", module.method.__class__(**vars(module.method) | {"decode": look})
    )
    with torch.no_grad():
        module.validation_step(crop, 0)
        # Row 70, column 90: in the parts of the windows from 32, 48 to 80, and from 64, 80 to 128.
        own = module.activate(module(crop.image[:, :, 32:96, 64:128]))[0, :, 70 - 32, 90 - 64]
        losses = []
        for top in (0, 64):
            for left in (0, 64):
                tile = Crop(*(part[..., top : top + 64, left : left + 64] for part in crop))
                losses.append(module.compute_loss(module(tile.image), tile) * tile.valid.sum())
    (maps,) = decoded
    assert maps.shape == (2, 96, 128)
    assert np.abs(maps[:, 70, 90] / 255 - own.numpy()).max() < 0.003
    assert logged["val_loss"].item() == pytest.approx(
        (sum(losses) / crop.valid.sum()).item(), rel=1e-4
    )
    assert (
        module.validation_score.counts.loose.confusion.fn
        + module.validation_score.counts.loose.confusion.tp
        > 0
    )


def test_tiles_hold_every_pixel_once() -> None:
    image = torch.arange(2 * 1 * 64 * 96.0).reshape(2, 1, 64, 96)
    tiles = in_tiles(Crop(image, image, image), 32).image
    assert tiles.shape == (12, 1, 32, 32)
    assert torch.equal(tiles[0], image[0, :, :32, :32])
    assert torch.equal(tiles[4], image[0, :, 32:, 32:64])
    assert torch.equal(tiles[11], image[1, :, 32:, 64:])


def test_a_run_ends_in_a_model_that_says_what_validation_saw(tmp_path: Path) -> None:
    data = simulate_fields(tmp_path / "data")
    run = train("nuclei-light", data, tmp_path / "run", overrides=[*LOCATED, "fit.max_steps=4"])
    model = load_model(run)
    assert (model.spec.window, model.spec.multiple) == (64, 64)
    assert model.golden_input.shape == (1, 64, 64)
    # The network as it was trained, and the same field through the public way.
    recipe = load_recipe("nuclei-light", LOCATED)
    module = SegmentationModule(recipe, 1, fields_of(write_fields(tmp_path / "other", 1)))
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    module.load_state_dict(best["state_dict"])
    pixels = np.random.default_rng(0).standard_normal((96, 112)).astype(np.float32)
    image = Image(pixels, "YX")
    scaling = Scaling.measure(image, Normalise())
    cuts = [cut_axis(edge, *model.grid(64, 64)) for edge in image.shape]
    engine = model.open("onnxruntime", 1)
    rows = map_rows(image, FIRST_PLANE, scaling, engine, (cuts[0], cuts[1]))
    found = np.concatenate([maps for _, maps in rows], axis=1)
    expected = module.eval().predict_maps(pad_to(scaling(pixels[None]), (128, 128)), (96, 112))
    assert np.abs(found.astype(int) - expected).max() <= 1 and found.std() > 1
