"""Tracks in the formats of other tools: by hand, by the packages of these tools, and back."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import geff
import networkx
import numpy as np
import pandas as pd
import pytest
from geff.convert import from_trackmate_xml_to_geff
from geff.validate.data import ValidationConfig
from tracked_tables import LINKS, OBJECTS, labels, tables

import sparcell
from sparcell.core.errors import InputError
from sparcell.core.image import Plane
from sparcell.core.tracks import Track
from sparcell.io import write_image
from sparcell.io.ctc import read_ctc
from sparcell.tracking.exchange.export import export_tracks
from sparcell.tracking.exchange.geff import read_geff
from sparcell.tracking.exchange.napari import read_napari
from sparcell.tracking.exchange.newick import Branch, newick_trees, read_newick
from sparcell.tracking.exchange.trackmate import read_trackmate
from sparcell.tracking.results import write_tracked

PLACES = [row[3:5] for row in OBJECTS]
CONFIDENCE = [OBJECTS[later][5] for _, later in LINKS]


@pytest.fixture
def tracked(tmp_path):
    write_tracked(tmp_path / "tracked", tables(), {})
    write_image(tmp_path / "tracked" / "labels" / "007.tif", tracked_labels(), axes="TYX")
    return tmp_path / "tracked"


def tracked_labels() -> np.ndarray:
    """The label images with ids of tracks."""
    frames = labels()
    coloured = np.zeros_like(frames)
    for t, one, track, *_ in OBJECTS:
        coloured[t][frames[t] == one] = track
    return coloured


def check_graph(graph, confidence=True) -> None:
    np.testing.assert_array_equal(graph.frames, [row[0] for row in OBJECTS])
    np.testing.assert_allclose(graph.places, PLACES, rtol=1e-12)
    assert graph.links.tolist() == LINKS
    if confidence:
        np.testing.assert_array_equal(graph.confidence, CONFIDENCE)
        np.testing.assert_array_equal(graph.ids, [row[1] for row in OBJECTS])
    np.testing.assert_array_equal(graph.of_object, [row[2] for row in OBJECTS])


def test_geff_is_read_by_its_own_package(tracked, tmp_path):
    (path,) = export_tracks(tracked, tmp_path / "out", "geff")
    assert path.name == "007.geff"
    checks = ValidationConfig(graph=True, lineage=True, tracklet=True)
    graph, metadata = geff.read(path, structure_validation=True, data_validation=checks)
    assert [list(edge) for edge in sorted(graph.edges)] == sorted(LINKS)
    node = graph.nodes[4]
    assert (node["t"], node["y"], node["x"]) == (2, 15.25, 21)
    assert (node["track"], node["lineage"], node["id"]) == (3, 1, 6)
    assert graph.edges[5, 7]["confidence"] == 1
    time, y, _ = metadata.axes
    assert (time.unit, time.scale, time.scaled_unit) == ("frame", 0.25, "hour")
    assert (y.unit, y.scale, y.scaled_unit) == ("pixel", 0.5, "micrometer")
    check_graph(read_geff(path))


def test_geff_of_another_tool(tmp_path):
    graph = networkx.DiGraph()
    graph.add_node(70, t=1, y=6.0, x=8.0)
    graph.add_node(9, t=0, y=4.0, x=2.0)
    graph.add_edge(9, 70)
    axes = {"axis_names": ["t", "y", "x"], "axis_types": ["time", "space", "space"]}
    units = {"axis_units": ["frame", "micrometer", "micrometer"]}
    geff.write(graph, tmp_path / "a.geff", **axes, **units)
    found = read_geff(tmp_path / "a.geff", pixel_size=2)
    assert found.places.tolist() == [[2, 1], [3, 4]]
    assert found.links.tolist() == [[0, 1]]
    with pytest.raises(InputError, match=r"places in micrometer in .*pixels of unknown size"):
        read_geff(tmp_path / "a.geff")


def test_trackmate(tracked, tmp_path):
    (path,) = export_tracks(tracked, tmp_path / "out", "trackmate")
    root = ElementTree.parse(path).getroot()
    assert [child.tag for child in root] == ["Model", "Settings", "GUIState"]
    model = root.find("Model")
    assert (model.get("spatialunits"), model.get("timeunits")) == ("micron", "hour")
    parts = ["FeatureDeclarations", "AllSpots", "AllTracks", "FilteredTracks"]
    assert [child.tag for child in model] == parts
    spots = {spot.get("ID"): spot for spot in model.iter("Spot")}
    assert model.find("AllSpots").get("nspots") == "8" and len(spots) == 8
    # 15.25 and 21 px of 0.5 um; frame 2 of 0.25 h; half of 4.5 px.
    wanted = {"POSITION_Y": 7.625, "POSITION_X": 10.5, "POSITION_T": 0.5, "RADIUS": 1.125}
    assert {key: float(spots["4"].get(key)) for key in wanted} == wanted
    # The single object has no track; the family has all others.
    (family,) = model.iter("Track")
    assert [one.get("TRACK_ID") for one in model.iter("TrackID")] == [family.get("TRACK_ID")]
    assert family.get("NUMBER_SPOTS") == "7"
    ids = {one.get("feature") for one in root.iter("Feature")}
    assert set(spots["4"].attrib) - ids == {"ID", "name"}
    check_graph(read_trackmate(path))


@pytest.mark.filterwarnings("ignore")
def test_trackmate_is_read_by_another_library(tracked, tmp_path):
    (path,) = export_tracks(tracked, tmp_path / "out", "trackmate")
    from_trackmate_xml_to_geff(path, tmp_path / "a.geff", discard_filtered_spots=False)
    graph, metadata = geff.read(tmp_path / "a.geff")
    assert [list(edge) for edge in sorted(graph.edges)] == sorted(LINKS)
    assert graph.nodes[4]["POSITION_Y"] == 7.625
    assert graph.nodes[1]["FRAME"] == 0
    assert metadata.node_props_metadata["POSITION_X"].unit == "micron"


def test_without_units_positions_are_pixels_and_frames(tmp_path):
    write_tracked(tmp_path / "tracked", tables(None, None), {})
    (path,) = export_tracks(tmp_path / "tracked", tmp_path / "xml", "trackmate")
    model = ElementTree.parse(path).getroot().find("Model")
    assert (model.get("spatialunits"), model.get("timeunits")) == ("pixel", "frame")
    check_graph(read_trackmate(path))
    (path,) = export_tracks(tmp_path / "tracked", tmp_path / "geff", "geff")
    assert [axis.scaled_unit for axis in geff.GeffMetadata.read(path).axes] == [None] * 3
    (path,) = export_tracks(tmp_path / "tracked", tmp_path / "newick", "newick")
    assert path.read_text() == "(2:3.0,3:3.0)1:1.0;\n4:0.0;\n"


def test_napari(tracked, tmp_path):
    table, graph = export_tracks(tracked, tmp_path / "out", "napari")
    lines = table.read_text().splitlines()
    assert lines[0].startswith("track_id,t,y,x")
    assert [line.rsplit(",", 2)[0] for line in lines[1:4]] == [
        "1,0,10.0,20.5", "1,1,12.0,21.0", "2,2,9.0,21.0"
    ]  # fmt: skip
    content = json.loads(graph.read_text())
    assert content == {"graph": {"2": [1], "3": [1]}, "scale": [0.25, 0.5, 0.5]}
    found = read_napari(table)
    check_graph(found, confidence=False)
    # The table has the order of tracks, but frames are ascending within each.
    assert [tuple(one)[:3] for one in found.tracks] == [(1, 0, 1), (2, 2, 4), (3, 2, 4), (4, 0, 0)]


def test_newick(tracked, tmp_path):
    (path,) = export_tracks(tracked, tmp_path / "out", "newick")
    # A frame is a quarter of an hour; daughters begin when the mother was seen last.
    assert path.read_text() == "(2:0.75,3:0.75)1:0.25;\n4:0.0;\n"
    branches = (Branch(1, 0.25, 0), Branch(2, 0.75, 1), Branch(3, 0.75, 1), Branch(4, 0.0, 0))
    assert read_newick(path) == branches


def test_trees_of_three_generations():
    tracks = [
        Track(1, 2, 5, 0), Track(2, 6, 9, 1), Track(3, 6, 20, 1), Track(4, 10, 20, 2),
        Track(5, 11, 12, 2),
    ]  # fmt: skip
    assert newick_trees(tracks) == ["((4:11.0,5:3.0)2:4.0,3:15.0)1:3.0;"]


def test_ctc(tracked, tmp_path):
    (path,) = export_tracks(tracked, tmp_path / "out", "ctc")
    assert path.name == "007_RES"
    # Track 2 is absent in frame 3: the format wants another track there.
    table = (path / "res_track.txt").read_text()
    assert table == "1 0 1 0\n2 2 2 1\n3 2 4 1\n4 0 0 0\n5 4 4 2\n"
    assert read_ctc(path).objects.read_labels(plane=Plane(2)).max() == 3


@pytest.mark.parametrize("format", ["geff", "trackmate", "napari", "ctc", "table"])
def test_links_of_another_tool_are_taken(tracked, tmp_path, format):
    write_image(tmp_path / "labels" / "007.tif", labels(), axes="TYX", pixel_size=0.5)
    if format == "table":
        rows = [
            dict(t=OBJECTS[a][0], id=OBJECTS[a][1], t_next=OBJECTS[b][0], id_next=OBJECTS[b][1])
            for a, b in LINKS
        ]
        source = tmp_path / "mine.csv"
        pd.DataFrame(rows).to_csv(source, index=False)
    else:
        source = export_tracks(tracked, tmp_path / "out", format)[0]
    found = sparcell.track(tmp_path / "labels", tmp_path / "again", links=source)
    rows = found.tracks[["track", "parent", "first", "last"]].to_numpy().tolist()
    # Numbers are in the order in which tracks begin.
    assert rows == [[1, 0, 0, 1], [2, 0, 0, 0], [3, 1, 2, 4], [4, 1, 2, 4]]
    assert found.tracks["fate"].tolist() == ["divided", "lost", "end", "end"]
    kinds = found.links["kind"].value_counts().to_dict()
    assert kinds == {"link": 3, "division": 2, "gap": 1}
    known = found.links["confidence"].dropna().tolist()
    assert known == (sorted(CONFIDENCE) if format in ("geff", "trackmate") else [])


def test_links_of_points(tmp_path):
    points = pd.DataFrame(
        [dict(movie=m, t=t, y=y, x=x) for m in "ab" for t, _, _, y, x, _ in OBJECTS]
    )
    points.to_csv(tmp_path / "points.csv", index=False)
    whole = sparcell.track(tmp_path / "points.csv", tmp_path / "whole")
    export_tracks(tmp_path / "whole", tmp_path / "links", "geff")
    again = sparcell.track(tmp_path / "points.csv", links=tmp_path / "links")
    pd.testing.assert_frame_equal(whole.tracks, again.tracks)
    named = sparcell.track(tmp_path / "points.csv", links=tmp_path / "whole" / "links.csv")
    pd.testing.assert_frame_equal(whole.tracks, named.tracks)
    with pytest.raises(InputError, match=r"no label images of a.*geff, trackmate"):
        export_tracks(tmp_path / "whole", tmp_path / "ctc", "ctc")


def test_own_ids_of_points_are_kept(tmp_path, caplog):
    rows = [dict(t=t, id=7 - k, y=10 * k, x=t) for t in range(2) for k in range(3)]
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    assert sparcell.track(tmp_path / "a.csv").objects["id"].tolist() == [7, 6, 5] * 2
    pd.DataFrame(rows).assign(id=1).to_csv(tmp_path / "a.csv", index=False)
    assert sparcell.track(tmp_path / "a.csv").objects["id"].tolist() == [1, 2, 3] * 2
    assert "replaced by the order of rows" in caplog.text


def test_impossible_links_are_left_out(tmp_path, caplog):
    write_image(tmp_path / "labels" / "007.tif", labels(), axes="TYX")
    rows = [(0, 1, 1, 1), (0, 2, 1, 1), (3, 1, 2, 6)]
    columns = ["t", "id", "t_next", "id_next"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "a.csv", index=False)
    found = sparcell.track(tmp_path / "labels", links=tmp_path / "a.csv")
    assert len(found.links) == 1
    assert "2 links left out" in caplog.text


def test_bad_links_are_one_line(tracked, tmp_path):
    write_image(tmp_path / "labels" / "007.tif", labels(), axes="TYX")

    def track(path):
        return sparcell.track(tmp_path / "labels", links=path)

    with pytest.raises(InputError, match="no links of 007 in"):
        track(tmp_path / "labels")
    (tmp_path / "a.xml").write_text("<a/>")
    with pytest.raises(InputError, match="TrackMate did not write"):
        track(tmp_path / "a.xml")
    (tmp_path / "a.geff").mkdir()
    with pytest.raises(InputError, match="no GEFF"):
        track(tmp_path / "a.geff")
    (tmp_path / "a.csv").write_text("t,id,t_next,id_next\n0,1,1,8\n")
    with pytest.raises(InputError, match=r"from object 1 of frame 0 to 8 of frame 1 .*no such"):
        track(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("a,b\n0,1\n")
    with pytest.raises(InputError, match="with the columns a, b"):
        track(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("track_id,t,y,x\n1,0,500,500\n1,1,500,500\n")
    with pytest.raises(InputError, match="positions fit no object"):
        track(tmp_path / "a.csv")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="unknown format"):
        track(tmp_path / "a.txt")
    (tmp_path / "a.nwk").write_text("((1:2,)")
    with pytest.raises(InputError, match="no tree of tracks"):
        read_newick(tmp_path / "a.nwk")
    with pytest.raises(InputError, match="which `sparcell track` did not write"):
        export_tracks(tmp_path / "labels", tmp_path / "out", "geff")
    with pytest.raises(InputError, match="format 'xls'"):
        export_tracks(tracked, tmp_path / "out", "xls")
    with pytest.raises(InputError, match="holds other files"):
        export_tracks(tracked, tmp_path / "labels", "geff")
