"""PNG, JPEG and BMP, decoded as a whole.

Specification of PNG: https://www.w3.org/TR/png-3/ (bit depth and colour type: section 11.2.1).
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.axes import check_axes
from sparcell.core.errors import InputError, SparcellWarning
from sparcell.core.image import Image
from sparcell.io.file_state import FileState
from sparcell.io.scenes import ONLY, Scene, find_scene
from sparcell.io.views import RGB, show_palette, warn_of_orientation

FORMATS = ("PNG", "JPEG", "BMP")
ORIENTATION = 274


def open_file(path: Path, axes: str | None = None, scene: str | None = None) -> Image:
    """Open a PNG, JPEG or BMP. Its pixel size is unknown: such files have print resolutions.

    Colours are the channels red, green and blue; equal ones are one grey channel. Transparency
    is left out. A label image reads a palette's numbers, an image its colours.

    Parameters
    ----------
    path : Path
    axes : str, optional
        One letter per dimension, instead of YX or YXC.
    scene : str, optional
        Such files have only the scene "0".

    Raises
    ------
    InputError
        If it is another format or damaged, or has printing colours (CMYK).

    Warns
    -----
    SparcellWarning
        If it is a JPEG, or partly transparent, or to be turned by a viewer.
    """
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    find_scene(scene, (ONLY,), path)
    kind = "picture"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
            with Pillow.open(path, formats=FORMATS) as picture:
                kind, mode = str(picture.format), picture.mode
                palette = picture.getpalette("RGB") if mode == "P" else None
                orientation = int(picture.getexif().get(ORIENTATION, 1))
        if mode in ("CMYK", "YCCK", "LAB"):
            raise InputError(
                f"printing colours ({mode}) in {path}",
                "grey values or RGB",
                "save it as RGB or grey",
            )
        pixels = DecodedPixels(path)
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path}, which is no PNG, JPEG or BMP", "an image", "save it as PNG or TIFF"
        ) from error
    except Pillow.DecompressionBombError as error:
        raise InputError(
            f"too many pixels to decode at once in {path}", "at most 178 million", "save it as TIFF"
        ) from error
    except (InputError, SparcellWarning):
        raise
    except Exception as error:
        # A decoder meets whatever the bytes of a damaged file happen to mean.
        raise InputError(
            f"a damaged {kind} {path} ({error})", "a complete file", "copy it again"
        ) from error
    warn_of_orientation(orientation, path)
    if kind == "JPEG":
        pixels.lossy = True
        # Without the name, so that a folder of them gives one line.
        warnings.warn(
            "JPEG changes intensities and small objects: use the original images if they exist",
            SparcellWarning,
            stacklevel=2,
        )
    letters = "YX" if len(pixels.shape) == 2 else "YXC"
    if axes is not None:
        letters = check_axes(axes, len(pixels.shape), f"{path} of shape {pixels.shape}")
    names = RGB if len(pixels.shape) == 3 else ()
    if palette is None or pixels.grey_palette:
        return Image(pixels, letters, channels=names, source=str(path))
    colours = np.array(palette, np.uint8).reshape(-1, 3)
    displayed = show_palette(pixels, letters, colours)
    ids = None if displayed.stored is None else Image(displayed.stored, letters, source=str(path))
    return Image(displayed.pixels, displayed.axes, channels=RGB, source=str(path), label_values=ids)


def scenes_of(path: Path) -> tuple[Scene, ...]:
    """Give the one scene of a PNG, JPEG or BMP."""
    image = open_file(path)
    return (Scene(ONLY, image.axes, tuple(image.data.shape)),)


def main_names(path: Path) -> tuple[str, ...]:
    """Name of the one scene of a PNG, JPEG or BMP."""
    return (ONLY,)


class DecodedPixels:
    """Pixels of a file that can only be decoded as a whole; the last few stay in memory."""

    lossy = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = FileState(path)
        pixels, self.grey_palette = _decode(path, self._state.opened)
        self.shape: tuple[int, ...] = pixels.shape
        self.dtype: np.dtype[Any] = pixels.dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the piece that is decoded as a whole."""
        return self.shape

    def __getitem__(self, index: Any) -> NDArray[Any]:
        self._state.check()
        region = np.array(_decode(self.path, self._state.opened)[0][index])
        self._state.check()
        return region


# An image, its labels and what they are compared with are read in turn.
@lru_cache(maxsize=4)
def _decode(path: Path, state: Any) -> tuple[NDArray[Any], bool]:
    """Decode a file in its `state`; say whether it has a palette of greys, which is applied."""
    from PIL import Image as Pillow

    depth, colours = _png_header(path)
    if depth == 16 and colours not in (0, None):
        # Pillow would keep 8 of the 16 bits.
        import imagecodecs

        return _without_alpha(imagecodecs.png_decode(path.read_bytes()), colours != 2, path), False
    with Pillow.open(path, formats=FORMATS) as picture:
        if picture.mode == "P":
            palette = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
            if (palette == palette[:, :1]).all():
                return np.asarray(picture.convert("L")), True
            return np.asarray(picture), False
        pixels = np.asarray(picture)
        alpha = picture.mode in ("LA", "RGBA", "PA")
    if pixels.dtype == np.int32:
        # Grey values of 16 bits.
        pixels = pixels.astype(np.uint16)
    if depth in (2, 4) and pixels.dtype == np.uint8:
        # Pillow spreads 2 and 4 bits over 0 to 255.
        pixels = pixels // (255 // (2**depth - 1))
    return (_without_alpha(pixels, alpha, path) if pixels.ndim == 3 else pixels), False


def _png_header(path: Path) -> tuple[int | None, int | None]:
    """Bit depth and colour type of a PNG (0 grey, 2 RGB, 3 palette, 4 and 6 with alpha)."""
    with path.open("rb") as stream:
        header = stream.read(26)
    return (header[24], header[25]) if header[:4] == b"\x89PNG" else (None, None)


def _without_alpha(pixels: NDArray[Any], alpha: bool, path: Path) -> NDArray[Any]:
    """Leave transparency out, and all but one of three equal colours: (Y, X) or (Y, X, 3)."""
    if alpha and int(pixels[..., -1].min()) < np.iinfo(pixels.dtype).max:
        warnings.warn(
            f"{path} is partly transparent: its pixels are read as if they were not",
            SparcellWarning,
            stacklevel=2,
        )
    colours = pixels[..., : 1 if pixels.shape[2] < 3 else 3]
    if (colours == colours[..., :1]).all():
        return np.ascontiguousarray(colours[..., 0])
    return np.ascontiguousarray(colours)
