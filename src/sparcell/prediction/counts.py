"""Counts of the objects in all images of a prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparcell.io import open_image, read_pieces
from sparcell.measurement.count_table import SIZE_COLUMNS, complete_counts, count_planes
from sparcell.models.domain import DomainFit
from sparcell.models.model import Model
from sparcell.prediction.items import Item
from sparcell.prediction.prepared_image import fit_channels
from sparcell.prediction.size import choose_scale, is_far_off, known_diameters

if TYPE_CHECKING:
    import pandas as pd

MISFIT = "does not look like the model's training images"


def count_objects(
    items: Sequence[Item], model: Model, scales: dict[str, Any], fits: Mapping[str, DomainFit]
) -> pd.DataFrame:
    """Count objects and their area in every plane of all images.

    Parameters
    ----------
    items : sequence of Item
        Those whose labels and object tables are written.
    model : Model
    scales : dict
        Name of an item to its `Scale` as a dictionary; missing ones are added.
    fits : mapping
        Name of an item to how well it fits the model, where that is known.

    Returns
    -------
    DataFrame
        Columns of `sparcell.measurement.count_table.COLUMNS`: all but components. The note also
        names objects of a size that the model does not know, and images unlike its training.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    sizes: list[pd.DataFrame] = []
    for item in items:
        if item.name not in scales:
            # An earlier call finished the image and ended before it wrote the record.
            image = fit_channels(item.open(), model, item.settings)
            scales[item.name] = choose_scale(image, model, item.settings.diameter)._asdict()
        objects = pd.concat(list(read_pieces(item.objects, SIZE_COLUMNS)), ignore_index=True)
        sizes.append(objects.assign(image=item.name))
        rows += _count_item(item, objects, scales[item.name])
    objects = pd.concat(sizes, ignore_index=True) if sizes else pd.DataFrame()
    counts = complete_counts(rows, objects)
    return _with_doubts(counts, model, fits) if len(counts) else counts


def _count_item(item: Item, objects: pd.DataFrame, scale: Mapping[str, Any]) -> Iterator[Any]:
    """Rows of one image."""
    at = item.plate_field
    further = {"well": at.well, "field": at.field} if at else {}
    further |= {"resized_by": scale["factor"], "why": scale["found"]}
    # Planes without objects have no row in the table, so the label image lists them.
    labels = open_image(item.written_labels)
    for row in count_planes(item.name, labels.planes(), objects, labels.pixel_size):
        yield row | further


def _with_doubts(counts: pd.DataFrame, model: Model, fits: Mapping[str, DomainFit]) -> pd.DataFrame:
    """Add what the model knows of its images: column misfit, and notes."""
    notes: list[list[str]] = [[] for _ in range(len(counts))]
    if model.spec.domain is not None:
        distances = [
            round(fits[name].distance, 2) if name in fits else None for name in counts["image"]
        ]
        counts.insert(list(counts).index("needs_a_look"), "misfit", distances)
        for texts, distance in zip(notes, distances, strict=True):
            texts += [MISFIT] if distance is not None and distance > 1 else []
    low, high = known_diameters(model.spec) or (0.0, 0.0)
    far = is_far_off(counts, model.spec)
    for texts, is_far, diameter in zip(notes, far, counts["diameter_px"], strict=True):
        if is_far:
            texts.append(
                f"objects of {diameter:.0f} px, the model learned objects of {low:.0f} to "
                f"{high:.0f} px"
            )
    counts["needs_a_look"] |= np.array([bool(texts) for texts in notes])
    counts["note"] = [
        "; ".join([*texts, *([note] if note else [])])
        for texts, note in zip(notes, counts["note"], strict=True)
    ]
    return counts
