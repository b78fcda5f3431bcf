"""Pictures of a run, as PNG bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparcell.core.labels import Labels
from sparcell.drawing.palette import EXTRA, MATCHED, MISSED
from sparcell.drawing.picture import draw_scale_bar, magnification, magnified, outlines, stretch
from sparcell.evaluation import count_overlaps, match_near
from sparcell.evaluation import draw_overlay as colour_agreement
from sparcell.evaluation.matching import match_pairs

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

LARGEST = 1024
DASH = 4
"""Length of a dash and of a gap, px along an axis."""
CROSS = 4
"""Least length of an arm of a cross, px."""
PANEL = 512
GAP = 8
SIZE_BARS = 16
CURVE = "#0072b2"
FOUND = tuple(channel / 255 for channel in MATCHED)
SCORES = {"val_f1": "F1 at IoU 0.5", "val_pcc": "correlation with the stain"}


def draw_curves(metrics: DataFrame) -> Figure:
    """Draw loss and F1 against epochs.

    Parameters
    ----------
    metrics : DataFrame
        ``metrics.csv`` of a run; epoch 0 is the network before training.
    """
    from matplotlib.figure import Figure

    trained = metrics[metrics["epoch"] > 0]
    # The loss of a single epoch is no curve.
    panels = 2 if len(trained) > 1 else 1
    figure = Figure(figsize=(4.5 * panels, 3.2), layout="constrained")
    *others, right = figure.subplots(1, panels, squeeze=False)[0]
    for left in others:
        left.plot(metrics["epoch"], metrics["train_loss"], ".-", label="training", color="0.6")
        left.plot(trained["epoch"], trained["val_loss"], ".-", label="check", color=CURVE)
        left.set(xlabel="epoch", ylabel="loss: less is better")
        if trained["val_loss"].min() > 0:
            left.set_yscale("log")
    score = next(name for name in SCORES if name in metrics and metrics[name].notna().any())
    right.plot(metrics["epoch"], metrics[score], ".-", color=CURVE)
    best = metrics.iloc[int(metrics[score].to_numpy().argmax())]
    right.plot(best["epoch"], best[score], "o", color=CURVE, label="best")
    right.axhline(metrics[score].iloc[0], color="0.6", linestyle=":", label="before training")
    right.set(xlabel="epoch", ylabel=f"{SCORES[score]}, check images", ylim=(0, 1))
    for axis in (*others, right):
        axis.legend(frameon=False)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def draw_sizes(
    truth: NDArray[np.floating], found: NDArray[np.floating], unit: Literal["um", "px"]
) -> Figure:
    """Draw how many objects of each diameter there are in the labels, and how many were found.

    Parameters
    ----------
    truth, found : (N,) float
        Diameters of circles of the same area, above 0, in `unit`.
    unit : {"um", "px"}
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(6, 3), layout="constrained")
    axis = figure.subplots()
    every = np.concatenate([truth, found])
    # Bars of equal ratio: the sizes of particles differ by orders of magnitude.
    edges = np.geomspace(every.min() * 0.99, every.max() * 1.01, SIZE_BARS + 1)
    for diameters, name, colour in ((truth, "labels", "0.6"), (found, "found", FOUND)):
        counts = np.histogram(diameters, edges)[0]
        axis.stairs(counts, edges, label=f"{name}: {len(diameters)}", color=colour, linewidth=2)
    if edges[-1] > 8 * edges[0]:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set(xlabel=f"diameter, {'µm' if unit == 'um' else 'px'}", ylabel="objects")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def draw_agreement(
    image: NDArray[np.float32],
    truth: Labels,
    found: Labels,
    pixel_size: float | None = None,
    within: float = 0.0,
) -> NDArray[np.uint8]:
    """Outline matched, extra and missed objects on an image.

    Parameters
    ----------
    image : (Y, X) float32
    truth, found : (Y, X) int32
        Matched one to one at an IoU of 0.5, or `within` a distance, px, where that is not 0.
    pixel_size : float, optional
        Edge of a pixel in um, for the scale bar.

    Returns
    -------
    (Y, X, 3) uint8
        `MATCHED` where a found object has a partner, `EXTRA` where it has none; `MISSED` and dashed
        where a true object has none. At most `LARGEST` px wide.
    """
    if within:
        hit, hits = match_near(truth, found, within)
    else:
        overlaps = count_overlaps(truth, found)
        pairs = match_pairs(overlaps.pair_truth, overlaps.pair_pred, overlaps.iou, 0.5)
        hit = overlaps.truth_ids[overlaps.pair_truth[pairs]]
        hits = overlaps.pred_ids[overlaps.pair_pred[pairs]]
    matched = np.isin(found, hits) & (found > 0)
    missed = np.where(np.isin(truth, hit), 0, truth)
    step = -(-max(image.shape) // LARGEST)
    factor = magnification(image[::step, ::step].shape)
    grey, found, matched, missed = (
        magnified(part[::step, ::step]) for part in (stretch(image), found, matched, missed)
    )
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    rims = outlines(found)
    picture[rims & matched] = MATCHED
    picture[rims & ~matched] = EXTRA
    y, x = np.nonzero(outlines(missed))
    # Dashes distinguish a missed object in grey print, too.
    dashed = (y + x) // DASH % 2 == 0
    picture[y[dashed], x[dashed]] = MISSED
    return picture if pixel_size is None else draw_scale_bar(picture, pixel_size * step / factor)


def draw_clicks(
    image: NDArray[np.float32],
    points: NDArray[np.floating],
    found: Labels,
    pixel_size: float | None = None,
) -> NDArray[np.uint8]:
    """Outline objects with and without a click on an image, and mark clicks without an object.

    Parameters
    ----------
    image : (Y, X) float32
    points : (N, 2) float
        y and x of the clicks, px.
    found : (Y, X) int32
    pixel_size : float, optional
        Edge of a pixel in um, for the scale bar.

    Returns
    -------
    (Y, X, 3) uint8
        `MATCHED` around an object with a click, `EXTRA` around one without; a cross of `MISSED`
        for a click that has no object of its own. At most `LARGEST` px wide.
    """
    rows, columns = np.rint(points).astype(int).T
    under = found[rows, columns]
    first = np.zeros(len(under), bool)
    first[np.unique(under, return_index=True)[1]] = True
    hits = first & (under > 0)
    step = -(-max(image.shape) // LARGEST)
    factor = magnification(image[::step, ::step].shape)
    grey, found = (magnified(part[::step, ::step]) for part in (stretch(image), found))
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    rims = outlines(found)
    clicked = np.isin(found, under[hits])
    picture[rims & clicked] = MATCHED
    picture[rims & ~clicked] = EXTRA
    arm = max(CROSS, max(picture.shape) // 150)
    for y, x in (points[~hits] * factor / step).astype(int):
        # A black rim shows the cross on bright cells.
        for width, colour in ((3, (0, 0, 0)), (2, MISSED)):
            grown = arm + width - 1
            rows, columns = (slice(max(at - grown, 0), at + grown + 1) for at in (y, x))
            picture[rows, max(x - width + 1, 0) : x + width] = colour
            picture[max(y - width + 1, 0) : y + width, columns] = colour
    return picture if pixel_size is None else draw_scale_bar(picture, pixel_size * step / factor)


def draw_comparison(
    stain: NDArray[np.float32],
    truth: Labels,
    found: Labels,
    image: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Draw stain, labels and prediction side by side (Salomon-Sörensen 2023, figures 6.1 to 6.4).

    Parameters
    ----------
    stain, image : (Y, X) float32
        Each is shown between its own percentiles.
    truth, found : (Y, X) int32

    Returns
    -------
    (Y, 5 X and `GAP` px between panels, 3) uint8
        Stain; labels; prediction; their overlap as in `colour_agreement`; the prediction in blue
        on the image. Thinned, so that no panel is wider than `PANEL` px.
    """
    step = -(-max(image.shape) // PANEL)
    stain, image = stain[::step, ::step], image[::step, ::step]
    truth, found = truth[::step, ::step], found[::step, ::step]
    on_image = np.repeat(stretch(image)[:, :, None], 3, axis=2)
    predicted = found > 0
    on_image[predicted] = 0.55 * on_image[predicted] + 0.45 * np.array(MATCHED)
    grey = (stretch(stain), np.where(truth > 0, 255, 0), np.where(predicted, 255, 0))
    panels = [np.repeat(part[:, :, None], 3, axis=2) for part in grey]
    return side_by_side([*panels, colour_agreement(truth, found), on_image])


def side_by_side(panels: list[NDArray[Any]]) -> NDArray[np.uint8]:
    """Join (Y, X) or (Y, X, 3) panels of one height into a row, with white gaps of `GAP` px."""
    gap = np.full((len(panels[0]), GAP, *panels[0].shape[2:]), 255, np.uint8)
    parts = [part for panel in panels for part in (gap, panel)][1:]
    return np.concatenate(parts, axis=1).astype(np.uint8)


def draw_stains(
    image: NDArray[np.float32], real: NDArray[np.float32], predicted: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Put an image and its real and predicted stains side by side.

    Parameters
    ----------
    image : (Y, X) float32
    real, predicted : (K, Y, X) float32
        Each is shown between its own percentiles, as exposures differ from image to image.

    Returns
    -------
    (Y, (1 + 2 K) X and `GAP` px between panels, 3) uint8
        Thinned, so that no panel is wider than `LARGEST` px.
    """
    step = -(-max(image.shape) // LARGEST)
    pairs = [part for both in zip(real, predicted, strict=True) for part in both]
    row = side_by_side([stretch(part[::step, ::step]) for part in (image, *pairs)])
    return np.repeat(row[:, :, None], 3, axis=2)


def png(picture: Figure | NDArray[np.uint8]) -> bytes:
    """Encode a figure or an (Y, X, 3) uint8 picture."""
    stream = io.BytesIO()
    if isinstance(picture, np.ndarray):
        from matplotlib.image import imsave

        imsave(stream, picture, format="png")
    else:
        figure: Any = picture
        figure.savefig(stream, dpi=110)
    return stream.getvalue()
