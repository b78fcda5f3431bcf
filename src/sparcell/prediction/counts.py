"""Counts of the objects in all images of a prediction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.io import open_image, read_pieces
from sparcell.models.model import Model
from sparcell.prediction.items import Item
from sparcell.prediction.prepared_image import fit_channels
from sparcell.prediction.size import choose_scale, median_diameter

if TYPE_CHECKING:
    import pandas as pd


def count_objects(items: Sequence[Item], model: Model, scales: dict[str, Any]) -> pd.DataFrame:
    """Count objects and their area in every plane of all images.

    Parameters
    ----------
    items : sequence of Item
        Those whose labels and object tables are written.
    model : Model
    scales : dict
        Name of an item to its `Scale` as a dictionary; missing ones are added.

    Returns
    -------
    DataFrame
        Columns image, well and field of plates, t, z, objects, area_px, diameter_px (median of
        circles of the same area, px of the image), scale and scale_from.
    """
    import pandas as pd

    rows = []
    for item in items:
        if item.name not in scales:
            # An earlier call finished the image and ended before it wrote the record.
            image = fit_channels(item.open(), model, item.settings.channels)
            scales[item.name] = choose_scale(image, model, item.settings.diameter)._asdict()
        rows += _count_planes(item, scales[item.name])
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["image"])


def _count_planes(item: Item, scale: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of one image; object tables of any length are read piece by piece."""
    areas: defaultdict[Any, list[Any]] = defaultdict(list)
    for piece in read_pieces(item.objects, ["t", "z", "area_px"]):
        for plane, part in piece.groupby(["t", "z"])["area_px"]:
            areas[plane].append(part.to_numpy())
    at = item.plate_field
    well = {"well": at.well, "field": at.field} if at else {}
    return [
        {
            "image": item.name,
            **well,
            **plane._asdict(),
            "objects": len(area),
            "area_px": int(area.sum()),
            "diameter_px": round(median_diameter(area), 3),
            "scale": scale["factor"],
            "scale_from": scale["found"],
        }
        # Planes without objects have no row in the table, so the label image lists them.
        for plane in open_image(item.written_labels).planes()
        for area in [np.concatenate([np.zeros(0, np.int64), *areas[plane]])]
    ]
