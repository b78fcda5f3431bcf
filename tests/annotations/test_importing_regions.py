"""Regions are not objects, and corners are not points."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas
import pytest
from roifile import ROI_TYPE, ImagejRoi

from sparcell.annotations.importing import import_annotations
from sparcell.core.errors import InputError
from sparcell.core.image import Image
from sparcell.io import open_image, write_image
from sparcell.io.points import read_points

SHAPE = (40, 60)
CELLS = [(4, 4), (4, 20), (20, 4), (20, 20)]
"""Top and left of squares of 8 px."""
EDGE = 8


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_image(tmp_path / "images" / "A1.tif", np.zeros(SHAPE, np.uint8), "YX")
    return tmp_path / "images"


def sizes(root: Path) -> list[int]:
    """Pixels of each imported object."""
    return np.bincount(open_image(root / "labels" / "A1.tif").read_labels().ravel())[1:].tolist()


def box(top: float, left: float, height: float, width: float) -> list[list[float]]:
    """Corners x, y of a box."""
    right, bottom = left + width, top + height
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def qupath(path: Path, kinds: list[tuple[list[list[float]], str, str]]) -> Path:
    """GeoJSON of QuPath: corners, object type and class of each object."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [corners]},
            "properties": {"objectType": kind, **({"classification": {"name": n}} if n else {})},
        }
        for corners, kind, n in kinds
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


REGION = box(2, 2, 30, 30)


@pytest.mark.parametrize("count", [1, 4])
def test_a_qupath_annotation_that_holds_detections_is_a_region(
    tmp_path: Path, images: Path, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    cells = [(box(*cell, EDGE, EDGE), "detection", "") for cell in CELLS[:count]]
    file = qupath(tmp_path / "A1.geojson", [(REGION, "annotation", "Tumor"), *cells])
    import_annotations([file], tmp_path / "out", images)
    assert sizes(tmp_path / "out") == [EDGE * EDGE] * count
    assert "left out: 1 regions, which contain other shapes" in caplog.text
    import_annotations([file], tmp_path / "region", images, classes=["Tumor"])
    assert sizes(tmp_path / "region") == [900]


def test_what_holds_three_others_is_a_region_of_whatever_kind(
    tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cells = [(box(*cell, EDGE, EDGE), "annotation", "") for cell in CELLS]
    file = qupath(tmp_path / "A1.geojson", [(REGION, "annotation", ""), *cells[:3]])
    import_annotations([file], tmp_path / "out", images)
    assert sizes(tmp_path / "out") == [64, 64, 64]
    # A cell may have two nuclei, so this is left to the user.
    file = qupath(tmp_path / "A1.geojson", [(REGION, "annotation", ""), *cells[:2]])
    import_annotations([file], tmp_path / "two", images)
    assert sorted(sizes(tmp_path / "two")) == [64, 64, 900 - 128]
    assert "outline of 900 px" in caplog.text


def test_classes_and_tiles_of_qupath(tmp_path: Path, images: Path) -> None:
    file = qupath(
        tmp_path / "A1.geojson",
        [
            (box(4, 4, 8, 8), "annotation", "Tumor"),
            (box(20, 4, 8, 8), "annotation", "Region*"),
            (box(4, 20, 8, 8), "tile", ""),
            (box(2, 2, 4, 20), "annotation", "Ignore*"),
        ],
    )
    import_annotations([file], tmp_path / "out", images)
    assert sizes(tmp_path / "out") == [64]
    ignored = open_image(tmp_path / "out" / "ignore" / "A1.tif").read_labels()
    # The known cell reaches two rows of eight pixels into what shall be ignored.
    assert ignored.sum() == 4 * 20 - 2 * 8 and ignored[2:6, 2:22].sum() == ignored.sum()


def test_a_crowd_of_coco_is_in_doubt(
    tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    crowd = np.zeros(SHAPE, bool)
    crowd[10:30, 30:50] = True
    runs = np.diff(np.flatnonzero(np.diff(crowd.T.ravel(), prepend=1 - crowd[0, 0])), append=2400)
    annotations = [
        {"image_id": 1, "iscrowd": 0, "segmentation": [np.ravel(box(4, 4, 8, 8)).tolist()]},
        {"image_id": 1, "iscrowd": 0, "segmentation": [np.ravel(box(12, 32, 5, 5)).tolist()]},
        {
            "image_id": 1,
            "iscrowd": 1,
            "segmentation": {"size": SHAPE, "counts": [*([0] * bool(crowd[0, 0])), *runs.tolist()]},
        },
    ]
    content = {
        "images": [{"id": 1, "file_name": "A1.png", "height": 40, "width": 60}],
        "annotations": annotations,
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    import_annotations([tmp_path / "coco.json"], tmp_path / "out", images)
    assert sorted(sizes(tmp_path / "out")) == [25, 64]
    ignored = open_image(tmp_path / "out" / "ignore" / "A1.tif").read_labels()
    expected = crowd.copy()
    expected[12:17, 32:37] = False
    np.testing.assert_array_equal(ignored > 0, expected)
    assert "1 regions of unseparated objects" in caplog.text
    with pytest.raises(InputError, match=r"ignore.*A1\.tif already"):
        import_annotations([tmp_path / "coco.json"], tmp_path / "out")


def roi(corners: list[list[float]]) -> bytes:
    made = ImagejRoi.frompoints(np.array(corners))
    made.roitype = ROI_TYPE.POLYGON
    return bytes(made.tobytes())


def test_a_region_among_rois_and_what_a_mac_adds(tmp_path: Path, images: Path) -> None:
    with zipfile.ZipFile(tmp_path / "RoiSet_A1.zip", "w") as archive:
        archive.writestr("RoiSet/region.roi", roi(REGION))
        for number, cell in enumerate(CELLS):
            archive.writestr(f"RoiSet/{number}.roi", roi(box(*cell, EDGE, EDGE)))
            archive.writestr(f"__MACOSX/RoiSet/._{number}.roi", b"\0\5\x16\7" + bytes(80))
        archive.writestr("RoiSet/._x.roi", bytes(80))
    import_annotations([tmp_path / "RoiSet_A1.zip"], tmp_path / "out", images)
    assert sizes(tmp_path / "out") == [64] * 4


def test_shapes_of_napari(tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture) -> None:
    # napari counts from the centre of the first pixel.
    shapes = [
        ("polygon", [(3.5, 3.5), (3.5, 9.5), (8.5, 9.5), (8.5, 3.5)]),
        ("ellipse", [(10, 20), (10, 50), (30, 50), (30, 20)]),
        ("path", [(1, 1), (2, 2), (3, 1)]),
        ("rectangle", [(29.5, 3.5), (29.5, 7.5), (33.5, 7.5), (33.5, 3.5)]),
    ]
    rows = ["index,shape-type,vertex-index,axis-0,axis-1"]
    for number, (kind, corners) in enumerate(shapes):
        rows += [f"{number},{kind},{i},{y},{x}" for i, (y, x) in enumerate(corners)]
    (tmp_path / "A1.csv").write_text("\n".join(rows))
    import_annotations([tmp_path / "A1.csv"], tmp_path / "out", images)
    labels = open_image(tmp_path / "out" / "labels" / "A1.tif").read_labels()
    by_place = {name: int((labels == labels[at]).sum()) for name, at in
                {"polygon": (5, 5), "ellipse": (20, 35), "rectangle": (31, 5)}.items()}  # fmt: skip
    assert by_place["polygon"] == 5 * 6 and by_place["rectangle"] == 16
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot((y - 20) / 10, (x - 35) / 15)
    assert (distance < 0.995).sum() <= by_place["ellipse"] <= (distance <= 1).sum()
    assert "left out: 1 shapes of type path" in caplog.text
    assert not (tmp_path / "out" / "points").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y,width,height\n1,2,3,4\n", "rows are boxes with a height and a width"),
        ("Index,Name,Type,X,Y,Width,Height\n1,a,Oval,4,3,5,6\n", "rows are boxes"),
        ("x,y,w,h\n1,2,3,4\n", "rows are boxes with a h and a w"),
        ("object,vertex,y,x\n1,0,3,4\n1,1,3,5\n", "rows are corners of outlines"),
        ("xmin,ymin,xmax,ymax\n5,1,3,4\n", "a box in line 2 .* ends before it begins"),
        ("xmin,ymin,xmax,ymax\n5,1,a,4\n", "xmax 'a' in line 2"),
    ],
)
def test_boxes_and_corners_never_pass_for_points(
    tmp_path: Path, images: Path, text: str, message: str
) -> None:
    (tmp_path / "A1.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        import_annotations([tmp_path / "A1.csv"], tmp_path / "out", images)
    if not text.startswith("xmin"):
        with pytest.raises(InputError, match=message):
            read_points(tmp_path / "A1.csv", Image(np.zeros(SHAPE, np.uint8), "YX"))


def test_tables_of_cellprofiler_name_images_by_channel(tmp_path: Path, images: Path) -> None:
    write_image(images / "B1.tif", np.zeros(SHAPE, np.uint8), "YX")
    (tmp_path / "Nuclei.csv").write_text(
        "ImageNumber,ObjectNumber,FileName_Actin,FileName_DNA,Location_Center_X,"
        "Location_Center_Y\n1,1,A1_w2.tif,A1.tif,4,3\n2,1,B1_w2.tif,B1.tif,6,5\n"
    )
    import_annotations([tmp_path / "Nuclei.csv"], tmp_path / "out", images)
    found = {n: pandas.read_csv(tmp_path / "out" / "points" / f"{n}.csv") for n in ("A1", "B1")}
    assert {n: frame[["y", "x"]].values.tolist() for n, frame in found.items()} == {
        "A1": [[3, 4]], "B1": [[5, 6]]
    }  # fmt: skip
    (tmp_path / "Nuclei.csv").write_text(
        "ImageNumber,ObjectNumber,Location_Center_X,Location_Center_Y\n1,1,4,3\n2,1,6,5\n"
    )
    with pytest.raises(InputError, match="several images, which it identifies by number alone"):
        import_annotations([tmp_path / "Nuclei.csv"], tmp_path / "other", images)
