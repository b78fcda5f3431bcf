"""Photometric test-time augmentation, as in the "TTA U-Net" of Park et al. 2022.

The paper names no augmentations. The authors' software draws each for a random half of windows:

- brightness: -0.2 to 0.2 of the range is added;
- contrast: times 1.2 to 1.6;
- colour: hue turned by -20 degrees, saturation raised by 50 of 255, value by 10 to 50.

Here they are fixed, so that a prediction can be repeated: both ends of the brightness, and the
middle of the other ranges. Probabilities are averaged, with those of the unchanged window.

A window is normalised: -1 and 1 are two percentiles of the image, which stand for 0 and 1 here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class Photometric(ABC):
    """A change of intensities, which leaves maps and boxes where they are."""

    @abstractmethod
    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Change a normalised (C, Y, X) image; not in place."""

    def undo(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return maps or masks as they are."""
        return array

    def undo_boxes(self, boxes: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return boxes as they are."""
        return boxes


@dataclass(frozen=True)
class Light(Photometric):
    """Contrast and brightness: a value v of the range 0..1 becomes contrast * v + brightness."""

    contrast: float = 1.0
    brightness: float = 0.0

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Change a normalised (C, Y, X) image."""
        # With x = 2 v - 1, so that no change gives exactly the image.
        shift = np.float32(self.contrast - 1 + 2 * self.brightness)
        return image * np.float32(self.contrast) + shift


@dataclass(frozen=True)
class Colour(Photometric):
    """Hue, saturation and value of red, green and blue.

    Attributes
    ----------
    hue : float
        Turn of the hue, in whole turns.
    saturation, value : float
        Added to saturation and value, of the range 0..1.
    """

    hue: float
    saturation: float
    value: float

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Change a normalised image (frames * 3, Y, X); what is below -1 counts as -1."""
        from skimage.color import hsv2rgb, rgb2hsv

        frames = np.maximum((image.reshape(-1, 3, *image.shape[1:]) + 1) / 2, 0)
        hsv = rgb2hsv(frames, channel_axis=1)
        hsv[:, 0] = (hsv[:, 0] + self.hue) % 1
        hsv[:, 1] = np.clip(hsv[:, 1] + self.saturation, 0, 1)
        hsv[:, 2] = np.maximum(hsv[:, 2] + self.value, 0)
        changed: NDArray[np.float32] = hsv2rgb(hsv, channel_axis=1).reshape(image.shape)
        return (2 * changed - 1).astype(np.float32, copy=False)


LIGHTS = (Light(), Light(brightness=-0.2), Light(brightness=0.2), Light(contrast=1.4))
"""The unchanged window, darker, brighter, and with more contrast."""
COLOURS = (Colour(hue=-20 / 360, saturation=50 / 255, value=30 / 255),)
"""Further changes for images of three channels; a single channel has no hue."""
