"""Labels to QuPath, ImageJ, COCO and points, and back."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas
import pytest
import tifffile
from bases.scenes import ellipses
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_masks
from roifile import roiread
from shapely.geometry import Polygon, shape

from sparcell.annotations.exporting import export_labels, objects
from sparcell.annotations.exporting.polygons import find_polygons
from sparcell.annotations.importing import import_annotations
from sparcell.core.errors import InputError
from sparcell.core.labels import connected_labels
from sparcell.io import open_image, write_image
from sparcell.io.points import write_points

pictures = arrays(
    np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)
)


@settings(deadline=None, max_examples=80)
@given(pictures)
def test_polygons_are_valid_and_as_large_as_the_objects(labels: np.ndarray) -> None:
    found = find_polygons(labels)
    assert list(found) == np.unique(labels[labels > 0]).tolist()
    for number, polygons in found.items():
        area = 0.0
        for rings in polygons:
            polygon = Polygon(rings[0], rings[1:])
            assert polygon.is_valid and polygon.exterior.is_ccw
            area += polygon.area
        assert area == (labels == number).sum()


def test_a_polygon_has_no_corner_that_is_none() -> None:
    (((ring,),),) = find_polygons(np.pad(np.ones((3, 5), np.int32), 2)).values()
    assert sorted(ring.tolist()) == [[2, 2], [2, 5], [7, 2], [7, 5]]
    frame = np.ones((6, 7), np.int32)
    frame[2:4, 2:5] = 0
    ((outer, hole),) = find_polygons(frame)[1]
    assert sorted(hole.tolist()) == [[2, 2], [2, 4], [5, 2], [5, 4]]
    assert len(outer) == 4


def make(root: Path, labels: np.ndarray, name: str = "a") -> Path:
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True, exist_ok=True)
        write_image(root / kind / f"{name}.tif", labels.astype(np.int32), "TZYX"[-labels.ndim :])
    return root


def read_back(files: list[Path], images: Path, out: Path, name: str = "a") -> np.ndarray:
    import_annotations(files, out, images)
    image = open_image(out / "labels" / f"{name}.tif")
    return np.stack([image.read_labels(plane=plane) for plane in image.planes()])


@pytest.mark.parametrize("format", ["geojson", "roi", "coco"])
@settings(deadline=None, max_examples=12)
@given(picture=pictures)
def test_labels_survive_the_way_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, format: str, picture: np.ndarray
) -> None:
    # Rings, pieces that touch at a corner, holes, objects within others.
    labels = connected_labels(picture)
    labels[0, 0] = 0
    labels = connected_labels(labels)
    if not labels.any():
        return
    root = tmp_path_factory.mktemp("way")
    make(root / "data", labels)
    files = export_labels(root / "data", root / "out", format)
    np.testing.assert_array_equal(
        read_back(files, root / "data" / "images", root / "back")[0], labels
    )


def test_other_programs_see_the_same_objects(tmp_path: Path) -> None:
    labels = ellipses(3)
    labels[labels == 2] = 0
    hollow = int(labels[labels > 0][0])
    y, x = (int(c) for c in np.argwhere(labels == hollow).mean(0))
    labels[y, x] = 0
    make(tmp_path, labels)
    (path,) = export_labels(tmp_path / "labels", tmp_path / "coco", "coco")
    content = json.loads(path.read_text())
    height, width = labels.shape
    for entry in content["annotations"]:
        held = entry["segmentation"]
        coded = coco_masks.frPyObjects(held, height, width)
        mask = coco_masks.decode(coco_masks.merge(coded) if isinstance(held, list) else coded)
        number = np.bincount(labels[mask > 0]).argmax()
        if isinstance(held, dict):
            assert number == hollow
            np.testing.assert_array_equal(mask > 0, labels == number)
        assert entry["area"] == (labels == number).sum()
        rows, columns = np.nonzero(labels == number)
        assert entry["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    (path,) = export_labels(tmp_path / "labels", tmp_path / "geo", "geojson")
    shapes = [shape(f["geometry"]) for f in json.loads(path.read_text())["features"]]
    sizes = np.bincount(labels.ravel())[1:]
    assert sorted(one.area for one in shapes) == sorted(sizes[sizes > 0])
    assert sum(len(one.interiors) for one in shapes) == 1
    (path,) = export_labels(tmp_path / "labels", tmp_path / "roi", "roi")
    rois = [(r.left, r.top, r.right, r.bottom) for r in roiread(path)]
    assert sorted(rois) == sorted(one.bounds for one in shapes)


def test_classes_and_scores_go_along(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels = np.zeros((12, 20), np.int32)
    labels[2:5, 2:6], labels[7:10, 11:15] = 1, 2
    make(tmp_path / "run", labels)
    (tmp_path / "run" / "labels" / "a.csv").write_text("id,class\n1,Tumor\n2,\n")
    (tmp_path / "run" / "objects").mkdir()
    (tmp_path / "run" / "objects" / "a.csv").write_text(
        "image,id,t,z,score\na,1,0,0,0.25\na,2,0,0,\n"
    )
    (path,) = export_labels(tmp_path / "run", tmp_path / "geo", "geojson")
    first, second = (f["properties"] for f in json.loads(path.read_text())["features"])
    assert first["classification"] == {"name": "Tumor"} and first["measurements"] == {"score": 0.25}
    assert second == {"objectType": "annotation", "name": "2"}
    (path,) = export_labels(tmp_path / "run", tmp_path / "points", "points")
    assert path.read_text() == "y,x,id,class,score\n3.0,3.5,1,Tumor,0.25\n8.0,12.5,2,,\n"
    (path,) = export_labels(tmp_path / "run", tmp_path / "roi", "roi")
    assert "groups: 1 Tumor" in caplog.text
    assert [(r.name, r.group) for r in roiread(path)] == [("00001 Tumor 0.25", 1), ("00002", 0)]
    assert zipfile.ZipFile(path).namelist() == ["00001 Tumor 0.25.roi", "00002.roi"]
    (path,) = export_labels(tmp_path / "run", tmp_path / "coco", "coco")
    content = json.loads(path.read_text())
    assert [c["name"] for c in content["categories"]] == ["Tumor", "cell"]
    assert [a.get("score") for a in content["annotations"]] == [0.25, None]
    back = import_annotations([tmp_path / "points"], tmp_path / "back", tmp_path / "run" / "images")
    assert pandas.read_csv(back.root / "points" / "a.csv")["class"].fillna("").tolist() == [
        "Tumor",
        "",
    ]


@pytest.mark.parametrize("format", ["geojson", "roi", "points"])
@pytest.mark.parametrize("lengths", [(3, 1), (1, 3), (2, 3)])
def test_movies_and_stacks(tmp_path: Path, format: str, lengths: tuple[int, int]) -> None:
    planes = lengths[0] * lengths[1]
    labels = np.zeros((planes, 10, 12), np.int32)
    for number in range(1, planes):  # nothing in the first
        labels[number, number : number + 2, 3:7] = 1
    stack = labels.reshape(*lengths, 10, 12)
    axes = "".join(a for a, n in zip("TZ", lengths, strict=True) if n > 1) + "YX"
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
        write_image(tmp_path / kind / "a.tif", stack.squeeze(), axes)
    files = export_labels(tmp_path, tmp_path / "out", format)
    if format == "points":
        dataset = import_annotations(files, tmp_path / "back", tmp_path / "images")
        frame = pandas.read_csv(dataset.root / "points" / "a.csv")
        assert frame["y"].tolist() == [number + 0.5 for number in range(1, planes)]
        return
    np.testing.assert_array_equal(read_back(files, tmp_path / "images", tmp_path / "back"), labels)
    with pytest.raises(InputError, match="all that coco supports"):
        export_labels(tmp_path, tmp_path / "coco", "coco")
    assert not (tmp_path / "coco").exists()


def test_proposals_are_corrected_elsewhere_and_come_back(tmp_path: Path) -> None:
    """The way of a reviewer: points, proposals, another program, labels."""
    from sparcell.labeling import label

    labels = ellipses(1)
    make(tmp_path / "data", 20 + 100 * (labels > 0))
    (tmp_path / "data" / "labels" / "a.tif").unlink()
    rows = [np.argwhere(labels == number).mean(0) for number in range(1, labels.max() + 1)]
    write_points(tmp_path / "data" / "points" / "a.csv", np.array(rows))
    label(tmp_path / "data", tmp_path / "proposed", source="points")
    (path,) = export_labels(tmp_path / "proposed", tmp_path / "out", "geojson")
    content = json.loads(path.read_text())
    deleted = content["features"].pop(0)["properties"]["name"]
    path.write_text(json.dumps(content))
    proposed = open_image(tmp_path / "proposed" / "labels" / "a.tif").read_labels()
    expected = connected_labels(np.where(proposed == int(deleted), 0, proposed))
    found = read_back([path], tmp_path / "data" / "images", tmp_path / "back")
    np.testing.assert_array_equal(found[0], expected)


def test_a_wrong_request_is_a_line_and_leaves_nothing(tmp_path: Path) -> None:
    make(tmp_path / "data", np.ones((4, 5), np.int32))
    with pytest.raises(InputError, match="expected one of geojson, roi, coco, points"):
        export_labels(tmp_path / "data", tmp_path / "out", "svg")
    with pytest.raises(InputError, match="holds other files"):
        export_labels(tmp_path / "data", tmp_path / "data", "geojson")
    write_image(tmp_path / "data" / "labels" / "b.tif", np.full((4, 5), 0.5, np.float32), "YX")
    with pytest.raises(InputError, match="expected a label image"):
        export_labels(tmp_path / "data" / "labels", tmp_path / "out", "roi")
    assert not [*tmp_path.glob("*out*"), *tmp_path.glob(".*")]
    (tmp_path / "empty" / "labels").mkdir(parents=True)
    with pytest.raises(InputError, match="is empty"):
        export_labels(tmp_path / "empty", tmp_path / "out", "roi")


def test_an_empty_image_gives_an_empty_file(tmp_path: Path) -> None:
    make(tmp_path, np.zeros((4, 5), np.int32))
    (path,) = export_labels(tmp_path, tmp_path / "geo", "geojson")
    assert json.loads(path.read_text())["features"] == []
    (path,) = export_labels(tmp_path, tmp_path / "points", "points")
    assert path.read_text() == "y,x,id\n"
    (path,) = export_labels(tmp_path, tmp_path / "roi", "roi")
    assert zipfile.ZipFile(path).namelist() == []


def test_simplified_outlines_are_small_valid_and_near(tmp_path: Path) -> None:
    labels = ellipses(3, (256, 256), 30)
    labels[5, 200] = labels.max() + 1  # A single pixel stays a square.
    write_image(tmp_path / "labels" / "a.tif", labels, "YX")
    export_labels(tmp_path / "labels", tmp_path / "exact", "geojson")
    export_labels(tmp_path / "labels", tmp_path / "simple", "geojson", tolerance=0.5)
    exact = json.loads((tmp_path / "exact" / "a.geojson").read_text())["features"]
    with gzip.open(tmp_path / "simple" / "a.geojson.gz") as stream:
        simple = json.load(stream)["features"]
    assert len(exact) == len(simple) == labels.max()
    corners = [
        sum(len(one["geometry"]["coordinates"][0]) for one in way) for way in (exact, simple)
    ]
    assert corners[1] < corners[0] / 2
    for one, other in zip(exact, simple, strict=True):
        a, b = (shape(each["geometry"]) for each in (one, other))
        # Half a pixel for the steps, and as much for the corners that are left out.
        assert b.is_valid and a.exterior.hausdorff_distance(b.exterior) <= 1
    write_image(tmp_path / "images" / "a.tif", np.zeros((256, 256), np.uint8), "YX")
    import_annotations([tmp_path / "simple"], tmp_path / "back", tmp_path / "images")
    back = open_image(tmp_path / "back" / "labels" / "a.tif").read_labels()
    assert back.max() == labels.max() and ((back > 0) != (labels > 0)).sum() < 0.1 * back.size


def test_the_tolerance_is_of_outlines_for_qupath(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", np.ones((4, 4), np.int32), "YX")
    with pytest.raises(InputError, match=r"`tolerance=0\.5` for the format roi"):
        export_labels(tmp_path / "a.tif", tmp_path / "out", "roi", tolerance=0.5)


@pytest.mark.parametrize(("count", "mode"), [(30, np.uint8), (400, np.uint16)])
def test_label_images_with_a_table_of_colours(tmp_path: Path, count: int, mode: type) -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[:40:2, :40:2].flat[:count] = np.arange(1, count + 1)
    write_image(tmp_path / "labels" / "a.tif", labels, "YX", 0.5)
    export_labels(tmp_path / "labels", tmp_path / "out", "colours")
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as file:
        page = file.pages[0]
        assert page.dtype == mode and page.photometric.name == "PALETTE"
        colours = page.colormap.T
        # The ids stay; nothing is black but the background, and neighbouring ids differ.
        np.testing.assert_array_equal(page.asarray(), labels)
    assert not colours[0].any() and colours[1 : count + 1].max(axis=1).min() == 65535
    assert np.abs(np.diff(colours[1 : count + 1].astype(int), axis=0)).max(axis=1).min() > 8000
    image = open_image(tmp_path / "out" / "a.tif")
    np.testing.assert_array_equal(image.read_labels(), labels)
    assert image.pixel_size == pytest.approx(0.5)


def test_objects_of_strips_are_those_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.zeros((50, 30), np.int32)
    labels[2:5, 3:9] = 7
    labels[8:35, 12:16] = 3  # Begins in the first strip and ends in the fourth.
    labels[9:11, 20:25] = 9  # Crosses from the first into the second.
    labels[40:49, 1:4] = 5
    write_image(tmp_path / "a.tif", labels, "YX", labels=True)
    image = open_image(tmp_path / "a.tif")
    whole = {one.id: one for one in objects.read_objects(image, {})}
    monkeypatch.setattr(objects, "STRIP", 10)
    parts = list(objects.read_objects(image, {}))
    assert [one.id for one in parts] == [3, 7, 9, 5]
    for one in parts:
        assert one.position == whole[one.id].position and one.area == whole[one.id].area
        ((ring,),), ((expected,),) = one.polygons, whole[one.id].polygons
        assert np.array_equal(ring, expected)
