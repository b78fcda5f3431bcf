"""Processing that a bioimage.io package asks for before and after its network.

Each step is made of the pixels it shall be measured on and gives a function of pixels alone, so
an image is processed alike in every tile. What the steps mean is defined by the bioimage.io model
specification, 0.4 and 0.5; the constants added to denominators are those of its own runner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sparcell.core.errors import InputError
from sparcell.core.image import FIRST_PLANE, Image, Plane

EPS = 1e-6
Pixels = NDArray[np.float32]
Function = Callable[[Pixels], Pixels]
"""(C, N) float32 to the same shape."""


class Step(BaseModel):
    """One step, by its name in the specification."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kwargs: dict[str, Any] = Field(default_factory=dict)


class Steps(BaseModel):
    """Several steps, one after the other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Step, ...] = ()

    def measure(self, image: Image, plane: Plane = FIRST_PLANE) -> Function:
        """Measure on a sample of a plane what the steps need to know.

        Returns
        -------
        callable
            (C, Y, X) float32 to the same shape.
        """
        return self.fit(image.sample(plane))

    def fit(self, pixels: Pixels) -> Function:
        """Measure on (C, N) or (C, Y, X) `pixels` what the steps need to know.

        Raises
        ------
        InputError
            If a step is unknown or cannot be made of its arguments.
        """
        sample = pixels.reshape(len(pixels), -1)
        functions = []
        for step in self.steps:
            function = _make(step, sample)
            sample = function(sample)
            functions.append(function)

        def process(given: Pixels) -> Pixels:
            flat = given.reshape(len(given), -1)
            for function in functions:
                flat = function(flat)
            return flat.reshape(given.shape).astype(np.float32, copy=False)

        return process

    @property
    def measuring(self) -> list[str]:
        """Names of the steps that depend on statistics of the image."""
        return [step.name for step in self.steps if _measures(step)]


def _make(step: Step, sample: Pixels) -> Function:
    if step.name not in MAKERS:
        raise InputError(
            f"processing '{step.name}'",
            "one of " + ", ".join(MAKERS),
            "use a package of another model",
        )
    try:
        return MAKERS[step.name](step.kwargs, sample)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"processing '{step.name}' with {step.kwargs or 'nothing'} ({error})",
            "what the bioimage.io specification has",
            "use a package of another model",
        ) from error


def _statistics_axis(kwargs: dict[str, Any]) -> int | None:
    """Axis of (C, N) along which is measured: each channel alone, or all together."""
    axes = kwargs.get("axes")
    if axes is None:
        return None
    return None if any(str(axis) in ("c", "channel") for axis in axes) else 1


def _column(value: Any, kwargs: dict[str, Any]) -> NDArray[np.float32]:
    """Bring one number, or one per channel, to the shape (C, 1) or (1, 1)."""
    if kwargs.get("axis", "channel") not in ("c", "channel"):
        raise ValueError(f"values along axis {kwargs['axis']}")
    return np.atleast_1d(np.asarray(value, np.float32)).reshape(-1, 1)


def _quantile(
    sample: Pixels, percent: float, axis: int | None, method: str = "linear"
) -> NDArray[np.float32]:
    found = np.percentile(sample, percent, axis=axis, keepdims=True, method=method)  # type: ignore[call-overload]
    return np.asarray(found, np.float32)


def _binarize(kwargs: dict[str, Any], sample: Pixels) -> Function:
    threshold = _column(kwargs["threshold"], kwargs)
    return lambda pixels: (pixels > threshold).astype(np.float32)


def _clip(kwargs: dict[str, Any], sample: Pixels) -> Function:
    axis, limits = _statistics_axis(kwargs), []
    for end, beyond in (("min", -np.inf), ("max", np.inf)):
        percent, limit = kwargs.get(f"{end}_percentile"), kwargs.get(end)
        if percent is not None:
            limits.append(_quantile(sample, percent, axis, "inverted_cdf"))
        else:
            limits.append(np.asarray(beyond if limit is None else limit, np.float32))
    return lambda pixels: np.minimum(np.maximum(pixels, limits[0]), limits[1])


def _scale_linear(kwargs: dict[str, Any], sample: Pixels) -> Function:
    gain = _column(kwargs.get("gain", 1.0), kwargs)
    offset = _column(kwargs.get("offset", 0.0), kwargs)
    if kwargs.get("axes") and max(gain.size, offset.size) > 1:
        raise ValueError("several gains along several axes")
    return lambda pixels: pixels * gain + offset


def _scale_range(kwargs: dict[str, Any], sample: Pixels) -> Function:
    axis = _statistics_axis(kwargs)
    low = _quantile(sample, kwargs.get("min_percentile", 0.0), axis)
    high = _quantile(sample, kwargs.get("max_percentile", 100.0), axis)
    width = high - low + np.float32(kwargs.get("eps", EPS))
    return lambda pixels: (pixels - low) / width


def _zero_mean(kwargs: dict[str, Any], sample: Pixels) -> Function:
    if kwargs.get("mode") == "fixed":
        return _fixed_zero_mean(kwargs, sample)
    axis, precise = _statistics_axis(kwargs), sample.astype(np.float64)
    mean = precise.mean(axis=axis, keepdims=True).astype(np.float32)
    spread = precise.std(axis=axis, keepdims=True).astype(np.float32)
    spread += np.float32(kwargs.get("eps", EPS))
    return lambda pixels: (pixels - mean) / spread


def _fixed_zero_mean(kwargs: dict[str, Any], sample: Pixels) -> Function:
    mean, spread = (_column(kwargs[key], kwargs) for key in ("mean", "std"))
    return lambda pixels: (pixels - mean) / (spread + np.float32(EPS))


def _sigmoid(kwargs: dict[str, Any], sample: Pixels) -> Function:
    # Half a hyperbolic tangent: an exponential of large values would overflow.
    half = np.float32(0.5)
    return lambda pixels: np.asarray(np.tanh(pixels * half) * half + half, np.float32)


def _softmax(kwargs: dict[str, Any], sample: Pixels) -> Function:
    _column(0, kwargs)

    def softmax(pixels: Pixels) -> Pixels:
        powers = np.exp(pixels - pixels.max(axis=0, keepdims=True))
        return np.asarray(powers / powers.sum(axis=0, keepdims=True), np.float32)

    return softmax


def _ensure_dtype(kwargs: dict[str, Any], sample: Pixels) -> Function:
    """Keep float32, which networks take; `golden_output` shows where that would be wrong."""
    return lambda pixels: pixels


MAKERS: dict[str, Callable[[dict[str, Any], Pixels], Function]] = {
    "binarize": _binarize,
    "clip": _clip,
    "ensure_dtype": _ensure_dtype,
    "fixed_zero_mean_unit_variance": _fixed_zero_mean,
    "scale_linear": _scale_linear,
    "scale_range": _scale_range,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "zero_mean_unit_variance": _zero_mean,
}


def _measures(step: Step) -> bool:
    """Whether a step depends on statistics of the image."""
    kwargs = step.kwargs
    by_rank = any(kwargs.get(f"{end}_percentile") is not None for end in ("min", "max"))
    return (
        step.name == "scale_range"
        or (step.name == "zero_mean_unit_variance" and kwargs.get("mode") != "fixed")
        or (step.name == "clip" and by_rank)
    )


def read_steps(described: Sequence[dict[str, Any]] | None) -> Steps:
    """Take the steps as a package describes them: ``name`` in format 0.4, ``id`` in 0.5.

    Raises
    ------
    InputError
        If they are described otherwise.
    """
    try:
        return Steps(
            steps=tuple(
                Step(name=step.get("id") or step["name"], kwargs=step.get("kwargs") or {})
                for step in described or ()
            )
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"processing that cannot be read ({error})",
            "a list of names with their arguments",
            "use a package of another model",
        ) from error
