"""How large objects are in an image, and by how much it is resized for a model."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.methods.detections import join
from sparcell.models.model import Model, ModelSpec
from sparcell.models.runtime import Runtime
from sparcell.prediction.tiling.rescale import rescaled
from sparcell.prediction.tiling.tiles import CONTEXT, MAX_CORE, cut_axis, map_rows
from sparcell.preprocessing.normalise import ConstantImage

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

PIXEL_SIZE_TOLERANCE = 1.25
"""Images whose pixel size is that near to the model's are left as they are."""
FAR_OFF = 2.0
"""From this ratio on objects are of another size than the model's."""
LARGEST_FACTOR = 16.0
CENTRES = ((0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25))
WINDOW = 512
"""Places in a plane, and edge in px, of the windows that a diameter is estimated from."""
LARGEST_WINDOW = 1024
"""The same in px of the image, where it is shown smaller."""
STEPS, LAST_STEP = range(-3, 2), 3
"""Powers of two by which windows are resized, and the last that is tried beyond."""
SIZE_SPREAD = 0.7
"""Spread of sizes around the model's own, as a factor of e, that it still sees well."""
ENOUGH = 5
"""Objects from which a median size is said."""


class Scale(NamedTuple):
    """How much an image is enlarged for the network.

    Attributes
    ----------
    factor : float
        Pixels that the network sees per pixel of the image, along Y and X.
    found : str
        How it was found, for the user.
    """

    factor: float = 1.0
    found: str = "as it is"


def model_diameter(spec: ModelSpec) -> float | None:
    """Diameter of the circle with the median area of the training's objects, px."""
    return None if spec.typical_area is None else _diameter(spec.typical_area)


def check_diameter(asked: float | str | None) -> None:
    """Raise `InputError` for what `choose_scale` cannot take."""
    if asked in (None, "auto", "none") or (isinstance(asked, float | int) and asked > 0):
        return
    raise InputError(f"a diameter of {asked}", "pixels above 0, auto or none", "correct --diameter")


def choose_scale(
    image: Image, model: Model, asked: float | str | None = None, runtime: Runtime | None = None
) -> Scale:
    """Decide by how much an image is resized, so that its objects have the model's size.

    Parameters
    ----------
    image : Image
        As the model takes it.
    model : Model
    asked : float or str, optional
        Median diameter of the objects in px of the image; ``auto`` to estimate it; ``none`` to
        leave the image as it is; None to go by the pixel sizes where both are known.
    runtime : Runtime, optional
        That of the model, to estimate with; opened here if none is given.

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
            f"--diameter for {model.spec.name}, which does not say how large its objects are",
            "a model with a typical area",
            "resample the images, or leave --diameter out",
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
        "correct --diameter or the pixel size, or add --diameter none",
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
    """Estimate the median diameter of the objects that a model sees in an image, px.

    A few windows are shown to the model at an eighth to twice their size, and larger if it sees
    best then (`ScaleTrial.worth`). The objects found there give the factor by which windows are
    resized; the objects are then measured once more.

    Parameters
    ----------
    image : Image
        As the model takes it.
    model : Model
        One that knows its own size.
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
    view = _PreviewImage(image, model, runtime)
    looks = {step: view.look(2.0**step) for step in STEPS}
    best = max(looks, key=lambda step: looks[step].worth(wanted))
    while best == max(looks) and best < LAST_STEP:
        looks[best + 1] = view.look(2.0 ** (best + 1))
        best = max(looks, key=lambda step: looks[step].worth(wanted))
    first = looks[best].diameter
    if first is None:
        return None
    return view.look(wanted / first).diameter or first


class ScaleTrial(NamedTuple):
    """What a model finds in windows that are resized by a factor.

    Attributes
    ----------
    factor : float
    areas : (n,) float64
        Areas of the objects, px as the model sees them.
    scores : (n,) float64
    share : float
        Of the windows that is in objects, 0..1.
    """

    factor: float
    areas: NDArray[np.float64]
    scores: NDArray[np.float64]
    share: float

    @property
    def diameter(self) -> float | None:
        """Median diameter in px of the image."""
        return median_diameter(self.areas) / self.factor if len(self.areas) else None

    def worth(self, wanted: float) -> float:
        """How much speaks for this factor, from 0.

        The root of the share of the image in objects, times their mean score by area, times a
        log-normal of their size around the `wanted` diameter (px, as the model sees it).
        """
        if self.diameter is None:
            return 0.0
        score = float(np.average(self.scores, weights=self.areas))
        off = np.log(self.diameter * self.factor / wanted) / SIZE_SPREAD
        return float(np.sqrt(self.share) * score * np.exp(-(off**2) / 2))


class _PreviewImage:
    """A few windows of an image, and what a model finds in them."""

    def __init__(self, image: Image, model: Model, runtime: Runtime) -> None:
        self.image, self.model, self.runtime = image, model, runtime
        planes = list(image.planes())
        chosen = [planes[0], planes[len(planes) // 2], planes[-1]]
        self.scalings: dict[Plane, Any] = {}
        for plane in dict.fromkeys([*chosen, *planes]):
            # Frames that a microscope dropped say nothing of sizes; any other one stands in.
            if plane in chosen or not self.scalings:
                with suppress(ConstantImage):
                    self.scalings[plane] = model.scaling(image, plane)
        if not self.scalings:
            model.scaling(image, planes[0])
        usable = list(self.scalings)
        chosen = [plane if plane in self.scalings else usable[0] for plane in chosen]
        self.places = [(chosen[i % 3], y, x) for i, (y, x) in enumerate(CENTRES)]

    def look(self, factor: float) -> ScaleTrial:
        """Show the windows resized; the larger, the less of the image is in them."""
        edge = max(1, min(round(WINDOW / factor), LARGEST_WINDOW))
        height, width = self.image.shape
        windows = dict.fromkeys(
            (plane, _around(y, edge, height), _around(x, edge, width))
            for plane, y, x in self.places
        )
        found = [self._find(plane, y, x, factor) for plane, y, x in windows]
        areas, scores, pixels = zip(*found, strict=True)
        area = np.concatenate(areas)
        return ScaleTrial(factor, area, np.concatenate(scores), float(area.sum()) / sum(pixels))

    def _find(
        self, plane: Plane, y: range, x: range, factor: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Areas and scores of the objects of one window, and its pixels as the model sees them."""
        pixels = self.image.read(slice(y.start, y.stop), slice(x.start, x.stop), plane)
        shown = rescaled(Image(pixels, "CYX", source=self.image.source), factor)
        cuts = [cut_axis(length, *self.model.grid(MAX_CORE, CONTEXT)) for length in shown.shape]
        method, scaling = self.model.method, self.scalings[plane]
        rows = map_rows(
            shown, FIRST_PLANE, scaling, self.runtime, (cuts[0], cuts[1]), method.output
        )
        maps = join([network_output for _, network_output in rows], axis=1)
        labels, scores = method.decode(maps, self.model.decode_settings)
        areas = np.bincount(labels.ravel(), minlength=len(scores) + 1)[1:]
        return areas.astype(np.float64), scores.astype(np.float64), labels.size


def _around(at: float, edge: int, length: int) -> range:
    """A stretch of `edge` px around a place (0..1) of an axis, inside of it."""
    start = int(np.clip(at * length - edge / 2, 0, max(length - edge, 0)))
    return range(start, min(start + edge, length))


def warn_if_far(counts: pd.DataFrame, spec: ModelSpec) -> None:
    """Say so where the objects found are far from the model's size.

    Parameters
    ----------
    counts : DataFrame
        With the columns image, objects, diameter_px and scale.
    spec : ModelSpec
    """
    wanted = model_diameter(spec)
    if wanted is None or not len(counts):
        return
    ratio = counts["diameter_px"] * counts["scale"] / wanted
    far = (ratio > FAR_OFF) | (ratio < 1 / FAR_OFF)
    there = counts[far & (counts["scale"] == 1) & (counts["objects"] >= ENOUGH)]
    if not len(there):
        return
    found = there["diameter_px"]
    sizes = f"{found.min():.0f}" + (f" to {found.max():.0f}" if len(there) > 1 else "")
    logger.warning(
        f"{there['image'].nunique()} images show objects of {sizes} px (see counts.csv), "
        f"the model knows such of {wanted:.0f}; if they look wrong repeat with "
        f"--diameter {found.median():.0f} or --diameter auto"
    )


def median_diameter(areas: NDArray[Any]) -> float:
    """Diameter of the circle with the median area, px; NaN where there is none."""
    return _diameter(float(np.median(areas))) if len(areas) else float("nan")


def _diameter(area: float) -> float:
    return float(2 * np.sqrt(area / np.pi))
