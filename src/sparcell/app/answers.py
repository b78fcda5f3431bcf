"""What the server reads and answers: JSON, descriptions of images, and tiles."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
from fastapi import HTTPException, Request
from fastapi.responses import Response

from sparcell.app.pixels import TILE, Source
from sparcell.core.image import Plane


async def read_json(request: Request) -> dict[str, Any]:
    """Read the body of a request as a JSON object."""
    try:
        content = await request.json()
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise HTTPException(422, "a request that makes no sense")
    return content


def plane_of(source: Source, t: int, z: int) -> Plane:
    """Check that an image has a plane."""
    if not (0 <= t < source.image.size("T") and 0 <= z < source.image.size("Z")):
        raise HTTPException(404, "there is no such plane")
    return Plane(t, z)


def plane_beside(source: Source, t: int, z: int) -> Plane:
    """Give the plane that belongs to one of the image: labels and stains may have fewer axes."""
    return plane_of(
        source, t if source.image.size("T") > 1 else 0, z if source.image.size("Z") > 1 else 0
    )


def describe(source: Source, t: int, z: int) -> dict[str, Any]:
    """Size, levels and channels of an image; nothing of its name or place."""
    image, plane = source.image, plane_of(source, t, z)
    how = source.range(plane)
    return {
        "height": image.shape[0],
        "width": image.shape[1],
        "times": image.size("T"),
        "depths": image.size("Z"),
        "pixel_size": image.pixel_size,
        "levels": source.levels,
        "tile": TILE,
        "wide": how.wide,
        "offset": how.offset,
        "scale": how.scale,
        "channels": source.describe(plane),
    }


def tile_response(source: Source, channel: int, plane: Plane, *place: int) -> Response:
    """Answer with the little-endian numbers of a tile; `place` is its level, row and column."""
    pixels = source.tile(channel, plane, *place)
    headers = {
        "X-Height": str(pixels.shape[0]),
        "X-Width": str(pixels.shape[1]),
        "Cache-Control": "private, max-age=60",
    }
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    if source.labels:
        # Labels are mostly runs of the same id; the fastest level makes them 25 times smaller.
        little, headers["Content-Encoding"] = gzip.compress(little, 1), "gzip"
    return Response(little, media_type="application/octet-stream", headers=headers)
