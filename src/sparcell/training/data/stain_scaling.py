"""Stains as training targets: which are usable, and how their grey values are scaled.

Grey values are scaled to 0..1. 0 is the background of each image, since offsets of detector and
medium vary. 1 is a high percentile above background of the whole training set. If exposures differ
too much for one span, each image has its own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparcell.core.dataset import Dataset, Sample
from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.image_ref import ImageRef
from sparcell.core.max_projection import project
from sparcell.io import open_sample
from sparcell.methods.stain.config import StainConfig
from sparcell.methods.stain.intensities import StainRange

logger = logging.getLogger(__name__)

LIMITS = tuple(float(2**bits - 1) for bits in (8, 10, 12, 14, 16))
"""Largest values of detectors."""
ONE_SPAN = 4.0
"""Largest ratio of spans with which the images of a training set share one span."""
LEAST_SPAN = 8
"""The span of an image is at least the typical span divided by this."""
NOISE_BLOCK = 4
"""Edge of the squares that are averaged before stain and noise are compared, px."""
SURROUNDINGS = 1 / 16
"""Sigma of the Gaussian mean for the surroundings of an object, fraction of the field."""


class PlaneRef(NamedTuple):
    """A plane of a field."""

    sample: Sample
    image: Image
    plane: Plane

    @property
    def key(self) -> tuple[ImageRef, Plane]:
        """Identity of the plane; names may repeat in several datasets."""
        return self.sample.image, self.plane


class Levels(NamedTuple):
    """Grey levels of the stains of a field; one value per stain.

    Attributes
    ----------
    low, high : (K,) float64
        Background, and the high percentile, grey values.
    fault : str
        Why the field cannot be used; empty if it can.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    fault: str = ""


@dataclass(frozen=True)
class Stains:
    """The stains of a training and their scaling.

    Attributes
    ----------
    range : StainRange
        Grey values of 0 and 1 in a typical image.
    levels : mapping from `PlaneRef.key` to Levels
    own_span : bool
        Each image has its own span.
    """

    range: StainRange
    levels: Mapping[tuple[ImageRef, Plane], Levels]
    own_span: bool

    @property
    def faults(self) -> dict[str, str]:
        """Why fields are left out, by the name of the image's file, with the plane if not first."""
        return {
            image.path.name + (f" t{plane.t} z{plane.z}" if any(plane) else ""): own.fault
            for (image, plane), own in self.levels.items()
            if own.fault
        }

    def read(self, ref: PlaneRef) -> NDArray[np.float32]:
        """Read the stains of a field as (K, Y, X) float32: 0 background, 1 the span's end."""
        own = self.levels[ref.key]
        span = np.subtract(self.range.high, self.range.low)
        if self.own_span:
            # In a field with few cells the percentile may lie in the background; the minimum span
            # keeps its noise from being scaled to 1.
            span = np.maximum(own.high - own.low, span / LEAST_SPAN)
        stains = open_stains(ref.sample, ref.image)
        pixels = np.concatenate([stain.read(plane=ref.plane) for stain in stains])
        low = own.low.astype(np.float32)[:, None, None]
        scaled: NDArray[np.float32] = (pixels - low) / span.astype(np.float32)[:, None, None]
        return scaled


def add_stains(dataset: Dataset, folders: Sequence[str]) -> Dataset:
    """Give the samples of a dataset their stains from several folders, under ``stain:FOLDER``.

    Samples that lack one have none of them.
    """
    if not folders:
        return dataset
    opened = [Dataset.open(dataset.root, stain=folder) for folder in folders]
    found = [{s.name: s for s in each.having("stain").samples} for each in opened]
    kinds = ["stain", *(f"stain:{folder}" for folder in folders[1:])]
    samples = []
    for sample in dataset.samples:
        files = {kind: file for kind, file in sample.files.items() if kind != "stain"}
        if all(sample.name in each for each in found):
            for kind, each in zip(kinds, found, strict=True):
                files[kind] = each[sample.name].files["stain"]
        samples.append(replace(sample, files=files))
    return replace(dataset, samples=tuple(samples))


def _kinds(sample: Sample) -> list[str]:
    """Kinds of a sample's files that are stains, in the order in which they are predicted."""
    return [kind for kind in sample.files if kind.partition(":")[0] == "stain"]


def open_stains(sample: Sample, image: Image) -> list[Image]:
    """Open the stains of a field; a stack over an image of one depth is projected.

    Raises
    ------
    InputError
        If one cannot be opened or has another size than the image.
    """
    opened = []
    for kind in _kinds(sample):
        stain = open_sample(sample, kind)
        stain = project(stain) if image.size("Z") == 1 else stain
        sizes = [(one.shape, one.size("T"), one.size("Z")) for one in (stain, image)]
        if sizes[0] != sizes[1]:
            several = image.size("Z") > 1 and stain.size("Z") != image.size("Z")
            raise InputError(
                f"the stain {stain.source} of {stain.shape} px, {stain.size('T')} time points and "
                f"{stain.size('Z')} depths for an image of {image.shape} px, {image.size('T')} and "
                f"{image.size('Z')}",
                "the same size, or a stack of depths for an image of one",
                "write images: {files: FOLDER, depths: channels} into dataset.yaml to show the "
                "depths of an image together"
                if several
                else "put matching files together, exported at one size",
            )
        opened.append(stain)
    return opened


def name_stains(sample: Sample, image: Image) -> tuple[str, ...]:
    """Name the stains of a field: by folder where there are several, by channel where needed."""
    names: list[str] = []
    paths = [sample.files[kind].path for kind in _kinds(sample)]
    for path, stain in zip(paths, open_stains(sample, image), strict=True):
        # Datasets may keep their only stain in folders of different names.
        folder = path.parent.name if len(paths) > 1 else "stain"
        several = stain.size("C") > 1
        names += [f"{folder} {name}" for name in stain.channels] if several else [folder]
    return tuple(names)


def measure_stain(ref: PlaneRef, config: StainConfig) -> Levels:
    """Measure background and brightness of a field's stains, and whether they can be used."""
    stains = open_stains(ref.sample, ref.image)
    pixels = [channel for stain in stains for channel in stain.sample(ref.plane)]
    low, high = (
        np.array([np.percentile(values, percentile) for values in pixels])
        for percentile in (config.low, config.high)
    )
    planes = [channel for stain in stains for channel in stain.read(plane=ref.plane)]
    for number, name in enumerate(name_stains(ref.sample, ref.image)):
        fault = _clipping(pixels[number], config.max_clipped)
        fault = fault or _emptiness(planes[number], config.min_contrast)
        if not fault and high[number] <= low[number]:
            fault = "empty: nearly all pixels have one value"
        if fault:
            return Levels(low, high, f"{name} {fault}" if len(pixels) > 1 else fault)
    return Levels(low, high)


def _clipping(values: NDArray[np.float32], most: float) -> str:
    top = float(values.max())
    share = float((values == top).mean())
    if top not in LIMITS or share <= most:
        return ""
    return f"clipped: {share:.1%} of the pixels at the detector's limit of {top:g}"


def _emptiness(stain: NDArray[np.float32], least: float) -> str:
    """Compare the contrast of objects to their surroundings with the noise, in averaged squares."""
    if stain.min() == stain.max():
        return "empty: every pixel has the same value"
    height, width = (edge // NOISE_BLOCK * NOISE_BLOCK for edge in stain.shape)
    if not height or not width:
        return ""
    squares = stain[:height, :width].reshape(
        height // NOISE_BLOCK, NOISE_BLOCK, width // NOISE_BLOCK, NOISE_BLOCK
    )
    means = squares.mean((1, 3), dtype=np.float64)
    around = ndimage.gaussian_filter(means, SURROUNDINGS * min(means.shape), mode="reflect")
    signal = float(np.percentile(means - around, 99.9) - np.median(means - around))
    # Second differences of 2 x 2 pixels contain noise and little of the structures. Noise of unit
    # SD gives them an SD of 2; 1.4826 turns a median absolute deviation into an SD.
    fine = stain[1:, 1:] + stain[:-1, :-1] - stain[1:, :-1] - stain[:-1, 1:]
    rounding = np.sqrt(1 / 12) if np.array_equal(stain, np.rint(stain)) else 0.0
    noise = np.hypot(1.4826 * np.median(np.abs(fine)) / 2, rounding) / NOISE_BLOCK
    if not noise or signal >= least * noise:
        return ""
    return f"empty: contrast of only {signal / noise:.1f} SD of the noise"


def measure_stains(
    training: Sequence[PlaneRef], others: Sequence[PlaneRef], config: StainConfig
) -> Stains:
    """Measure all stains and fix the span of the training set.

    Parameters
    ----------
    training, others : sequence of Spot
        The former decide the span.
    config : StainConfig

    Returns
    -------
    Stains
        With the faults of what cannot be used in `levels`.

    Raises
    ------
    InputError
        If fields differ in their stains, or none of the training fields can be used.
    """
    names = {name_stains(ref.sample, ref.image) for ref in (*training, *others)}
    if len(names) > 1:
        first, second = sorted(names)[:2]
        raise InputError(
            f"images with the stains {', '.join(first)} and others with {', '.join(second)}",
            "the same stains for all",
            "correct data.stains or the files",
        )
    depths = max(ref.image.size("Z") for ref in training)
    if depths > 1:
        logger.info(
            f"image and stain of {depths} depths are learned depth by depth; depths: channels in "
            "dataset.yaml reads those of an image together"
        )
    levels = {ref.key: measure_stain(ref, config) for ref in (*training, *others)}
    usable = [ref for ref in training if not levels[ref.key].fault]
    if not usable:
        raise InputError(
            f"no training image with a usable stain ({levels[training[0].key].fault})",
            "stains with contrast that are not clipped",
            "check the stain folder, or set method.max_clipped and method.min_contrast"
            + "; name the channels that count in dataset.yaml" * (len(next(iter(names))) > 1),
        )
    spans = np.array([levels[ref.key].high - levels[ref.key].low for ref in usable])
    low = np.median([levels[ref.key].low for ref in usable], axis=0)
    apart = (spans.max(axis=0) / spans.min(axis=0)).max()
    own_span = config.range == "image" or (config.range == "auto" and apart > ONE_SPAN)
    if own_span:
        span = np.median(spans, axis=0)
        if config.range == "auto":
            logger.info(
                f"stains differ {apart:.0f} times in brightness: each is scaled by its own range"
            )
    else:
        span = _pooled_span(usable, levels, config.high)
    dtype = open_stains(usable[0].sample, usable[0].image)[0].data.dtype
    stain_range = StainRange(
        names=next(iter(names)),
        low=tuple(low.tolist()),
        high=tuple((low + span).tolist()),
        dtype="float32" if dtype.kind not in "iu" else dtype.newbyteorder("=").name,
    )
    return Stains(stain_range, levels, own_span)


def _pooled_span(
    refs: Sequence[PlaneRef], levels: Mapping[tuple[ImageRef, Plane], Levels], percentile: float
) -> NDArray[np.float64]:
    """High percentile above background of all training fields, each with the same weight."""
    above = []
    for ref in refs:
        stains = open_stains(ref.sample, ref.image)
        pixels = np.concatenate([stain.sample(ref.plane) for stain in stains])
        # The same number of quantiles from each field, so that all have the same weight.
        quantiles = np.quantile(pixels, np.linspace(0, 1, 10_001), axis=1).T
        above.append(quantiles - levels[ref.key].low[:, None])
    pooled = np.concatenate(above, axis=1)
    span: NDArray[np.float64] = np.percentile(pooled, percentile, axis=1)
    return span
