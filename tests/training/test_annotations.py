from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bases.scenes import ellipses
from dataset_folder import simulate_fields, write_field

from sparcell.annotations.derive import find_points
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.labels import Labels
from sparcell.io import open_image
from sparcell.io.points import write_points
from sparcell.preprocessing.normalise import Normalise
from sparcell.training import train
from sparcell.training.data import fields as fields_module
from sparcell.training.data.field_refs import FieldRef
from sparcell.training.data.fields import Fields, TrainingField, read_field
from sparcell.training.data.selection import find_fields, open_datasets
from sparcell.training.recipe import Recipe
from sparcell.training.recipe_parts import DataConfig

SMALL = ["network.weights=none", "fit.crop=64", "fit.max_steps=1"]
GIVEN = {"outlines": "labels", "points": "points", "mask": "masks"}


def write_mix(root: Path, name: str, *kinds: str, seed: int = 0) -> Labels:
    """A field with some kinds of annotation of the same objects."""
    objects = ellipses(seed)
    write_field(root, name, objects, masks=(objects > 0).astype(np.uint8) * 255)
    write_points(root / "points" / f"{name}.csv", find_points(objects))
    for kind, folder in GIVEN.items():
        if kind not in kinds:
            (path,) = (root / folder).glob(f"{name}.*")
            path.unlink()
    return objects


def find(root: Path, **settings: object) -> dict[str, FieldRef]:
    places = find_fields([Dataset.open(root)], DataConfig(val_fraction=0.01, **settings), 0, "any")
    return {place.name: place for held in places.values() for place in held}


def read(place: FieldRef) -> TrainingField:
    return Fields([place], Normalise(low=0, high=100))[0]


def test_every_mix_gives_points_and_a_mask(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mixes = {"o": ["outlines"], "pm": ["points", "mask"], "p": ["points"], "m": ["mask"], "n": []}
    objects = {name: write_mix(tmp_path, name, *kinds) for name, kinds in mixes.items()}
    places = find(tmp_path)
    assert set(places) == {"o", "pm", "p"}
    said = caplog.text
    assert "a mask but no points: 1 image" in said
    assert "no annotation that can be used: 1 image" in said
    assert "mask from the image" in said
    for name, place in places.items():
        field = read(place)
        assert field.annotation == set(mixes[name])
        np.testing.assert_allclose(field.points, find_points(objects[name]), atol=1e-3)
        # Objects are bright here, so the image alone shows the mask nearly as it is.
        assert (field.mask != (objects[name] > 0)).mean() < (0.05 if name == "p" else 1e-9)
        truth = field.truth("any")
        assert (truth.labels is None) == (name != "o") and truth.kinds == field.annotation
        np.testing.assert_array_equal(field.centres, field.points)


def test_outlines_can_be_turned_to_points(tmp_path: Path) -> None:
    for seed in range(2):
        objects = write_mix(tmp_path, f"f{seed}", "outlines", seed=seed)
    field = read(find(tmp_path, annotations=("points", "mask"))["f1"])
    assert field.annotation == {"points", "mask"} and field.truth("any").labels is None
    assert np.array_equal(field.mask, objects > 0)
    np.testing.assert_allclose(field.points, find_points(objects), atol=1e-4)
    # They are still there to validate on.
    assert np.array_equal(field.labels, objects)


def test_a_stain_gives_points_and_mask(tmp_path: Path) -> None:
    root = simulate_fields(tmp_path / "set", train=1)
    place = next(iter(find(root, annotations=("stain",)).values()))
    field = read(place)
    truth = Dataset.open(root, labels="truth")
    (sample,) = (s for s in truth.samples if s.name == place.name)
    nuclei = open_image(sample.files["labels"]).read_labels()
    assert field.annotation == {"stain"} and not field.labels.any()
    hit = nuclei[tuple(np.rint(field.points).astype(int).T)] > 0
    assert hit.mean() > 0.8 and abs(len(hit) - nuclei.max()) <= 2
    both = (field.mask & (nuclei > 0)).sum()
    assert 2 * both / (field.mask.sum() + (nuclei > 0).sum()) > 0.8


def test_what_was_refused_leaves_the_points(tmp_path: Path) -> None:
    write_mix(tmp_path, "a", "outlines", "points")
    write_mix(tmp_path, "b", "outlines")
    (tmp_path / "quality.csv").write_text("name,accepted,reason\na,False,dim\nb,False,dim\n")
    write_mix(tmp_path, "c", "outlines")
    assert set(find(tmp_path)) == {"a", "c"}
    field = read(find(tmp_path)["a"])
    assert field.annotation == {"points"} and not field.labels.any()


def test_a_single_field_is_parted_with_its_points(tmp_path: Path) -> None:
    objects = write_mix(tmp_path, "a", "points", "mask")
    places = find_fields([Dataset.open(tmp_path)], DataConfig(), 0, "any")
    left, right = (read(places[part][0]) for part in ("train", "val"))
    width = left.mask.shape[1]
    assert width + right.mask.shape[1] == objects.shape[1]
    joined = np.concatenate([left.points, right.points + np.float32([0, width])])
    every = find_points(objects)
    assert {tuple(p) for p in joined.round(2)} == {tuple(p) for p in every.round(2)}
    assert (right.points[:, 1] >= -0.5).all()


def test_a_part_of_a_single_field_may_have_points_beside_the_mask(tmp_path: Path) -> None:
    objects = write_mix(tmp_path, "a", "points", "mask")
    points = find_points(objects)
    beside = np.array([[0, 110], [0, 112], [0, 114]])
    points = np.concatenate([points[points[:, 1] < 100], beside])
    write_points(tmp_path / "points" / "a.csv", points)
    places = find_fields([Dataset.open(tmp_path)], DataConfig(), 0, "any")
    left, held = (read(places[part][0]) for part in ("train", "val"))
    assert len(left.points) > 3 and len(held.points) == 3
    assert not held.mask[tuple(np.rint(held.points).astype(int).T)].any()


def test_points_beside_the_mask_are_refused(tmp_path: Path) -> None:
    write_mix(tmp_path, "b", "points", "mask")
    objects = write_mix(tmp_path, "a", "points", "mask")
    write_points(tmp_path / "points" / "a.csv", np.argwhere(objects == 0)[::400])
    with pytest.raises(InputError, match="lie on"):
        read(find(tmp_path)["a"])


def test_annotations_are_no_setting_of_methods_that_learn_from_outlines() -> None:
    settings = {"name": "t", "method": {"name": "distance"}, "data": {"annotations": ["points"]}}
    with pytest.raises(InputError, match=r"data\.annotations for the method distance"):
        Recipe.model_validate(settings)


def test_a_dataset_needs_no_labels_and_may_have_them_elsewhere(tmp_path: Path) -> None:
    write_mix(tmp_path / "points", "a", "points")
    (tmp_path / "points" / "labels").rmdir()
    (only,) = open_datasets([tmp_path / "points"], DataConfig())
    assert set(only.samples[0].files) == {"images", "points"}
    write_mix(tmp_path / "other", "a", "outlines")
    (tmp_path / "other" / "labels").rename(tmp_path / "other" / "drawn")
    for config in (DataConfig(labels="drawn"), DataConfig()):
        (dataset,) = open_datasets([tmp_path / "other"], config)
        assert ("labels" in dataset.samples[0].files) == (config.labels == "drawn")
    (tmp_path / "other" / "dataset.yaml").write_text("labels: drawn")
    (dataset,) = open_datasets([tmp_path / "other"], DataConfig())
    assert dataset.samples[0].files["labels"].path.parent.name == "drawn"
    with pytest.raises(InputError, match=r"nothing in .*typo"):
        open_datasets([tmp_path / "other"], DataConfig(labels="typo"))


def test_points_that_cannot_be_used_are_said_before_training(tmp_path: Path) -> None:
    for name in ("a", "b", "v"):
        write_mix(tmp_path, name, "points", "mask")
    (tmp_path / "split.csv").write_text("name,split\na,train\nb,train\nv,val\n")
    with (tmp_path / "points" / "b.csv").open("a") as table:
        table.write("500,3\n")
    with pytest.raises(InputError, match=r"1 of \d+ points of .*b.csv outside the image"):
        find(tmp_path)
    write_mix(tmp_path, "b", "outlines", "points")
    # Outlines stand above them, so nobody reads them.
    (tmp_path / "points" / "b.csv").write_text("nothing\n")
    assert set(find(tmp_path)) == {"a", "b", "v"}


def test_exchanged_points_are_noticed_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "v"):
        objects = write_mix(tmp_path / "set", name, "points", *("mask" * (name == "b")).split())
    (tmp_path / "set" / "split.csv").write_text("name,split\nv,val\n")
    read = []

    def watch(place: FieldRef, *args: object) -> TrainingField:
        read.append(place.name)
        return read_field(place, *args)

    monkeypatch.setattr(fields_module, "read_field", watch)
    dataset = Dataset.open(tmp_path / "set")
    fields = Fields(find_fields([dataset], DataConfig(), 0, "any")["train"], Normalise())
    fields.read_ahead()
    # A mask would tell without a look; what was read is kept.
    assert read == ["a"] and fields[0].name == "a" and read == ["a"]
    points = find_points(objects)
    points = points[points[:, 1] < objects.shape[0]]
    write_points(tmp_path / "set" / "points" / "a.csv", points[:, ::-1])
    with pytest.raises(InputError, match="seem to have y and x swapped"):
        train("points-light", tmp_path / "set", tmp_path / "run", overrides=SMALL)
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_a_column_of_groups_that_is_missing_is_said_before_training(tmp_path):
    write_mix(tmp_path, "a", "outlines")
    (tmp_path / "split.csv").write_text("name,split,well\na,train,A1\n")
    with pytest.raises(InputError, match=r"no column 'line' in .*data\.by; expected one of well;"):
        find_fields([Dataset.open(tmp_path)], DataConfig(by="line"), 0)
