"""Open images, label images, datasets and results of `predict` as layers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparcell.core.dataset import Dataset, Sample, dataset_images
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.core.image_files import stem
from sparcell.core.text import about, counted
from sparcell.io import list_images, open_image, open_sample
from sparcell.io.ngff import is_zarr
from sparcell.io.points import read_points

logger = logging.getLogger(__name__)

Layer = tuple[Any, dict[str, Any], str]
"""Pixels or points, their properties, and the kind of layer, as napari takes them."""
KEY = "sparcell"
"""Of a layer's metadata: the name of its image in a dataset."""
MOST_PIXELS = 1 << 28
MOST_IMAGES = 50
"""Of a folder that are opened; only the first is visible."""
LABEL_FOLDERS = ("labels", "ignore", "masks")


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[Layer]] | None:
    """Return the reader of a path; None if Sparcell cannot read it.

    Parameters
    ----------
    path : str or sequence of str
        A file, an OME-Zarr, or a folder.
    """
    first = Path(path if isinstance(path, str) else path[0])
    try:
        if first.is_dir() and not is_zarr(first):
            return read_folder if _is_dataset(first) or list_images([first]) else None
        open_image(first)
    except InputError as error:
        logger.debug(f"not opened: {error}")
        return None
    return read_folder if first.is_dir() and not is_zarr(first) else read_files


def read_files(paths: str | Sequence[str]) -> list[Layer]:
    """Open files, those of a folder ``labels`` as labels."""
    files = [Path(one) for one in ([paths] if isinstance(paths, str) else paths)]
    return [_image_layer(open_image(path), stem(path), _is_labels(path)) for path in files]


def read_folder(paths: str | Sequence[str]) -> list[Layer]:
    """Open the images of a folder, each with its stain, labels and points.

    What cannot be read is left out with a warning. Only the layers of the first image are visible.
    """
    root = Path(paths if isinstance(paths, str) else paths[0])
    if not _is_dataset(root):
        return _some(list_images([root]), lambda path: read_files(str(path)))
    samples = Dataset.open(root).samples
    labels = root / "labels"
    predicted = (root / "counts.csv").exists() and labels.is_dir()
    # Of what `predict` wrote, images without a result are of no interest.
    kept = [one for one in samples if "labels" in one.files] if predicted else list(samples)
    return _some(kept, _read_sample)


def _some(items: Sequence[Any], read: Callable[[Any], list[Layer]]) -> list[Layer]:
    """Read up to `MOST_IMAGES` items; the first that can be read is visible."""
    if len(items) > MOST_IMAGES:
        logger.warning(f"only the first {MOST_IMAGES} of {counted(len(items), 'image')} are opened")
    layers: list[Layer] = []
    for item in items[:MOST_IMAGES]:
        try:
            found = read(item)
        except InputError as error:
            logger.warning(about(getattr(item, "name", str(item)), error))
            continue
        visible = not layers
        layers += [(data, {**how, "visible": visible}, kind) for data, how, kind in found]
    return layers


def _read_sample(sample: Sample) -> list[Layer]:
    image = open_sample(sample)
    layers = [_image_layer(image, sample.name, False)]
    if "stain" in sample.files:
        layers.append(_image_layer(open_sample(sample, "stain"), sample.name, False, "stain"))
    for kind in ("labels", "masks", "ignore"):
        if kind in sample.files:
            layers.append(_image_layer(open_sample(sample, kind), sample.name, True, kind))
    if "points" in sample.files:
        points = read_points(sample.files["points"].path, image)
        how = {"name": f"{sample.name} points", "metadata": {KEY: sample.name}}
        layers.append((points, how, "points"))
    return layers


def _image_layer(image: Image, own: str, labels: bool, kind: str = "") -> Layer:
    """All planes of an image, with the axes T, Z, Y and X that have more than one pixel.

    Raises
    ------
    InputError
        If it is larger than `MOST_PIXELS`.
    """
    name = f"{own} {kind}".rstrip()
    times, depths, height, width = image.tzyx
    channels = 1 if labels else image.size("C")
    if times * depths * height * width * channels > MOST_PIXELS:
        raise InputError(
            f"{name} of {height} x {width} px and {counted(times * depths, 'plane')}",
            f"at most {MOST_PIXELS} px in memory",
            "open it with sparcell app, which reads tiles",
        )
    read = image.read_labels if labels else image.read
    planes = np.stack([read(plane=plane) for plane in image.planes()])
    kept = [size for size in (times, depths) if size > 1]
    how: dict[str, Any] = {"name": name, "metadata": {KEY: own}}
    if image.pixel_size:
        how["scale"] = (1.0,) * len(kept) + (image.pixel_size,) * 2
    if labels:
        return planes.reshape(*kept, height, width), how, "labels"
    # (C, T, Z, Y, X): napari makes a layer of each channel.
    pixels = np.moveaxis(planes, 1, 0).reshape(channels, *kept, height, width)
    if channels == 1:
        return pixels[0], how, "image"
    how["channel_axis"] = 0
    how["name"] = [f"{name} {channel}" for channel in range(channels)]
    return pixels, how, "image"


def _is_dataset(root: Path) -> bool:
    return bool(dataset_images(root))


def _is_labels(path: Path) -> bool:
    return path.parent.name in LABEL_FOLDERS
