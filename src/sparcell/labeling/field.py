"""Label one field of view with the preset ``auto`` and write its files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.dataset import Sample
from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.core.labels import Labels, check_labels
from sparcell.io import create_image, open_sample
from sparcell.labeling.appearance import WHOLE_PIXELS, Pixels, View
from sparcell.labeling.auto import AutoSettings, Choice, TileResult, choose_strategy, segment_tiles
from sparcell.labeling.objects import Objects
from sparcell.labeling.outlines import largest_pieces
from sparcell.labeling.quality import PlaneMeasures, QualitySettings, judge, measure_quality
from sparcell.labeling.shapes import keep_regions
from sparcell.labeling.sheet import Thumbnail, thin_out

SMALLEST_PX = 16


@dataclass(frozen=True)
class Verdict:
    """Row of ``quality.csv`` and picture of one field."""

    row: dict[str, Any]
    thumbnail: Thumbnail


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
            "leave the field out",
        )
    image = open_sample(sample)
    if image.shape != stain.shape:
        raise InputError(
            f"an image of {image.shape[0]} x {image.shape[1]} px with a stain of "
            f"{stain.shape[0]} x {stain.shape[1]} px for {sample.name}",
            "the same size",
            "export both at the same size",
        )
    return stain


def view_of(stain: Image, plane: Plane) -> View:
    """One plane of a stain as the presets read it."""

    def read(y: slice, x: slice) -> Pixels:
        return np.asarray(stain.read(y, x, plane)[0])

    return View(stain.shape, read, WHOLE_PIXELS)


def segment_stain(sample: Sample, plane: Plane = FIRST_PLANE) -> Labels:
    """Find the nuclei in one plane of a field's stain, without judging it or writing anything.

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


def segment_view(view: View) -> Labels:
    """Find bright objects in one plane as the preset ``auto`` does, (Y, X) int32."""
    settings, labels = AutoSettings(), np.zeros(view.shape, np.int32)
    last = 0
    for result in segment_tiles(view, choose_strategy(view, settings), settings):
        last += int(_paste(result, labels, (), last).sum())
    return labels


def label_field(
    sample: Sample, target: Path, settings: AutoSettings, quality: QualitySettings
) -> Verdict:
    """Label every plane of a stain; write ``labels/NAME.tif`` and ``ignore/NAME.tif``.

    Parameters
    ----------
    sample : Sample
        With a stain.
    target : Path
        Dataset folder to write to.
    settings : AutoSettings
    quality : QualitySettings

    Raises
    ------
    InputError
        If the stain cannot be used; nothing is written then.
    """
    stain = open_stain(sample)
    axes = "".join(a for a in stain.axes if a in "TZ") + "YX"
    shape = [stain.size(a) for a in axes]
    create = partial(create_image, axes=axes, shape=shape, pixel_size=stain.pixel_size)
    choices: list[Choice] = []
    measures: list[PlaneMeasures] = []
    thumbnail = None
    with (
        create(target / "labels" / f"{sample.name}.tif", dtype=np.int32, labels=True) as labels,
        create(target / "ignore" / f"{sample.name}.tif", dtype=np.uint8, labels=True) as ignore,
    ):
        for plane in stain.planes():
            view = view_of(stain, plane)
            choice = choose_strategy(view, settings)
            at = tuple({"T": plane.t, "Z": plane.z}[a] for a in axes[:-2])
            measures.append(_write_plane(view, choice, settings, (labels, ignore), at))
            choices.append(choice)
            if thumbnail is None:
                small, step = thin_out(view)
                thin = (*at, np.s_[::step], np.s_[::step])
                thumbnail = small, np.asarray(labels[thin]), np.asarray(ignore[thin])
    figures = measure_quality(measures)
    reason = judge(figures, quality)
    row = {
        "name": sample.name,
        "accepted": not reason,
        "reason": reason,
        "preset": settings.preset,
        "strategy": " ".join(dict.fromkeys(_bare(choice.strategy) for choice in choices)),
        "why": choices[0].reason,
        **figures,
        **{f"score_{_bare(name)}": part["score"] for name, part in choices[0].scores.items()},
    }
    return Verdict(row, Thumbnail(sample.name, reason, *(thumbnail or ())))


def _bare(strategy: str) -> str:
    """Name of a strategy without its file of weights, which the record has."""
    return strategy.partition(":")[0]


def _write_plane(
    view: View,
    choice: Choice,
    settings: AutoSettings,
    files: tuple[Any, Any],
    at: tuple[int, ...],
) -> PlaneMeasures:
    labels, ignore = files
    parts: list[Objects] = []
    doubt = residue = 0
    last = 0
    for result in segment_tiles(view, choice, settings):
        ids = _paste(result, labels, at, last)
        last += int(ids.sum())
        parts.append(result.objects.kept(ids))
        ignore[(*at, *result.tile.core)] = result.doubt.astype(np.uint8)
        doubt += int(result.doubt.sum())
        residue += result.residue
    look = choice.look
    pixels = view.shape[0] * view.shape[1]
    return PlaneMeasures(
        objects=Objects.join(parts),
        pixels=pixels,
        diameter=look.diameter,
        noise=look.noise,
        spread=look.spread,
        residue=residue / pixels,
        doubt=doubt / pixels,
    )


def _paste(result: TileResult, labels: Any, at: tuple[int, ...], last: int) -> NDArray[np.bool_]:
    """Add the nuclei of one tile to a plane, numbered from `last` + 1; say which were added.

    Where tiles disagree about a clump the earlier one keeps its pixels, and a nucleus that loses
    half of its own is left out.
    """
    window = (*at, *result.tile.window)
    there = np.asarray(labels[window])
    count = len(result.objects)
    free = np.where(there == 0, result.labels, 0)
    if (free != result.labels).any():
        free = largest_pieces(free)
    sizes = np.bincount(free.ravel(), minlength=count + 1)[1:]
    kept = np.asarray(2 * sizes > result.objects.area)
    new = check_labels(keep_regions(free, np.append(False, kept)), "labels of a tile")
    labels[window] = np.where(new > 0, new + last, there)
    return kept
