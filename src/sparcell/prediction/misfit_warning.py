"""The warning of images that do not look like what their model has learned, in plain words."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from sparcell.core.text import listed
from sparcell.models.domain import BRIGHT, Domain, DomainFit
from sparcell.models.model import Model

logger = logging.getLogger(__name__)

INVERT = "Invert the images (in Fiji: Edit > Invert), or compare models: sparcell models try IMAGES"
OTHER_MODEL = "Compare models: sparcell models try IMAGES; or train one on such images"
WORDS = {
    ("background", 1): "the background is brighter",
    ("background", -1): "the background is darker",
    ("noise", 1): "there is more noise",
    ("fine_texture", 1): "the texture is smoother",
    ("fine_texture", -1): "the texture is grainier",
    ("coarse_texture", 1): "structures are larger",
    ("coarse_texture", -1): "structures are finer",
    ("object_share", 1): "objects cover a larger share",
    ("object_share", -1): "hardly any objects are found",
    ("contrast", 1): "objects are brighter than the background to another degree",
    ("contrast", -1): "what is found stands out less from the background",
    ("outline_contrast", 1): "objects are brighter at their outlines",
    ("outline_contrast", -1): "outlines do not follow the edges of bright objects",
    ("raggedness", 1): "outlines are ragged",
    ("raggedness", -1): "outlines are smoother",
    ("fill", -1): "objects are hollow, as halos are",
    ("shading", 1): "objects have dark rims or uneven background",
    ("shading", -1): "the background is more even",
}
"""Feature and sign of its deviation, in words for the user."""


def warn_misfits(fits: Mapping[str, DomainFit], model: Model) -> None:
    """Warn, in one line, of images that do not look like what the model has learned.

    Parameters
    ----------
    fits : mapping
        Name of each image that was judged to its fit.
    model : Model
    """
    misfits = {name: fit for name, fit in fits.items() if not fit.fits}
    if not misfits or model.spec.domain is None:
        return
    worst = sorted(misfits, key=lambda name: -misfits[name].distance)
    number = f"{len(worst)} of {len(fits)} images do" if len(fits) > 1 else "This image does"
    about = f" ({listed(worst)})" if len(fits) > 1 else ""
    differences, advice = describe_misfits(list(misfits.values()), model.spec.domain)
    logger.warning(
        f"{number} not look like what {model.spec.name} was trained on{about}: {differences}. "
        f"Counts there may be wrong. {advice}"
    )


def describe_misfits(misfits: Sequence[DomainFit], domain: Domain) -> tuple[str, str]:
    """Say how images differ from a model's training images, and what to do."""
    names = list(misfits[0].deviations)
    names = [name for name in names if all(name in fit.deviations for fit in misfits)]
    off = {name: float(np.median([fit.deviations[name] for fit in misfits])) for name in names}
    spread = dict(zip(domain.centre, np.sqrt(np.diag(domain.covariance)), strict=True))
    background = domain.centre["background"] + off["background"] * float(spread["background"])
    if background > BRIGHT and domain.has_bright_objects:
        return (
            "objects are darker than their background; the model knows bright objects on a dark "
            "background",
            INVERT,
        )
    largest = sorted(off, key=lambda name: -abs(off[name]))[:2]
    words = [WORDS[name, 1 if off[name] > 0 else -1] for name in largest if abs(off[name]) >= 1]
    return " and ".join(words) or "it differs in several small ways", OTHER_MODEL
