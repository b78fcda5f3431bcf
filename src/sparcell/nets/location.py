"""Location layer: the position of each pixel in its window as input channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

LOCATION_CHANNELS = 2


def append_location(image: Tensor) -> Tensor:
    """Append each pixel's row and column to an image (Cui 2020, 3.2).

    Parameters
    ----------
    image : (N, C, Y, X)

    Returns
    -------
    (N, C + 2, Y, X)
        The last two channels run from -1 in the first row (column) of the window to 1 in the last.
        So all windows must have one size, in prediction that of the training crops; see
        `sparcell.models.windows`.
    """
    rows = _ramp(image.shape[2], image)[:, None].expand_as(image[:, :1])
    columns = _ramp(image.shape[3], image).expand_as(image[:, :1])
    return torch.cat([image, rows, columns], dim=1)


def see_location(module: nn.Module) -> None:
    """Append the location to every input image of `module`.

    By a hook, not a layer around the module, so that weights have the same names with and without.
    """
    module.register_forward_pre_hook(_locate)


def _locate(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return append_location(given[0]), *given[1:]


def _ramp(length: Any, like: Tensor) -> Tensor:
    # In a traced network the length is a tensor, and the ramp follows the size of the image.
    steps = torch.arange(length, device=like.device).to(like.dtype)
    return steps * 2 / (length - 1) - 1
