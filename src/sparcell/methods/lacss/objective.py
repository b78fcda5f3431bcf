"""Loss of LACSS with and without outlines, and its exported outputs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sparcell.methods.lacss.config import LacssConfig
from sparcell.methods.lacss.locations import find_locations, mix_locations
from sparcell.methods.lacss.losses import (
    add_up,
    anchoring,
    consistency,
    exclusive_claims,
    overlap,
    sobel,
)
from sparcell.methods.lacss.network import LacssOutputs
from sparcell.methods.lacss.targets import choose_locations, proposal_targets
from sparcell.methods.losses import focal_terms, huber, masked_mean


class ProposalOutputs(NamedTuple):
    """Segmentations of M chosen locations, and the annotation at their pixels.

    Attributes
    ----------
    logits : (M, crop, crop) float
    at : (M, crop, crop) int64
        Index of each pixel among the N * Y * X of the batch.
    weight : (M, crop, crop) float
        0 outside the image, in ignored pixels, and closest to a location that was not chosen.
    ids, mask : (M, crop, crop) float
        As `targets` draws them.
    own : (M,) float
        Id of the object at each location, 0 = background.
    centres : (M, 2) int64
        Row and column of each true location in its crop.
    """

    logits: Tensor
    at: Tensor
    weight: Tensor
    ids: Tensor
    mask: Tensor
    own: Tensor
    centres: Tensor

    def of(self, chosen: Tensor) -> ProposalOutputs:
        """Select locations by a mask, (M,) bool."""
        return ProposalOutputs(*(part[chosen] for part in self))


def objective(outputs: LacssOutputs, target: Tensor, valid: Tensor, config: LacssConfig) -> Tensor:
    """w0 L_LPN + w1 L_FS-SEG or L_WS-SEG + w2 L_cb (Shrestha et al. 2023, supplement).

    The annotation of each image decides: points for the proposals; outlines for the
    segmentations, or else the mask and the outlines of the auxnet.

    Parameters
    ----------
    outputs : LacssOutputs
    target : (N, 3, Y, X) float32
        `ids`, `mask` and `points`; -1 without annotation.
    valid : (N, 1, Y, X) float32
        0 where a pixel is ignored.
    config : LacssConfig
    """
    segmented = run_on_proposals(outputs, target, valid, config)
    outlined = segmented.own >= 0
    total = config.weights[0] * proposal_loss(outputs, target, valid, config)
    if outlined.any():
        total = total + config.weights[1] * outlined_loss(segmented.of(outlined))
    # An image has outlines of all its objects or of none, so this never splits an image.
    masked = ~outlined & (segmented.mask.amax((1, 2)) >= 0)
    if masked.any():
        weak, boundary = masked_loss(segmented.of(masked), outputs, valid.numel(), config)
        total = total + config.weights[1] * weak + config.weights[2] * boundary
    return total


def proposal_loss(
    outputs: LacssOutputs, target: Tensor, valid: Tensor, config: LacssConfig
) -> Tensor:
    """L_LPN: mean focal loss of the scores, mean Huber loss of the offsets where S_T is 1."""
    proposals, stride = outputs.proposals.float(), outputs.stride
    scores = torch.zeros_like(proposals[:, 0])
    offsets = torch.zeros_like(proposals[:, 1:])
    for number, drawn in enumerate(target[:, 2]):
        points = torch.nonzero(drawn == 1).float().cpu().numpy()
        shape = (proposals.shape[2], proposals.shape[3])
        drawn_scores, drawn_offsets = proposal_targets(points, shape, stride, config.radius)
        scores[number] = torch.from_numpy(drawn_scores)
        offsets[number] = torch.from_numpy(drawn_offsets)
    # A grid position is valid if the pixel at its centre is.
    trusted = valid[:, 0] * (target[:, 2] >= 0)
    trusted = trusted[:, stride // 2 :: stride, stride // 2 :: stride]
    # Both classes have the weight alpha, as printed; Lin et al. (2017) have 1 - alpha for one.
    score = focal_terms(proposals[:, 0], scores, config.gamma, config.alpha, config.alpha)
    offset = huber(proposals[:, 1:], offsets, config.delta).mean(dim=1)
    return masked_mean(score, trusted) + masked_mean(offset, trusted * scores)


def run_on_proposals(
    outputs: LacssOutputs, target: Tensor, valid: Tensor, config: LacssConfig
) -> ProposalOutputs:
    """Segment around the true locations, or around proposals close to them (training only)."""
    count, _, height, width = target.shape
    images, locations, own, regions, true = [], [], [], [], []
    proposals = outputs.proposals.detach().float().cpu()
    draws = torch.rand(count).tolist()
    for number, (ids, _, drawn) in enumerate(target.cpu().numpy()):
        choice = choose_locations(drawn, config.locations, draws[number])
        y, x = choice.points.astype(np.int64).T
        regions.append(torch.from_numpy(choice.region))
        own.append(torch.from_numpy(ids[y, x]))
        true.append(torch.from_numpy(choice.points).long())
        images.append(torch.full((len(choice.points),), number))
        mixed = choice.points
        if torch.is_grad_enabled() and len(mixed):
            proposed = _propose(proposals[number], outputs.stride)
            mixed = mix_locations(mixed, proposed, config.mix_distance * outputs.stride)
        locations.append(torch.from_numpy(mixed))
    device = target.device
    image = torch.cat(images).to(device)
    crops = outputs.segment(image, torch.cat(locations).to(device))
    steps = torch.arange(crops.logits.shape[-1], device=device)
    # Rows and columns (M, crop) of each crop in its image; clamped ones have weight 0.
    y, x = (crops.corners[:, :, None] + steps).unbind(1)
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
    at = (image[:, None, None] * height + y.clamp(0, height - 1)[:, :, None]) * width
    at = at + x.clamp(0, width - 1)[:, None, :]
    weight = valid[:, 0] * torch.stack(regions).to(device)
    return ProposalOutputs(
        crops.logits.float(),
        at,
        inside * weight.reshape(-1)[at],
        target[:, 0].reshape(-1)[at],
        target[:, 1].reshape(-1)[at],
        torch.cat(own).to(device),
        (torch.cat(true).to(device) - crops.corners).clamp(0, crops.logits.shape[-1] - 1),
    )


def _propose(proposals: Tensor, stride: int) -> NDArray[np.float32]:
    found, _ = find_locations(proposals[0].sigmoid().numpy(), proposals[1:].numpy(), stride)
    return found


def outlined_loss(segmented: ProposalOutputs) -> Tensor:
    """L_FS-SEG: cross-entropy of each segmentation with its object.

    A location outside its object, as at the edge of a crop, has id 0 and is left out.
    """
    truth = (segmented.ids == segmented.own[:, None, None]).float()
    loss = functional.binary_cross_entropy_with_logits(segmented.logits, truth, reduction="none")
    return masked_mean(loss, segmented.weight * (segmented.own > 0)[:, None, None])


def masked_loss(
    segmented: ProposalOutputs, outputs: LacssOutputs, size: int, config: LacssConfig
) -> tuple[Tensor, Tensor]:
    """L_WS-SEG (or `exclusive_claims`) with the loss of locations, and L_cb.

    `size` is the number of pixels of the batch. L_cb is 0 without the auxnet.
    """
    probability = segmented.logits.sigmoid()
    inside = (segmented.weight > 0).float()
    known = segmented.weight * (segmented.mask >= 0)
    if config.exclusive:
        weak = exclusive_claims(segmented.logits, known, segmented.mask, segmented.at, size)
    else:
        log_free = functional.logsigmoid(-segmented.logits)
        total = add_up(log_free * inside, segmented.at, size)[segmented.at]
        loss = consistency(probability, segmented.mask) + overlap(probability, log_free, total)
        weak = masked_mean(loss, known)
    y, x = segmented.centres.unbind(1)
    trusted = segmented.weight[torch.arange(len(y), device=y.device), y, x]
    weak = weak + config.location_weight * masked_mean(
        anchoring(segmented.logits, segmented.centres), trusted
    )
    if not config.auxnet:
        return weak, weak * 0
    edges = add_up(sobel(probability) * inside, segmented.at, size).tanh()
    covered = torch.zeros_like(edges).index_fill(0, segmented.at[segmented.weight > 0], 1)
    error = huber(outputs.edges().float().reshape(-1), edges, config.boundary_delta)
    return weak, masked_mean(error, covered)


def activate(outputs: LacssOutputs, config: LacssConfig) -> tuple[Tensor, ...]:
    """Outputs that are exported, which `sparcell.methods.lacss.assemble` turns into cells.

    Returns
    -------
    proposals : (N, 3, Y / s, X / s) float32
        Score 0..1; offset in steps.
    features : (N, C, Y / 2, X / 2) float32
    encoding : (N, 2, C, n) float32
    readout : (N, 4, C + 1) float32
    """
    proposals = outputs.proposals.float()
    scored = torch.cat([proposals[:, :1].sigmoid(), proposals[:, 1:]], dim=1)
    return scored, outputs.features.float(), outputs.encoding[None], outputs.readout[None]
