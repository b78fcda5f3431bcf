from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas
import pytest
import shapely
from bases.scenes import ellipses
from pycocotools import mask as coco_masks
from roifile import ROI_TYPE, ImagejRoi
from skimage.measure import find_contours

from sparcell.annotations.importing import import_annotations
from sparcell.annotations.run_lengths import unpack
from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.labels import check_labels, connected_labels
from sparcell.io import open_image, write_image

SHAPE = (40, 60)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("A1", "A1_2", "B1"):
        write_image(folder / f"{name}.tif", np.zeros(SHAPE, np.uint8), "YX")
    return folder


def labels_of(dataset: Dataset, name: str) -> np.ndarray:
    (sample,) = (s for s in dataset.samples if s.name == name)
    return check_labels(open_image(sample.files["labels"]).read_labels())


def points_of(dataset: Dataset, name: str) -> pandas.DataFrame:
    return pandas.read_csv(dataset.root / "points" / f"{name}.csv")


def square(top: int, left: int, edge: int) -> list[list[float]]:
    """Corners x, y of a square of whole pixels, counted from the corner of the first pixel."""
    return [[left, top], [left + edge, top], [left + edge, top + edge], [left, top + edge]]


def feature(kind: str, coordinates: object, name: str = "") -> dict[str, object]:
    properties = {"classification": {"name": name}} if name else {}
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def write_geojson(path: Path, *features: dict[str, object]) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y,x\n3,4.5\n", (3, 4.5)),
        ("X;Y\n4.5;3\n", (3, 4.5)),
        ("Row,Column\n3,4.5\n", (3, 4.5)),
        (" ,Area,X,Y\n1,0,4.5,3\n", (3, 4.5)),
        ("index,axis-0,axis-1,axis-2\n0,0,3,4.5\n", (3, 4.5)),
        ("index,axis-0,axis-1\n0,3,4.5\n", (3, 4.5)),
        ("Y\tX\n3\t4,5\n", (3, 4.5)),
        (" ,Label,X,Y\n1,,4.5,3\n2,Mean,9,9\n3,SD,9,9\n4,Min,9,9\n5,Max,9,9\n", (3, 4.5)),
        ("LABEL,POSITION_X,POSITION_Y\nLabel,X,Y\nx,(px),(px)\nID7,4.5,3\n", (3, 4.5)),
        ("centroid-x (px)\tcentroid-y (px)\n4.5\t3\n", (3, 4.5)),
        # scikit-image and Fiji have boxes beside the middles.
        ("label,bbox-0,bbox-1,bbox-2,bbox-3,centroid-0,centroid-1\n1,1,1,5,8,3,4.5\n", (3, 4.5)),
        (" ,X,Y,BX,BY,Width,Height\n1,4.5,3,2,1,5,4\n", (3, 4.5)),
        # The middle of a box from the corner of the first pixel is half a pixel less.
        ("xmin,ymin,xmax,ymax\n2,1,8,6\n", (3, 4.5)),
        ("left;top;width;height\n2;1;6;5\n", (3, 4.5)),
        ("label,bbox-0,bbox-1,bbox-2,bbox-3\n1,1,2,6,8\n", (3, 4.5)),
        # A point in the list of the ROI Manager has no size.
        ("Index,Name,X,Y,Width,Height\n1,0003-0004,4.5,3,0,0\n", (3, 4.5)),
        ("ImageNumber,ObjectNumber,Location_Center_X,Location_Center_Y\n1,1,4.5,3\n", (3, 4.5)),
        (
            "Image,Image,Nuclei,Nuclei\nImageNumber,ObjectNumber,AreaShape_Center_X,"
            "AreaShape_Center_Y\n1,1,4.5,3\n",
            (3, 4.5),
        ),
    ],
)
def test_tables_by_many_names(
    tmp_path: Path, images: Path, text: str, expected: tuple[float, float]
) -> None:
    table = tmp_path / "A1.csv"
    table.write_text(text)
    frame = points_of(import_annotations([table], tmp_path / "out", images), "A1")
    assert frame.to_numpy().tolist() == [list(expected)]


def test_a_table_without_rows_says_that_there_is_no_cell(
    tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = [tmp_path / "A1.csv", tmp_path / "B1.csv"]
    tables[0].write_text("y,x,class\n3,4,live\n")
    tables[1].write_text("X (µm),Y (µm)\n", "utf8")
    dataset = import_annotations(tables, tmp_path / "out", images)
    said = caplog.text
    assert (
        "1 point in 1 of 3 images" in said
        and "without rows are taken as images without cells: B1\n" in said
    )
    assert "without annotation: A1_2\n" in said
    assert len(points_of(dataset, "A1")) == 1 and len(points_of(dataset, "B1")) == 0
    import_annotations(tables[1:], tmp_path / "none", images)
    assert "nothing in 0 of 3 images" in caplog.text
    # That no cell is of a class does not say that there is none.
    with pytest.raises(InputError, match="of class dead"):
        import_annotations(tables[:1], tmp_path / "dead", images, classes=["dead"])


def test_napari_numbers_planes_before_rows(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "m.tif", np.zeros((3, *SHAPE), np.uint8), "TYX")
    (tmp_path / "m.csv").write_text("index,axis-0,axis-1,axis-2\n0,2,3,4\n1,0,5,6\n")
    dataset = import_annotations([tmp_path / "m.csv"], tmp_path / "out", tmp_path / "images")
    assert points_of(dataset, "m")[["t", "y", "x"]].values.tolist() == [[2, 3, 4], [0, 5, 6]]


def test_what_of_a_table_is_left_out_is_said(
    tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = "Label,X,Y\nunit,(px),(px)\nA1.tif,4,3\nMean,9,9\nSD,9,9\nMin,9,9\nMax,9,9\n"
    (tmp_path / "A1.csv").write_text(rows)
    import_annotations([tmp_path / "A1.csv"], tmp_path / "out", images)
    said = caplog.text
    assert "1 point in" in said and "left out: 4 rows of a summary" in said
    assert "left out: 1 rows below a header without numbers" in said


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf")])
def test_a_pixel_has_a_size(tmp_path: Path, images: Path, size: float) -> None:
    (tmp_path / "A1.csv").write_text("y,x\n1,2\n")
    with pytest.raises(InputError, match="a pixel size of"):
        import_annotations([tmp_path / "A1.csv"], tmp_path / "out", images, pixel_size=size)


def test_a_table_of_several_images_with_classes(
    tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = tmp_path / "all.csv"
    table.write_text("Image,x,y,Class\nA1.tif,4,3,live\nB1.tif:0001,9,8,dead\nC9.tif,1,1,live\n")
    dataset = import_annotations([table], tmp_path / "out", images)
    assert "names 1 image of which there is no file, such as C9" in caplog.text
    assert points_of(dataset, "A1").values.tolist() == [[3, 4, "live"]]
    assert points_of(dataset, "B1").values.tolist() == [[8, 9, "dead"]]
    live = import_annotations([table], tmp_path / "live", images, classes=["live"])
    assert not (live.root / "points" / "B1.csv").exists()
    with pytest.raises(InputError, match="no point and no outline of class grey"):
        import_annotations([table], tmp_path / "none", images, classes=["grey"])
    assert not (tmp_path / "none").exists()


def calibrated(folder: Path, size: float) -> Path:
    folder.mkdir()
    write_image(folder / "a.tif", np.zeros((100, 100), np.uint8), "YX", pixel_size=size)
    return folder


@pytest.mark.parametrize(
    ("header", "size", "spread", "units", "factor"),
    [
        ("X,Y", 0.5, 49, "auto", 2),  # all in the quarter that micrometres would fill
        ("X,Y", 0.5, 99, "auto", 1),
        ("X,Y", 2.0, 199, "auto", 0.5),
        ("X,Y", 2.0, 99, "auto", 1),
        ("X,Y", 0.5, 49, "px", 1),
        ("X (µm),Y (µm)", 0.5, 49, "auto", 2),
        ("x_px,y_px", 0.5, 49, "auto", 1),
    ],
)
def test_units_follow_from_header_places_or_user(
    tmp_path: Path, header: str, size: float, spread: float, units: str, factor: float
) -> None:
    places = np.random.default_rng(0).uniform(0, spread, (30, 2)).round(3)
    places[0] = spread, spread - 0.5
    rows = "\n".join(f"{x},{y}" for y, x in places)
    (tmp_path / "a.csv").write_text(f"{header}\n{rows}\n", "utf8")
    images = calibrated(tmp_path / "images", size)
    dataset = import_annotations([tmp_path / "a.csv"], tmp_path / "out", images, units=units)
    frame = points_of(dataset, "a")
    np.testing.assert_allclose(frame[["y", "x"]].to_numpy(), places * factor, atol=1e-3)


def test_units_that_cannot_be_told_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("X,Y\n4,3\n5,6\n")
    images = calibrated(tmp_path / "images", 0.5)
    with pytest.raises(InputError, match="px or in um; expected one of them; say which: `units="):
        import_annotations([tmp_path / "a.csv"], tmp_path / "out", images)
    assert not (tmp_path / "out").exists()


def test_rois_of_imagej(tmp_path: Path, images: Path) -> None:
    points = ImagejRoi.frompoints(np.array([[5, 6], [10, 12]]))
    points.roitype = ROI_TYPE.POINT
    points.tofile(tmp_path / "A1_2_points.roi")
    fine = ImagejRoi.frompoints(np.array([[5.5, 6.5]], np.float32))
    fine.roitype = ROI_TYPE.POINT
    fine.tofile(tmp_path / "RoiSet_B1.zip")
    ImagejRoi.frompoints(np.array(square(2, 3, 4))).tofile(tmp_path / "RoiSet_B1.zip")
    line = ImagejRoi(roitype=ROI_TYPE.LINE, x1=1, y1=1, x2=5, y2=5, name="l")
    line.tofile(tmp_path / "RoiSet_B1.zip")
    oval = ImagejRoi(roitype=ROI_TYPE.OVAL, top=10, left=20, bottom=30, right=50, name="o")
    oval.tofile(tmp_path / "RoiSet_B1.zip")
    files = [tmp_path / "A1_2_points.roi", tmp_path / "RoiSet_B1.zip"]
    dataset = import_annotations(files, tmp_path / "out", images)
    # Whole numbers are pixels; others count from the corner of the first.
    assert points_of(dataset, "A1_2").values.tolist() == [[6, 5], [12, 10]]
    assert points_of(dataset, "B1").values.tolist() == [[6, 5]]
    # What is in px anyway is not divided.
    in_um = import_annotations(files, tmp_path / "um", images, units="um", pixel_size=0.5)
    assert points_of(in_um, "A1_2").values.tolist() == [[6, 5], [12, 10]]
    labels = labels_of(dataset, "B1")
    assert np.array_equal(np.argwhere(labels == 1).min(0), [2, 3]) and (labels == 1).sum() == 16
    assert (labels == 2).sum() == pytest.approx(np.pi * 10 * 15, rel=0.02)


def test_positions_in_a_stack(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "m.tif", np.zeros((3, *SHAPE), np.uint8), "TYX")
    for frame in (1, 3):
        roi = ImagejRoi.frompoints(np.array(square(2 * frame, 3, 4)), name=f"r{frame}")
        roi.position = frame
        roi.tofile(tmp_path / "m.zip")
    dataset = import_annotations([tmp_path / "m.zip"], tmp_path / "out", tmp_path / "images")
    found = open_image(dataset.root / "labels" / "m.tif")
    assert found.axes == "TYX"
    tops = [np.argwhere(np.asarray(found.data[t]))[:1, 0].tolist() for t in range(3)]
    assert tops == [[2], [], [6]]
    # Fiji calls every stack slices, and counts from 1.
    (tmp_path / "m.csv").write_text("X,Y,Slice\n4,3,1\n5,6,3\n")
    sliced = import_annotations([tmp_path / "m.csv"], tmp_path / "sliced", tmp_path / "images")
    assert points_of(sliced, "m").values.tolist() == [[3, 4, 0], [6, 5, 2]]
    (tmp_path / "m.csv").write_text("x,y,Frame\n4,3,1\n5,6,4\n")
    with pytest.raises(InputError, match=r"at t 3, z 0 of m; expected t below 3"):
        import_annotations([tmp_path / "m.csv"], tmp_path / "two", tmp_path / "images")


def test_geojson_with_holes_pieces_and_classes(
    tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_geojson(
        tmp_path / "A1.geojson",
        feature("Polygon", [square(2, 2, 10), square(5, 5, 3)], "tumour"),
        feature("MultiPolygon", [[square(20, 2, 4)], [square(30, 2, 5)]], "stroma"),
        feature("LineString", [[0, 0], [3, 3]]),
        feature("MultiPoint", [[1.5, 2.5], [7.5, 8.5]]),
        feature("Point", [3.5, 4.5], "tumour"),
    )
    dataset = import_annotations([path], tmp_path / "out", images)
    labels = labels_of(dataset, "A1")
    assert [(labels == i).sum() for i in (1, 2, 3)] == [91, 16, 25]
    assert not labels[5:8, 5:8].any()
    names = pandas.read_csv(dataset.root / "labels" / "A1.csv")
    assert names.values.tolist() == [[1, "tumour"], [2, "stroma"], [3, "stroma"]]
    frame = points_of(dataset, "A1")
    assert frame[["y", "x"]].values.tolist() == [[2, 1], [8, 7], [4, 3]]
    said = caplog.text
    assert "3 points and 3 outlines in 1 of 3 images" in said
    assert "gave 1 object more" in said and "left out: 1 shapes of type LineString" in said
    assert "without annotation: A1_2, B1" in said


def test_compressed_geojson_and_a_folder_of_files(tmp_path: Path, images: Path) -> None:
    folder = tmp_path / "from-qupath"
    folder.mkdir()
    for name in ("A1", "B1"):
        text = json.dumps([feature("Polygon", [square(2, 2, 5)])])
        (folder / f"{name}.tif.geojson.gz").write_bytes(gzip.compress(text.encode()))
    dataset = import_annotations([folder], tmp_path / "out", images)
    assert (labels_of(dataset, "A1") > 0).sum() == (labels_of(dataset, "B1") > 0).sum() == 25


def test_of_outlines_that_overlap_the_smaller_stays_whole(
    tmp_path: Path, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_geojson(
        tmp_path / "B1.json",
        feature("Polygon", [square(10, 10, 4)]),
        feature("Polygon", [square(5, 5, 20)]),
        feature("Polygon", [square(10, 12, 4)]),
        feature("Polygon", [square(10, 12, 4)]),
    )
    labels = labels_of(import_annotations([path], tmp_path / "out", images), "B1")
    # The second of equal outlines hides the first; the large one lies beneath.
    assert sorted(np.bincount(labels.ravel())[1:]) == [8, 16, 400 - 24]
    said = caplog.text
    assert "Overlapping outlines: 24 px" in said and "1 outline left out" in said


def coco(annotations: list[dict[str, object]]) -> dict[str, object]:
    return {
        "images": [{"id": 7, "file_name": "deep/A1.tif", "height": 40, "width": 60}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [{"image_id": 7, "category_id": 1} | entry for entry in annotations],
    }


def run_lengths(mask: np.ndarray) -> list[int]:
    """Run lengths of a mask, column by column, counted one pixel at a time."""
    runs, value = [0], False
    for pixel in mask.T.ravel():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def pack(runs: list[int]) -> str:
    """COCO's compression of run lengths, written after the description of its format."""
    text = ""
    for i, run in enumerate(runs):
        left = run - (runs[i - 2] if i > 2 else 0)
        while True:
            bits, left = left & 0x1F, left >> 5
            more = left != (-1 if bits & 0x10 else 0)
            text += chr(48 + (bits | 0x20 * more))
            if not more:
                break
    return text


def test_coco_polygons_and_run_lengths(tmp_path: Path, images: Path) -> None:
    first, second = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    first[20:30, 3:9] = True
    second[1:5, 40:60] = second[5, 40] = True
    content = coco(
        [
            {"segmentation": [np.ravel(square(2, 2, 5)).tolist()]},
            {"segmentation": {"size": [40, 60], "counts": run_lengths(first)}},
            {"segmentation": {"size": [40, 60], "counts": pack(run_lengths(second))}},
        ]
    )
    (tmp_path / "set.json").write_text(json.dumps(content))
    dataset = import_annotations([tmp_path / "set.json"], tmp_path / "out", images)
    labels = labels_of(dataset, "A1")
    assert np.array_equal(labels == 1, second) and np.array_equal(labels == 3, first)
    assert (labels == 2).sum() == 25 and labels[2, 2] == 2
    assert set(pandas.read_csv(dataset.root / "labels" / "A1.csv")["class"]) == {"cell"}


def test_unpacking_undoes_packing() -> None:
    runs = np.random.default_rng(0).integers(0, 5000, 400).tolist()
    assert unpack(pack(runs)) == runs


def test_contours_of_any_objects_come_back_as_they_were(tmp_path: Path, images: Path) -> None:
    labels = ellipses(3, SHAPE, count=6)
    features = []
    for i in range(1, labels.max() + 1):
        (ring,) = find_contours(np.pad(labels == i, 1), 0.5)
        # From centres of padded pixels to corners of the image's.
        features.append(feature("Polygon", [(ring[:, ::-1] - 0.5).tolist()]))
    path = write_geojson(tmp_path / "A1.geojson", *features)
    found = labels_of(import_annotations([path], tmp_path / "out", images), "A1")
    assert np.array_equal(found, connected_labels(labels))


@pytest.mark.parametrize("beside", [False, True])
def test_a_dataset_that_is_there_gets_what_it_lacks(
    tmp_path: Path, images: Path, beside: bool
) -> None:
    table = tmp_path / "A1.csv"
    table.write_text("y,x\n3,4\n")
    root, named = (tmp_path / "out", images) if beside else (images.parent, None)
    import_annotations([table], root, named)
    with pytest.raises(InputError, match=r"points/A1.csv already"):
        import_annotations([table], root, named)
    outlines = write_geojson(tmp_path / "A1.json", feature("Polygon", [square(2, 2, 5)]))
    import_annotations([outlines], root, named)
    table.write_text("y,x\n5,6\n")
    dataset = import_annotations([table], root, named, overwrite=True)
    assert points_of(dataset, "A1").values.tolist() == [[5, 6]]
    assert (labels_of(dataset, "A1") > 0).sum() == 25
    assert (root / "dataset.yaml").exists() == beside


TWINS = {"images": [{"id": i, "file_name": f"{i}/A1.tif", "height": 40, "width": 60} for i in "ab"]}

BAD = {
    "a.csv": ("1,2\n3,4\n", "without a header"),
    "b.csv": ("y,size\n1,2\n", r"without columns for y and x \(y, size\)"),
    "c.csv": ("y,x\n1,2\n3,four\n", "x 'four' in line 3"),
    "d.csv": ("y,x\n1,2\n100,4\n", "1 of 2 points .* outside the image"),
    "e.csv": ("y,x\n50,2\n45,30\n41,20\n", "seem to have y and x swapped"),
    "f.csv": ("y,x\n1,5,2,5\n", "that is no table .*; expected as many values in each row"),
    "g.csv": ("", "an empty table"),
    "n5.csv": ("image,y,x\nA1.tif,1,2\n,3,4\n", "no image in line 3"),
    "n6.csv": ("y,x\nnan,1\n", "y 'nan', x '1' in line 2"),
    "h.json": ("{", "that is no JSON"),
    "i.json": ("[1]", "neither GeoJSON nor COCO"),
    "j.json": (json.dumps(coco([{"bbox": [1, 2, 3, 4]}])), "only a box"),
    "k.json": (json.dumps(coco([{"segmentation": [[1, 2, 3]]}])), "no complete COCO file"),
    "l.json": (
        json.dumps(coco([{"segmentation": {"size": [40, 60], "counts": [5]}}])),
        "run lengths of 5 px",
    ),
    "m.json": (json.dumps(feature("Polygon", [[["a", 1]]])), "a feature of .* that cannot be used"),
    "n.json": (
        json.dumps(feature("Polygon", [square(100, 100, 5)])),
        "an outline in .* outside A1 of 40 x 60 px",
    ),
    "n2.json": (json.dumps(TWINS | {"annotations": []}), "2 images called A1"),
    "n3.json": (json.dumps({"type": "FeatureCollection", "features": None}), "that cannot be used"),
    "n4.csv": ("y,x,frame\n1,2,0\n1,2,first\n", "no whole number in line 3"),
    "o.roi": ("Iout", "that is no ROI"),
    "p.zip": ("PK", "cannot be read"),
    "q.xml": ("<a/>", "a file of an unsupported kind"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_said_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "A1.tif", np.zeros(SHAPE, np.uint8), "YX")
    text, message = BAD[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        import_annotations([tmp_path / name], tmp_path / "out", tmp_path / "images")
    assert not (tmp_path / "out").exists()


def test_what_stands_in_another_form_is_not_shadowed(tmp_path: Path, images: Path) -> None:
    (images.parent / "labels").mkdir()
    write_image(images.parent / "labels" / "A1.ome.tif", np.zeros(SHAPE, np.int32), "YX")
    outlines = write_geojson(tmp_path / "A1.json", feature("Polygon", [square(2, 2, 5)], "x"))
    with pytest.raises(InputError, match=r"A1\.ome\.tif already; expected .*; move it away"):
        import_annotations([outlines], images.parent, overwrite=True)
    (images.parent / "labels" / "A1.ome.tif").unlink()
    import_annotations([outlines], images.parent)
    assert (images.parent / "labels" / "A1.csv").exists()
    write_geojson(outlines, feature("Polygon", [square(2, 2, 5)]))
    import_annotations([outlines], images.parent, overwrite=True)
    assert not (images.parent / "labels" / "A1.csv").exists()


def test_a_file_that_fits_no_image_or_several(tmp_path: Path, images: Path) -> None:
    (tmp_path / "clicks.csv").write_text("y,x\n1,2\n")
    with pytest.raises(InputError, match="whose name fits none of A1, A1_2, B1"):
        import_annotations([tmp_path / "clicks.csv"], tmp_path / "out", images)
    (tmp_path / "A1-B1.csv").write_text("y,x\n1,2\n")
    with pytest.raises(InputError, match="fits A1 or B1"):
        import_annotations([tmp_path / "A1-B1.csv"], tmp_path / "out", images)
    with zipfile.ZipFile(tmp_path / "A1.zip", "w") as archive:
        archive.writestr("notes.txt", "nothing")
    with pytest.raises(InputError, match=r"no \.roi in"):
        import_annotations([tmp_path / "A1.zip"], tmp_path / "out", images)


def scene() -> np.ndarray:
    """Ellipses, the first with a hole; small, since pixels are drawn one by one."""
    objects = ellipses(4)[:48, :64].copy()
    y, x = np.argwhere(objects == objects[objects > 0][0]).mean(0).astype(int)
    objects[y, x] = 0
    return connected_labels(objects)


def test_run_lengths_as_the_coco_api_writes_them(tmp_path: Path) -> None:
    labels = scene()
    write_image(tmp_path / "images" / "a.tif", labels, "YX")
    annotations = []
    for number in range(1, int(labels.max()) + 1):
        coded = coco_masks.encode(np.asfortranarray(labels == number, np.uint8))
        coded["counts"] = coded["counts"].decode("ascii")
        annotations.append({"id": number, "image_id": 7, "category_id": 1, "segmentation": coded})
    height, width = labels.shape
    content = {
        "images": [{"id": 7, "file_name": "a.png", "height": height, "width": width}],
        "annotations": annotations,
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    dataset = import_annotations([tmp_path / "coco.json"], tmp_path / "out", tmp_path / "images")
    np.testing.assert_array_equal(labels_of(dataset, "a"), labels)


def test_geojson_as_a_geometry_library_writes_it(tmp_path: Path) -> None:
    labels = scene()
    write_image(tmp_path / "images" / "a.tif", labels, "YX")
    features = []
    for number in range(1, int(labels.max()) + 1):
        pixels = [shapely.box(x, y, x + 1, y + 1) for y, x in np.argwhere(labels == number)]
        geometry = shapely.geometry.mapping(shapely.unary_union(pixels))
        features.append({"type": "Feature", "geometry": geometry, "properties": {}})
    assert any(len(f["geometry"]["coordinates"]) > 1 for f in features)
    write_geojson(tmp_path / "a.geojson", *features)
    dataset = import_annotations([tmp_path / "a.geojson"], tmp_path / "out", tmp_path / "images")
    np.testing.assert_array_equal(labels_of(dataset, "a"), labels)
