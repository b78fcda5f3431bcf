"""Images of tracked movies, and label images whose ids are tracks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.image import Image, Plane
from sparcell.tracking.mosaic import compact
from sparcell.tracking.movie_tracking import TrackedObjects
from sparcell.tracking.movies import MovieToTrack


def find_pictures(
    movies: list[MovieToTrack], folder: Path | None
) -> tuple[dict[str, Image], dict[str, tuple[Path, ...]]]:
    """Open the images of each movie, whose files have the names of its label images.

    Returns
    -------
    images : dict from movie to Image
    files : dict from movie to tuple of Path

    Raises
    ------
    InputError
        If one is missing, or has another size.
    """
    if folder is None:
        return {}, {}
    from sparcell.core.image_ref import ImageRef
    from sparcell.io import list_images, name_results, open_image
    from sparcell.io.frame_stack import open_frames

    paths = list_images([folder])
    files = dict(zip(name_results(paths), paths, strict=True))
    found, used = {}, {}
    for movie in movies:
        if movie.labels is None:
            raise InputError(f"images for the points of {movie.name}", "label images", "leave out")
        missing = [name for name in movie.names if name not in files]
        if missing:
            raise InputError(
                f"no image {missing[0]} in {folder} ({len(missing)} of {len(movie.names)} missing)",
                "an image for every label image",
                "check the folder",
            )
        if len(movie.names) > 1:
            image = open_frames([ImageRef(files[name]) for name in movie.names])
        else:
            image = open_image(files[movie.names[0]])
        if image.tzyx != movie.labels.tzyx:
            raise InputError(
                f"images of T, Z, Y, X = {image.tzyx} beside labels of {movie.labels.tzyx}, "
                f"{movie.name}",
                "images of the same size",
                "give the images that were segmented",
            )
        found[movie.name] = image
        used[movie.name] = tuple(files[name] for name in movie.names)
    return found, used


def write_labels(path: Path, labels: Image, result: TrackedObjects) -> None:
    """Write the label images with track ids, one frame in memory at a time."""
    from sparcell.io import create_image

    largest = int(result.of_object.max(initial=0))
    dtype = np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32
    shape = (labels.size("T"), *labels.shape)
    with create_image(path, "TYX", shape, dtype, labels.pixel_size) as pixels:
        for t, frame in enumerate(recolour(labels, result)):
            pixels[t] = frame.astype(dtype)


def recolour(labels: Image, result: TrackedObjects) -> Iterator[NDArray[np.int64]]:
    """Give each frame with track ids instead of ids, (Y, X)."""
    for t in range(labels.size("T")):
        frame = labels.read_labels(plane=Plane(t))
        members = result.objects.of_frame(t)
        present, frame = compact(frame)
        numbers = np.searchsorted(present, result.objects.ids[members])
        tracks = np.zeros(len(present), np.int64)
        tracks[numbers] = result.of_object[members]
        yield tracks[frame]
