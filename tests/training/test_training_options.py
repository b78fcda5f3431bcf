"""What is offered is what the training would take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bases.scenes import ellipses
from dataset_folder import write_field

from sparcell.annotations.derive import find_points
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.io import write_image
from sparcell.io.points import write_points
from sparcell.labeling import label
from sparcell.methods import METHODS
from sparcell.training import load_recipe
from sparcell.training.data.field_refs import FieldRef, check_channels
from sparcell.training.data.selection import find_fields
from sparcell.training.training_options import TrainingOption, find_options

EVERYTHING = {"l": "labels", "m": "masks", "p": "points", "s": "stain"}


def write(root: Path, name: str, kinds: str) -> None:
    """Write a field with the kinds of annotation of these first letters."""
    objects = ellipses(4, (96, 96))
    bright = (20 + 100 * (objects > 0)).astype(np.uint8)
    write_field(root, name, objects, images=bright, masks=(objects > 0) * np.uint8(1), stain=bright)
    write_points(root / "points" / f"{name}.csv", find_points(objects))
    for letter, kind in EVERYTHING.items():
        if letter not in kinds:
            next((root / kind).glob(f"{name}.*")).unlink()


def take(root: Path, name: str) -> list[str]:
    """Fields that a training by this recipe would use."""
    recipe = load_recipe(name)
    learns_from = METHODS[recipe.method.name].learns_from
    parts = find_fields([Dataset.open(root)], recipe.data, 0, learns_from)
    places: list[FieldRef] = [place for held in parts.values() for place in held]
    check_channels(places)
    return sorted({place.name for place in places})


def offered(root: Path) -> dict[str, TrainingOption]:
    return {offer.command.split()[2]: offer for offer in find_options(Dataset.open(root)).training}


def refuse(root: Path) -> None:
    (root / "quality.csv").write_text("name,accepted,reason\na,False,dim\nb,False,dim\n")


def small(kind: str) -> Callable[[Path], None]:
    def cut(root: Path) -> None:
        write_image(root / kind / "a.tif", np.ones((50, 40), np.uint8), "YX")

    return cut


def two_channels(kind: str) -> Callable[[Path], None]:
    def double(root: Path) -> None:
        write_image(root / kind / "a.tif", np.ones((2, 96, 96), np.uint8), "CYX")

    return double


def beyond(root: Path) -> None:
    (root / "points" / "a.csv").write_text("y,x\n500,3\n")


def no_rows(root: Path) -> None:
    (root / "points" / "a.csv").write_text("y,x\n")


def fractions(root: Path) -> None:
    write_image(root / "labels" / "a.tif", np.full((96, 96), 0.5, np.float32), "YX")


def classes(root: Path) -> None:
    write_image(root / "labels" / "a.tif", np.ones((96, 96), np.float32), "YX")


def damaged(root: Path) -> None:
    (root / "images" / "a.tif").write_bytes(b"nothing")


def all_test(root: Path) -> None:
    (root / "split.csv").write_text("name,split\na,test\nb,test\n")


@pytest.mark.parametrize(
    ("a", "b", "harm", "outlines", "points"),
    [
        ("l", "l", None, "ab", ""),
        ("l", "pm", None, "a", "ab"),
        ("l", "pm", refuse, "", "b"),
        ("lp", "l", refuse, "", "a"),
        ("l", "l", refuse, "", ""),
        ("p", "p", beyond, "", "b!"),
        ("lp", "p", beyond, "a", "ab"),  # the points of outlined fields are not read
        ("l", "p", small("labels"), "!", "b!"),
        ("pm", "p", small("masks"), "", "b!"),
        ("mpl", "p", small("masks"), "a", "ab"),
        ("l", "l", small("ignore"), "b!", ""),
        ("s", "p", small("stain"), "", "b!"),
        ("s", "p", two_channels("stain"), "", "b!"),
        ("l", "p", two_channels("images"), "a", "ab?"),
        ("p", "p", damaged, "", "b!"),
        ("p", "p", no_rows, "", "ab"),
        ("p", "m", no_rows, "", "a?"),
        ("l", "l", fractions, "b!", ""),
        ("l", "l", classes, "b!", ""),
        ("l", "l", two_channels("labels"), "b!", ""),
        ("p", "p", all_test, "", "ab?"),
    ],
)
def test_what_is_offered_is_what_training_takes(
    tmp_path: Path, a: str, b: str, harm: Callable[[Path], None] | None, outlines: str, points: str
) -> None:
    """`!` where it stops at a field that is wrong, `?` where fields do not go together."""
    for name, kinds in (("a", a), ("b", b)):
        write(tmp_path, name, kinds)
    if harm:
        harm(tmp_path)
    found = offered(tmp_path)
    for recipe, expected in (("nuclei-light", outlines), ("points-light", points)):
        offer = found.get(recipe)
        assert "".join(offer.names if offer else "") == expected.rstrip("!?")
        assert bool(offer and offer.faults) == ("!" in expected)
        assert bool(offer and offer.stop) == ("?" in expected)
        if expected and expected[-1] not in "!?":
            assert "".join(take(tmp_path, recipe)) == expected
        elif offer:
            with pytest.raises(InputError) as said:
                take(tmp_path, recipe)
            if offer.faults:
                assert offer.faults["a"] == str(said.value)


def test_points_beside_the_mask_or_exchanged_are_no_offer(tmp_path: Path) -> None:
    write(tmp_path, "a", "pm")
    write(tmp_path, "b", "p")
    for name in "ab":
        path = tmp_path / "points" / f"{name}.csv"
        path.write_text(path.read_text().replace("y,x", "x,y"))
    offer = offered(tmp_path)["points-light"]
    assert not offer.names and set(offer.faults) == {"a", "b"}
    assert all("seem to have y and x swapped" in fault for fault in offer.faults.values())
    # The label step goes on without them, so it is offered for none.
    assert not find_options(Dataset.open(tmp_path)).labels
    assert not label(tmp_path, tmp_path / "out", source="points")["accepted"].any()


def test_label_steps_are_offered_for_fields_that_they_can_use(tmp_path: Path) -> None:
    for name, kinds in (("a", "lsp"), ("b", "sp"), ("c", "p")):
        write(tmp_path, name, kinds)
    small("labels")(tmp_path)
    two_channels("stain")(tmp_path)
    offers = find_options(Dataset.open(tmp_path))
    stain, points = offers.labels
    # Labels that are wrong are in nobody's way there; a stain of two channels is.
    assert stain.names == ["b"] and points.names == ["b", "c"]
    assert sorted(name for name, _ in offers.faults) == ["a", "a"]


def test_a_stain_that_does_not_fit_its_image_is_named(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path, name, "s")
    small("stain")(tmp_path)
    found = find_options(Dataset.open(tmp_path))
    (stain,) = (offer for offer in found.training if "bonte2023-light/stain" in offer.command)
    assert stain.names == ["b"] and "(50, 40) px" in stain.faults["a"]
    assert ("a", stain.faults["a"]) in found.faults
