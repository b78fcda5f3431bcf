"""How large objects are in an image, and by how much it is resized for a model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.progress import say
from sparcell.prediction.model import Model, ModelCard

PIXEL_SIZE_TOLERANCE = 1.25
"""Images whose pixel size is that near to the model's are left as they are."""
FAR_OFF = 2.0
"""From this ratio on objects are of another size than the model's."""
LARGEST_FACTOR = 16.0
SAMPLED_PIXELS = 1 << 20
"""A plane of at most so many pixels is looked at as a whole."""
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


def model_diameter(card: ModelCard) -> float | None:
    """Diameter of the circle with the median area of the training's objects, px."""
    return None if card.typical_area is None else _diameter(card.typical_area)


def check_diameter(asked: float | str | None) -> None:
    """Raise `InputError` for what `choose_scale` cannot take."""
    if asked in (None, "auto", "none") or (isinstance(asked, float | int) and asked > 0):
        return
    raise InputError(f"a diameter of {asked}", "pixels above 0, auto or none", "correct --diameter")


def choose_scale(image: Image, model: Model, asked: float | str | None = None) -> Scale:
    """Decide by how much an image is resized, so that its objects have the model's size.

    Parameters
    ----------
    image : Image
        As the model takes it.
    model : Model
    asked : float or str, optional
        Median diameter of the objects in px of the image; ``auto`` to estimate it; ``none`` to
        leave the image as it is; None to go by the pixel sizes where both are known.

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
        return _by_pixel_size(image, model.card)
    wanted = model_diameter(model.card)
    if wanted is None:
        raise InputError(
            f"--diameter for {model.card.name}, which does not say how large its objects are",
            "a model with a typical area",
            "resample the images, or leave --diameter out",
        )
    if asked == "auto":
        return _by_estimate(image, wanted)
    return _checked(Scale(wanted / float(asked), f"diameter {float(asked):g} px given"), image)


def _by_pixel_size(image: Image, card: ModelCard) -> Scale:
    if not (image.pixel_size and card.pixel_size):
        return Scale()
    factor = image.pixel_size / card.pixel_size
    if max(factor, 1 / factor) <= PIXEL_SIZE_TOLERANCE:
        return Scale()
    sizes = f"{image.pixel_size:g} um per pixel, the model was trained at {card.pixel_size:g}"
    return _checked(Scale(factor, sizes), image)


def _checked(scale: Scale, image: Image) -> Scale:
    if 1 / LARGEST_FACTOR <= scale.factor <= LARGEST_FACTOR:
        return scale
    raise InputError(
        f"{image.source} to be resized by {scale.factor:.3g} ({scale.found})",
        f"sizes within a factor of {LARGEST_FACTOR:g}",
        "correct --diameter or the pixel size, or add --diameter none",
    )


def _by_estimate(image: Image, wanted: float) -> Scale:
    found = estimate_diameter(image)
    if found is None:
        say(f"{image.source}: no objects to estimate a diameter from; not resized")
        return Scale(1.0, "no diameter estimated")
    factor = wanted / found
    if max(factor, 1 / factor) <= PIXEL_SIZE_TOLERANCE:
        return Scale(1.0, f"diameter {found:.3g} px estimated, near the model's")
    return _checked(Scale(factor, f"diameter {found:.3g} px estimated"), image)


def estimate_diameter(image: Image) -> float | None:
    """Estimate the median diameter of bright objects from a few windows of an image, px.

    The classical segmentation of `sparcell.labeling` (local contrast) on the first channel of the
    first, middle and last plane.

    Returns
    -------
    float or None
        Diameter of the circle with the objects' median area; None if nothing stands out.
    """
    from sparcell.labeling.appearance import View
    from sparcell.labeling.estimation import estimate_appearance
    from sparcell.labeling.objects import find_objects
    from sparcell.labeling.strategies import STRATEGIES

    single = image.only([0]) if image.size("C") > 1 else image
    planes = list(single.planes())
    areas = [np.zeros(0)]
    for plane in (planes[at] for at in sorted({0, len(planes) // 2, len(planes) - 1})):

        def read(y: slice, x: slice, plane: Plane = plane) -> NDArray[np.float32]:
            last: NDArray[np.float32] = single.read(y, x, plane)[-1]
            return last

        view = View(single.shape, read, whole_pixels=SAMPLED_PIXELS)
        look = estimate_appearance(view)
        if look.diameter:
            for y, x in view.sample():
                signal = look.signal(view, y, x)
                areas.append(find_objects(signal, look, STRATEGIES["local"]).objects.area)
    found = np.concatenate(areas)
    return _diameter(float(np.median(found))) if len(found) else None


def say_if_far(areas: NDArray[np.int64], card: ModelCard, source: str) -> None:
    """Say so where the objects found are far from the model's size.

    Parameters
    ----------
    areas : (n,) array
        Areas of the objects found, px.
    card : ModelCard
    source : str
        The image.
    """
    wanted = model_diameter(card)
    if wanted is None or len(areas) < ENOUGH:
        return
    found = _diameter(float(np.median(areas)))
    if max(found / wanted, wanted / found) > FAR_OFF:
        say(
            f"{source}: objects of {found:.0f} px, the model knows such of {wanted:.0f}; "
            f"if the image shows them so, repeat with --diameter {found:.0f} or auto"
        )


def _diameter(area: float) -> float:
    return float(2 * np.sqrt(area / np.pi))
