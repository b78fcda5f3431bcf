"""What a network says about an image before it is decoded, as pictures need it."""

from __future__ import annotations

from sparcell.core.image import FIRST_PLANE, Plane
from sparcell.methods.base import Maps
from sparcell.methods.detections import Detections, join
from sparcell.prediction.predict_image import plan_tiles
from sparcell.prediction.prepared_image import PreparedImage
from sparcell.prediction.tiling.tiles import cut_plane, map_rows


def predict_maps(view: PreparedImage, plane: Plane = FIRST_PLANE) -> Maps | None:
    """Predict the maps of one plane, such as mask and distance.

    Parameters
    ----------
    view : View
    plane : Plane

    Returns
    -------
    (K, Y, X) uint8 or None
        0..255 for 0..1, in the size in which the network sees the image; the names are those of
        `Model.maps`. None for a method that detects objects one by one and has no maps.
    """
    model, shown = view.model, view.shown
    grids, _ = plan_tiles(view.image, shown, model, view.settings)
    cuts = cut_plane(shown.shape, grids)
    scaling = model.scaling(shown, plane)
    rows = map_rows(shown, plane, scaling, view.runtime, cuts, model.method.output)
    maps: Maps | Detections = join([reading for _, reading in rows], axis=1)
    return None if isinstance(maps, Detections) else maps
