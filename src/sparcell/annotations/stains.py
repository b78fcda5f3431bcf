"""Open, check and segment the stain of a field, without writing anything."""

from __future__ import annotations

import numpy as np

from sparcell.classical.segment import segment_view
from sparcell.classical.stain_statistics import WHOLE_PIXELS, Pixels, StainView
from sparcell.core.dataset import Sample
from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.core.labels import Labels
from sparcell.io import open_sample

SMALLEST_PX = 16


def open_stain(sample: Sample) -> Image:
    """Open the stain of a field and check that it fits its image.

    Raises
    ------
    InputError
        If it has several channels, is too small, or has another size than the image.
    """
    stain = open_sample(sample, "stain")
    if stain.size("C") > 1:
        raise InputError(
            f"{stain.size('C')} channels in {stain.source}",
            "the nuclear dye alone",
            "name its channel in dataset.yaml, stain: {files: FOLDER, channels: NAME}, or save it "
            "as a grey image",
        )
    if min(stain.shape) < SMALLEST_PX:
        raise InputError(
            f"a stain of {stain.shape[0]} x {stain.shape[1]} px in {stain.source}",
            f"at least {SMALLEST_PX} x {SMALLEST_PX} px",
            "leave the image out",
        )
    shown = [
        (ref.path.resolve(), ref.scene, ref.axes)
        for ref in (sample.files["stain"], sample.files["images"])
    ]
    if shown[0] == shown[1]:
        # One file shows both, so it is opened once.
        return stain
    image = open_sample(sample)
    if image.shape != stain.shape:
        raise InputError(
            f"an image of {image.shape[0]} x {image.shape[1]} px with a stain of "
            f"{stain.shape[0]} x {stain.shape[1]} px for {sample.name}",
            "the same size",
            "export both at the same size",
        )
    return stain


def view_of(stain: Image, plane: Plane) -> StainView:
    """One plane of a stain as the presets read it."""

    def read(y: slice, x: slice) -> Pixels:
        return np.asarray(stain.read(y, x, plane)[0])

    view = StainView(stain.shape, read, WHOLE_PIXELS)
    if not view.small:
        return view
    # Several steps look at all of it, so it is read once.
    return StainView.of(read(slice(0, stain.shape[0]), slice(0, stain.shape[1])), WHOLE_PIXELS)


def segment_stain(sample: Sample, plane: Plane = FIRST_PLANE) -> Labels:
    """Find the nuclei in one plane of a field's stain, without a quality gate.

    Returns
    -------
    (Y, X) int32
        Under the label contract.

    Raises
    ------
    InputError
        If the stain cannot be used.
    """
    return segment_view(view_of(open_stain(sample), plane))
