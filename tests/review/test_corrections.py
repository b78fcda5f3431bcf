"""Corrections from start to end: the order of objects, proposed outlines, and the exported data."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from review.corrections import ask, make_correction, open_field, write_predicted
from review.sessions import SHAPE, SQUARES, squares

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.io import open_image, open_sample, write_image
from sparcell.prediction.predict import predict
from sparcell.review import Queued, explain, export_corrections, new_correction, open_correction
from sparcell.review.proposals import Proposer
from sparcell.review.queue import order_queue
from sparcell.simulation import SimulationSettings, simulate_field
from sparcell.training import train


def queued(number: int, uncertainty: float, field: str = "f", size: float = 20.0) -> Queued:
    return Queued(field, number, False, 0.0, 0.0, size, uncertainty)


def test_the_most_uncertain_come_first_but_for_random_probes() -> None:
    order = order_queue([queued(n, n / 1000) for n in range(1000)], seed=3)
    assert sorted(one.object for one in order) == list(range(1000))
    probes = sum(one.probe for one in order)
    # 150 are expected of a thousand draws; five standard deviations are 57.
    assert 93 < probes < 207
    others = [one.uncertainty for one in order if not one.probe]
    assert all(later <= earlier + 0.05 for earlier, later in pairwise(others))
    early = [one.object for one in order[:300] if one.probe]
    # A random object is one of the lower half about every other time.
    assert 0.2 < np.mean(np.array(early) < 500) < 0.8


def test_equally_uncertain_objects_are_taken_in_turns_from_images_and_sizes() -> None:
    found = [queued(n, 0.5, field, size) for field in "abc" for size in (5.0, 20.0, 60.0)
             for n in range(int(size) * 10, int(size) * 10 + 10)]  # fmt: skip
    first = [one for one in order_queue(found, seed=0) if not one.probe][:9]
    assert len({(one.field, one.diameter) for one in first}) == 9


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (queued(1, 0.59), "views differ: IoU 0.41"),
        (queued(1, 0.01), "views agree: IoU 0.99"),
        (queued(1, 0.59)._replace(probe=True), "random probe; views differ: IoU 0.41"),
        (queued(1, 0.5)._replace(candidate=True), "50% of the views have a cell here"),
        (queued(1, -1.0), "in random order: no model was given"),
    ],
)
def test_the_reason_is_given_in_words(one: Queued, words: str) -> None:
    assert explain(one) == words


def test_a_correction_needs_a_new_folder_and_images_of_one_plane(tmp_path: Path) -> None:
    correction = make_correction(tmp_path)
    with pytest.raises(InputError, match="new folder"):
        new_correction(tmp_path / "predicted", correction.root)
    write_image(tmp_path / "stack" / "images" / "s.tif", np.zeros((3, *SHAPE), np.uint8), "ZYX")
    with pytest.raises(InputError, match="single images"):
        new_correction(tmp_path / "stack", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_images_without_labels_are_corrected_from_nothing(tmp_path: Path) -> None:
    write_image(tmp_path / "d" / "images" / "a.tif", squares(*SQUARES).astype(np.uint8) * 9, "YX")
    correction = new_correction(tmp_path / "d", tmp_path / "c")
    assert correction.queue == []
    field = open_field(open_correction(correction.root))
    assert ask(field, "add", places=((20, 20),)).left == (1,)


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the bundled model of nuclei finds in a drawn image, and the drawn image."""
    root = tmp_path_factory.mktemp("predicted")
    drawn = simulate_field(SimulationSettings(), 0)
    write_image(root / "data" / "images" / "a.tif", drawn.stain, "YX")
    write_image(root / "data" / "labels" / "a.tif", drawn.nuclei, "YX", labels=True)
    predict("nuclei", root / "data", root / "out")
    return root


def test_views_of_the_model_that_predicted_order_the_objects(predicted: Path) -> None:
    correction = new_correction(predicted / "out", predicted / "correction")
    named = new_correction(predicted / "out", predicted / "by name", model="nuclei")
    assert named.model == correction.model
    assert Path(correction.model).name == "nuclei.zip"
    assert Path(correction.model).is_file()
    objects = [one for one in correction.queue if not one.candidate]
    assert len(objects) == correction.images[0].objects > 5
    assert all(0 <= one.uncertainty <= 1 for one in objects)
    labels = correction.read_start("a")
    assert all(labels[round(one.y), round(one.x)] == one.object for one in objects)


@pytest.mark.parametrize("model", ["nuclei", ""])
def test_a_click_on_a_deleted_nucleus_proposes_it_again(predicted: Path, model: str) -> None:
    sample = Dataset.open(predicted / "data").samples[0]
    truth = open_image(sample.files["labels"]).read_labels()
    sizes = np.bincount(truth.ravel())[1:]
    proposer = Proposer(
        open_sample(sample), model, diameter=float(np.sqrt(np.median(sizes) * 1.27))
    )
    found = 0
    numbers = [n for n in range(1, len(sizes) + 1) if sizes[n - 1] > np.median(sizes) / 2][:12]
    for number in numbers:
        y, x = np.argwhere(truth == number).mean(0)
        others = np.where(truth == number, 0, truth)
        box, mask, notes = proposer(others, y, x)
        assert notes and not (mask & (others[box] > 0)).any()
        true = truth[box] == number
        found += (mask & true).sum() >= 0.5 * (mask | true).sum()
    assert found >= 0.8 * len(numbers)


def test_a_click_where_nothing_is_proposes_a_circle() -> None:
    proposer = Proposer(Image(np.full((60, 60), 7, np.uint8), "YX"), diameter=10)
    _, mask, notes = proposer(np.zeros((60, 60), np.int32), 30, 30)
    assert "no edge" in notes[0]
    assert mask.sum() == pytest.approx(np.pi * 25, rel=0.1)


def test_what_nobody_judged_is_neither_cell_nor_background(tmp_path: Path) -> None:
    correction = make_correction(tmp_path)
    field = open_field(correction)
    ask(field, "accept", 1)
    ask(field, "delete", 4)
    out = export_corrections(correction, tmp_path / "out")
    labels = open_image(out / "labels" / "a.tif").read_labels()
    ignore = open_image(out / "ignore" / "a.tif").read_labels()
    np.testing.assert_array_equal(labels, squares(SQUARES[0]))
    # Objects 2 and 3 were not judged; the deleted one and what is around object 1 are background.
    assert ignore[8, 28] and ignore[28, 8]
    assert not ignore[28, 28] and not ignore[8, 17]
    assert ignore[8, 50]
    # Nobody looked at image b, so its predicted labels are no annotation.
    assert not (out / "labels" / "b.tif").exists()


def test_after_all_objects_and_quarters_nothing_is_ignored(tmp_path: Path) -> None:
    correction = make_correction(tmp_path)
    field = open_field(correction)
    ask(field, "accept", 1, 2, 3, 4)
    assert not field.finished
    for quarter in range(4):
        ask(field, "scan", quarter=quarter)
    assert field.finished
    out = export_corrections(correction, tmp_path / "out")
    assert not open_image(out / "ignore" / "a.tif").read_labels().any()


def test_annotations_of_a_dataset_that_were_not_corrected_stay(tmp_path: Path) -> None:
    data = write_predicted(tmp_path / "data")
    (data / "counts.csv").unlink()
    correction = new_correction(data, tmp_path / "c")
    ask(open_field(correction), "delete", 1)
    out = export_corrections(correction, tmp_path / "out")
    other = open_image(out / "labels" / "b.tif").read_labels()
    np.testing.assert_array_equal(other, squares(*SQUARES))


def test_nothing_edited_is_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no edit"):
        export_corrections(make_correction(tmp_path), tmp_path / "out")


@pytest.mark.slow
def test_train_takes_what_is_exported(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    write_predicted(tmp_path / "p", names)
    rows = "a,train\nb,val\nc,test\n"
    (tmp_path / "p" / "split.csv").write_text("name,split\n" + rows)
    correction = new_correction(tmp_path / "p", tmp_path / "c")
    for name in names:
        field = open_field(correction, name)
        ask(field, "delete", 1)
        ask(field, "accept", 2, 3, 4)
        for quarter in range(4):
            ask(field, "scan", quarter=quarter)
    out = export_corrections(correction, tmp_path / "out")
    options = ["fit.max_steps=2", "fit.crops_per_epoch=4", "fit.batch=2", "fit.crop=32"]
    train("nuclei-light", out, tmp_path / "run", overrides=options)
    assert (tmp_path / "run" / "model.zip").is_file()


def test_an_export_can_also_take_what_the_model_is_sure_of(tmp_path: Path) -> None:
    root = make_correction(tmp_path).root
    rows = pd.read_csv(root / "queue.csv")
    rows["uncertainty"] = rows["object"].map({1: 0.9, 2: 0.2, 3: 0.21, 4: 0.05})
    rows.to_csv(root / "queue.csv", index=False)
    correction = open_correction(root).model_copy(update={"model": "nuclei"})
    ask(open_field(correction), "accept", 1)
    start = squares(*SQUARES)
    for confident, learned in ((None, {1}), (0.0, {1}), (0.2, {1, 2, 4}), (1.0, {1, 2, 3, 4})):
        out = export_corrections(correction, tmp_path / f"out{confident}", confident)
        (sample,) = Dataset.open(out).having("labels").samples
        labels = open_image(sample.files["labels"]).read_labels()
        assert set(np.unique(start[labels > 0])) == learned
        ignored = open_image(sample.files["ignore"]).read_labels() > 0
        if confident is None:
            # Far from the accepted object nobody has looked at the background.
            assert ignored[SHAPE[0] - 1, SHAPE[1] - 1]
        else:
            assert np.array_equal(ignored, (start > 0) & ~np.isin(start, list(learned)))
