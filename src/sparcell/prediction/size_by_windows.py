"""Choose the size in which a large image is predicted, from a few windows of it.

An image that is predicted block by block needs one size for all blocks, before the first of them.
Windows are predicted as `predict` does it with small images, and most of them decide.
"""

from __future__ import annotations

from dataclasses import replace

from sparcell.core.image import Image
from sparcell.core.tiles import range_around
from sparcell.prediction.find_in_memory import find_in_memory
from sparcell.prediction.found_size import may_resize
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.size import CENTRES, ENOUGH, Scale

EDGE = 1024
"""Edge of a window, px of the image."""
MIDDLE = (0.5, 0.5)


def in_size_of_windows(prepared: PreparedImage, threads: int) -> PreparedImage:
    """Resize an image if most of its windows would be resized, and alike.

    Parameters
    ----------
    prepared : PreparedImage
    threads : int
        As for `find_in_memory`.

    Returns
    -------
    PreparedImage
        The same unless its objects are of another size than the model's.

    Raises
    ------
    InputError
        If the image cannot be read.
    """
    image, settings = prepared.image, prepared.settings
    if prepared.scale.factor != 1 or not may_resize(image, prepared.model.spec, settings.diameter):
        return prepared
    scales = _scales_of_windows(prepared, threads)
    for resized in (
        [one for one in scales if one.factor > 1],
        [one for one in scales if one.factor < 1],
    ):
        if len(resized) > len(scales) / 2:
            # The window in the middle also gives the words that say where the factor comes from.
            chosen = sorted(resized, key=lambda one: one.factor)[len(resized) // 2]
            return replace(prepared, scale=chosen)
    return prepared


def _scales_of_windows(prepared: PreparedImage, threads: int) -> list[Scale]:
    """Sizes in which windows are predicted; of those that show enough objects."""
    image, plane = prepared.image, prepared.middle_plane
    windows = dict.fromkeys(
        tuple(
            range_around(at[axis], min(EDGE, edge), edge) for axis, edge in enumerate(image.shape)
        )
        for at in (MIDDLE, *CENTRES)
    )
    scales = []
    for y, x in windows:
        pixels = image.read(slice(y.start, y.stop), slice(x.start, x.stop), plane)
        window = Image(pixels, "CYX", channels=image.channels, source=image.source)
        one = replace(prepared, image=window)
        if one.empty:
            continue
        found = find_in_memory(one, threads)
        if len(found.areas) >= ENOUGH:
            scales.append(found.prepared.scale)
    return scales
