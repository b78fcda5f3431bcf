"""Annotations of LabelMe, VIA, CVAT, Label Studio and Cellpose, as these tools write them."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from imagecodecs import png_encode

from sparcell.annotations.importing import import_annotations
from sparcell.annotations.importing.cellpose import read_segmented
from sparcell.core.errors import InputError
from sparcell.io import open_image, write_image

SHAPE = (40, 60)
SQUARE = [[4, 6], [12, 6], [12, 14], [4, 14]]
"""Corners x, y of a square of 8 px with its first pixel at y 6, x 4."""
EXPECTED = np.zeros(SHAPE, bool)
EXPECTED[6:14, 4:12] = True


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("A1", "B1"):
        write_image(tmp_path / "images" / f"{name}.tif", np.zeros(SHAPE, np.uint8), "YX")
    return tmp_path / "images"


def ids(root: Path, name: str = "A1") -> np.ndarray:
    return open_image(root / "labels" / f"{name}.tif").read_labels()


def places(root: Path, name: str = "A1") -> list[list[float]]:
    return pandas.read_csv(root / "points" / f"{name}.csv")[["y", "x"]].to_numpy().tolist()


def labelme(shapes: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    known = {"label": "cell", "group_id": None, "flags": {}, "description": ""}
    return {
        "version": "5.4.1", "flags": {}, "shapes": [known | shape for shape in shapes],
        "imagePath": "..\\raw\\A1.png", "imageData": None, "imageHeight": 40, "imageWidth": 60,
    } | more  # fmt: skip


def via(shapes: list[dict[str, Any]]) -> dict[str, Any]:
    regions = [{"shape_attributes": s, "region_attributes": {"type": "cell"}} for s in shapes]
    return {"A1.tif2400": {"filename": "A1.tif", "size": 2400, "regions": regions,
                           "file_attributes": {}}}  # fmt: skip


def label_studio(results: list[tuple[str, dict[str, Any]]], **more: Any) -> list[dict[str, Any]]:
    result = [
        {"id": str(i), "type": f"{kind}labels", "original_width": 60, "original_height": 40,
         "image_rotation": 0, "value": {**value, f"{kind}labels": ["cell"]}}
        for i, (kind, value) in enumerate(results)
    ]  # fmt: skip
    return [
        {"id": 1, "annotations": [{"id": 1, "was_cancelled": False, "result": result}],
         "data": {"image": "/data/upload/1/0a1b2c3d-A1.tif"},
         "file_upload": "0a1b2c3d-A1.tif", **more}
    ]  # fmt: skip


def cvat(shapes: str, more: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
        f'<meta><task/></meta>{more}<image id="0" name="day1/A1.tif" width="60" height="40">'
        f'{shapes}</image><image id="1" name="B1.tif" width="60" height="40"/></annotations>'
    )


X, Y = [x for x, _ in SQUARE], [y for _, y in SQUARE]
SQUARES = {
    "labelme.json": labelme([{"points": SQUARE, "shape_type": "polygon"}]),
    "via.json": via([{"name": "polygon", "all_points_x": X, "all_points_y": Y}]),
    "project.json": {
        "_via_settings": {},
        "_via_img_metadata": via([{"name": "polygon", "all_points_x": X, "all_points_y": Y}]),
        "_via_attributes": {},
    },
    "studio.json": label_studio(
        [("polygon", {"points": [[x / 0.6, y / 0.4] for x, y in SQUARE], "closed": True})]
    ),
    "cvat.xml": cvat(
        '<polygon label="cell" occluded="0" z_order="0" '
        f'points="{";".join(f"{x:.2f},{y:.2f}" for x, y in SQUARE)}"/>'
    ),
    # Rows of a box of 8 x 10 px: two of background, then eight full rows.
    "mask.xml": cvat(
        '<mask label="cell" rle="16, 64" left="4" top="4" width="8" height="10" z_order="0"/>'
    ),
    "via.csv": 'filename,file_size,file_attributes,region_count,region_id,'
    'region_shape_attributes,region_attributes\nA1.tif,2400,"{}",1,0,'
    f'"{{""name"":""polygon"",""all_points_x"":{X},""all_points_y"":{Y}}}",'
    '"{""type"":""cell""}"\nB1.tif,2400,"{}",0,0,"{}","{}"\n',
}  # fmt: skip


def put(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf8")
    return path


@pytest.mark.parametrize("name", SQUARES)
def test_a_polygon_of_each_tool(tmp_path: Path, images: Path, name: str) -> None:
    import_annotations([put(tmp_path, name, SQUARES[name])], tmp_path / "out", images)
    np.testing.assert_array_equal(ids(tmp_path / "out") > 0, EXPECTED)
    classes = pandas.read_csv(tmp_path / "out" / "labels" / "A1.csv")
    assert classes.to_dict("list") == {"id": [1], "class": ["cell"]}
    assert not (tmp_path / "out" / "labels" / "B1.tif").exists()


POINTS = {
    "labelme.json": labelme([{"points": [[4.5, 3.5]], "shape_type": "point"}]),
    "via.json": via([{"name": "point", "cx": 4.5, "cy": 3.5}]),
    "studio.json": label_studio([("keypoint", {"x": 7.5, "y": 8.75, "width": 0.5})]),
    "cvat.xml": cvat('<points label="cell" points="4.50,3.50" z_order="0"/>'),
}


@pytest.mark.parametrize("name", POINTS)
def test_a_point_of_each_tool(tmp_path: Path, images: Path, name: str) -> None:
    import_annotations([put(tmp_path, name, POINTS[name])], tmp_path / "out", images)
    assert places(tmp_path / "out") == [[3, 4]]


# Half axes of 12 px along x and 6 px along y around x 30, y 20.
ELLIPSES = {
    "via.json": via([{"name": "ellipse", "cx": 30, "cy": 20, "rx": 12, "ry": 6, "theta": 0}]),
    "studio.json": label_studio(
        [("ellipse", {"x": 50, "y": 50, "radiusX": 20, "radiusY": 15, "rotation": 0})]
    ),
    "cvat.xml": cvat('<ellipse label="cell" cx="30" cy="20" rx="12" ry="6"/>'),
    "turned.xml": cvat('<ellipse label="cell" cx="30" cy="20" rx="6" ry="12" rotation="90"/>'),
}


@pytest.mark.parametrize("name", ELLIPSES)
def test_ellipses_have_their_axes(tmp_path: Path, images: Path, name: str) -> None:
    import_annotations([put(tmp_path, name, ELLIPSES[name])], tmp_path / "out", images)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    distance = np.hypot((y - 20) / 6, (x - 30) / 12)
    found = ids(tmp_path / "out") > 0
    assert found[distance < 0.99].all() and not found[distance > 1].any()


def test_circles_and_masks_of_labelme(tmp_path: Path, images: Path) -> None:
    mask = np.zeros((5, 6), np.uint8)
    mask[1:, 2:] = 255
    encoded = base64.b64encode(png_encode(mask)).decode()
    content = labelme(
        [
            {"points": [[30, 20], [36, 20]], "shape_type": "circle"},
            {"points": [[2, 3], [7, 7]], "shape_type": "mask", "mask": encoded},
            {"points": [[1, 1], [9, 9]], "shape_type": "line"},
        ]
    )
    import_annotations([put(tmp_path, "A1.json", content)], tmp_path / "out", images)
    found = ids(tmp_path / "out")
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    distance = np.hypot(y - 20, x - 30)
    assert (found[distance < 5.95] > 0).all()
    assert (found[:9, :9] > 0).sum() == 16 and (found[4:8, 4:8] > 0).all()


BOXES = {
    "labelme.json": labelme([{"points": [[4, 6], [12, 14]], "shape_type": "rectangle"}]),
    "via.json": via([{"name": "rect", "x": 4, "y": 6, "width": 8, "height": 8}]),
    "studio.json": label_studio([("rectangle", {"x": 5, "y": 5, "width": 20, "height": 20})]),
    "cvat.xml": cvat('<box label="cell" xtl="4" ytl="6" xbr="12" ybr="14"/>'),
}


@pytest.mark.parametrize("name", BOXES)
def test_boxes_are_no_outlines(tmp_path: Path, images: Path, name: str) -> None:
    with pytest.raises(InputError, match="only a box around an object"):
        import_annotations([put(tmp_path, name, BOXES[name])], tmp_path / "out", images)
    assert not (tmp_path / "out").exists()


def test_a_box_around_outlines_is_a_region(tmp_path: Path, images: Path) -> None:
    cells = [[[x, y], [x + 5, y], [x + 5, y + 5], [x, y + 5]] for x in (4, 14, 24) for y in (4, 14)]
    shapes = [{"points": cell, "shape_type": "polygon"} for cell in cells]
    shapes += [{"points": [[2, 2], [50, 30]], "shape_type": "rectangle", "label": "seen"}]
    content = labelme(shapes, imagePath="other.png")
    # The image was renamed after it was annotated, and the file with it.
    import_annotations([put(tmp_path, "B1.json", content)], tmp_path / "out", images)
    assert np.bincount(ids(tmp_path / "out", "B1").ravel())[1:].tolist() == [25] * 6


def task(**more: Any) -> list[dict[str, Any]]:
    return label_studio([("keypoint", {"x": 5, "y": 5})], **more)


def brush(kind: str, **more: Any) -> list[dict[str, Any]]:
    made = label_studio([(kind, {"x": 5, "y": 5, "format": "rle", "rle": [0]})])
    made[0]["annotations"][0]["result"][0].update(more)
    return made


REFUSED = {
    "a.json": (labelme([{"points": [[1, "a"]], "shape_type": "polygon"}]), "a shape of"),
    "b.json": (labelme([]), "no point and no outline"),
    "c.json": (labelme([{"points": SQUARE}], imageHeight=41), "A1 of .41, 60. px"),
    "d.json": (via([{"name": "circle", "cx": 4}]), "a region of"),
    "e.json": (task(annotations=[{"result": [{}]}]), "a task of"),
    "f.json": (task(annotations=task()[0]["annotations"] * 2), "several annotations of A1"),
    "g.json": (brush("brush"), "a brush in"),
    "h.json": (brush("keypoint", image_rotation=90), "a turned image in"),
    "i.json": ({"objects": []}, "neither GeoJSON nor COCO, LabelMe"),
    "j.xml": (cvat("", "<track/>"), "tracks of a video"),
    "k.xml": (cvat('<polygon points="1,2;3"/>'), "a shape of"),
    "l.xml": (cvat('<mask rle="3,4" left="0" top="0" width="2" height="2"/>'), "7 px in run"),
    "m.xml": ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "with entities"),
    "n.xml": ("<TrackMate/>", "its XML begins with TrackMate"),
    "o.xml": ("<annotations>", "that is no XML"),
    "p_cp_outlines.txt": ("1,2,3\n", "line 1 of .* without pairs"),
    "r_cp_outlines.txt": ("1,2,-1e30,3\n", "line 1 of .* without pairs"),
    "s_cp_outlines.txt": ("1,2,nan,3\n", "line 1 of .* without pairs"),
    "q_cp_outlines.txt": ("1,2,900000,3\n", "a cell of 2 x 900000 px in line 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_named(tmp_path: Path, images: Path, name: str) -> None:
    content, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        import_annotations([put(tmp_path, name, content)], tmp_path / "out", images)
    assert not (tmp_path / "out").exists()


def two_cells() -> np.ndarray:
    masks = np.zeros(SHAPE, np.uint16)
    masks[6:14, 4:12] = 1
    masks[20:25, 30:50] = 7
    return masks


@pytest.mark.parametrize("change", [np.array, np.asfortranarray, lambda m: m.astype(">i4")])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_masks_of_cellpose_are_read_without_objects(
    tmp_path: Path, images: Path, change: Callable[[Any], np.ndarray], protocol: int
) -> None:
    content = {
        "outlines": two_cells(), "colors": np.zeros((2, 3)), "masks": change(two_cells()),
        "chan_choose": [0, 0], "filename": "C:\\data\\A1.tif", "est_diam": np.float64(12.5),
        "flows": [np.zeros((1, 4, 4), np.uint8), [], np.ones((2, 3), np.float32)],
        "ismanual": np.zeros(2, bool), "manual_changes": [], "model_path": 0,
    }  # fmt: skip
    holder = np.empty((), object)
    holder[()] = content
    path = tmp_path / "A1_seg.npy"
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "|O", "fortran_order": False, "shape": ()}
        )
        pickle.dump(holder, stream, protocol=protocol)
    import_annotations([path], tmp_path / "out", images)
    found = ids(tmp_path / "out")
    assert np.bincount(found.ravel())[1:].tolist() == [64, 100]
    np.testing.assert_array_equal(found > 0, two_cells() > 0)


class Attack:
    """Its pickle calls a function when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def eval_in_pickle(target: Path) -> dict[str, Any]:
    class Called:
        def __reduce__(self) -> tuple[Any, ...]:
            return eval, (f"open({str(target)!r}, 'w')",)

    return {"masks": two_cells(), "filename": Called()}


@pytest.mark.parametrize(
    "make",
    [
        lambda target: {"masks": two_cells(), "filename": Attack(target)},
        eval_in_pickle,
        lambda target: {"masks": np.array([Attack(target)], object)},
    ],
)
def test_nothing_in_a_file_of_cellpose_is_executed(
    tmp_path: Path, make: Callable[[Path], dict[str, Any]]
) -> None:
    np.save(tmp_path / "A1_seg.npy", make(tmp_path / "hit"), allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"masks of Cellpose cannot be taken .an object of "):
        read_segmented(tmp_path / "A1_seg.npy")
    assert not (tmp_path / "hit").exists()


@pytest.mark.parametrize(
    "content",
    [{"masks": [1]}, {"flows": 1}, {"masks": np.zeros(4, int)}, {"masks": np.array(["a"])},
     {"masks": np.zeros((2, 2), object)}, {"masks": np.zeros((4, 4))}],
)  # fmt: skip
def test_files_of_cellpose_without_masks(tmp_path: Path, content: dict[str, Any]) -> None:
    np.save(tmp_path / "A1_seg.npy", content, allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="save the masks as TIFF in Cellpose"):
        read_segmented(tmp_path / "A1_seg.npy")
    whole = (tmp_path / "A1_seg.npy").read_bytes()
    for damaged in (whole[:-9], whole[:50], b"", b"\x93NUMPY\x01\x00"):
        (tmp_path / "A1_seg.npy").write_bytes(damaged)
        with pytest.raises(InputError, match="save the masks as TIFF in Cellpose"):
            read_segmented(tmp_path / "A1_seg.npy")


def test_depths_of_cellpose_are_planes(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "s.tif", np.zeros((2, *SHAPE), np.uint8), "ZYX")
    masks = np.stack([0 * two_cells(), two_cells()])
    np.save(tmp_path / "s_seg.npy", {"masks": masks}, allow_pickle=True)  # type: ignore[arg-type]
    import_annotations([tmp_path / "s_seg.npy"], tmp_path / "out", tmp_path / "images")
    labels = open_image(tmp_path / "out" / "labels" / "s.tif")
    counts = [int(labels.read_labels(plane=plane).max()) for plane in labels.planes()]
    assert counts == [0, 2]


def test_outlines_of_cellpose_in_text(tmp_path: Path, images: Path) -> None:
    # Pixels along the edge of the square, which belong to it, and a cell of two pixels.
    top, bottom = ([(x, y) for x in range(4, 12)] for y in (6, 13))
    left, right = ([(x, y) for y in range(7, 13)] for x in (4, 11))
    edge = [*top, *right, *bottom[::-1], *left[::-1]]
    lines = [",".join(f"{x},{y}" for x, y in cell) for cell in (edge, [(30, 20), (31, 20)])]
    (tmp_path / "A1_cp_outlines.txt").write_text("\n".join(lines) + "\n")
    import_annotations([tmp_path / "A1_cp_outlines.txt"], tmp_path / "out", images)
    expected = EXPECTED.copy()
    expected[20, 30:32] = True
    np.testing.assert_array_equal(ids(tmp_path / "out") > 0, expected)


def test_polygons_of_yolo(tmp_path: Path, images: Path) -> None:
    corners = " ".join(f"{x / SHAPE[1]:.6f} {y / SHAPE[0]:.6f}" for x, y in SQUARE)
    path = tmp_path / "A1.txt"
    path.write_text(f"2 {corners}\n\n")
    import_annotations([path], tmp_path / "out", images)
    np.testing.assert_array_equal(ids(tmp_path / "out") > 0, EXPECTED)
    assert (tmp_path / "out/labels/A1.csv").read_text().split() == ["id,class", "1,2"]
    path.write_text("0 0.5 0.5 0.1 0.2\n")
    with pytest.raises(InputError, match="only a box around an object"):
        import_annotations([path], tmp_path / "boxes", images)
    path.write_text(f"2 {corners} 0.5\n")
    with pytest.raises(InputError, match="9 coordinates in line 1"):
        import_annotations([path], tmp_path / "odd", images)


def test_markers_of_the_cell_counter(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "A1.tif", np.zeros((3, *SHAPE), np.uint8), "ZYX")
    markers = "".join(
        f"<Marker><MarkerX>{x}</MarkerX><MarkerY>{y}</MarkerY><MarkerZ>{z}</MarkerZ></Marker>"
        for x, y, z in [(10, 20, 1), (11, 21, 3)]
    )
    path = tmp_path / "CellCounter_x.xml"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><CellCounter_Marker_File><Image_Properties>'
        "<Image_Filename>A1.tif</Image_Filename></Image_Properties><Marker_Data>"
        f"<Current_Type>1</Current_Type><Marker_Type><Type>4</Type>{markers}</Marker_Type>"
        "</Marker_Data></CellCounter_Marker_File>"
    )
    import_annotations([path], tmp_path / "out", tmp_path / "in")
    written = (tmp_path / "out" / "points" / "A1.csv").read_text().split()
    assert written == ["y,x,z,class", "20.0,10.0,0,4", "21.0,11.0,2,4"]
    path.write_text(path.read_text().replace("<MarkerX>10</MarkerX>", ""))
    with pytest.raises(InputError, match=r"a marker of .* that cannot be used"):
        import_annotations([path], tmp_path / "damaged", tmp_path / "in")


@pytest.mark.parametrize(
    ("unit", "expected"), [("(micron)", [41.0, 21.0]), ("(pixel)", [20.5, 10.5])]
)
def test_spots_of_trackmate(tmp_path: Path, unit: str, expected: list[float]) -> None:
    write_image(tmp_path / "in" / "A1.tif", np.zeros((60, 80), np.uint8), "YX", pixel_size=0.5)
    path = tmp_path / "A1.csv"
    path.write_text(
        "LABEL,ID,POSITION_X,POSITION_Y,FRAME\nLabel,Spot ID,X,Y,Frame\n"
        f",,{unit},{unit},\nID1,1,10.5,20.5,0\n"
    )
    import_annotations([path], tmp_path / "out", tmp_path / "in")
    assert places(tmp_path / "out") == [expected]


def test_objects_of_ilastik(tmp_path: Path, images: Path) -> None:
    path = tmp_path / "A1_table.csv"
    path.write_text(
        "object_id,timestep,Predicted Class,Center of the object_0,Center of the object_1\n"
        "0,0,round,10.0,20.0\n"
    )
    import_annotations([path], tmp_path / "out", images)
    # ilastik's axis 0 is x.
    assert places(tmp_path / "out") == [[20, 10]]
