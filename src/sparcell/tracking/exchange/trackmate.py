"""TrackMate's XML: spots by frame, tracks as lists of edges, and which tracks are shown."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as Tree

import numpy as np

from sparcell.core.errors import InputError, first_line
from sparcell.core.files import whole_file
from sparcell.tracking.exchange.graph import TrackGraph

VERSION = "7.11.1"
POINT_RADIUS = 5.0
"""Radius of a spot whose size is unknown, px."""
FEATURES = {
    "SpotFeatures": (
        ("QUALITY", "Quality", "QUALITY", False),
        ("POSITION_X", "X", "POSITION", False),
        ("POSITION_Y", "Y", "POSITION", False),
        ("POSITION_Z", "Z", "POSITION", False),
        ("POSITION_T", "T", "TIME", False),
        ("FRAME", "Frame", "NONE", True),
        ("RADIUS", "Radius", "LENGTH", False),
        ("VISIBILITY", "Visibility", "NONE", True),
        ("SPARCELL_TRACK", "Track in Sparcell", "NONE", True),
        ("SPARCELL_ID", "Id in the label image", "NONE", True),
    ),
    "EdgeFeatures": (
        ("SPOT_SOURCE_ID", "Source spot ID", "NONE", True),
        ("SPOT_TARGET_ID", "Target spot ID", "NONE", True),
        ("LINK_COST", "Link cost", "COST", False),
    ),
    "TrackFeatures": (
        ("TRACK_ID", "Track ID", "NONE", True),
        ("NUMBER_SPOTS", "Number of spots in track", "NONE", True),
    ),
}
DECIMALS = 6
"""Of the cost of a link, which is 1 less its confidence."""


def write_trackmate(graph: TrackGraph, path: Path) -> None:
    """Write a movie as XML for TrackMate 7; a family is one track there.

    Lengths are in um and times in hours where these are known, else in pixels and frames.
    """
    root = Tree.Element("TrackMate", version=VERSION)
    model = Tree.SubElement(
        root,
        "Model",
        spatialunits="pixel" if graph.pixel_size is None else "micron",
        timeunits="frame" if graph.interval is None else "hour",
    )
    declarations = Tree.SubElement(model, "FeatureDeclarations")
    for kind, features in FEATURES.items():
        place = Tree.SubElement(declarations, kind)
        for key, name, dimension, whole in features:
            Tree.SubElement(
                place, "Feature", feature=key, name=name, shortname=name, dimension=dimension,
                isint=str(whole).lower(),
            )  # fmt: skip
    _add_spots(model, graph)
    _add_tracks(model, graph)
    _add_settings(root, graph)
    Tree.indent(root, " ")
    with whole_file(path) as partial:
        Tree.ElementTree(root).write(partial, "utf8", xml_declaration=True)


def _add_spots(model: Tree.Element, graph: TrackGraph) -> None:
    size, step = graph.pixel_size or 1.0, graph.interval or 1.0
    diameters = graph.properties.get(
        "equivalent_diameter_px", np.full(len(graph), 2 * POINT_RADIUS)
    )
    every = Tree.SubElement(model, "AllSpots", nspots=str(len(graph)))
    bounds = np.searchsorted(graph.frames, np.arange(graph.count + 1))
    for frame, (start, stop) in enumerate(pairwise(bounds)):
        if start == stop:
            continue
        place = Tree.SubElement(every, "SpotsInFrame", frame=str(frame))
        for one in range(start, stop):
            y, x = (graph.places[one] * size).tolist()
            values = {
                "ID": one,
                "name": f"track {graph.of_object[one]}",
                "QUALITY": 1.0,
                "POSITION_T": frame * step,
                "POSITION_X": x,
                "POSITION_Y": y,
                "POSITION_Z": 0.0,
                "FRAME": frame,
                "RADIUS": float(diameters[one]) * size / 2,
                "VISIBILITY": 1,
                "SPARCELL_TRACK": graph.of_object[one],
                "SPARCELL_ID": graph.ids[one],
            }
            Tree.SubElement(place, "Spot", {key: str(value) for key, value in values.items()})


def _add_tracks(model: Tree.Element, graph: TrackGraph) -> None:
    """Families with at least one link; single objects are spots without a track there."""
    founders = graph.founders
    family = np.array([founders[one] for one in graph.of_object.tolist()], np.int64)
    every = Tree.SubElement(model, "AllTracks")
    shown = Tree.SubElement(model, "FilteredTracks")
    of_link = family[graph.links[:, 0]]
    for founder in np.unique(of_link).tolist():
        place = Tree.SubElement(
            every, "Track", name=f"family {founder}", TRACK_ID=str(founder),
            NUMBER_SPOTS=str(int((family == founder).sum())),
        )  # fmt: skip
        Tree.SubElement(shown, "TrackID", TRACK_ID=str(founder))
        for link in np.flatnonzero(of_link == founder).tolist():
            first, second = map(str, graph.links[link].tolist())
            edge = Tree.SubElement(place, "Edge", SPOT_SOURCE_ID=first, SPOT_TARGET_ID=second)
            if not np.isnan(graph.confidence[link]):
                edge.set("LINK_COST", str(round(1 - float(graph.confidence[link]), DECIMALS)))


def _add_settings(root: Tree.Element, graph: TrackGraph) -> None:
    """Add what TrackMate asks for: image, manual detector and tracker, no filters."""
    settings = Tree.SubElement(root, "Settings")
    size, (height, width) = str(graph.pixel_size or 1.0), graph.shape
    Tree.SubElement(
        settings, "ImageData", filename=f"{graph.name}.tif", folder="", width=str(round(width)),
        height=str(round(height)), nslices="1", nframes=str(graph.count), pixelwidth=size,
        pixelheight=size, voxeldepth="1.0", timeinterval=str(graph.interval or 1.0),
    )  # fmt: skip
    Tree.SubElement(
        settings, "BasicSettings", xstart="0", xend=str(max(round(width) - 1, 0)), ystart="0",
        yend=str(max(round(height) - 1, 0)), zstart="0", zend="0", tstart="0",
        tend=str(max(graph.count - 1, 0)),
    )  # fmt: skip
    Tree.SubElement(
        settings, "DetectorSettings", DETECTOR_NAME="MANUAL_DETECTOR", RADIUS=str(POINT_RADIUS)
    )
    Tree.SubElement(settings, "InitialSpotFilter", feature="QUALITY", value="0.0", isabove="true")
    Tree.SubElement(settings, "SpotFilterCollection")
    Tree.SubElement(settings, "TrackerSettings", TRACKER_NAME="MANUAL_TRACKER")
    Tree.SubElement(settings, "TrackFilterCollection")
    analyzers = Tree.SubElement(settings, "AnalyzerCollection")
    for kind in ("Spot", "Edge", "Track"):
        Tree.SubElement(analyzers, f"{kind}Analyzers")
    Tree.SubElement(root, "GUIState", state="ConfigureViews")


def read_trackmate(path: Path) -> TrackGraph:
    """Read the spots and edges of the shown tracks; lengths become px by the size of a pixel there.

    Raises
    ------
    InputError
        If it is no XML of TrackMate.
    """
    try:
        root = Tree.parse(path).getroot()
        model = root.find("Model")
        if root.tag != "TrackMate" or model is None:
            raise ValueError("no TrackMate with a Model")
        image = root.find("Settings/ImageData")
        in_pixels = model.get("spatialunits", "pixel").startswith("pixel")
        size = 1.0 if in_pixels or image is None else float(image.get("pixelwidth", "1"))
        spots = sorted(
            model.iterfind("AllSpots/SpotsInFrame/Spot"),
            key=lambda spot: float(spot.attrib["FRAME"]),
        )
        number = {spot.attrib["ID"]: position for position, spot in enumerate(spots)}
        shown = {one.get("TRACK_ID") for one in model.iterfind("FilteredTracks/TrackID")}
        edges = [
            edge
            for track in model.iterfind("AllTracks/Track")
            if track.get("TRACK_ID") in shown
            for edge in track.iterfind("Edge")
        ]
        links = [
            (number[edge.attrib["SPOT_SOURCE_ID"]], number[edge.attrib["SPOT_TARGET_ID"]])
            for edge in edges
        ]
        costs = [float(edge.get("LINK_COST", "nan")) for edge in edges]
        frames = [int(float(spot.attrib["FRAME"])) for spot in spots]
        places = [
            (float(spot.attrib["POSITION_Y"]), float(spot.attrib["POSITION_X"])) for spot in spots
        ]
        ours = [
            (int(spot.get("SPARCELL_ID", "0")), int(spot.get("SPARCELL_TRACK", "0")))
            for spot in spots
        ]
    except (Tree.ParseError, ValueError, KeyError, OSError) as error:
        raise InputError(
            f"{path} that TrackMate did not write ({first_line(error)})",
            "an XML file with spots and tracks",
            "save it in TrackMate again",
        ) from error
    pairs = np.array(links, np.int64).reshape(-1, 2)
    time = np.array(frames, np.int64)
    # TrackMate may store a link from the later to the earlier spot.
    backward = time[pairs[:, 0]] > time[pairs[:, 1]]
    pairs[backward] = pairs[backward][:, ::-1]
    order = np.argsort(pairs[:, 1], kind="stable")
    ids, of_object = np.array(ours, np.int64).reshape(-1, 2).T
    # Costs of TrackMate's own trackers are squared distances, which say nothing here.
    confidence = 1 - np.array(costs, np.float64)
    ours_alone = bool(of_object.any()) and bool(((confidence >= 0) | np.isnan(confidence)).all())
    return TrackGraph(
        path.stem,
        time,
        np.array(places, np.float64).reshape(-1, 2) / size,
        pairs[order],
        confidence[order].round(DECIMALS) if ours_alone else np.full(len(pairs), np.nan),
        ids,
        of_object,
    )
