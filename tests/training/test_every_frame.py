"""Movies of which every frame is learned from (Cui 2020, 3.1)."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from bases.scenes import ellipses

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.io import write_image
from sparcell.methods import METHODS
from sparcell.training.data.crops import RandomCrops
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.data.fields import Fields
from sparcell.training.module import SegmentationModule, stack
from sparcell.training.recipe import Recipe, load_recipe

SMALL = ["network.encoder=lcnet_035", "network.pyramid_width=16", "fit.crop=64", "fit.batch=2"]
LABELS = np.stack([ellipses(seed, (96, 96), 8) for seed in range(4)])
pytestmark = pytest.mark.usefixtures("one_thread")


def movie_recipe(method: str, *more: str) -> Recipe:
    """A row of three frames, with RetinaMask or another method in its place."""
    text = [] if method == "retinamask" else [f"method={{name: {method}}}"]
    return load_recipe("cui2020-temporal/featurenet-3-convgru", [*SMALL, *text, *more])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> FieldRef:
    """The last of four frames, whose objects have nothing in common; part of one is in doubt."""
    root = tmp_path_factory.mktemp("movie")
    doubt = np.zeros_like(LABELS)
    doubt[2, :40] = 1
    for kind, frames in (("images", 900 * (LABELS > 0)), ("labels", LABELS), ("ignore", doubt)):
        (root / kind).mkdir()
        write_image(root / kind / "movie.tif", frames.astype(np.uint16), "TYX")
    return FieldRef(Dataset.open(root).samples[0], Plane(3, 0))


def read(place: FieldRef, recipe: Recipe) -> Fields:
    network = recipe.network
    return Fields([place], recipe.normalise, network.frames, every_frame=network.every_frame)


def test_the_frames_before_come_with_their_labels(place: FieldRef) -> None:
    fields = read(place, movie_recipe("watershed"))
    earlier = fields[0].earlier
    for t, one in zip((1, 2), earlier, strict=True):
        np.testing.assert_array_equal(one.labels, LABELS[t])
    assert (
        earlier[0].valid.all() and not earlier[1].valid[:40].any() and earlier[1].valid[40:].all()
    )
    # Before the beginning the first frame repeats itself.
    start = read(FieldRef(place.sample, Plane(1, 0)), movie_recipe("watershed"))[0]
    for one in start.earlier:
        np.testing.assert_array_equal(one.labels, LABELS[0])
    assert fields[0].nbytes > 3 * LABELS[0].nbytes


@pytest.mark.parametrize("method", ["watershed", "retinamask"])
def test_a_crop_has_the_targets_of_every_frame_at_one_place(place: FieldRef, method: str) -> None:
    recipe = movie_recipe(method)
    crop = RandomCrops(read(place, recipe), recipe)[0, 0]
    maps = len(METHODS[method].maps)
    assert crop.image.shape == (3, 64, 64)
    assert crop.target.shape == (3 * maps, 64, 64) and crop.valid.shape == (3, 64, 64)
    for t in range(3):
        # The image is bright where that frame has its objects, and so is its target.
        shown = crop.image[t] > 0
        np.testing.assert_array_equal(crop.target[t * maps : (t + 1) * maps].max(axis=0) > 0, shown)
    assert crop.valid[[0, 2]].all() and not crop.valid[1].all()


@pytest.mark.parametrize("method", ["watershed", "pixelwise", "retinamask"])
def test_the_loss_is_that_of_all_frames(place: FieldRef, method: str) -> None:
    recipe = movie_recipe(method)
    crops = RandomCrops(read(place, recipe), recipe)
    batch = stack([crops[0, 0], crops[0, 1]])
    torch.manual_seed(0)
    module = SegmentationModule(recipe, 1, crops.fields)
    outputs = module(batch.image)
    loss = module.compute_loss(outputs, batch)
    # Each frame of each crop is one item of the method's own loss.
    target = torch.stack([frame for crop in batch.target for frame in crop.chunk(3)])
    valid = torch.stack([frame for crop in batch.valid for frame in crop.chunk(3)])
    expected = METHODS[method].objective()(outputs, target, valid, recipe.method)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    # Labels of an earlier frame count.
    changed = batch.target.clone()
    changed[:, 0] = 0
    other = module.compute_loss(outputs, batch._replace(target=changed))
    assert other.item() != pytest.approx(loss.item(), rel=1e-4)
    loss.backward()
    idle = [name for name, one in module.network.named_parameters() if one.grad is None]
    assert not idle


def test_a_finished_network_answers_for_the_last_frame(place: FieldRef) -> None:
    recipe = movie_recipe("watershed")
    crops = RandomCrops(read(place, recipe), recipe)
    module = SegmentationModule(recipe, 1, crops.fields)
    image = torch.from_numpy(crops[0, 0].image[None])
    assert module(image).shape == (3, 2, 64, 64)
    assert module.eval()(image).shape == (1, 2, 64, 64)


def test_frames_that_cannot_be_learned_from_are_refused() -> None:
    with pytest.raises(InputError, match="every_frame with a single frame"):
        load_recipe("cui2020-temporal/featurenet-3-none", ["network.every_frame=true"])
    movie = ["network.frames=3", "network.temporal=convgru", "network.every_frame=true"]
    with pytest.raises(InputError, match="every_frame for the method lacss"):
        load_recipe("points-light", movie)
