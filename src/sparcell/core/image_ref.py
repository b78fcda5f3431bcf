"""The identity of one image: a file, and which part of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sparcell.core.channel_selection import WHOLE, ChannelSelection
from sparcell.core.image_files import stem, url_of

NOT_IN_NAMES = re.compile(r"[^\w.+-]+")
"""Characters of scene names that file names should not have."""


@dataclass(frozen=True)
class ImageRef:
    """Reference to an image: a file, one of its scenes, and channels and depths of that.

    It holds no pixels, so it can be pickled, compared and used as a key. `sparcell.io.open_image`
    opens it.

    Attributes
    ----------
    path : Path
        The file, or the folder of an OME-Zarr image.
    scene : str or None
        Name of a scene, position or series in the file, as `sparcell.io.list_scenes` gives it;
        None for the first, of a TIFF for the largest.
    axes : str or None
        One letter of ``TCZYX`` per dimension, in the file's order, instead of what its metadata
        say; None to trust them.
    selection : ChannelSelection
        Channels and depths that form the image.
    """

    path: Path
    scene: str | None = None
    axes: str | None = None
    selection: ChannelSelection = WHOLE

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @classmethod
    def of(cls, image: ImageRef | Path | str) -> ImageRef:
        """Return `image` itself, or a reference to all of the file at a path."""
        return image if isinstance(image, ImageRef) else cls(Path(image))

    @property
    def stem(self) -> str:
        """The file's name without suffix."""
        return stem(self.path)

    @property
    def name(self) -> str:
        """Name of the image among others: that of the file, with the scene if one is given."""
        if self.scene is None:
            return self.stem
        return f"{self.stem}_{NOT_IN_NAMES.sub('-', self.scene).strip('-') or 'scene'}"

    def __str__(self) -> str:
        scene = "" if self.scene is None else f"scene {self.scene}"
        axes = f"axes {self.axes}" if self.axes else ""
        selection = "" if self.selection == WHOLE else str(self.selection)
        parts = "; ".join(part for part in (scene, axes, selection) if part)
        place = url_of(self.path) or str(self.path)
        return f"{place} ({parts})" if parts else place
