"""An animation of a tracked movie: objects outlined in the colour of their family, with paths."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from sparcell.core.image import Image, Plane
from sparcell.drawing.palette import SERIES
from sparcell.drawing.picture import (
    FONT_SIZE,
    Picture,
    Region,
    draw_scale_bar,
    encode,
    magnified,
    outlines,
    read_ids,
    read_pixels,
)
from sparcell.morphology.boundaries import inner_boundary

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_FRAMES = 48
PIXELS = 5_000_000
"""Of all frames of an animation with images, which takes about half a byte for each."""
SMALLEST_EDGE, LARGEST_EDGE = 240, 480
TAIL = 16
"""Frames whose path is drawn behind an object."""
GREYS = 48
"""Grey levels of an animation: noise in more of them is costly to store."""
DURATION = 160
"""Of a frame, ms."""
DOT = 3
MARKED, OTHERS = SERIES[4], (170, 170, 170)
THIN = 180
"""Share of a picture that an outline is wide, which is shown small."""
INK = (235, 235, 235)


class MovieView(NamedTuple):
    """A movie to draw.

    Attributes
    ----------
    name : str
    objects : DataFrame
        Its rows of ``objects.csv``, with the column root.
    shape : (int, int)
        Height and width of the field, px.
    frames : int
    labels : Image or None
        Ids are tracks.
    images : Image or None
    pixel_size : float or None
        In um.
    interval : float or None
        In hours.
    """

    name: str
    objects: DataFrame
    shape: tuple[int, int]
    frames: int
    labels: Image | None
    images: Image | None
    pixel_size: float | None
    interval: float | None


def animate(view: MovieView) -> tuple[bytes, bytes]:
    """Draw a movie.

    Returns
    -------
    animation : bytes
        GIF.
    still : bytes
        PNG of its last frame, for readers who want nothing to move.
    """
    chosen = np.unique(np.linspace(0, view.frames - 1, min(view.frames, MOST_FRAMES)).round())
    edge = LARGEST_EDGE
    if view.images is not None:
        edge = int(np.clip(np.sqrt(PIXELS / len(chosen)), SMALLEST_EDGE, LARGEST_EDGE))
    pictures = [draw_frame(view, int(t), edge) for t in chosen]
    palette = _palette()
    indexed = [
        Pillow.fromarray(picture).quantize(palette=palette, dither=Pillow.Dither.NONE)
        for picture in pictures
    ]
    stream = io.BytesIO()
    # The last frame stays for a while.
    times = [DURATION] * (len(indexed) - 1) + [8 * DURATION]
    indexed[0].save(stream, "GIF", save_all=True, append_images=indexed[1:], duration=times, loop=0)
    return stream.getvalue(), encode(pictures[-1])


def _palette() -> Pillow.Image:
    """Grey levels, and the colours of families."""
    greys = [(level, level, level) for level in np.linspace(0, 255, GREYS).astype(int).tolist()]
    image = Pillow.new("P", (1, 1))
    image.putpalette([value for colour in (*greys, *SERIES) for value in colour])
    return image


def draw_frame(view: MovieView, t: int, edge: int) -> Picture:
    """Draw one frame, about `edge` px wide, (Y, X, 3) uint8."""
    height, width = view.shape
    step, factor = max(1, round(max(view.shape) / edge)), max(1, edge // max(view.shape))
    region = Region(slice(0, height), slice(0, width), step)
    shape = (-(-height // step), -(-width // step))
    if view.images is not None:
        # Colours must stand out.
        grey = (_grey(view.images, t, region) * 0.7).astype(np.uint8)
    else:
        grey = np.full(shape, 12, np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=2).repeat(factor, 0)
    picture = np.ascontiguousarray(picture.repeat(factor, 1))
    here = view.objects[view.objects["t"] == t]
    if view.labels is not None:
        ids = np.repeat(np.repeat(read_ids(view.labels, Plane(t), region), factor, 0), factor, 1)
        colours = _colours_by_id(here, int(ids.max(initial=0)))
        mask = outlines(ids) if view.images is not None else ids > 0
        picture[mask] = colours[ids[mask]]
    scale = factor / step
    canvas = Pillow.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    _draw_paths(draw, view, here, t, scale)
    time = f"frame {t}" if view.interval is None else f"{t * view.interval:.1f} h"
    font = ImageFont.load_default(FONT_SIZE)
    draw.text((8, 6), time, fill=INK, font=font, stroke_width=2, stroke_fill="black")
    size = None if view.pixel_size is None else view.pixel_size / scale
    # Pixels of a picture that is resized are no unit that a reader could use.
    if size is None and scale != 1:
        return np.asarray(canvas)
    return draw_scale_bar(np.asarray(canvas), size)


def _grey(images: Image, t: int, region: Region) -> Picture:
    """Read a frame in grey, (Y, X) uint8."""
    pixels = read_pixels(images, Plane(t), region)
    return pixels if pixels.ndim == 2 else pixels.mean(axis=2).astype(np.uint8)


def _colours_by_id(objects: DataFrame, largest: int) -> NDArray[np.uint8]:
    """Colour of the family of each track, (largest + 1, 3)."""
    colours = np.full((largest + 1, 3), 200, np.uint8)
    known = objects[objects["track"] <= largest]
    series = np.array(SERIES, np.uint8)
    colours[known["track"].to_numpy(np.int64)] = series[known["root"].to_numpy() % len(SERIES)]
    return colours


def _draw_paths(
    draw: ImageDraw.ImageDraw, view: MovieView, here: DataFrame, t: int, scale: float
) -> None:
    """Draw where objects were in the frames before, as if the stage had stood still."""
    objects = view.objects
    near = objects[(objects["t"] > t - TAIL) & (objects["t"] <= t)]
    near = near[near["track"].isin(here["track"])].sort_values(["track", "t"])
    columns = ["y_well", "x_well"] if "y_well" in objects else ["y", "x"]
    if not len(here):
        return
    # The stage shifts all objects of a frame by the same.
    offset = (here[["y", "x"]].to_numpy() - here[columns].to_numpy()).mean(axis=0)
    places = (near[columns].to_numpy() + offset + 0.5) * scale
    tracks, roots = near["track"].to_numpy(), near["root"].to_numpy()
    bounds = np.flatnonzero(np.diff(tracks, prepend=-1, append=-1)).tolist()
    for start, stop in pairwise(bounds):
        points = [(float(x), float(y)) for y, x in places[start:stop]]
        colour = tuple(SERIES[int(roots[start]) % len(SERIES)])
        if len(points) > 1:
            draw.line(points, fill=colour, width=2)
        if view.labels is None:
            x, y = points[-1]
            draw.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill=colour)


def draw_link(
    view: MovieView, before: tuple[int, int], after: tuple[int, int], edge: int
) -> list[Picture]:
    """Draw the two frames of a link about its object; nothing of points alone.

    Parameters
    ----------
    view : MovieView
    before, after : (int, int)
        Frame and track at either end.
    edge : int
        Of the part of the field that is drawn, px.
    """
    if view.labels is None:
        return []
    frames, tracks = view.objects["t"], view.objects["track"]
    there = [(frames == t) & (tracks == track) for t, track in (before, after)]
    middle = view.objects.loc[there[0] | there[1], ["y", "x"]].to_numpy().mean(axis=0)
    corners = [
        int(np.clip(at - edge / 2, 0, max(length - edge, 0)))
        for at, length in zip(middle, view.shape, strict=True)
    ]
    y, x = (
        slice(at, min(at + edge, length)) for at, length in zip(corners, view.shape, strict=True)
    )
    region = Region(y, x)
    pictures = []
    for frame, one in (before, after):
        ids = magnified(read_ids(view.labels, Plane(frame), region))
        if view.images is not None:
            grey = magnified(_grey(view.images, frame, region))
        else:
            grey = np.where(ids > 0, np.uint8(90), np.uint8(12))
        picture = np.repeat(grey[..., None], 3, axis=2)
        width = max(1, len(ids) // THIN)
        picture[inner_boundary(ids, width)] = OTHERS
        mine = np.where(ids == one, ids, 0)
        filled = mine > 0 if view.images is None else inner_boundary(mine, 2 * width)
        picture[filled] = MARKED
        factor = len(ids) / (y.stop - y.start)
        if view.pixel_size is not None:
            picture = draw_scale_bar(picture, view.pixel_size / factor)
        pictures.append(picture)
    return pictures
