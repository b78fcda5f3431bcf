"""Stains to learn from: scaling, several of them, and those that cannot be used."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE
from sparcell.io import open_image, open_sample, write_image
from sparcell.methods.stain.config import StainConfig
from sparcell.methods.stain.intensities import StainRange
from sparcell.preprocessing.normalise import Normalise
from sparcell.training.data.fields import read_field
from sparcell.training.data.selection import choose_stains, find_fields, open_datasets
from sparcell.training.data.stain_scaling import PlaneRef, add_stains, measure_stains, name_stains
from sparcell.training.recipe import load_recipe
from sparcell.training.recipe_parts import DataConfig

EDGE = 96


def stained(background=200.0, bright=1000.0, seed=0, noise=8.0):
    """Nuclei of equal brightness on a background, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:EDGE, :EDGE]
    nuclei = np.zeros((EDGE, EDGE), bool)
    for row, column in rng.integers(12, EDGE - 12, (8, 2)):
        nuclei |= (y - row) ** 2 + (x - column) ** 2 < 36
    pixels = background + bright * nuclei + rng.normal(0, noise, nuclei.shape)
    return np.clip(pixels, 0, 65535).astype(np.uint16)


def write(root: Path, name: str, stain, kind="stain", axes="YX"):
    for folder, pixels, letters in (("images", stained(seed=9), "YX"), (kind, stain, axes)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        write_image(root / folder / f"{name}.tif", pixels, letters)


def refs(root: Path, *folders: str) -> list[PlaneRef]:
    dataset = add_stains(Dataset.open(root), folders)
    return [PlaneRef(s, open_sample(s), FIRST_PLANE) for s in dataset.samples]


def measure(root: Path, *folders: str, **config):
    return measure_stains(refs(root, *folders), [], StainConfig(**config))


def test_offsets_are_taken_away_and_one_span_is_kept(tmp_path):
    for number, background in enumerate((100, 600, 1100)):
        write(tmp_path, f"f{number}", stained(background, 900 + 100 * number, number))
    stains = measure(tmp_path)
    assert not stains.own_span and stains.range.names == ("stain",)
    # The typical background, a little below its middle; the brightest are 1100 above theirs.
    assert stains.range.low[0] == pytest.approx(600, abs=25)
    assert stains.range.high[0] - stains.range.low[0] == pytest.approx(1115, abs=25)
    assert stains.range.dtype == "uint16"
    for number, ref in enumerate(refs(tmp_path)):
        read = stains.read(ref)[0]
        assert np.percentile(read, 50) == pytest.approx(0, abs=0.03)
        assert read.max() == pytest.approx((900 + 100 * number) / 1115, abs=0.06)


def test_exposures_that_differ_much_have_spans_of_their_own(tmp_path, caplog):
    for number, bright in enumerate((700, 9000)):
        write(tmp_path, f"f{number}", stained(200, bright, number))
    stains = measure(tmp_path)
    assert stains.own_span and "times in brightness" in caplog.text
    for ref in refs(tmp_path):
        assert np.percentile(stains.read(ref), 99.8) == pytest.approx(1, abs=0.01)
    assert not measure(tmp_path, range="set").own_span


@pytest.mark.parametrize("row", ["nuclei-dapi", "cells-cellmask"])
def test_the_published_rows_leave_out_no_field_but_one_of_one_value(tmp_path, row):
    faint, clipped = stained(200, 20, 1), np.minimum(stained(200, 9000, 2), 4095)
    fields = {"bright": stained(200, 9000), "faint": faint, "clipped": clipped}
    for name, stain in (fields | {"flat": np.full_like(faint, 7)}).items():
        write(tmp_path, name, stain)
    recipe = load_recipe(f"bonte2023/{row}")
    assert recipe.method.name == "stain" and recipe.optimiser.lr == 0.001
    stains = measure_stains(refs(tmp_path), [], recipe.method)
    assert list(stains.faults) == ["flat.tif"] and not stains.own_span
    # With the light recipe's checks.
    assert set(measure(tmp_path).faults) == {"flat.tif", "faint.tif", "clipped.tif"}


def test_noise_of_a_field_with_hardly_a_cell_is_not_blown_up(tmp_path):
    for number in range(3):
        write(tmp_path, f"f{number}", stained(200, 2000, number))
    lone = stained(200, 0, 5)
    lone[40:43, 40:43] += 2000
    write(tmp_path, "f3", lone)
    stains = measure(tmp_path, range="image", min_contrast=0)
    read = stains.read(refs(tmp_path)[3])[0]
    # Nine pixels: the 99.8th percentile is one of the background.
    assert np.percentile(read, 99) < 0.25 and read.max() > 1


def test_what_was_scaled_is_restored(tmp_path):
    write(tmp_path, "f", stained())
    stains = measure(tmp_path)
    read = np.clip(stains.read(refs(tmp_path)[0]), 0, 1)
    restored = stains.range.restore(read)
    real = open_image(tmp_path / "stain/f.tif").read()
    inside = (real > stains.range.low[0]) & (real < stains.range.high[0])
    assert restored.dtype == np.uint16
    np.testing.assert_allclose(restored[inside], real[inside], atol=1)


def test_restored_values_by_hand():
    held = StainRange(names=("a", "b"), low=(100, 0), high=(300, 255), dtype="uint8")
    maps = np.array([[[0.0, 0.5, 2.0]], [[-1.0, 0.5, 1.0]]], np.float32)
    assert held.restore(maps).tolist() == [[[100, 200, 255]], [[0, 128, 255]]]
    as_floats = held.model_copy(update={"dtype": "float32"}).restore(maps)
    assert as_floats.dtype == np.float32 and as_floats[1, 0, 1] == 127.5


def clipped():
    pixels = stained(200, 1000)
    pixels[pixels > 700] = 4095
    return pixels


def hot_stripe():
    """An uneven background without cells."""
    y, x = np.mgrid[:EDGE, :EDGE]
    noise = np.random.default_rng(0).normal(0, 8, (EDGE, EDGE))
    return (400 + 2 * x + y + noise).astype(np.uint16)


@pytest.mark.parametrize(
    ("stain", "reason"),
    [
        (clipped(), "clipped: .* at the detector's limit of 4095"),
        (np.full((EDGE, EDGE), 120, np.uint16), "empty: every pixel has the same value"),
        (stained(bright=0), "empty: contrast of only .* SD of the noise"),
        (hot_stripe(), "empty: contrast of only"),
    ],
)
def test_what_shows_nothing_is_left_out_with_its_reason(tmp_path, caplog, stain, reason):
    for name in "abcd":
        write(tmp_path, name, stained(seed=ord(name)))
    write(tmp_path, "bad", stain)
    (tmp_path / "split.csv").write_text("name,split\na,train\nb,train\nbad,train\nc,val\nd,test\n")
    places = find_fields(open_datasets([tmp_path], DataConfig()), DataConfig(), 0, "stain")
    stains, left = choose_stains(places, StainConfig())
    assert list(stains.faults) == ["bad.tif"] and re.search(reason, stains.faults["bad.tif"])
    assert [place.name for place in left["train"]] == ["a", "b"]
    (line,) = (s for s in caplog.messages if "bad" in s)
    assert line.startswith("left out, stain of bad ")
    assert re.search(reason, line)
    with pytest.raises(InputError, match="no training image with a usable stain"):
        measure_stains(refs(tmp_path)[2:3], [], StainConfig())


def test_of_a_stain_saved_as_colours_the_empty_channel_is_named(tmp_path):
    nothing = np.zeros((EDGE, EDGE), np.uint16)
    write(tmp_path, "f", np.stack([nothing, nothing, stained()]), axes="CYX")
    with pytest.raises(InputError, match=r"\(stain 0 empty: .*name the channels that count"):
        measure(tmp_path)
    (tmp_path / "dataset.yaml").write_text("stain: {files: stain, channels: 2}")
    assert measure(tmp_path).range.names == ("stain",)


def test_depths_of_an_image_are_learned_apart_or_together_and_it_is_said(tmp_path, caplog):
    stack = np.stack([stained(seed=seed) for seed in (1, 2, 3)])
    write(tmp_path, "f", stack, axes="ZYX")
    write_image(tmp_path / "images/f.tif", stack, "ZYX")
    measure(tmp_path)
    assert "3 depths are learned depth by depth" in caplog.text
    caplog.clear()
    write_image(tmp_path / "stain/f.tif", stack[:2], "ZYX")
    with pytest.raises(InputError, match=r"images: \{files: FOLDER, depths: channels\}"):
        measure(tmp_path)
    (tmp_path / "dataset.yaml").write_text("images: {files: images, depths: channels}")
    (levels,) = measure(tmp_path).levels.values()
    assert not levels.fault and not caplog.text
    assert refs(tmp_path)[0].image.size("C") == 3


@pytest.mark.data
def test_real_stains_can_all_be_used(data_root):
    for name in ("dc16-phase-nuclear", "sephace-bf-dapi", "isl-phase-dapi", "frm-phase-dapi"):
        stains = measure_stains(refs(data_root / name), [], StainConfig())
        assert not [held.fault for held in stains.levels.values() if held.fault]


def test_a_stack_over_an_image_of_one_depth_is_projected(tmp_path):
    stack = np.stack([stained(seed=seed) for seed in (1, 2, 3)])
    write(tmp_path, "f", stack, axes="ZYX")
    stains = measure(tmp_path)
    read = stains.read(refs(tmp_path)[0])
    assert read.shape == (1, EDGE, EDGE)
    np.testing.assert_allclose(
        read[0] * (stains.range.high[0] - stains.range.low[0]) + stains.range.low[0],
        stack.max(0),
        atol=1e-2,
    )


def test_channels_and_folders_are_stains_of_their_own(tmp_path):
    write(tmp_path, "f", np.stack([stained(seed=1), stained(seed=2)]), axes="CYX")
    write(tmp_path, "f", stained(50, 3000, seed=3), "actin")
    (ref,) = refs(tmp_path, "stain", "actin")
    assert name_stains(ref.sample, ref.image) == ("stain 0", "stain 1", "actin")
    stains = measure(tmp_path, "stain", "actin")
    assert stains.read(ref).shape == (3, EDGE, EDGE)
    place = find_fields(
        open_datasets([tmp_path], DataConfig(stains=("actin", "stain"))), DataConfig(), 0, "stain"
    )["train"][0]
    held = measure_stains(refs(tmp_path, "actin", "stain"), [], StainConfig())
    field = read_field(place, Normalise(), held)
    # A single field is divided: its left part is trained on.
    assert field.truth("stain").shape == (3, *field.labels.shape)
    assert field.labels.shape == (EDGE, 77) and held.range.names[0] == "actin"


def test_stains_that_do_not_fit_are_refused(tmp_path):
    write(tmp_path, "a", stained())
    write(tmp_path, "b", np.stack([stained(), stained()]), axes="CYX")
    with pytest.raises(InputError, match="images with the stains stain and others with stain 0"):
        measure(tmp_path)
    write(tmp_path / "other", "a", stained()[:50])
    with pytest.raises(InputError, match="the same size, or a stack of depths"):
        measure(tmp_path / "other")
    (tmp_path / "other/lone").mkdir()
    with pytest.raises(InputError, match=r"nothing in .*lone"):
        refs(tmp_path / "other", "stain", "lone")
