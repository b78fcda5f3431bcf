"""The maps of a network before they are decoded, for figures and for clicks on missed cells."""

from __future__ import annotations

from dataclasses import replace

from sparcell.core.image import FIRST_PLANE, Image, Plane
from sparcell.methods.base import Maps
from sparcell.methods.detections import Detections, join
from sparcell.prediction.predict_instances import plan_tiles
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.tiling.tiles import cut_plane, map_rows


def predict_maps(prepared: PreparedImage, plane: Plane = FIRST_PLANE) -> Maps | None:
    """Predict the maps of one plane, such as mask and distance.

    Parameters
    ----------
    prepared : PreparedImage
    plane : Plane

    Returns
    -------
    (K, Y, X) uint8 or None
        0..255 for 0..1, in the size that the network takes; the names are those of
        `Model.maps`. None for a method that detects objects one by one and has no maps.
    """
    model, network_image = prepared.model, prepared.network_image
    grids, _ = plan_tiles(prepared.image, network_image, model, prepared.settings)
    cuts = cut_plane(network_image.shape, grids)
    scaling = model.scaling(network_image, plane)
    rows = map_rows(network_image, plane, scaling, prepared.runtime, cuts, model.method.output)
    maps: Maps | Detections = join([network_output for _, network_output in rows], axis=1)
    return None if isinstance(maps, Detections) else maps


def predict_window_maps(
    prepared: PreparedImage, rows: slice, columns: slice, plane: Plane = FIRST_PLANE
) -> Maps | None:
    """Predict the maps of a part of a plane, whose intensities are scaled as those of the whole.

    Parameters
    ----------
    prepared : PreparedImage
        Of a model that takes single frames.
    rows, columns : slice
        In the size that the network takes, px.
    plane : Plane

    Returns
    -------
    (K, len(rows), len(columns)) uint8 or None
        As `predict_maps`.
    """
    model, whole = prepared.model, prepared.network_image
    window = replace(prepared, image=Image(whole.read(rows, columns, plane), "CYX"))
    grids, _ = plan_tiles(window.image, window.image, model, prepared.settings)
    cuts = cut_plane(window.image.shape, grids)
    scaling, output = prepared.scaling(plane), model.method.output
    found = map_rows(window.image, FIRST_PLANE, scaling, prepared.runtime, cuts, output)
    maps: Maps | Detections = join([network_output for _, network_output in found], axis=1)
    return None if isinstance(maps, Detections) else maps
