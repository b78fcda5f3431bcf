"""Propose outlines from points, for people to correct."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sparcell.annotations.derive import foreground_from_points, grow_outlines
from sparcell.annotations.resolve import SWAPPED_FIT_BETTER
from sparcell.annotations.stains import segment_stain
from sparcell.classical.stain_statistics import StainView
from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.labels import check_labels
from sparcell.io import create_image, open_aligned, open_sample
from sparcell.io.points import check_against_mask, read_points, swapped_error
from sparcell.labeling.contact_sheet import Thumbnail, thumbnail_pixels
from sparcell.labeling.labeler import LABELERS, FieldResult, Labeler

MaskSource = Literal["auto", "mask", "stain", "image"]
FILES = {"mask": "masks", "stain": "stain"}
"""Where a mask may come from, and the folder of a dataset that has it."""
MAX_MISSED = 0.25
"""Proposals are refused if a larger share of the points lies off the mask."""


class ProposalSettings(BaseModel):
    """Settings of outlines proposed from points."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mask: MaskSource = Field(
        "auto",
        description="mask: the one made by hand; stain: where it shows objects; image: where "
        "the image itself does; auto: the first of these that the image has",
    )


@LABELERS.register("points")
class PointsLabeler(Labeler):
    """Grows an outline from every point, within a mask."""

    name = "points"
    source = "points"
    settings_class = ProposalSettings
    settings: ProposalSettings

    @property
    def own_folder(self) -> tuple[str, str] | None:
        """Proposals, which must not be taken for corrected labels."""
        return "proposed outlines", "where they are corrected before anything learns from them"

    def no_fields(self, data: Dataset) -> InputError:
        """Error for a dataset without points."""
        return InputError(
            f"no points in {data.root}",
            "tables with y and x in points/",
            "add them, or import them with `sparcell import`",
        )

    def label_field(self, sample: Sample, target: Path) -> Iterable[FieldResult]:
        """Propose the outlines of one field."""
        return [propose_field(sample, target, self.settings)]


def propose_field(sample: Sample, target: Path, settings: ProposalSettings) -> FieldResult:
    """Grow an outline from every point of a field; write ``labels/NAME.tif``.

    Parameters
    ----------
    sample : Sample
        With points.
    target : Path
        Dataset folder to write to.
    settings : ProposalSettings
        In which mask they grow.

    Raises
    ------
    InputError
        If the field's files cannot be used, or it lacks the mask; nothing is written then.
    """
    source = _source(sample, settings.mask)
    image = open_sample(sample)
    axes = "".join(axis for axis in image.axes if axis in "TZ") + "YX"
    shape = [image.size(axis) for axis in axes]
    create = partial(create_image, axes=axes, shape=shape, pixel_size=image.pixel_size)
    points = objects = covered = missed = 0.0
    ways: dict[str, None] = {}
    thumbnail = None
    with create(target / "labels" / f"{sample.name}.tif", dtype=np.int32, labels=True) as labels:
        for plane in image.planes():
            places = read_points(sample.files["points"].path, image, plane)
            pixels = image.read(plane=plane)
            mask, way, off = _mask(sample, source, image, places, plane)
            found = check_labels(grow_outlines(pixels, places, mask), "proposed outlines")
            at = tuple({"T": plane.t, "Z": plane.z}[axis] for axis in axes[:-2])
            labels[at] = found
            ways[way] = None
            points, objects = points + len(places), objects + found.max(initial=0)
            covered, missed = covered + (found > 0).sum(), missed + off * len(places)
            if thumbnail is None:
                view = StainView.of(pixels.mean(0))
                thumbnail = thumbnail_pixels(view, found, np.zeros_like(found, np.uint8))
    reason = _refusal(points, missed)
    row = {
        "name": sample.name,
        "accepted": not reason,
        "reason": reason,
        "preset": "points",
        "strategy": " ".join(ways),
        "count": int(objects),
        "points": int(points),
        "off_mask": missed / max(points, 1),
        "covered": covered / np.prod(shape),
    }
    shown = replace(Thumbnail(sample.name, reason, *(thumbnail or ())), objects=int(objects))
    return FieldResult(row, shown)


def _source(sample: Sample, wanted: MaskSource) -> str:
    """Choose what the mask is made of: ``mask``, ``stain`` or ``image``."""
    if wanted == "auto":
        return next((way for way, folder in FILES.items() if folder in sample.files), "image")
    if FILES.get(wanted, "images") not in sample.files:
        raise InputError(
            f"no {wanted} of {sample.name}",
            f"{FILES[wanted]}/{sample.name}.tif, as the setting mask={wanted} says",
            "add it, or let outlines grow in another mask",
        )
    return wanted


def _mask(
    sample: Sample, source: str, image: Image, points: NDArray[Any], plane: Plane
) -> tuple[NDArray[np.bool_], str, float]:
    """Mask, how it was made, and the share of the points that are off it."""
    if source == "mask":
        mask = open_aligned(sample, "masks", image).read_labels(plane=plane) > 0
        check_against_mask(points, mask, sample.files["points"].path, sample.files["masks"].path)
    elif source == "stain":
        mask = segment_stain(sample, plane) > 0
    else:
        found = foreground_from_points(image.read(plane=plane), points, may_be_swapped=True)
        if found.swapped:
            raise swapped_error(sample.files["points"].path, SWAPPED_FIT_BETTER)
        return found.mask, f"image-{found.by}", found.missed
    off = ~mask[tuple(np.rint(points).astype(int).T)]
    return mask, source, float(off.mean()) if len(points) else 0.0


def _refusal(points: float, missed: float) -> str:
    """Why the field is refused; empty if it is accepted."""
    if not points:
        return "no points"
    if missed > MAX_MISSED * points:
        return f"off the mask: {missed:.0f} of {points:.0f} points (limit {MAX_MISSED:.0%})"
    return ""
