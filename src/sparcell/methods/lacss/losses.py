"""The terms that LACSS minimises, one function each (LACSS supplement).

What is printed there was checked, and differs from what stands here in these places:

- The Huber losses L_R and L_cb are printed with the condition (a - b) < delta. Without the absolute
  value an error of -10 would cost 50 and one of 10 only 9.5; it is meant with it.
- "Both formulations are minimized at the same point of G = C. Additionally, they have the same
  gradient at this minimal point" is true where C is 0 or 1: the slopes in G there are +1 and -1
  for both. Where C lies between, the linear form -C G - (1 - C)(1 - G) has the slope 1 - 2 C, and
  so its minimum at 0 or 1, while that of the cross-entropy is at G = C. So masks must be binary.
  In the network's own output, before the sigmoid, both slopes vanish at the minimum, but the linear
  form's vanishes at the wrong end, too: what is wrong and certain of it stays so.
- The sign of the overlap term is right as printed: -G log(1 - G') is never negative, as
  log(1 - G') is not positive.
- The offsets R have no unit in the text; here it is the step of the grid. Their loss is averaged
  over the positions that are not masked off, the score's over all, so its weight does not depend
  on how many cells there are.
- The sum of the losses calls the cell boundary loss L_CS, elsewhere L_cb.
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
    """-log P that exactly one instance claims each pixel of the mask, and none any other.

    Not in the text. G[i] is the probability that i claims a pixel, and claims are independent, so
    that none does has the probability of the product of all 1 - G, and exactly one does has that
    times the sum of all odds G / (1 - G). The slope in the logit of i is G[i] where the mask is 0,
    and G[i] less its share of the odds where it is 1: the cross-entropy of outlines, with each
    pixel given to instances by how sure they are of it.

    Parameters
    ----------
    logits, weight : (M, Y, X) float
        Weight is 0 or 1.
    mask : (M, Y, X) float
        0 or 1.
    at : (M, Y, X) int64
        The pixel 0 .. size - 1 that each is.
    size : int

    Returns
    -------
    () float
        Per instance and pixel of weight, as the mean cross-entropy of outlines is.
    """
    counted = weight > 0
    seen = logits.masked_fill(~counted, -torch.inf)
    highest = torch.full((size,), -torch.inf, dtype=logits.dtype, device=logits.device)
    highest = highest.scatter_reduce(0, at.reshape(-1), seen.detach().reshape(-1), "amax")
    highest = torch.where(highest.isfinite(), highest, 0)
    odds = add_up((seen - highest[at]).exp(), at, size)
    claimed = add_up((counted & (mask > 0)).float(), at, size) > 0
    sure = (functional.softplus(logits) * counted).sum()
    return (sure - (odds[claimed].log() + highest[claimed]).sum()) / counted.sum().clamp(min=1)


def anchoring(logits: Tensor, centres: Tensor) -> Tensor:
    """Cross-entropy of each location being its own cell's: -log G[i] at location i.

    Not in the text. Its two terms have no slope where G is 0 or 1 already, as all do that were
    driven there in the first steps, and no term says that a cell is where its location is. The
    annotation says so.

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
        Its outermost pixels are repeated beyond the edge.

    Returns
    -------
    (M, Y, X) float
        4 at a straight step from 0 to 1.
    """
    grown = functional.pad(probability[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    rows = grown[:, :-2] + 2 * grown[:, 1:-1] + grown[:, 2:]
    columns = grown[:, :, :-2] + 2 * grown[:, :, 1:-1] + grown[:, :, 2:]
    across = rows[:, :, 2:] - rows[:, :, :-2]
    down = columns[:, 2:] - columns[:, :-2]
    # Where nothing changes, the root alone would have no finite gradient.
    return (across.square() + down.square() + 1e-6).sqrt() - 1e-3


def add_up(values: Tensor, at: Tensor, size: int) -> Tensor:
    """Sum the values of all instances at each pixel.

    Parameters
    ----------
    values : (M, Y, X) float
    at : (M, Y, X) int64
        The pixel 0 .. size - 1 that each value belongs to.

    Returns
    -------
    (size,) float
    """
    return torch.zeros(size, dtype=values.dtype, device=values.device).index_add(
        0, at.reshape(-1), values.reshape(-1)
    )
