"""The recipes of the papers: their values, and that each network is trained and exported."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from bases.scenes import ellipses

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.core.labels import check_labels
from sparcell.io import write_image
from sparcell.methods import METHODS
from sparcell.models.runtime import open_runtime
from sparcell.prediction.tiling.tta import TTARuntime
from sparcell.training.data.crops import RandomCrops
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.data.fields import Fields
from sparcell.training.data.selection import choose_stains
from sparcell.training.export import export_onnx
from sparcell.training.module import SegmentationModule, clip_gradients, stack, start_decoding
from sparcell.training.recipe import Recipe, load_recipe
from sparcell.training.settings import open_recipe_file, recipe_names

# mp-net, supporting information, table 1: encoder, weights, loss, positive weight, optimiser.
MP_NET = {
    "unet-1": ("unet", "imagenet", "bce", 9, "sgd"),
    "unet-2": ("unet", "imagenet", "dice-bce", 1, "adam"),
    "unet-3": ("unet", "imagenet", "dice", 1, "adam"),
    "unet-4": ("unet", "imagenet", "dice", 1, "sgd"),
    "tta-unet-3": ("unet", "imagenet", "dice", 1, "adam"),
    "tta-unet-4": ("unet", "imagenet", "dice", 1, "sgd"),
    "fcn": ("fcn", "coco", "dice", 1, "sgd"),
    "deeplabv3": ("deeplabv3", "coco", "dice", 1, "adam"),
    "nested-unet": ("unetplusplus", "imagenet", "bce", 9, "adam"),
}
# In silico labeling, supplementary tables 1 and 2: images (0: all that are there), crops,
# "training samples", epochs, learning rate. For stains the tables have 0.1, for grey values of 16
# bits; the targets are 0..1 here.
ISL = {
    "nuclei-dapi": (0, 1920, 192_000, 1000, 0.001),
    "nuclei-imagenet-1": (1, 5, 5000, 5000, 0.01),
    "nuclei-imagenet-2": (2, 10, 5000, 5000, 0.01),
    "nuclei-imagenet-10": (10, 50, 5000, 1000, 0.01),
    "nuclei-imagenet-50": (50, 250, 10_000, 400, 0.01),
    "nuclei-imagenet-100": (100, 500, 10_000, 200, 0.01),
    "nuclei-isl-1": (1, 5, 20_000, 20_000, 0.01),
    "nuclei-isl-2": (2, 10, 20_000, 20_000, 0.01),
    "nuclei-isl-10": (10, 50, 20_000, 4000, 0.01),
    "nuclei-isl-50": (50, 250, 20_000, 800, 0.01),
    "nuclei-isl-100": (100, 500, 20_000, 400, 0.01),
    "cells-cellmask": (0, 325, 132_000, 4000, 0.001),
    "cells-imagenet-1": (1, 5, 10_000, 10_000, 0.01),
    "cells-imagenet-2": (2, 10, 10_000, 10_000, 0.01),
    "cells-imagenet-10": (10, 50, 10_000, 2000, 0.01),
    "cells-imagenet-50": (50, 250, 10_000, 400, 0.01),
    "cells-imagenet-80": (80, 400, 10_000, 250, 0.01),
    "cells-isl-1": (1, 5, 10_000, 10_000, 0.01),
    "cells-isl-2": (2, 10, 10_000, 10_000, 0.01),
    "cells-isl-10": (10, 50, 10_000, 2000, 0.01),
    "cells-isl-50": (50, 250, 10_000, 400, 0.01),
    "cells-isl-80": (80, 400, 10_000, 250, 0.01),
}
# LACSS supplement, "LACSS Experiments": level, crop of a location, steps, validation every, auxnet.
LACSS = {
    "cil-full": (3, 128, 10_000, 250, True),
    "cil-weak": (3, 128, 20_000, 1000, False),
    "livecell-full": (3, 96, 105_000, 3500, True),
    "livecell-weak-2": (2, 96, 105_000, 3500, True),
    "livecell-weak-3": (3, 96, 105_000, 3500, True),
    "livecell-weak-4": (4, 96, 105_000, 3500, True),
    "fluorescence-weak": (3, 128, 30_000, 1000, True),
}
TINY = ["fit.crop=64", "fit.batch=2", "data.images=1", "network.weights=none"]
SMALL = {
    "salomon2023-unet": ["network.filters=4"],
    "unet": ["network.encoder=lcnet_035", "network.decoder_channels=[8, 8, 8, 8, 8]"],
    "unetplusplus": ["network.encoder=lcnet_035", "network.decoder_channels=[8, 8, 8, 8, 8]"],
    "fcn": ["network.encoder=lcnet_035"],
    "deeplabv3": ["network.encoder=lcnet_035"],
    "fpn": ["network.encoder=lcnet_035", "network.pyramid_width=16"],
}


def one_of_each(key: Callable[[Recipe], Hashable]) -> Iterable[str]:
    """The first recipe for every value of `key`."""
    found: dict[Hashable, str] = {}
    for name in recipe_names():
        found.setdefault(key(load_recipe(name)), name)
    return found.values()


def what_is_learned(recipe: Recipe) -> Hashable:
    """The parts of a training that differ in code, not in numbers."""
    network, loss = recipe.network, getattr(recipe.method, "loss", "")
    kind = (recipe.method.name, loss, recipe.optimiser.name)
    return (*kind, network.decoder, network.temporal, network.location)


def test_families_have_as_many_rows_as_the_papers_tables() -> None:
    counts = {
        "park2022": 9,
        "bonte2023": 11 + 11,
        "cui2020-temporal": 3 * 4 * 2,
        "cui2020-location": 2 * 2 * 2,
        "cui2020-transfer": 3 * 2 * 2,
        "cui2020-location-transfer": 2 * 4,
        "cui2020-size": 5 * 3 * 2,
        "salomon2023": 3 + 1,
        "shrestha2023": 2 + (1 + 3) + 1,
    }
    assert {name: len(open_recipe_file(name).rows) for name in counts} == counts


def test_the_rows_of_mp_net() -> None:
    assert list(open_recipe_file("park2022").rows) == list(MP_NET)
    for row, (decoder, weights, loss, positive, optimiser) in MP_NET.items():
        recipe = load_recipe(f"park2022/{row}")
        network, method = recipe.network, recipe.method
        assert (network.decoder, network.encoder, network.weights) == (
            decoder, "resnet101", weights,
        )  # fmt: skip
        assert method.name == "semantic"
        assert (method.loss, method.positive_weight, method.epsilon) == (loss, positive, 1)
        assert (recipe.optimiser.name, recipe.optimiser.lr) == (optimiser, 0.001)
        assert recipe.optimiser.momentum == 0.9 and recipe.optimiser.schedule == "constant"
        assert recipe.fit.epochs == (10 if decoder in ("fcn", "deeplabv3") else 20)
        assert (recipe.fit.batch, recipe.fit.crop, recipe.fit.monitor) == (10, 256, "val_loss")
        # The authors' software: photometric views in prediction; in training also flips, brightness
        # by 0.2 of 0..1 (0.4 of -1..1), contrast by up to 0.6, 0.4 on average.
        tta = row.startswith("tta")
        assert recipe.predict.tta == ("photometric" if tta else "none")
        augment = recipe.augment
        light = (augment.flip, augment.gain, augment.offset)
        assert light == ((True, 0.4, 0.4) if tta else (False, 0, 0))
        assert not any((augment.rotation, augment.shift, augment.shear, augment.scale))
        assert not any((augment.noise, augment.blur, augment.out_of_focus))


def test_the_rows_of_in_silico_labeling() -> None:
    assert list(open_recipe_file("bonte2023").rows) == list(ISL)
    for row, (images, crops, steps, epochs, rate) in ISL.items():
        recipe = load_recipe(f"bonte2023/{row}")
        fit, network = recipe.fit, recipe.network
        assert (network.decoder, network.encoder) == ("unet", "densenet121")
        assert (recipe.data.images, fit.epochs, fit.crop) == (images, epochs, 512)
        assert fit.fixed_crops == 5 and network.stacked_head == row.startswith("cells-isl")
        # The tables count a batch as a sample; a last batch that is not full counts too.
        assert -(-crops // fit.batch) * epochs == steps
        assert fit.crops_per_epoch == crops
        assert (recipe.optimiser.name, recipe.optimiser.lr) == ("adam", rate)
        kind = "stain" if not images else "semantic" if row.startswith("nuclei") else "distance"
        loss = {"stain": "l1", "semantic": "jaccard", "distance": "combined"}[kind]
        assert (recipe.method.name, recipe.method.loss) == (kind, loss)
        if "isl" not in row:
            assert network.weights == "imagenet"
        elif kind == "semantic":
            # Equation 1.
            assert network.weights == "runs/bonte2023/nuclei-dapi" and recipe.method.offset == 0.5
        else:
            assert network.weights == "runs/bonte2023/cells-cellmask"
        if kind == "distance":
            # Equation 2 and section 2.3: alpha = 2000, h = 10 of 255.
            assert recipe.method.alpha == 2000
            assert start_decoding(recipe).h == pytest.approx(10 / 255, abs=1e-4)


def test_a_row_that_goes_on_from_a_stain_asks_for_its_run() -> None:
    recipe = load_recipe("bonte2023/nuclei-isl-10", ["network.encoder=lcnet_035"])
    with pytest.raises(InputError, match="no weights at runs/bonte2023/nuclei-dapi") as caught:
        METHODS["semantic"].build(recipe.network, 1, recipe.method)
    assert "\n" not in str(caught.value)


def test_three_weights_of_the_rarer_class():
    """Autolabel thesis, 7.2.2: the mixed network with alpha 0.25, 0.5 and 0.75."""
    mixed = load_recipe("salomon2023/mixed")
    for alpha in (0.25, 0.5, 0.75):
        recipe = load_recipe(f"salomon2023-alpha/{alpha}")
        assert recipe.method.alpha == alpha
        assert recipe.method.model_copy(update={"alpha": 0.5}) == mixed.method
        assert recipe.data == mixed.data and recipe.fit == mixed.fit
        assert recipe.network == mixed.network and recipe.augment == mixed.augment


def test_the_rows_of_the_single_cell_thesis() -> None:
    seen = set()
    for name in recipe_names():
        if not name.startswith("cui2020"):
            continue
        recipe = load_recipe(name)
        # Section 2.3.
        optimiser, fit, network = recipe.optimiser, recipe.fit, recipe.network
        assert (optimiser.name, optimiser.lr, optimiser.clip_norm) == ("adam", 1e-5, 0.001)
        # In the loss, as Keras has it, and nothing beside it.
        assert (optimiser.l2, optimiser.weight_decay) == (1e-5, 0)
        assert (optimiser.clip, optimiser.eps) == ("tensor", 1e-7)
        assert (fit.batch, fit.crop) == (4, 128)
        assert fit.epochs == (10 if name.startswith("cui2020-temporal") else 15)
        assert network.decoder == "fpn"
        # Section 3.1: several frames in a batch, all of them learned.
        assert network.every_frame == (network.frames > 1)
        if recipe.method.name == "retinamask":
            # Section 2.2.
            assert (recipe.method.levels, recipe.method.anchors) == ((3, 4), (16, 32))
            assert (recipe.method.positive_iou, recipe.method.negative_iou) == (0.5, 0.4)
            assert not recipe.method.low_quality
            # Section 2.3: every loss over the positive anchors.
            assert recipe.method.masks_per_image == 0
        if recipe.method.name == "watershed":
            assert recipe.method.loss == "mse"
            # Sections 1.2 and 2.2.
            assert (recipe.method.outer, recipe.method.head) == ("relative", "relu")
            assert start_decoding(recipe).centres == "inner"
        if recipe.method.name == "pixelwise":
            # Section 1.2: thresholded, nothing else.
            assert not start_decoding(recipe).grow
        seen.add((network.encoder, network.temporal, network.frames))
    light = [(e, t, f) for e in ("featurenet", "resnet50", "mobilenet_v2")
             for t in ("conv3d", "convgru", "convlstm") for f in (3, 5)]  # fmt: skip
    assert seen == {*light, ("featurenet", "none", 1), ("resnet50", "none", 1),
                    ("mobilenet_v2", "none", 1)}  # fmt: skip


def test_the_rows_that_answer_a_question_differ_in_that_alone() -> None:
    def setting(family: str, row: str) -> tuple[object, ...]:
        recipe = load_recipe(f"{family}/{row}")
        network = recipe.network
        method = recipe.method.name
        return method, network.encoder, network.location, network.weights, recipe.data.fraction

    location, both = "cui2020-location", "cui2020-location-transfer"
    transfer, size = "cui2020-transfer", "cui2020-size"
    expected = ("watershed", "resnet50", True, "imagenet", 1)
    # One network of the tables 4 to 8 is the same.
    assert setting(location, "resnet50-location-1") == expected
    assert setting(transfer, "watershed-resnet50-transfer") == expected
    assert setting(both, "resnet50-location-transfer") == expected
    assert setting(size, "watershed-resnet50-1") == expected
    assert setting(location, "mobilenet_v2-plain-0.1") == (
        "watershed", "mobilenet_v2", False, "imagenet", 0.1,
    )  # fmt: skip
    assert setting(both, "mobilenet_v2-none") == ("watershed", "mobilenet_v2", False, "none", 1)
    assert setting(transfer, "pixelwise-mobilenet_v2-scratch") == (
        "pixelwise", "mobilenet_v2", False, "none", 1,
    )  # fmt: skip
    assert setting(size, "retinamask-resnet50-0.01") == (
        "retinamask", "resnet50", False, "imagenet", 0.01,
    )  # fmt: skip


def test_the_rows_of_lacss() -> None:
    assert list(open_recipe_file("shrestha2023").rows) == list(LACSS)
    for row, (level, crop, steps, every, auxnet) in LACSS.items():
        recipe = load_recipe(f"lacss/{row}")
        method, fit, network = recipe.method, recipe.fit, recipe.network
        assert (method.level, method.crop, method.auxnet) == (level, crop, auxnet)
        assert (method.alpha, method.gamma, method.delta) == (0.25, 2, 1)
        assert (method.radius, method.boundary_delta, method.weights) == (1.5, 0.5, (1, 1, 1))
        assert method.location_weight == 0
        assert (fit.max_steps, fit.crops_per_epoch // fit.batch) == (steps, every)
        assert (network.encoder, network.pyramid_width) == ("fineresnet50", 256)
        assert (recipe.augment.flip, recipe.augment.scale) == (True, 0.1)
        assert (recipe.augment.rotation, recipe.augment.shear) == (0, 0)
        wanted = ("outlines",) if row.endswith("full") else ("points", "mask")
        assert tuple(recipe.data.annotations) == wanted
        start = "runs/shrestha2023/livecell-full" if row == "fluorescence-weak" else "none"
        assert network.weights == start


def test_the_rows_of_salomon2023() -> None:
    lines = {"pure-bj-ras": "BJ-RAS", "pure-bj-tert": "BJ-TERT", "pure-bj-sv40": "BJ-SV40"}
    base = load_recipe("salomon2023-unet")
    for row, cell in {**lines, "mixed": list(lines.values())}.items():
        recipe = load_recipe(f"salomon2023/{row}")
        assert recipe.data.where == {"cell": cell}
        assert (recipe.method, recipe.network, recipe.fit) == (base.method, base.network, base.fit)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Five frames of 96 x 128 px with labels and a stain."""
    root = tmp_path_factory.mktemp("movie")
    labels = np.stack([ellipses(3)] * 5)
    noise = np.random.default_rng(0).normal(0, 300, labels.shape)
    image = 2000 + 1000 * (labels > 0) + noise
    for kind, frames in (("images", image), ("labels", labels), ("stain", 9 * (labels > 0))):
        (root / kind).mkdir()
        write_image(root / kind / "movie.tif", frames.astype(np.uint16), "TYX")
    return Dataset.open(root).samples[0]


def train_and_export(recipe: Recipe, movie: Sample) -> None:
    """Take two steps, export, run the export from all sides its recipe says, decode."""
    torch.manual_seed(0)
    learns_from = METHODS[recipe.method.name].learns_from
    places = [FieldRef(movie, Plane(4, 0), kinds=frozenset({"outlines"}))]
    stains = None
    if learns_from == "stain":
        stains, _ = choose_stains({"train": places, "val": places, "test": []}, recipe.method)
    network = recipe.network
    fields = Fields(
        places, recipe.normalise, network.frames, stains=stains, every_frame=network.every_frame
    )
    crops = RandomCrops(fields, recipe)
    module = SegmentationModule(recipe, 1, fields)
    optimiser = module.configure_optimizers()
    before = [weight.detach().clone() for weight in module.parameters()]
    for step in range(2):
        batch = stack([crops[step, number] for number in range(recipe.fit.batch)])
        loss = module.compute_loss(module(batch.image), batch)
        assert torch.isfinite(loss)
        optimiser.zero_grad()
        loss.backward()
        clip_gradients(module.parameters(), recipe.optimiser)
        optimiser.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)]
    assert np.mean(moved) > 0.9
    module.eval()
    method, golden = module.method, batch.image[0].numpy()
    onnx, picture = export_onnx(module.network, golden, module.activate, method.output)
    # Raises where the export says something else than PyTorch.
    runtime = open_runtime("onnxruntime", onnx, golden, picture, 1, method.output)
    shape = (golden.shape[1], golden.shape[2])
    answer = TTARuntime(runtime, recipe.predict.tta)(golden)
    found = method.decode(method.output.read(answer, shape), module.decode_settings)
    assert found.labels.shape == shape and found.labels.max(initial=0) == len(found.scores)
    check_labels(found.labels)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", one_of_each(what_is_learned))
def test_every_kind_of_training_takes_two_steps_and_is_exported(name: str, movie: Sample) -> None:
    decoder = load_recipe(name).network.decoder
    train_and_export(load_recipe(name, [*TINY, *SMALL[decoder]]), movie)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", one_of_each(lambda r: (r.method, r.network, r.optimiser, r.predict, str(r.decode)))
)
def test_every_network_in_full_takes_two_steps_and_is_exported(name: str, movie: Sample) -> None:
    # At higher rates, as isl has, batch norms need more than two steps to follow.
    train_and_export(load_recipe(name, [*TINY, "optimiser.lr=1e-3"]), movie)
