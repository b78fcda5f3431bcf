"""Terms of the loss of LACSS (Shrestha et al. 2023, supplement), one function each.

Notes on the printed equations, and deviations from them:

- The Huber losses L_R and L_cb are printed with the condition (a - b) < delta. Without the absolute
  value an error of -10 would cost 50 and one of 10 only 9.5. The absolute value is meant.
- "Both formulations are minimized at the same point of G = C. Additionally, they have the same
  gradient at this minimal point" holds if C is 0 or 1: both slopes in G are +1 or -1 there.
  For C between, the linear form -C G - (1 - C)(1 - G) has the slope 1 - 2 C, so its minimum is at
  0 or 1, while that of the cross-entropy is at G = C. So masks must be binary.
  With respect to the logit both slopes vanish at the minimum, but that of the linear form also
  vanishes at the opposite end: a confident wrong pixel has no gradient.
- The sign of the overlap term is right as printed: -G log(1 - G') is never negative, since
  log(1 - G') is never positive.
- The supplement states no unit of the offsets R; here it is the step of the grid. Their loss is
  averaged over positive grid positions, that of the scores over all, so its weight does not depend
  on the number of cells.
- The sum of the losses calls the cell boundary loss L_CS, elsewhere L_cb.

M is the number of instances; their crops are (M, Y, X).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def consistency(probability: Tensor, mask: Tensor) -> Tensor:
    """First half of L_WS-SEG: -C G - (1 - C)(1 - G), element by element."""
    return -mask * probability - (1 - mask) * (1 - probability)


def overlap(probability: Tensor, log_free: Tensor, total: Tensor) -> Tensor:
    """Second half of L_WS-SEG: -G[i] times the sum over k != i of log(1 - G[k]).

    Parameters
    ----------
    probability, log_free : (...) float
        G and log(1 - G) of an instance at its pixels.
    total : (...) float
        Sum of log(1 - G) over all instances at these pixels, this one included.
    """
    return -probability * (total - log_free)


def exclusive_claims(logits: Tensor, weight: Tensor, mask: Tensor, at: Tensor, size: int) -> Tensor:
    """-log P that each mask pixel belongs to exactly one instance, and other pixels to none.

    Not in the supplement. G[i] is the probability that a pixel belongs to instance i,
    independently of the others. That it belongs to none has the probability of the product of all
    1 - G; that it belongs to exactly one has this product times the sum of all odds G / (1 - G).
    The gradient in the logit of i is G[i] where the mask is 0, and G[i] minus its share of the odds
    where the mask is 1. This is the gradient of a cross-entropy with soft labels, which divide each
    pixel among the instances by their odds.

    Parameters
    ----------
    logits, weight : (M, Y, X) float
        Weight is 0 or 1.
    mask : (M, Y, X) float
        0 or 1.
    at : (M, Y, X) int64
        Index 0 .. size - 1 of each pixel in the batch.
    size : int
        Number of pixels of the batch.

    Returns
    -------
    () float
        Mean over the weighted pixels of all instances, like the cross-entropy of outlines.
    """
    counted = weight > 0
    weighted = logits.masked_fill(~counted, -torch.inf)
    # Log-sum-exp of the logits, the log of the odds, over the instances at each pixel: the highest
    # logit is subtracted before the exponential, so that none overflows.
    highest = torch.full((size,), -torch.inf, dtype=logits.dtype, device=logits.device)
    highest = highest.scatter_reduce(0, at.reshape(-1), weighted.detach().reshape(-1), "amax")
    highest = torch.where(highest.isfinite(), highest, 0)
    odds = add_up((weighted - highest[at]).exp(), at, size)
    in_mask = add_up((counted & (mask > 0)).float(), at, size) > 0
    # -log(1 - G) of a logit is its softplus.
    no_instance = (functional.softplus(logits) * counted).sum()
    one_instance = odds[in_mask].log() + highest[in_mask]
    return (no_instance - one_instance.sum()) / counted.sum().clamp(min=1)


def anchoring(logits: Tensor, centres: Tensor) -> Tensor:
    """Cross-entropy of each location for its own instance: -log G[i] at location i.

    Not in the supplement. Its two terms have no gradient where G has reached 0 or 1, and neither
    keeps an instance at its location. The annotation says that it is there.

    Parameters
    ----------
    logits : (M, Y, X) float
    centres : (M, 2) int64
        y and x of each location's pixel in its crop.

    Returns
    -------
    (M,) float
    """
    instance = torch.arange(len(logits), device=logits.device)
    return -functional.logsigmoid(logits[instance, centres[:, 0], centres[:, 1]])


def sobel(probability: Tensor) -> Tensor:
    """Edge strength phi(G): the length of the gradient by Sobel's kernels, 1 2 1 and 1 0 -1.

    Parameters
    ----------
    probability : (M, Y, X) float
        Padded with its outermost pixels.

    Returns
    -------
    (M, Y, X) float
        4 at a straight step from 0 to 1.
    """
    padded = functional.pad(probability[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    # Each kernel is separable: 1 2 1 along one axis, then the difference along the other.
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    columns = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    across = rows[:, :, 2:] - rows[:, :, :-2]
    down = columns[:, 2:] - columns[:, :-2]
    # The gradient of the root alone is infinite where the image is constant.
    return (across.square() + down.square() + 1e-6).sqrt() - 1e-3


def add_up(values: Tensor, at: Tensor, size: int) -> Tensor:
    """Sum the values of all instances at each pixel.

    Parameters
    ----------
    values : (M, Y, X) float
    at : (M, Y, X) int64
        Index 0 .. size - 1 of the pixel of each value in the batch.

    Returns
    -------
    (size,) float
    """
    return torch.zeros(size, dtype=values.dtype, device=values.device).index_add(
        0, at.reshape(-1), values.reshape(-1)
    )
