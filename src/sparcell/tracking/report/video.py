"""A tracked movie as MP4, where the extra `video` is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sparcell.core.files import whole_file
from sparcell.tracking.report.strip import MovieView, draw_frame

MOST_FRAMES = 600
EDGE = 720
"""Width or height of the video, about, px."""
RATE = 12
"""Frames in a second."""
QUALITY = "20"
"""Constant rate factor of x264: from 18, people see no difference to the pictures."""


def can_write_video() -> bool:
    """Whether PyAV is installed."""
    return find_spec("av") is not None


def write_video(view: MovieView, path: Path) -> None:
    """Write a movie with coloured tracks as H.264 in MP4, which all usual players read.

    Of a movie with more than `MOST_FRAMES` frames, some are left out, evenly. One frame at a time
    is in memory.
    """
    import av

    chosen = np.unique(np.linspace(0, view.frames - 1, min(view.frames, MOST_FRAMES)).round())
    height, width, _ = draw_frame(view, 0, EDGE).shape
    with whole_file(path) as partial, av.open(str(partial), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": QUALITY})
        # The format has one colour for four pixels, so the last column may be left out.
        stream.width, stream.height = width // 2 * 2, height // 2 * 2
        stream.pix_fmt = "yuv420p"
        for t in chosen.astype(int).tolist():
            picture = draw_frame(view, t, EDGE)[: stream.height, : stream.width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
