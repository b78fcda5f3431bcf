from __future__ import annotations

import numpy as np
import pytest
import torch
from bases.methods import match_ids
from bases.scenes import ellipses, photograph

from sparcell.annotations.derive import find_points
from sparcell.core.annotation import Annotation
from sparcell.core.image import FIRST_PLANE, Image
from sparcell.core.labels import check_labels
from sparcell.methods import LACSS
from sparcell.methods.detections import Detections
from sparcell.methods.lacss.config import LacssConfig, LacssDecode
from sparcell.methods.lacss.network import Lacss, build
from sparcell.methods.lacss.objective import activate, objective
from sparcell.models.description import describe
from sparcell.models.loading import load_model
from sparcell.models.model import Model, ModelSpec
from sparcell.nets.config import NetworkConfig
from sparcell.prediction.tiling.tiles import Stitcher, cut_axis, map_rows
from sparcell.prediction.tiling.tta import TTARuntime
from sparcell.preprocessing.normalise import Normalise, Scaling
from sparcell.training.export import export_onnx
from sparcell.training.scoring import match_valid

CONFIG = LacssConfig(crop=32, segment_width=16, level=2, auxnet_width=8)
TINY = NetworkConfig(decoder="fpn", encoder="featurenet", weights="none", pyramid_width=16)
STEPS = 40
pytestmark = pytest.mark.usefixtures("one_thread")


def train(outlines: bool) -> Lacss:
    """A network after a short training on images that are made as it goes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    learner, _ = build(TINY, 1, CONFIG)
    optimiser = torch.optim.Adam(learner.parameters())
    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = 3e-3 * min(1, 2 - 2 * step / STEPS)
        scenes = [ellipses(1000 + 2 * step + i, (64, 64), 9) for i in range(2)]
        images = torch.from_numpy(np.stack([photograph(s, step) for s in scenes]))
        known = [
            Annotation(labels=s if outlines else None, points=find_points(s), mask=s > 0)
            for s in scenes
        ]
        target = torch.from_numpy(np.stack([LACSS.targets(one, CONFIG) for one in known]))
        loss = objective(learner(images), target, torch.ones(2, 1, 64, 64), CONFIG)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 5.0)
        optimiser.step()
    torch.set_num_threads(threads)
    return learner.eval()


@pytest.fixture(scope="module")
def weak() -> Lacss:
    return train(outlines=False)


@pytest.fixture(scope="module")
def model(weak: Lacss) -> Model:
    golden = photograph(ellipses(5, (96, 96), 14))
    onnx, drawn = export_onnx(weak, golden, lambda outputs: activate(outputs, CONFIG), LACSS.output)
    spec = ModelSpec(
        name="tiny",
        method="lacss",
        decode={"threshold": 0.4},
        normalise=Normalise(),
        channels=1,
        typical_area=150.0,
        largest_diameter=20.0,
    )
    return Model(spec, onnx, golden, drawn)


def errors(learner: Lacss) -> tuple[int, int]:
    """Objects found, and those missed or made up, in six images."""
    found = wrong = 0
    for seed in range(6):
        labels = ellipses(seed, (96, 96), 14)
        with torch.inference_mode():
            given = activate(learner(torch.from_numpy(photograph(labels)[None])), CONFIG)
        read = LACSS.output.read([one[0].numpy() for one in given], labels.shape)
        objects = LACSS.decode(read, LacssDecode())
        counts = match_valid(labels, objects.labels, np.ones(labels.shape, bool)).loose.confusion
        found, wrong = found + counts.tp, wrong + counts.fn + counts.fp
    return found, wrong


def test_points_and_a_mask_teach_outlines(weak: Lacss) -> None:
    found, wrong = errors(weak)
    assert found > 5 * wrong


def test_outlines_teach_outlines() -> None:
    found, wrong = errors(train(outlines=True))
    assert found > 5 * wrong


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_exported_outputs_agree_in_every_runtime_and_size(
    weak: Lacss, model: Model, name: str
) -> None:
    engine = model.open(name, 1)
    for shape in ((96, 96), (64, 128)):
        image = photograph(ellipses(8, shape, 14))
        with torch.inference_mode():
            given = activate(weak(torch.from_numpy(image[None])), CONFIG)
        for one, other in zip(engine(image), given, strict=True):
            np.testing.assert_allclose(one, other[0].numpy(), atol=1e-3)


def test_the_model_file_keeps_the_picture_and_describes_the_outputs(model: Model, tmp_path) -> None:
    model.save(tmp_path / "model.zip")
    loaded = load_model(tmp_path)
    assert loaded.golden_output.shape == (1, 96, 96) and loaded.golden_output.max() > 0.5
    assert loaded.open("auto", 1).name.split()[0] in ("openvino", "onnxruntime")
    outputs = describe(loaded)["outputs"]
    assert [one["id"] for one in outputs] == ["proposals", "features", "encoding", "readout"]
    assert outputs[0]["axes"][1] == {"type": "index", "id": "proposals_0", "size": 3}


def test_an_image_in_tiles_has_the_objects_of_the_whole(model: Model) -> None:
    labels = ellipses(11, (224, 288), 60)
    image = Image(photograph(labels)[0], "YX")
    scaling = Scaling.measure(image, model.spec.normalise, FIRST_PLANE)
    engine = TTARuntime(model.open("onnxruntime", 1), "none", LACSS.output.assemble)
    results = []
    for core in (96, 1024):
        cuts = tuple(cut_axis(edge, 32, core) for edge in image.shape)
        rows = map_rows(image, FIRST_PLANE, scaling, engine, (cuts[0], cuts[1]), LACSS.output)
        stitcher = Stitcher(
            lambda part: LACSS.decode(part, model.decode_settings), cuts[1].cores, 48
        )
        bands = stitcher.run(rows, lambda found: None)
        results.append(np.concatenate([band.labels for band in bands]))
        check_labels(results[-1])
    tiled, whole = results
    ids = match_ids(tiled, whole)
    assert (ids[tiled] != whole).sum() <= 0.01 * (whole > 0).sum() and whole.max() > 20


def test_views_are_pooled_as_detections(model: Model) -> None:
    labels = ellipses(12, (96, 96), 12)
    image = photograph(labels)
    turned = TTARuntime(model.open("onnxruntime", 1), "all", LACSS.output.assemble)
    found = LACSS.decode(LACSS.output.read(turned(image), labels.shape), model.decode_settings)
    counts = match_valid(labels, found.labels, np.ones(labels.shape, bool)).loose.confusion
    assert counts.tp > 4 * (counts.fp + counts.fn)


def boxed(*boxes: tuple[float, float, float, float], scores: tuple[float, ...]) -> Detections:
    masks = np.full((len(boxes), 48, 48), 255, np.uint8)
    return Detections(np.array(boxes, np.float32), np.array(scores, np.float32), masks, (1, 30, 40))


def test_overlapping_cells_are_resolved_by_score_and_certainty() -> None:
    twice = boxed((5, 5, 15, 15), (5, 7, 15, 17), (20, 20, 25, 25), scores=(0.7, 0.9, 0.3))
    found = LACSS.decode(twice, LacssDecode(threshold=0.4))
    assert found.labels.max() == 1 and found.scores == [pytest.approx(0.9)]
    assert found.labels[5:15, 7:17].all() and not found.labels[:, :7].any()
    pair = boxed((5, 4, 15, 20), (5, 14, 15, 30), scores=(0.9, 0.8))
    pair.masks[0] = 160
    expected = np.zeros((30, 40), np.int32)
    expected[5:15, 4:14], expected[5:15, 14:30] = 1, 2
    assert np.array_equal(LACSS.decode(pair, LacssDecode()).labels, expected)


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (33, 17)])
def test_windows_without_objects(shape: tuple[int, int]) -> None:
    nothing = Detections(
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.float32),
        np.zeros((0, 48, 48), np.uint8),
        (1, *shape),
    )
    found = LACSS.decode(nothing, LacssDecode())
    assert found.labels.shape == shape and not found.labels.any() and found.scores.shape == (0,)
