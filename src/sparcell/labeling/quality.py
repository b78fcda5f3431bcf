"""Quality gate: accept or refuse the labels of a field before anything is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sparcell.classical.objects import StainObjects

REASONS = (
    "empty",
    "too noisy",
    "stain everywhere",
    "blurred",
    "too few",
    "too small",
    "uneven sizes",
    "too full",
)


class QualitySettings(BaseModel):
    """Limits of the quality gate.

    Each lies between the worst of 300 good fields (dc16, Data Science Bowl 2018) and simulated
    stain failures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_snr: float = Field(
        6.0, ge=0, description="median contrast of nuclei over the standard deviation of background"
    )
    min_focus: float = Field(
        3.2, ge=0, description="steepness of outlines: contrasts per typical diameter"
    )
    max_residue: float = Field(
        0.1, gt=0, le=1, description="part of the image that is bright but no nucleus"
    )
    max_object: float = Field(
        0.2, gt=0, le=1, description="part of the image that one object may cover"
    )
    min_coverage: float = Field(
        0.001, ge=0, le=1, description="part of the image that nuclei cover, at least"
    )
    max_coverage: float = Field(
        0.75, gt=0, le=1, description="part of the image that nuclei cover, at most"
    )
    max_size_spread: float = Field(
        1.25, gt=0, description="standard deviation of the natural log of the areas"
    )
    min_diameter: float = Field(4.0, ge=0, description="typical diameter, px")


@dataclass(frozen=True)
class PlaneMeasures:
    """Measures of one plane for the quality gate.

    Attributes
    ----------
    objects : StainObjects
    pixels : int
        Pixels of the plane.
    diameter : float
        Typical diameter in px; 0 if nothing was found.
    noise : float
        Standard deviation of the pixel noise.
    background_sigma : float
        Standard deviation of the smoothed background.
    residue, uncertain : float
        Parts of the plane that are bright but unexplained, and left to the ignore mask.
    """

    objects: StainObjects
    pixels: int
    diameter: float
    noise: float
    background_sigma: float
    residue: float
    uncertain: float


def measure_quality(planes: Sequence[PlaneMeasures]) -> dict[str, float | int]:
    """Summarise all planes of a field in the columns of ``quality.csv``.

    ``count``; ``diameter_px`` (median); ``coverage``, ``residue``, ``uncertain`` and
    ``largest`` as parts of the field; ``contrast`` and ``noise`` in units of the file; ``snr``;
    ``focus``; ``size_spread``.
    """
    objects = StainObjects.join([plane.objects for plane in planes])
    pixels = sum(plane.pixels for plane in planes)
    figures: dict[str, float | int] = {
        "count": len(objects),
        "noise": float(np.mean([plane.noise for plane in planes])),
        "residue": float(np.mean([plane.residue for plane in planes])),
        "uncertain": float(np.mean([plane.uncertain for plane in planes])),
    }
    if not len(objects):
        return figures
    background_sigma = float(
        np.median([plane.background_sigma for plane in planes if plane.diameter])
    )
    typical = float(np.median([plane.diameter for plane in planes if plane.diameter]))
    contrast = float(np.median(objects.contrast))
    return figures | {
        "diameter_px": float(np.median(2 * np.sqrt(objects.area / np.pi))),
        "coverage": float(objects.area.sum() / pixels),
        "largest": float(objects.area.max() / (pixels / len(planes))),
        "contrast": contrast,
        "snr": contrast / max(background_sigma, 1e-9),
        "focus": float(np.median(objects.steepness)) * typical,
        "size_spread": float(np.std(np.log(objects.area))),
    }


def quality_reason(figures: dict[str, float | int], settings: QualitySettings) -> str:
    """Reason to refuse a field, one of `REASONS` with the figure; ``""`` if it is accepted."""
    if not figures["count"]:
        return "empty: no nucleus found"
    snr, focus, coverage = figures["snr"], figures["focus"], figures["coverage"]
    residue, largest = figures["residue"], figures["largest"]
    diameter, spread = figures["diameter_px"], figures["size_spread"]
    limits = settings
    checks = (
        (
            residue > limits.max_residue,
            f"stain everywhere: {residue:.0%} of the image is bright but no nucleus "
            f"({limits.max_residue:.0%} allowed)",
        ),
        (
            largest > limits.max_object,
            f"stain everywhere: one object covers {largest:.0%} of the image "
            f"({limits.max_object:.0%} allowed)",
        ),
        (
            snr < limits.min_snr,
            f"too noisy: nuclei stand out {snr:.2g} times the noise, {limits.min_snr:g} needed",
        ),
        (
            diameter < limits.min_diameter,
            f"too small: nuclei are {diameter:.2g} px wide, {limits.min_diameter:g} px needed",
        ),
        (
            spread > limits.max_size_spread,
            f"uneven sizes: log areas vary by {spread:.2f} ({limits.max_size_spread:g} allowed)",
        ),
        (
            coverage > limits.max_coverage,
            f"too full: nuclei cover {coverage:.0%} of the image "
            f"({limits.max_coverage:.0%} allowed)",
        ),
        (
            coverage < limits.min_coverage,
            f"too few: nuclei cover {coverage:.2%} of the image ({limits.min_coverage:.2%} needed)",
        ),
        (
            focus < limits.min_focus,
            f"blurred: edges too soft ({focus:.2g}, {limits.min_focus:g} needed)",
        ),
    )
    return next((reason for is_wrong, reason in checks if is_wrong), "")
