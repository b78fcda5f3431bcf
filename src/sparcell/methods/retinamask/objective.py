"""Loss of RetinaMask, and its outputs as detections."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.ops import box_iou, nms

from sparcell.methods.losses import focal_terms
from sparcell.methods.retinamask.config import RetinaMaskConfig
from sparcell.methods.retinamask.network import RetinaMaskOutputs

CODER = BoxCoder((1.0, 1.0, 1.0, 1.0))
CHUNK = 1 << 11
"""Anchors that are compared with objects in one step."""
PROPOSAL_AREA, DETECTION_AREA = 8, 100
"""An image has at most one box per so many px before and after suppression.

This bounds time and memory of an untrained network; objects are rarely that dense.
"""


class BoxTargets(NamedTuple):
    """The objects of one label image.

    Attributes
    ----------
    ids : (G,) int64
    boxes : (G, 4) float32
        x0, y0, x1, y1, px.
    valid : (G,) bool
        More than half of the object is valid, and it is no sliver.
    """

    ids: Tensor
    boxes: Tensor
    valid: Tensor


def objective(
    outputs: RetinaMaskOutputs, target: Tensor, valid: Tensor, config: RetinaMaskConfig
) -> Tensor:
    """Focal loss of the anchors, smooth L1 of the boxes, cross-entropy of the masks.

    Equal weights (Cui 2020, 2.3). Focal loss and smooth L1 are divided by the number of
    positive anchors in the batch. So is the mask loss if `masks_per_image` is 0; otherwise it is
    the mean over the masks. Anchors with more ignored than valid pixels are ignored.

    Parameters
    ----------
    outputs : RetinaMaskOutputs
    target : (N, 1, Y, X) float32
        Ids, 0 = background.
    valid : (N, 1, Y, X) float32
        0 where a pixel is ignored.
    config : RetinaMaskConfig
    """
    logits, deltas = outputs.logits.float(), outputs.deltas.float()
    focal = box = logits.sum() * 0
    count = 0
    mask_boxes, truths, weights = [], [], []
    for i, (ids, trusted) in enumerate(zip(target[:, 0].long(), valid[:, 0], strict=True)):
        objects = find_objects(ids, trusted, config.smallest)
        matched = judge_anchors(outputs.anchors, objects, trusted, config)
        judged, positive = matched != Matcher.BETWEEN_THRESHOLDS, matched >= 0
        target_class = positive[judged].float()
        terms = focal_terms(
            logits[i, judged], target_class, config.gamma, config.alpha, 1 - config.alpha
        )
        focal = focal + terms.sum()
        owner, anchors = matched[positive], outputs.anchors[positive]
        wanted = CODER.encode_single(objects.boxes[owner], anchors)
        box = box + functional.smooth_l1_loss(
            deltas[i, positive], wanted, beta=config.beta, reduction="sum"
        )
        count += len(owner)
        found = CODER.decode_single(deltas[i, positive].detach(), anchors)
        boxes, owner = choose_boxes(found, owner, objects, config.masks_per_image)
        mask_boxes.append(boxes)
        inside, weight = mask_targets(ids, trusted, boxes, objects.ids[owner])
        truths.append(inside)
        weights.append(weight)
    mask = mask_loss(outputs.masks(mask_boxes).float(), torch.cat(truths), torch.cat(weights))
    masks = sum(len(boxes) for boxes in mask_boxes) if config.masks_per_image else count
    return (focal + box) / max(count, 1) + mask / max(masks, 1)


def find_objects(ids: Tensor, valid: Tensor, smallest: int) -> BoxTargets:
    """Boxes of the objects of a label image (Y, X) int64; `valid` from `smallest` px on."""
    y, x = torch.nonzero(ids, as_tuple=True)
    numbers, index = torch.unique(ids[y, x], return_inverse=True)
    # Edges x0, y0, x1, y1 of each object: smallest and largest coordinates of its pixels.
    ends = []
    for place, sense in ((x, "amin"), (y, "amin"), (x + 1, "amax"), (y + 1, "amax")):
        empty = torch.zeros_like(numbers)
        ends.append(empty.scatter_reduce(0, index, place, sense, include_self=False))
    area = torch.bincount(index, minlength=len(numbers))
    trusted = torch.bincount(index, weights=valid[y, x], minlength=len(numbers))
    usable = (2 * trusted > area) & (area >= smallest)
    return BoxTargets(numbers, torch.stack(ends, 1).float(), usable)


def judge_anchors(
    anchors: Tensor, objects: BoxTargets, valid: Tensor, config: RetinaMaskConfig
) -> Tensor:
    """Assign every anchor (A, 4) an object 0..G-1, -1 for none, or -2 to ignore it.

    Ignored are anchors between the two thresholds, those of objects that are not valid, and those
    without an object that contain at most half valid pixels.
    """
    matched = match_anchors(anchors, objects.boxes, config)
    invalid = matched >= 0
    invalid[invalid.clone()] = ~objects.valid[matched[invalid]]
    ignored = (matched < 0) & (2 * valid_area(anchors, valid) <= inner_area(anchors, valid))
    matched[invalid | ignored] = Matcher.BETWEEN_THRESHOLDS
    return matched


def match_anchors(anchors: Tensor, boxes: Tensor, config: RetinaMaskConfig) -> Tensor:
    """Match anchors (A, 4) with boxes (G, 4) by IoU, as torchvision's Matcher does.

    With `low_quality`, the anchors of highest IoU with a box are matched, however low that is:
    objects outside the size range of the anchors would have none. The matrix of all pairs takes
    gigabytes for a large field, so it is computed in parts: anchors are sorted from top to bottom,
    and each part of them is far from most of the boxes.

    Returns
    -------
    (A,) int64
        0..G-1, or -1 below `negative_iou`, or -2 between the thresholds.
    """
    best = anchors.new_zeros(len(anchors))
    nearest = torch.zeros(len(anchors), dtype=torch.int64, device=anchors.device)
    peak = boxes.new_zeros(len(boxes))
    top = []
    for start in range(0, len(anchors), CHUNK):
        part = anchors[start : start + CHUNK]
        level = (boxes[:, 1] < part[:, 3].max()) & (boxes[:, 3] > part[:, 1].min())
        near = torch.nonzero(level)[:, 0]
        if not len(near):
            continue
        quality = box_iou(boxes[near], part)
        best[start : start + CHUNK], at = quality.max(0)
        nearest[start : start + CHUNK] = near[at]
        highest = quality.amax(1)
        peak[near] = torch.maximum(peak[near], highest)
        row, column = torch.nonzero(
            (quality == highest[:, None]) & (highest > 0)[:, None], as_tuple=True
        )
        top.append((near[row], column + start, highest[row]))
    # The matcher gets a single row, the best IoU of each anchor, so the index of a match is 0.
    matched: Tensor = Matcher(config.positive_iou, config.negative_iou)(best[None])
    matched = torch.where(matched == 0, nearest, matched)
    for row, column, quality in top if config.low_quality else ():
        favourite = column[quality == peak[row]]
        matched[favourite] = nearest[favourite]
    return matched


def valid_area(boxes: Tensor, valid: Tensor) -> Tensor:
    """Number of valid pixels in each box (A, 4), by an integral image; boxes are rounded."""
    height, width = valid.shape
    total = functional.pad(valid.cumsum(0).cumsum(1), (1, 0, 1, 0))
    x0, y0, x1, y1 = boxes.round().long().unbind(1)
    x0, x1 = x0.clamp(0, width), x1.clamp(0, width)
    y0, y1 = y0.clamp(0, height), y1.clamp(0, height)
    return total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0]


def inner_area(boxes: Tensor, valid: Tensor) -> Tensor:
    """Number of image pixels in each box."""
    return valid_area(boxes, torch.ones_like(valid))


def choose_boxes(
    found: Tensor, owner: Tensor, objects: BoxTargets, limit: int
) -> tuple[Tensor, Tensor]:
    """Choose at most `limit` boxes for the mask loss, evenly among true and predicted ones.

    With a limit of 0 all predicted boxes and none of the labels. Boxes that miss their object
    (IoU below 0.5), as many do early in training, are left out.

    Returns
    -------
    boxes : (M, 4) float32
    owner : (M,) int64
        Index of the object of each box.
    """
    boxes = found
    if limit:
        true = torch.nonzero(objects.valid)[:, 0]
        boxes = torch.cat([objects.boxes[true], found])
        owner = torch.cat([true, owner])
    if 0 < limit < len(owner):
        chosen = torch.linspace(0, len(owner) - 1, limit, device=owner.device).long()
        boxes, owner = boxes[chosen], owner[chosen]
    meets = box_iou(boxes, objects.boxes[owner]).diagonal() >= 0.5
    return boxes[meets], owner[meets]


def mask_targets(ids: Tensor, valid: Tensor, boxes: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
    """Sample the labels at the centres of the 28 x 28 parts of each box.

    Returns
    -------
    inside, weight : (M, 28, 28) float32
        1 where the label image (Y, X) has the id of the box; 1 where the pixel is valid.
    """
    step = (torch.arange(28, device=boxes.device) + 0.5) / 28
    x0, y0, x1, y1 = boxes[..., None].unbind(1)
    x = (x0 + (x1 - x0) * step).floor().long()[:, None, :]
    y = (y0 + (y1 - y0) * step).floor().long()[:, :, None]
    height, width = ids.shape
    within = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    inside = ids[y, x] == numbers[:, None, None]
    return inside.float(), within * valid[y, x]


def mask_loss(logits: Tensor, inside: Tensor, weight: Tensor) -> Tensor:
    """Binary cross-entropy of (M, 28, 28) logits: mean over each mask, summed over the masks."""
    loss = functional.binary_cross_entropy_with_logits(logits, inside, reduction="none")
    each = (loss * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1)
    return each.sum()


def activate(outputs: RetinaMaskOutputs, config: RetinaMaskConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Turn the outputs for ONE image into detections.

    Returns
    -------
    boxes : (1, M, 4) float32
        y0, x0, y1, x1, px, best first.
    scores : (1, M) float32
        0..1.
    masks : (1, M, 28, 28) float32
        0..1.
    """
    scores = outputs.logits[0].float().sigmoid()
    likely = torch.nonzero(scores > config.proposal_score)[:, 0]
    scores, order = scores[likely].sort(descending=True)
    area = outputs.size[0] * outputs.size[1]
    few = area // PROPOSAL_AREA
    scores, likely = scores[:few], likely[order][:few]
    boxes = CODER.decode_single(outputs.deltas[0].float()[likely], outputs.anchors[likely])
    chosen = nms(boxes, scores, config.proposal_iou)[: area // DETECTION_AREA]
    boxes, scores = boxes[chosen], scores[chosen]
    masks = outputs.masks([boxes]).float().sigmoid()
    return boxes[:, [1, 0, 3, 2]][None], scores[None], masks[None]
