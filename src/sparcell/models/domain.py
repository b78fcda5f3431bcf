"""The images that a model knows: statistics of its training images, in its model file.

An image far from all of them, in units of how the training images differ among themselves, shows
something else than the model has learned. The distance is that of Mahalanobis (1936, "On the
generalised distance in statistics"), of features that `sparcell.measurement.image_features`
computes from an image and the objects that the model finds in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sparcell.measurement.image_features import FILL, OF_IMAGE, OF_OBJECTS

FEATURES = OF_IMAGE + OF_OBJECTS
BETWEEN_LABS = {
    "background": 0.08,
    "noise": 0.25,
    "fine_texture": 0.1,
    "coarse_texture": 0.1,
    "object_share": 0.3,
    "contrast": 0.15,
    "outline_contrast": 0.6,
    "raggedness": 0.05,
    "shading": 0.2,
}
"""Standard deviation of each feature between images of one kind from several laboratories."""
LEAST_WEIGHT, FEW_IMAGES = 0.15, 8.0
"""Weight of their variances beside those of the training images, and what it gains by few."""
MARGIN = 1.35
"""Distance from which an image does not fit, in units of the training images' 99th percentile."""
LEAST_LIMIT = 0.8
"""Smallest 99th percentile; few training images are closer to their centre than others are."""
DARK, BRIGHT = 0.2, 0.5
"""Feature `background` up to which a background is dark, and from which it is bright."""
FILL_AT_LIMIT, FILL_BETWEEN_LABS = 3.0, 0.12
"""Deviation of the feature `FILL` that is given to its limit, and the first percentile of its
differences between laboratories, 2.3 standard deviations of 0.05."""
SIZE_PERCENTILES = (1, 99)
"""Of the images' median diameters: sizes that the model knows."""
DIAMETER = "diameter"
"""Key of the median diameter of an image's objects, px, beside its features."""
ONLY_MORE = ("noise",)
"""Features of which less than in the training images does no harm."""


class DomainFit(NamedTuple):
    """How well an image fits a model.

    Attributes
    ----------
    distance : float
        From the training images; over 1, the image does not fit.
    deviations : dict
        Feature to its deviation from the training images' median, standard deviations.
    """

    distance: float
    deviations: dict[str, float]

    @property
    def fits(self) -> bool:
        """Whether the image may be of a kind that the model knows."""
        return self.distance <= 1


class Domain(BaseModel):
    """Statistics of a model's training images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int = Field(description="number of images")
    centre: dict[str, float] = Field(description="median of each feature")
    covariance: tuple[tuple[float, ...], ...] = Field(
        description="of the features in this order, widened for images of other laboratories"
    )
    limit_of_image: float = Field(
        description="largest distance by the features of the image and the share of objects"
    )
    limit: float = Field(description="largest distance by all features")
    diameters: tuple[float, float] | None = Field(
        None, description="smallest and largest median diameter of an image's objects, px"
    )
    fill: tuple[float, float] | None = Field(
        None,
        description="how evenly objects are filled: the median of the images, and the least that "
        "fits; None where objects are not",
    )

    @property
    def has_bright_objects(self) -> bool:
        """Whether the training images show bright objects on a dark background.

        Cells with bright halos have a dark background, too, but are darker than their rims.
        """
        return self.centre["background"] < DARK and self.centre["outline_contrast"] >= 0

    @classmethod
    def of(cls, images: Sequence[Mapping[str, float]]) -> Domain | None:
        """Summarise the features of images; None where none of them has enough objects.

        Parameters
        ----------
        images : sequence of mapping
            Features as `image_features` gives them, and `DIAMETER` where that is known.
        """
        whole = [image for image in images if all(name in image for name in FEATURES)]
        if not whole:
            return None
        values = np.array([[image[name] for name in FEATURES] for image in whole])
        between = np.diag([BETWEEN_LABS[name] ** 2 for name in FEATURES])
        within = np.cov(values.T) if len(whole) > 1 else np.zeros_like(between)
        covariance = within + (LEAST_WEIGHT + FEW_IMAGES / len(whole)) * between
        draft = cls(
            images=len(whole),
            centre=dict(zip(FEATURES, np.median(values, axis=0).round(4).tolist(), strict=True)),
            covariance=tuple(map(tuple, covariance.round(6).tolist())),
            limit_of_image=1.0,
            limit=1.0,
        )
        limits: dict[str, Any] = {}
        for field, names in (("limit_of_image", OF_IMAGE), ("limit", FEATURES)):
            distances = [draft._distance(image, names) for image in whole]
            limits[field] = MARGIN * max(float(np.percentile(distances, 99)), LEAST_LIMIT)
        diameters = [image[DIAMETER] for image in whole if DIAMETER in image]
        if diameters:
            low, high = np.percentile(diameters, SIZE_PERCENTILES)
            limits["diameters"] = (round(float(low), 1), round(float(high), 1))
        fills = [image[FILL] for image in whole if FILL in image]
        if fills:
            typical, least = np.percentile(fills, (50, 1))
            away = np.hypot(typical - least, FILL_BETWEEN_LABS)
            if (limit := typical - MARGIN * away) > 0:
                limits["fill"] = (round(float(typical), 4), round(float(limit), 4))
        return draft.model_copy(update=limits)

    def judge(self, features: Mapping[str, float]) -> DomainFit:
        """Compare an image with the training images.

        Parameters
        ----------
        features : mapping
            As `image_features` gives them; of few objects, those of the image alone.
        """
        whole = all(name in features for name in FEATURES)
        names, limit = (FEATURES, self.limit) if whole else (OF_IMAGE, self.limit_of_image)
        spread = np.sqrt(np.diag(self.covariance))
        off = self._deviations(features, names) / spread[: len(names)]
        distance = self._distance(features, names) / limit
        deviations = dict(zip(names, off.round(2).tolist(), strict=True))
        if self.fill is not None and features.get(FILL, np.inf) < self.fill[1]:
            # Halos of phase contrast are like nuclei in all other features.
            typical, least = self.fill
            missing = (typical - features[FILL]) / (typical - least)
            distance = max(distance, missing)
            deviations[FILL] = round(-FILL_AT_LIMIT * missing, 2)
        return DomainFit(distance, deviations)

    def _deviations(
        self, features: Mapping[str, float], names: Sequence[str]
    ) -> NDArray[np.float64]:
        off = {name: features[name] - self.centre[name] for name in names}
        return np.array([max(off[name], 0.0) if name in ONLY_MORE else off[name] for name in names])

    def _distance(self, features: Mapping[str, float], names: Sequence[str]) -> float:
        """Root mean square deviation by the features `names`, which are the first ones."""
        off = self._deviations(features, names)
        covariance = np.array(self.covariance)[: len(names), : len(names)]
        return float(np.sqrt(off @ np.linalg.solve(covariance, off) / len(names)))
