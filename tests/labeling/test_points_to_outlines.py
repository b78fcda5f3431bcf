from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bases.scenes import ellipses, touching_pair

from sparcell.annotations import resolve
from sparcell.annotations.derive import (
    Foreground,
    find_points,
    foreground_from_points,
    grow_outlines,
)
from sparcell.annotations.resolve import read_annotation
from sparcell.classical.auto import AutoSettings
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.labels import check_labels
from sparcell.evaluation import count_overlaps, match_objects
from sparcell.io import open_image, write_image
from sparcell.io.points import write_points
from sparcell.labeling import label
from sparcell.labeling.points_to_outlines import ProposalSettings


def write_field(root: Path, name: str, image: np.ndarray, points: np.ndarray) -> None:
    for kind in ("images", "points"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    write_image(root / "images" / f"{name}.tif", image, "TYX"[-image.ndim :])
    write_points(root / "points" / f"{name}.csv", points)


def bright(objects: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 2, objects.shape)
    return (20 + 100 * (objects > 0) + noise).astype(np.uint8)


def f1(truth: np.ndarray, found: np.ndarray) -> float:
    (matched,) = match_objects(count_overlaps(truth, found), (0.5,))
    return matched.confusion.dice


def test_touching_objects_are_parted_between_their_points() -> None:
    pair = touching_pair()
    image = np.zeros((1, *pair.shape), np.float32)
    grown = grow_outlines(image, find_points(pair), pair > 0)
    assert ((grown > 0) == (pair > 0)).all()
    assert (grown == pair).mean() > 0.99


def test_a_steep_line_parts_what_distance_would_not() -> None:
    image = np.zeros((1, 21, 41), np.float32)
    image[:, :, 28] = 100  # a membrane, far nearer to the right point
    points = np.array([[10, 5], [10, 35]], np.float32)
    grown = grow_outlines(image, points, np.ones((21, 41), bool))
    border = int(np.argmax(grown[10] == 2))
    assert 25 <= border <= 30


def test_outlines_belong_to_their_points() -> None:
    objects = ellipses(4)
    points = find_points(objects)[1:]
    grown = grow_outlines(bright(objects)[None].astype(np.float32), points, objects > 0)
    check_labels(grown)
    at = grown[tuple(np.rint(points).astype(int).T)]
    assert sorted(at) == list(range(1, len(points) + 1))
    assert not grown[objects == 1].any()
    assert not grow_outlines(
        np.zeros((1, 5, 5), np.float32), points[:0], np.ones((5, 5), bool)
    ).any()


def test_points_become_a_dataset_of_proposals(tmp_path: Path) -> None:
    objects = ellipses(0)
    write_field(tmp_path / "set", "a", bright(objects), find_points(objects))
    write_field(tmp_path / "set", "b", bright(objects), np.array([[3, 500]]))
    write_field(tmp_path / "set", "c", bright(objects), np.zeros((0, 2)))
    write_field(tmp_path / "set", "d", bright(objects), np.zeros((0, 2)))
    (tmp_path / "set" / "points" / "d.csv").unlink()
    table = label(tmp_path / "set", tmp_path / "out", source="points").set_index("name")
    assert table["accepted"].to_dict() == {"a": True, "b": False, "c": False}
    assert table["reason"]["b"].startswith("unusable: found 1 of 1 points of")
    assert table["reason"]["c"] == "no points"
    assert table["strategy"]["a"] == "image-bright" and table["count"]["a"] == objects.max()
    proposed = Dataset.open(tmp_path / "out").having("labels", "points")
    (a,) = (s for s in proposed.samples if s.name == "a")
    labels = check_labels(open_image(a.files["labels"]).read_labels())
    assert f1(objects, labels) == 1
    assert (tmp_path / "out" / "contact_sheet.png").exists()


def test_a_mask_by_hand_stands_above_the_image(tmp_path: Path) -> None:
    objects = ellipses(1)
    flat = np.full(objects.shape, 7, np.uint8)
    write_field(tmp_path / "set", "a", flat, find_points(objects))
    (tmp_path / "set" / "masks").mkdir()
    write_image(tmp_path / "set" / "masks" / "a.tif", (objects > 0).astype(np.uint8), "YX")
    table = label(tmp_path / "set", tmp_path / "out", source="points")
    found = open_image(tmp_path / "out" / "labels" / "a.tif").read_labels()
    assert table["strategy"][0] == "mask" and np.array_equal(found, objects)


def test_outlines_that_are_there_do_not_matter(tmp_path: Path) -> None:
    objects = ellipses(1)
    write_field(tmp_path / "set", "a", bright(objects), find_points(objects))
    (tmp_path / "set" / "labels").mkdir()
    write_image(tmp_path / "set" / "labels" / "a.tif", np.zeros_like(objects), "YX")
    table = label(tmp_path / "set", tmp_path / "out", source="points")
    assert table["accepted"][0] and table["count"][0] == objects.max()


def test_points_that_the_mask_misses_are_refused(tmp_path: Path) -> None:
    objects = ellipses(2)
    inside = find_points(objects)
    outside = np.argwhere(objects == 0)[:: objects.size // 12]
    write_field(tmp_path / "set", "a", bright(objects), np.concatenate([inside, outside]))
    table = label(tmp_path / "set", tmp_path / "out", source="points")
    assert not table["accepted"][0] and table["reason"][0].startswith("off the mask:")


def test_points_with_y_and_x_exchanged_are_refused_without_a_mask_too(tmp_path: Path) -> None:
    objects = ellipses(2, (96, 96))
    write_field(tmp_path / "set", "a", bright(objects), find_points(objects)[:, ::-1])
    table = label(tmp_path / "set", tmp_path / "out", source="points")
    assert "seem to have y and x swapped (swapped, they fit" in table["reason"][0]
    (sample,) = Dataset.open(tmp_path / "set").samples
    image = open_image(sample.image)
    with pytest.raises(InputError, match="seem to have y and x swapped"):
        read_annotation(sample, frozenset({"points"}), image, np.zeros_like(objects))
    # Of the columns on the right alone, exchanged coordinates are no places.
    right = np.s_[1:]
    read_annotation(sample, frozenset({"points"}), image, objects[:, right] * 0, x=right)


def test_points_of_outlines_are_not_asked_whether_they_are_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def watch(*args: object, may_be_swapped: bool) -> Foreground:
        asked.append(may_be_swapped)
        return foreground_from_points(*args, may_be_swapped=may_be_swapped)

    monkeypatch.setattr(resolve, "foreground_from_points", watch)
    objects = ellipses(2)
    write_field(tmp_path, "a", bright(objects), find_points(objects))
    (sample,) = Dataset.open(tmp_path).samples
    image = open_image(sample.image)
    for files in (sample.files, {"images": sample.image}):
        kinds = frozenset({"points"})
        read_annotation(replace(sample, files=files), kinds, image, objects)
    assert asked == [True, False]


def test_every_plane_of_a_movie(tmp_path: Path) -> None:
    movie = np.stack([ellipses(0), ellipses(1)])
    write_field(tmp_path / "set", "m", bright(movie), np.zeros((0, 2)))
    frames = [find_points(objects) for objects in movie]
    times = [t for t, points in enumerate(frames) for _ in points]
    write_points(tmp_path / "set" / "points" / "m.csv", np.concatenate(frames), {"t": times})
    label(tmp_path / "set", tmp_path / "out", source="points")
    found = open_image(tmp_path / "out" / "labels" / "m.tif")
    assert found.axes == "TYX"
    for t, objects in enumerate(movie):
        assert f1(objects, np.asarray(found.data[t]).astype(np.int32)) == 1


def test_proposals_need_points_and_a_folder(tmp_path: Path) -> None:
    objects = ellipses(0)
    write_field(tmp_path / "set", "a", bright(objects), find_points(objects))
    with pytest.raises(InputError, match="proposed outlines without a folder of their own"):
        label(tmp_path / "set", source="points")
    with pytest.raises(InputError, match="`diameter=9` for labels from points"):
        label(tmp_path / "set", tmp_path / "out", source="points", diameter=9)
    with pytest.raises(InputError, match="labels from 'dots'"):
        label(tmp_path / "set", tmp_path / "out", source="dots")
    (tmp_path / "set" / "points" / "a.csv").unlink()
    with pytest.raises(InputError, match="no points in"):
        label(tmp_path / "set", tmp_path / "out", source="points")
    assert not (tmp_path / "out").exists()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "pixels", "objects"),
    [("dsb2018-fluo", 0.85, 0.85), ("usiigaci-t98g-phase", 0.7, 0.55)],
)
def test_on_real_images(data_root: Path, name: str, pixels: float, objects: float) -> None:
    samples = Dataset.open(data_root / name).split("test").having("labels").samples[:4]
    shares, scores = [], []
    for sample in samples:
        truth = open_image(sample.files["labels"]).read_labels()
        image, points = open_image(sample.image).read(), find_points(truth)
        mask = foreground_from_points(image, points).mask
        both = (mask & (truth > 0)).sum()
        shares.append(2 * both / (mask.sum() + (truth > 0).sum()))
        scores.append(f1(truth, grow_outlines(image, points, mask)))
    assert np.mean(shares) > pixels and np.mean(scores) > objects


def test_outlines_grow_in_the_mask_that_is_asked_for(tmp_path: Path) -> None:
    objects = ellipses(0)
    write_field(tmp_path / "set", "a", bright(objects), find_points(objects))
    # A mask and a stain that show more than the image does.
    for kind, pixels in {"masks": np.ones_like(objects), "stain": bright(objects)[:, ::-1]}.items():
        (tmp_path / "set" / kind).mkdir()
        write_image(tmp_path / "set" / kind / "a.tif", pixels.astype(np.uint8), "YX")
    ways = {}
    for mask in ("auto", "mask", "stain", "image"):
        settings = ProposalSettings(mask=mask)
        out = tmp_path / mask
        table = label(tmp_path / "set", out, source="points", settings=settings)
        ways[mask] = table["strategy"][0]
        assert json.loads((out / "record.json").read_text())["settings"]["mask"] == mask
    assert ways == {"auto": "mask", "mask": "mask", "stain": "stain", "image": "image-bright"}
    found = open_image(tmp_path / "image" / "labels" / "a.tif").read_labels()
    assert f1(objects, found) == 1
    everywhere = open_image(tmp_path / "mask" / "labels" / "a.tif").read_labels()
    assert (everywhere > 0).all()
    (tmp_path / "set" / "masks" / "a.tif").unlink()
    table = label(
        tmp_path / "set", tmp_path / "no", source="points", settings=ProposalSettings(mask="mask")
    )
    assert table["reason"][0].startswith("unusable: found no mask of a")
    with pytest.raises(InputError, match="expected ProposalSettings"):
        label(tmp_path / "set", tmp_path / "x", source="points", settings=AutoSettings())
