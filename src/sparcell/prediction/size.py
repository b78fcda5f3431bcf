"""Estimate the size of an image's objects, and choose the scale of the image for a model."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.columns import Columns
from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.core.text import counted, listed
from sparcell.core.tiles import range_around
from sparcell.measurement.counts import circle_diameter, median_diameter
from sparcell.methods.detections import join
from sparcell.models.model import Model, ModelSpec
from sparcell.models.runtime import Runtime
from sparcell.prediction.tiling.rescale import rescaled
from sparcell.prediction.tiling.tiles import CONTEXT, MAX_CORE, cut_axis, map_rows
from sparcell.preprocessing.normalise import ConstantImage

logger = logging.getLogger(__name__)

PIXEL_SIZE_TOLERANCE = 1.25
"""Largest ratio of pixel sizes for which an image is not resized."""
FAR_OFF = 2.0
"""Ratio of diameters from which objects count as of another size than the model's."""
LARGEST_FACTOR = 16.0
CENTRES = ((0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25))
WINDOW = 512
"""Centres (0..1 along Y and X) and edge (px) of the windows for estimating a diameter."""
LARGEST_WINDOW = 1024
"""Largest edge of such a window in px of the image."""
STEPS, LAST_STEP = range(-3, 2), 3
"""Powers of two by which windows are resized, and the last that is tried beyond."""
SIZE_SPREAD = 0.7
"""Standard deviation of the natural logarithm of diameters that a model still finds well."""
ENOUGH = 5
"""Fewest objects for a statement on their median size."""


class Scale(NamedTuple):
    """The scale of an image for the network.

    Attributes
    ----------
    factor : float
        Pixels of the network's input per pixel of the image, along Y and X.
    found : str
        Where it comes from, for the user.
    """

    factor: float = 1.0
    found: str = "not resized"


def model_diameter(spec: ModelSpec) -> float | None:
    """Diameter of the circle with the median area of the training's objects, px."""
    return None if spec.typical_area is None else circle_diameter(spec.typical_area)


def check_diameter(asked: float | str | None) -> None:
    """Raise `InputError` for what `choose_scale` cannot take."""
    if asked in (None, "auto", "none") or (isinstance(asked, float | int) and 0 < asked < math.inf):
        return
    raise InputError(f"a diameter of {asked}", "pixels above 0, auto or none", "correct `diameter`")


def choose_scale(
    image: Image, model: Model, asked: float | str | None = None, runtime: Runtime | None = None
) -> Scale:
    """Choose the scale by which an image's objects get the size of the model's.

    Parameters
    ----------
    image : Image
        With the channels that the model takes.
    model : Model
    asked : float or str, optional
        Median diameter of the objects in px of the image; ``auto`` to estimate it; ``none`` to
        leave the image as it is; None to use the pixel sizes where both are known.
    runtime : Runtime, optional
        That of the model, for the estimate; started here if none is given.

    Raises
    ------
    InputError
        If `asked` is none of these, the model's own size is not known, or the sizes are more
        than 16 times apart.
    """
    check_diameter(asked)
    if asked == "none":
        return Scale()
    if asked is None:
        return _by_pixel_size(image, model.spec)
    wanted = model_diameter(model.spec)
    if wanted is None:
        raise InputError(
            f"`diameter` for {model.spec.name}, whose typical object size is not known",
            "a model with a typical area",
            "resample the images, or leave `diameter` out",
        )
    if asked == "auto":
        return _by_estimate(image, model, runtime or model.open(), wanted)
    return _checked(Scale(wanted / float(asked), f"diameter {float(asked):g} px given"), image)


def _by_pixel_size(image: Image, spec: ModelSpec) -> Scale:
    if not (image.pixel_size and spec.pixel_size):
        return Scale()
    factor = image.pixel_size / spec.pixel_size
    if max(factor, 1 / factor) <= PIXEL_SIZE_TOLERANCE:
        return Scale()
    sizes = f"{image.pixel_size:g} um per pixel, the model was trained at {spec.pixel_size:g}"
    return _checked(Scale(factor, sizes), image)


def _checked(scale: Scale, image: Image) -> Scale:
    if 1 / LARGEST_FACTOR <= scale.factor <= LARGEST_FACTOR:
        return scale
    raise InputError(
        f"{image.source} to be resized by {scale.factor:.3g} ({scale.found})",
        f"sizes within a factor of {LARGEST_FACTOR:g}",
        'correct `diameter` or the pixel size, or add `diameter="none"`',
    )


def _by_estimate(image: Image, model: Model, runtime: Runtime, wanted: float) -> Scale:
    found = estimate_diameter(image, model, runtime)
    if found is None:
        logger.warning(f"{image.source}: no objects to estimate a diameter from; not resized")
        return Scale(1.0, "no diameter estimated")
    factor = wanted / found
    if max(factor, 1 / factor) <= PIXEL_SIZE_TOLERANCE:
        return Scale(1.0, f"diameter {found:.3g} px estimated, near the model's")
    return _checked(Scale(factor, f"diameter {found:.3g} px estimated"), image)


def estimate_diameter(image: Image, model: Model, runtime: Runtime) -> float | None:
    """Estimate the median diameter of the objects that a model finds in an image, px.

    The model predicts a few windows at an eighth to twice their size, and larger ones if the
    largest is the best (`ScaleTrial.rating`). The objects of the best trial give a scale; they are
    measured once more at that scale.

    Parameters
    ----------
    image : Image
        With the channels that the model takes.
    model : Model
        One with a typical area.
    runtime : Runtime
        That of the model.

    Returns
    -------
    float or None
        Diameter of the circle with the objects' median area; None if nothing is found.
    """
    wanted = model_diameter(model.spec)
    if wanted is None:
        return None
    preview = _PreviewImage(image, model, runtime)
    trials = {step: preview.predict(2.0**step) for step in STEPS}
    best = max(trials, key=lambda step: trials[step].rating(wanted))
    while best == max(trials) and best < LAST_STEP:
        trials[best + 1] = preview.predict(2.0 ** (best + 1))
        best = max(trials, key=lambda step: trials[step].rating(wanted))
    first = trials[best].diameter
    if first is None:
        return None
    return preview.predict(wanted / first).diameter or first


class ScaleTrial(NamedTuple):
    """Objects that a model finds in windows of one scale.

    Attributes
    ----------
    factor : float
    areas : (n,) float64
        Areas of the objects, px of the network's input.
    scores : (n,) float64
    share : float
        Share of the windows' pixels in objects, 0..1.
    """

    factor: float
    areas: NDArray[np.float64]
    scores: NDArray[np.float64]
    share: float

    @property
    def diameter(self) -> float | None:
        """Median diameter in px of the image."""
        return median_diameter(self.areas) / self.factor if len(self.areas) else None

    def rating(self, wanted: float) -> float:
        """Rate this scale, from 0 on; the highest rating is the best.

        The root of the share of pixels in objects, times their mean score weighted by area, times a
        log-normal of their size around the `wanted` diameter (px of the network's input).
        """
        if self.diameter is None:
            return 0.0
        score = float(np.average(self.scores, weights=self.areas))
        off = np.log(self.diameter * self.factor / wanted) / SIZE_SPREAD
        return float(np.sqrt(self.share) * score * np.exp(-(off**2) / 2))


class _PreviewImage:
    """A few windows of an image, predicted at any scale."""

    def __init__(self, image: Image, model: Model, runtime: Runtime) -> None:
        self.image, self.model, self.runtime = image, model, runtime
        planes = list(image.planes())
        chosen = [planes[0], planes[len(planes) // 2], planes[-1]]
        self.scalings: dict[Plane, Any] = {}
        for plane in dict.fromkeys([*chosen, *planes]):
            # Frames that a microscope dropped are constant; another plane is used instead.
            if plane in chosen or not self.scalings:
                with suppress(ConstantImage):
                    self.scalings[plane] = model.scaling(image, plane)
        if not self.scalings:
            model.scaling(image, planes[0])
        usable = list(self.scalings)
        chosen = [plane if plane in self.scalings else usable[0] for plane in chosen]
        self.centres = [(chosen[i % 3], y, x) for i, (y, x) in enumerate(CENTRES)]

    def predict(self, factor: float) -> ScaleTrial:
        """Predict the windows enlarged by a factor; the larger it is, the less they cover."""
        edge = max(1, min(round(WINDOW / factor), LARGEST_WINDOW))
        height, width = self.image.shape
        windows = dict.fromkeys(
            (plane, range_around(y, edge, height), range_around(x, edge, width))
            for plane, y, x in self.centres
        )
        found = [self._find(plane, y, x, factor) for plane, y, x in windows]
        areas, scores, pixels = zip(*found, strict=True)
        area = np.concatenate(areas)
        return ScaleTrial(factor, area, np.concatenate(scores), float(area.sum()) / sum(pixels))

    def _find(
        self, plane: Plane, y: range, x: range, factor: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Areas and scores of the objects of one window, and its number of pixels."""
        pixels = self.image.read(slice(y.start, y.stop), slice(x.start, x.stop), plane)
        resized = rescaled(Image(pixels, "CYX", source=self.image.source), factor)
        cuts = [cut_axis(length, *self.model.grid(MAX_CORE, CONTEXT)) for length in resized.shape]
        method, scaling = self.model.method, self.scalings[plane]
        rows = map_rows(
            resized, FIRST_PLANE, scaling, self.runtime, (cuts[0], cuts[1]), method.output
        )
        maps = join([network_output for _, network_output in rows], axis=1)
        labels, scores = method.decode(maps, self.model.decode_settings)
        areas = np.bincount(labels.ravel(), minlength=len(scores) + 1)[1:]
        return areas.astype(np.float64), scores.astype(np.float64), labels.size


def known_diameters(spec: ModelSpec) -> tuple[float, float] | None:
    """Smallest and largest median diameter of an image's objects that a model knows, px.

    Those of its training images; without them, `FAR_OFF` times smaller and larger than its typical
    object. Within this range, resizing an image does not help: on 40 test images of dsb2018 whose
    objects differ from the median by 1.6 times or more it changed AP50 from .878 to .873.
    """
    if spec.domain is not None and spec.domain.diameters is not None:
        low, high = spec.domain.diameters
        return low / PIXEL_SIZE_TOLERANCE, high * PIXEL_SIZE_TOLERANCE
    typical = model_diameter(spec)
    return None if typical is None else (typical / FAR_OFF, typical * FAR_OFF)


def is_far_off(counts: Columns, spec: ModelSpec) -> NDArray[np.bool_]:
    """Whether the objects of each row are of a size that the model does not know.

    Parameters
    ----------
    counts : Columns
        With the columns count, diameter_px and resized_by.
    spec : ModelSpec

    Returns
    -------
    (N,) bool
        False where the image was resized, or where there are fewer than `ENOUGH` objects.
    """
    low, high = known_diameters(spec) or (0.0, float("inf"))
    diameter = counts["diameter_px"] * counts["resized_by"]
    far: NDArray[np.bool_] = (diameter < low) | (diameter > high)
    far &= (counts["resized_by"] == 1) & (counts["count"] >= ENOUGH)
    return far


def warn_if_far(counts: Columns, spec: ModelSpec) -> None:
    """Warn where the objects found are of a size that the model does not know.

    Parameters
    ----------
    counts : Columns
        With the columns image, count, diameter_px and resized_by.
    spec : ModelSpec
    """
    known = known_diameters(spec)
    clear = counts.where(is_far_off(counts, spec)) if len(counts) else counts
    if known is None or not len(clear):
        return
    found = clear["diameter_px"]
    sizes = " to ".join(dict.fromkeys((f"{found.min():.0f}", f"{found.max():.0f}")))
    images = list(dict.fromkeys(clear["image"]))
    objects = spec.objects[1]
    every = counted(len(set(counts["image"])), "image")
    logger.warning(
        f"In {len(images)} of {every} ({listed(images)}) the {objects} are {sizes} px wide; this "
        f"model learned {objects} of {known[0]:.0f} to {known[1]:.0f} px, so counts there may be "
        f"wrong. Run again with `diameter={np.median(found):.0f}` or "
        '`diameter="auto"`.'
    )
