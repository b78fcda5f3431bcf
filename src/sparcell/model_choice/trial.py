"""A model on a part of one image, without truth: agreement of views, contrast, fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.labels import Labels
from sparcell.evaluation import count_overlaps, match_objects
from sparcell.models.domain import DomainFit
from sparcell.prediction.domain_check import judge_features, middle_of_plane, sample_features
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.predict_instances import label_axes, predict_planes
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import PredictSettings

EDGE = 640
"""Largest edge of the part of an image that is predicted, px."""
SAME_OBJECT = 0.5
"""IoU from which two views have found the same object."""
LEAST_AGREEMENT = 0.7
"""Smallest F1 of two views for a model that fits."""
UNKNOWN_DISTANCE = 1.0
"""Distance that is assumed for models without statistics of their training images."""


@dataclass(frozen=True)
class Trial:
    """Result of a model on a part of an image.

    Attributes
    ----------
    labels : (Y, X) int32 or None
        None where the model cannot predict the image.
    agreement : float
        F1 of the objects of the part and of the part turned by 180 degrees, 0..1; NaN where both
        have none.
    outline_contrast : float
        How consistently outlines separate bright from dark, 0 (by chance) to 1; NaN where there
        are too few objects.
    fit : DomainFit or None
        Distance from the model's training images; None where it is not known.
    knows_domain : bool
        Whether the model has statistics of its training images.
    failure : str
        Why there are no labels.
    """

    labels: Labels | None = None
    agreement: float = float("nan")
    outline_contrast: float = float("nan")
    fit: DomainFit | None = None
    knows_domain: bool = False
    failure: str = ""

    @property
    def objects(self) -> int:
        """Number of objects."""
        return 0 if self.labels is None else int(self.labels.max())

    @property
    def distance(self) -> float:
        """Distance from the training images; infinite where the image shows only noise."""
        if self.fit is not None:
            return self.fit.distance
        return float("inf") if self.knows_domain else UNKNOWN_DISTANCE

    @property
    def known_distance(self) -> float:
        """The same; NaN where it is not known."""
        return self.distance if self.knows_domain else float("nan")

    @property
    def fits(self) -> bool:
        """Whether the model may be used: its views agree, and the image is of its domain."""
        return self.distance <= 1 and self.agreement >= LEAST_AGREEMENT

    @property
    def score(self) -> float:
        """Rank without truth, 0..1: agreement of the views times the plausibility of the image.

        The plausibility is a normal distribution of the distance, whose standard deviation is the
        distance from which an image does not fit.
        """
        agreement = 0.0 if np.isnan(self.agreement) else self.agreement
        return float(agreement * np.exp(-(self.distance**2) / 2))


def try_model(loaded: LoadedModel, image: Image) -> Trial:
    """Predict the middle of an image twice, and compare."""
    try:
        part = middle_part(image, loaded.model.spec.frames)
        prepared = PreparedImage.of(part, loaded)
        labels = _predict(prepared)
        turned = replace(part, data=np.ascontiguousarray(part.data[..., ::-1, ::-1]))
        # The channel of a colour image is reported once.
        numbers = [one for one in prepared.selection.channels or () if isinstance(one, int)]
        same = PredictSettings(channel=tuple(numbers) or None)
        again = _predict(PreparedImage.of(turned, loaded, same))[::-1, ::-1]
    except InputError as error:
        return Trial(failure=error.found)
    features = sample_features(prepared, Image(labels, "YX"))
    domain = loaded.model.spec.domain
    fit = None
    if domain is not None and not prepared.empty:
        fit = judge_features(domain, features)
    return Trial(
        labels,
        _agreement(labels, again),
        abs(float(np.tanh(features.get("outline_contrast", np.nan) / 2))),
        fit,
        domain is not None,
    )


def middle_part(image: Image, frames: int = 1) -> Image:
    """Middle of the middle plane of an image, in memory; with the frames before it."""
    planes = list(image.planes())
    return middle_of_plane(image, planes[len(planes) // 2], frames, EDGE)


def _predict(prepared: PreparedImage) -> Labels:
    """Labels of the last frame."""
    axes = label_axes(prepared.image)
    labels: NDArray[Any] = np.zeros([prepared.image.size(letter) for letter in axes], np.int32)
    predict_planes(prepared, labels, "", threads=1)
    last: Labels = labels[-1] if labels.ndim == 3 else labels
    return last


def _agreement(first: Labels, second: Labels) -> float:
    if not first.any() and not second.any():
        return float("nan")
    overlaps = count_overlaps(first, np.ascontiguousarray(second))
    return match_objects(overlaps, [SAME_OBJECT])[0].confusion.dice
