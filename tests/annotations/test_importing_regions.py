"""Regions are not objects, and corners are not points."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas
import pytest
from bases.annotated import box, qupath, sizes
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
    assert "1 region of unseparated objects" in caplog.text
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


def names_of(root: Path) -> list[str]:
    """Classes of the imported objects, which are in order of position."""
    return pandas.read_csv(root / "labels" / "A1.csv")["class"].tolist()


def test_an_outline_of_the_whole_image_is_no_object(
    tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, cell = box(0, 0, *SHAPE), box(*CELLS[0], EDGE, EDGE)
    file = qupath(tmp_path / "A1.geojson", [(whole, "annotation", ""), (cell, "annotation", "")])
    import_annotations([file], tmp_path / "out", images)
    assert sizes(tmp_path / "out") == [EDGE * EDGE]
    assert "left out: 1 outlines of the whole image" in caplog.text
    # Alone it may be an object.
    alone = qupath(tmp_path / "A1.geojson", [(whole, "annotation", "")])
    import_annotations([alone], tmp_path / "alone", images)
    assert sizes(tmp_path / "alone") == [SHAPE[0] * SHAPE[1]]
    assert "covers the whole image; delete it if it is a region" in caplog.text


def test_starred_classes_of_qupath_are_no_objects(tmp_path: Path, images: Path) -> None:
    drawn = [
        (box(*cell, EDGE, EDGE), "annotation", name)
        for cell, name in zip(CELLS, ("Nucleus", "Necrosis*", "Ignore*", "Region*"), strict=True)
    ]
    file = qupath(tmp_path / "A1.geojson", drawn)
    import_annotations([file], tmp_path / "out", images)
    assert names_of(tmp_path / "out") == ["Nucleus"]
    assert open_image(tmp_path / "out" / "ignore" / "A1.tif").read().sum() == 2 * EDGE * EDGE


def test_nuclei_of_qupaths_cells_are_counted(
    tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = qupath(tmp_path / "A1.geojson", [(box(4, 4, EDGE, EDGE), "cell", "")])
    content = json.loads(file.read_text())
    nucleus = {"type": "Polygon", "coordinates": [box(6, 6, 2, 2)]}
    content["features"][0]["nucleusGeometry"] = nucleus
    file.write_text(json.dumps(content))
    import_annotations([file], tmp_path / "out", images)
    assert sizes(tmp_path / "out") == [EDGE * EDGE]
    assert "left out: 1 nuclei of QuPath's cells" in caplog.text


def coco(path: Path, *annotations: dict[str, object], image: object = 1) -> Path:
    entries = [{"image_id": image, "category_id": 1} | entry for entry in annotations]
    described = {"id": 1, "file_name": "A1.tif", "height": SHAPE[0], "width": SHAPE[1]}
    content = {"images": [described], "annotations": entries, "categories": []}
    path.write_text(json.dumps(content))
    return path


def test_keypoints_and_odd_forms_of_coco(tmp_path: Path, images: Path) -> None:
    corners = [float(n) for corner in box(4, 20, EDGE, EDGE) for n in corner]
    # A polygon without the list around it, and the number of the image as text.
    flat = coco(tmp_path / "a.json", {"segmentation": corners}, image="1")
    import_annotations([flat], tmp_path / "flat", images)
    assert sizes(tmp_path / "flat") == [EDGE * EDGE]
    one = coco(tmp_path / "b.json", {"keypoints": [10, 20, 2, 0, 0, 0]})
    import_annotations([one], tmp_path / "one", images)
    assert (tmp_path / "one" / "points" / "A1.csv").read_text().split() == ["y,x", "20.0,10.0"]
    two = coco(tmp_path / "c.json", {"keypoints": [10, 20, 2, 3, 4, 1]})
    with pytest.raises(InputError, match="an annotation of 2 keypoints"):
        import_annotations([two], tmp_path / "two", images)


def test_labels_of_labelme_with_a_meaning(
    tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shapes = [
        {"label": label, "points": box(*cell, EDGE, EDGE), "shape_type": "polygon"}
        for cell, label in zip(CELLS, ("cell", "_background_", "__ignore__"), strict=False)
    ]
    file = tmp_path / "A1.json"
    file.write_text(json.dumps({"imagePath": "A1.tif", "shapes": shapes}))
    import_annotations([file], tmp_path / "out", images)
    assert names_of(tmp_path / "out") == ["cell"]
    assert "left out: 1 shapes of the background" in caplog.text
    assert open_image(tmp_path / "out" / "ignore" / "A1.tif").read().sum() == EDGE * EDGE


@pytest.mark.parametrize("closed", [True, False])
def test_a_closed_polyline_of_via_is_a_polygon(tmp_path: Path, images: Path, closed: bool) -> None:
    corners = box(4, 4, EDGE, EDGE)
    x, y = zip(*corners, *corners[:closed], strict=True)
    line = {"name": "polyline", "all_points_x": x, "all_points_y": y}
    region = {"shape_attributes": line, "region_attributes": {}}
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"a": {"filename": "A1.tif", "regions": [region]}}))
    if closed:
        import_annotations([file], tmp_path / "out", images)
        assert sizes(tmp_path / "out") == [EDGE * EDGE]
    else:
        with pytest.raises(InputError, match="left out: 1 shapes of type polyline"):
            import_annotations([file], tmp_path / "none", images)


@pytest.mark.parametrize(
    "data",
    [
        {"image": "/data/local-files/?d=images%2FA1.tif"},
        {"well": "B3", "image": "s3://bucket/A1.tif?signature=1"},
    ],
)
def test_addresses_of_images_in_label_studio(
    tmp_path: Path, images: Path, data: dict[str, str]
) -> None:
    value = {"x": 50, "y": 50, "width": 1, "keypointlabels": ["cell"]}
    size = {"original_width": SHAPE[1], "original_height": SHAPE[0]}
    result = {"type": "keypointlabels", "value": value, **size}
    file = tmp_path / "a.json"
    file.write_text(json.dumps([{"data": data, "annotations": [{"result": [result]}]}]))
    import_annotations([file], tmp_path / "out", images)
    # The middle, from the centre of the first pixel.
    assert "19.5,29.5,cell" in (tmp_path / "out" / "points" / "A1.csv").read_text()


def test_shapes_of_a_stack_are_not_merged_into_one_plane(tmp_path: Path, images: Path) -> None:
    table = tmp_path / "A1.csv"
    table.write_text("index,axis-0,axis-1,axis-2\n0,0,5,6\n1,3,7,8\n")
    with pytest.raises(InputError, match=r"shapes in 2 time points or depths .* for A1"):
        import_annotations([table], tmp_path / "out", images)
    table.write_text("t,y,x\n0,5,6\n3,7,8\n")
    with pytest.raises(InputError, match=r"points of 2 different t in .* for an image of one"):
        read_points(table, Image(np.zeros(SHAPE), "YX"))


def test_shapes_without_a_plane_in_a_stack(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_image(tmp_path / "in" / "A1.tif", np.zeros((3, *SHAPE), np.uint8), "ZYX")
    file = tmp_path / "A1.roi"
    file.write_bytes(ImagejRoi.frompoints(np.array(box(4, 4, EDGE, EDGE))).tobytes())
    import_annotations([file], tmp_path / "out", tmp_path / "in")
    assert "go into the first of 3 planes of A1" in caplog.text


def test_one_image_in_two_tables(
    tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = [tmp_path / "A1_cells.csv", tmp_path / "A1_nuclei.csv"]
    for table in tables:
        table.write_text("y,x\n5,6\n")
    import_annotations(tables, tmp_path / "out", images)
    assert "such as A1: A1_cells.csv, A1_nuclei.csv; import one of them alone" in caplog.text
