"""How much of the start weights a model keeps: as much as validation fields say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from torch import Tensor

from sparcell.training.callbacks import mix_weights
from sparcell.training.data.fields import Fields
from sparcell.training.tuning import best_decoding, levels_to_try, predict_fields

if TYPE_CHECKING:
    from sparcell.training.module import SegmentationModule

logger = logging.getLogger(__name__)

State = dict[str, Tensor]
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the start weights that are tried."""


def choose_share(
    module: SegmentationModule,
    start: State,
    end: State,
    fields: Fields,
    typical_area: float | None = None,
) -> float:
    """Choose the share of the start weights with the best F1 on validation fields.

    A few outlined images are not all that a model will see. Weights between start and end of a
    training are often better on other images than both (Wortsman et al. 2022, "Robust fine-tuning
    of zero-shot models", CVPR). With a share of 1 the training brought nothing. Each share is
    judged with the threshold that suits it. That of the start would favour the start: a training
    moves the level at which the outlines fit.

    Parameters
    ----------
    module : SegmentationModule
        Its weights are changed.
    start, end : dict
        Weights before and after the training.
    fields : Fields
        Validation fields, which have objects.
    typical_area : float, optional
        Of the training's objects, px. None: nothing is tuned, the threshold is the module's.

    Returns
    -------
    float
        0..1; among equals the smallest.
    """
    tried = [] if typical_area is None else levels_to_try(module, typical_area)
    reached = {}
    for share in SHARES:
        module.load_state_dict(mix_weights(start, end, share))
        _, reached[share] = best_decoding(module, predict_fields(module, fields), tried)
    best = max(SHARES, key=lambda share: reached[share])
    if best == 1:
        logger.info(
            "The weights of the start are kept as they are: with any of this training, the score "
            f"on the check images is lower than {reached[1.0]:.2f}."
        )
    else:
        logger.info(
            f"{1 - best:.0%} of the change by this training is kept, with the best score on the "
            f"check images: {reached[best]:.2f}, at the start {reached[1.0]:.2f} (mean of F1 at "
            "IoU 0.5 and 0.75)"
        )
    return best
