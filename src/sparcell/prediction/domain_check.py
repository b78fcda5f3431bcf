"""Whether an image looks like what its model has learned, judged from a bounded sample of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import product

import numpy as np

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.core.image_ref import ImageRef
from sparcell.core.labels import Labels
from sparcell.core.tiles import range_around
from sparcell.io import open_image
from sparcell.measurement.counts import median_diameter
from sparcell.measurement.image_features import LabelledRegion, image_features
from sparcell.models.domain import DIAMETER, Domain, DomainFit
from sparcell.models.model import Model, ModelSpec
from sparcell.prediction.loaded_model import LoadedModel
from sparcell.prediction.predict_instances import label_axes, predict_planes
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.settings import PredictSettings
from sparcell.prediction.size import ENOUGH, model_diameter

WHOLE, EDGE = 768, 384
"""Largest edge of an image judged as a whole, and that of four windows of a larger one, px."""
REACH = 0.15
"""Distance across outlines, in diameters of the model's objects."""
FEWEST_PIXELS = 32
"""Shortest edge of an image that is judged, px."""
LARGEST_TRAINING = 1024
"""Largest edge of the part of a training image that is measured, px."""
MOST_TRAINING = 200
"""Most training images that are measured."""
BLANK = {"noise": (-0.25, 1.0), "fine_texture": (-0.1, 0.1), "coarse_texture": (-0.1, 0.1)}
"""Features of an image of nothing but noise: an empty field of any kind."""


def judge_image(prepared: PreparedImage, labels: Image) -> DomainFit | None:
    """Judge from one plane of an image whether it is of a kind that its model knows.

    It is the plane nearest to the middle one that shows something.

    Parameters
    ----------
    prepared : PreparedImage
    labels : Image
        The objects that the model has found in it, in the size of the file.

    Returns
    -------
    DomainFit or None
        None if the model has no statistics of its training images, or the image is tiny or shows
        nothing but noise.
    """
    domain = prepared.model.spec.domain
    if domain is None or prepared.empty:
        return None
    # What cannot be read any more has its results.
    with suppress(InputError):
        return judge_features(domain, sample_features(prepared, labels))
    return None


def judge_features(domain: Domain, features: Mapping[str, float]) -> DomainFit | None:
    """Judge an image by its features; see `judge_image`."""
    if not features or ("contrast" not in features and _is_blank(features)):
        return None
    return domain.judge(features)


def measure_domain(
    model: Model, planes: Sequence[tuple[ImageRef, Plane]], small: float = 0.0
) -> Domain | None:
    """Summarise training images, and what their model finds in them.

    Parameters
    ----------
    model : Model
    planes : sequence of (ImageRef, Plane)
        Training images and their planes. Of many, evenly spaced ones count.
    small : float
        Median diameter, px, below which `predict` will enlarge an image. Such images are measured
        in both sizes, since they are judged in both.

    Returns
    -------
    Domain or None
        None if the model finds too few objects, or predicts no objects.
    """
    if model.spec.stain is not None or model.spec.layout is not None:
        return None
    loaded = LoadedModel(model, model.open("onnxruntime"))
    chosen = np.linspace(0, len(planes) - 1, min(len(planes), MOST_TRAINING)).astype(int)
    features = []
    for number in chosen:
        ref, plane = planes[number]
        # Training has reported what cannot be read; a constant image has no features.
        with suppress(InputError):
            features.append(_predicted_features(loaded, ref, plane))
            found = features[-1].get(DIAMETER, small)
            if found < small:
                features.append(_predicted_features(loaded, ref, plane, found))
                features[-1].pop(DIAMETER, None)
    return Domain.of(features)


def _predicted_features(
    loaded: LoadedModel, ref: ImageRef, plane: Plane, diameter: float | str = "none"
) -> dict[str, float]:
    """Predict the middle of a plane, and compute its features."""
    settings = PredictSettings(diameter=diameter, tta="none")
    frames = loaded.model.spec.frames
    middle = middle_of_plane(open_image(ref), plane, frames, LARGEST_TRAINING)
    prepared = PreparedImage.of(middle, loaded, settings)
    labels = np.zeros([prepared.image.size(a) for a in label_axes(prepared.image)], np.int32)
    table = predict_planes(prepared, labels, "", threads=1)
    features = sample_features(prepared, Image(labels, label_axes(prepared.image)))
    if len(table) >= ENOUGH:
        features[DIAMETER] = median_diameter(table["area_px"])
    return features


def middle_of_plane(image: Image, plane: Plane, frames: int, edge: int) -> Image:
    """Read the middle of a plane, with the frames before it that a model reads.

    Parameters
    ----------
    image : Image
    plane : Plane
    frames : int
        Time points that the model reads together.
    edge : int
        Largest edge of the part, px.

    Returns
    -------
    Image
        ``TCYX``, in memory.
    """
    y, x = (_slice(range_around(0.5, min(length, edge), length)) for length in image.shape)
    times = (max(plane.t - back, 0) for back in reversed(range(frames)))
    pixels = np.stack([image.read(y, x, plane._replace(t=t)) for t in times])
    # Larger types may have values that float32 does not hold.
    dtype = np.dtype(image.data.dtype)
    pixels = pixels.astype(dtype if dtype.itemsize <= 2 else np.float32)
    return Image(pixels, "TCYX", image.pixel_size, image.channels, image.source)


def sample_features(prepared: PreparedImage, labels: Image) -> dict[str, float]:
    """Compute the features of a sample of one plane, in the size that the network takes."""
    image = prepared.network_image
    if min(image.shape) < FEWEST_PIXELS:
        return {}
    plane = prepared.middle_plane
    # Of frames that are read together, the last one counts.
    last = slice(-len(image.channels), None)
    regions = [
        LabelledRegion(image.read(y, x, plane)[last], found)
        for (y, x), found in _read_labels(labels, image.shape, plane)
    ]
    return image_features(regions, _reach(prepared.model.spec))


def features_of_labels(image: Image, labels: Image, spec: ModelSpec) -> dict[str, float]:
    """Compute the features of an image with known objects, for a model that has not seen it.

    Parameters
    ----------
    image, labels : Image
        Of one size, px.
    spec : ModelSpec
        Of the model, whose objects decide how far from an outline pixels are compared.
    """
    if min(image.shape) < FEWEST_PIXELS:
        return {}
    plane = next(iter(image.planes()))
    regions = [
        LabelledRegion(image.read(y, x, plane), found)
        for (y, x), found in _read_labels(labels, image.shape, plane)
    ]
    return image_features(regions, _reach(spec))


def _reach(spec: ModelSpec) -> int:
    """Distance across outlines at which pixels are compared, px."""
    diameter = model_diameter(spec)
    return max(2, round(REACH * diameter)) if diameter else 3


def _read_labels(
    labels: Image, shape: tuple[int, int], plane: Plane
) -> Iterable[tuple[tuple[slice, slice], Labels]]:
    """Yield sample windows of an image of `shape` px, with the labels there in the same size."""
    for y, x in sample_windows(shape):
        rows, columns = (
            (np.arange(side.start, side.stop) * have // edge)
            for side, have, edge in zip((y, x), labels.shape, shape, strict=True)
        )
        part = labels.read_labels(
            slice(int(rows[0]), int(rows[-1]) + 1),
            slice(int(columns[0]), int(columns[-1]) + 1),
            plane,
        )
        if labels.shape != shape:
            part = part[(rows - rows[0])[:, None], columns - columns[0]]
        yield (y, x), part


def sample_windows(shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Choose the windows of a plane that are judged: the whole of a small one, or four."""
    if max(shape) <= WHOLE:
        return [(slice(0, shape[0]), slice(0, shape[1]))]
    rows, columns = (
        dict.fromkeys(range_around(at, EDGE, edge) for at in (0.25, 0.75)) for edge in shape
    )
    return [(_slice(y), _slice(x)) for y, x in product(rows, columns)]


def _slice(part: range) -> slice:
    return slice(part.start, part.stop)


def _is_blank(features: Mapping[str, float]) -> bool:
    return all(low <= features[name] <= high for name, (low, high) in BLANK.items())
