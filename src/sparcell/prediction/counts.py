"""Counts of the objects in all images of a prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sparcell.core.columns import Columns
from sparcell.io import open_image, read_numbers
from sparcell.measurement.count_table import COLUMNS, SIZE_COLUMNS, complete_counts, count_planes
from sparcell.models.domain import DomainFit
from sparcell.models.model import Model
from sparcell.prediction.items import Item
from sparcell.prediction.prepared_image import fit_channels
from sparcell.prediction.size import choose_scale, is_far_off, known_diameters

MISFIT = "does not look like the model's training images"


def count_objects(
    items: Sequence[Item], model: Model, scales: dict[str, Any], fits: Mapping[str, DomainFit]
) -> Columns:
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
    Columns
        Those of `sparcell.measurement.count_table.COLUMNS` but components. The note also names
        objects of a size that the model does not know, and images unlike its training.
    """
    rows: list[dict[str, Any]] = []
    sizes: list[Columns] = []
    for item in items:
        if item.name not in scales:
            # An earlier call finished the image and ended before it wrote the record.
            image = fit_channels(item.open(), model, item.settings)
            scales[item.name] = choose_scale(image, model, item.settings.diameter)._asdict()
        objects = read_numbers(item.objects, SIZE_COLUMNS)
        sizes.append(objects.assign(image=item.name))
        rows += _count_item(item, objects, scales[item.name])
    counts = complete_counts(rows, Columns.join(sizes) if sizes else Columns({}))
    return _with_doubts(counts, model, fits) if len(counts) else counts


def _count_item(item: Item, objects: Columns, scale: Mapping[str, Any]) -> Iterator[Any]:
    """Rows of one image."""
    at = item.plate_field
    further = {"well": at.well, "field": at.field} if at else {}
    further |= {"resized_by": scale["factor"], "why": scale["found"]}
    # Planes without objects have no row in the table, so the label image lists them.
    labels = open_image(item.written_labels)
    for row in count_planes(item.name, labels.planes(), objects, labels.pixel_size):
        yield row | further


def _with_doubts(counts: Columns, model: Model, fits: Mapping[str, DomainFit]) -> Columns:
    """Add what the model knows of its images: column misfit, and notes."""
    notes: list[list[str]] = [[] for _ in range(len(counts))]
    known: dict[str, Any] = {}
    if model.spec.domain is not None:
        distances = [
            round(fits[name].distance, 2) if name in fits else None for name in counts["image"]
        ]
        known["misfit"] = distances
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
    known["needs_a_look"] = counts["needs_a_look"] | np.array([bool(texts) for texts in notes])
    known["note"] = [
        "; ".join([*texts, *([note] if note else [])])
        for texts, note in zip(notes, counts["note"], strict=True)
    ]
    known = {name: counts[name] for name in counts} | known
    return Columns({name: known[name] for name in COLUMNS if name in known})
