"""References to images: what they mean, and that they can be sent, compared and printed."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from sparcell.core.channel_selection import ChannelSelection
from sparcell.core.image_ref import ImageRef

DAPI = ChannelSelection(channels="DAPI", depths="max")


def test_references_are_keys_that_can_be_pickled() -> None:
    whole, dapi = ImageRef(Path("a.lif"), "P1"), ImageRef(Path("a.lif"), "P1", "ZYX", DAPI)
    again = pickle.loads(pickle.dumps(dapi))
    assert again == dapi != whole
    assert {whole: 1, dapi: 2}[again] == 2
    assert ImageRef.of("x/a.tif") == ImageRef(Path("x/a.tif")) == ImageRef.of(Path("x/a.tif"))
    assert ImageRef.of(dapi) is dapi


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        (ImageRef(Path("x/plate.ome.tif")), "plate"),
        (ImageRef(Path("x/slide.lif"), "Region 1/Position 2"), "slide_Region-1-Position-2"),
        (ImageRef(Path("x/slide.lif"), "µ+1.5"), "slide_µ+1.5"),
        (ImageRef(Path("x/slide.lif"), "//"), "slide_scene"),
    ],
)
def test_scenes_of_a_file_have_names_that_files_can_have(ref: ImageRef, name: str) -> None:
    assert (ref.name, ref.stem) == (name, name.partition("_")[0])


def test_what_is_meant_can_be_read() -> None:
    assert str(ImageRef(Path("a.tif"))) == "a.tif"
    ref = ImageRef(Path("a.lif"), "P1", "ZYX", DAPI)
    assert str(ref) == "a.lif (scene P1; axes ZYX; channel DAPI; maximum along Z)"
