"""Images that are written and read again, and writing that fails."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import tracemalloc
import uuid
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparcell.core.axes import LETTERS, reorder
from sparcell.core.errors import InputError
from sparcell.io import create_image, list_images, open_image, tiff_writer, write_image

KINDS = [("a.tif", "0.5"), ("a.ome.zarr", "0.4"), ("a.ome.zarr", "0.5")]
SIZES = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 7}
ORDERS = [
    "".join(order)
    for count in range(2, 6)
    for order in permutations(LETTERS, count)
    if {"Y", "X"} <= set(order)
]


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the ways of large images for small ones."""
    monkeypatch.setattr(tiff_writer, "IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr(tiff_writer, "TILE", 16)


def test_every_order_of_axes_survives_in_tiff(tmp_path: Path) -> None:
    assert len(ORDERS) == 2 + 3 * 6 + 3 * 24 + 120
    for axes in ORDERS:
        data = np.random.default_rng(0).integers(0, 255, [SIZES[a] for a in axes], dtype=np.uint8)
        names = ("phase", "β", "DAPI") if "C" in axes else ()
        write_image(tmp_path / f"{axes}.tif", data, axes, 0.325, names)
        image = open_image(tmp_path / f"{axes}.tif")
        assert (image.axes, image.pixel_size) == (axes, 0.325)
        assert image.channels == (names or ("0",))
        np.testing.assert_array_equal(image.data[...], data)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / f"{axes}.tif"), data)


@settings(deadline=None, max_examples=15)
@given(axes=st.sampled_from(ORDERS), ngff=st.sampled_from(["0.4", "0.5"]))
def test_every_order_of_axes_survives_in_ome_zarr(
    tmp_path_factory: pytest.TempPathFactory, axes: str, ngff: Any
) -> None:
    data = np.random.default_rng(0).integers(0, 255, [SIZES[a] for a in axes], dtype=np.uint8)
    path = tmp_path_factory.mktemp("axes") / "a.ome.zarr"
    write_image(path, data, axes, 0.325, ngff=ngff)
    image = open_image(path)
    assert image.axes == "".join(sorted(axes, key=LETTERS.index)) and image.pixel_size == 0.325
    np.testing.assert_array_equal(image.data[...], reorder(data, axes, image.axes))


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".tiff"])
def test_axes_of_length_one(tmp_path: Path, suffix: str) -> None:
    data = np.arange(12, dtype=np.uint8).reshape(1, 1, 3, 4)
    write_image(tmp_path / f"a{suffix}", data, "TCYX", channels=["DAPI"])
    image = open_image(tmp_path / f"a{suffix}")
    assert image.axes == ("YX" if suffix == ".ome.tif" else "TCYX")
    assert image.channels == ("DAPI",)
    stored = tifffile.imread(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(stored, data[0, 0] if suffix == ".ome.tif" else data)


@settings(deadline=None, max_examples=40)
@given(
    data=hnp.arrays(
        st.sampled_from(["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
    ),
    kind=st.sampled_from(KINDS),
)
def test_pixels_are_exact(
    tmp_path_factory: pytest.TempPathFactory, data: np.ndarray, kind: tuple[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("exact") / kind[0]
    write_image(path, data, "YX", ngff=kind[1])
    stored = open_image(path).data
    assert stored.dtype == data.dtype
    assert np.asarray(stored[...]).tobytes() == np.ascontiguousarray(data).tobytes()
    if kind[0] == "a.tif":
        assert tifffile.imread(path).tobytes() == np.ascontiguousarray(data).tobytes()


@settings(deadline=None, max_examples=15)
@given(size=st.floats(1e-3, 20.0), kind=st.sampled_from([*KINDS, ("a.ome.tif", "0.5")]))
def test_pixel_size_is_exact(
    tmp_path_factory: pytest.TempPathFactory, size: float, kind: tuple[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("size") / kind[0]
    write_image(path, np.zeros((4, 4), np.uint8), "YX", size, ngff=kind[1])
    assert open_image(path).pixel_size == size


def test_tiff_is_tiled_compressed_ome_with_resolution(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", np.zeros((2, 600, 700), np.uint16), "TYX", 0.5)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        page = tif.pages[0]
        assert tif.is_ome and not tif.is_bigtiff
        # Two by two tiles, with as little beyond the image as multiples of 16 px allow.
        assert (page.tilelength, page.tilewidth) == (304, 352)
        assert page.compression.name == "ADOBE_DEFLATE"
        assert page.get_resolution("MICROMETER") == pytest.approx((2.0, 2.0))


def test_large_tiff_is_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_writer, "BIGTIFF_BYTES", 100)
    write_image(tmp_path / "a.tif", np.zeros((20, 20), np.uint8), "YX")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_bigtiff


@pytest.mark.usefixtures("small_limits")
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(KINDS))
def test_blocks_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, seed: int, kind: tuple[str, Any]
) -> None:
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 2**16, (2, 50, 37), dtype=np.uint16)
    corners = [(t, y, x) for t in range(2) for y in range(0, 50, 11) for x in range(0, 37, 13)]
    folder = tmp_path_factory.mktemp("blocks")
    with create_image(folder / kind[0], "TYX", data.shape, "u2", ngff=kind[1]) as pixels:
        for t, y, x in rng.permutation(corners):
            block = data[t, y : y + 11, x : x + 13]
            pixels[t, y : y + 11, x : x + 13] = block
            np.testing.assert_array_equal(pixels[t, y : y + 11, x : x + 13], block)
        assert not (folder / kind[0]).exists()
    np.testing.assert_array_equal(open_image(folder / kind[0]).data[...], data)
    assert [path.name for path in folder.iterdir()] == [kind[0]]


@pytest.mark.parametrize(("name", "ngff"), KINDS)
def test_memory_stays_below_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, ngff: Any
) -> None:
    monkeypatch.setattr(tiff_writer, "IN_MEMORY_BYTES", 1 << 20)
    edge = 4096
    tracemalloc.start()
    with create_image(
        tmp_path / name, "YX", (edge, edge), np.uint32, labels=True, ngff=ngff
    ) as out:
        for y in range(0, edge, 512):
            for x in range(0, edge, 512):
                out[y : y + 512, x : x + 512] = np.full((512, 512), y * edge + x)
    region = open_image(tmp_path / name).data[1030:1032, 510:514]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * edge * edge * 4
    np.testing.assert_array_equal(region, 1024 * edge + np.array([[0, 0, 512, 512]] * 2))


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize(("name", "ngff"), KINDS)
def test_failure_leaves_nothing(
    tmp_path: Path, name: str, ngff: Any, failure: type[BaseException]
) -> None:
    with (
        pytest.raises(failure),
        create_image(tmp_path / name, "YX", (90, 90), "u2", ngff=ngff) as out,
    ):
        out[:50] = 1
        raise failure
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "ngff"), KINDS)
def test_failure_keeps_what_was_there(tmp_path: Path, name: str, ngff: Any) -> None:
    write_image(tmp_path / name, np.full((9, 9), 7, np.uint8), "YX", ngff=ngff)
    with pytest.raises(RuntimeError), create_image(tmp_path / name, "YX", (9, 9), "u1", ngff=ngff):
        raise RuntimeError
    assert open_image(tmp_path / name).read().min() == 7
    write_image(tmp_path / name, np.full((9, 9), 8, np.uint8), "YX", ngff=ngff)
    assert open_image(tmp_path / name).read().min() == 8


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
@pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr"])
def test_killed_process_leaves_no_image(tmp_path: Path, name: str) -> None:
    program = (
        "import os, signal, sys\n"
        "from sparcell.io import create_image\n"
        "with create_image(sys.argv[1], 'YX', (6000, 6000), 'u2') as out:\n"
        "    out[:1000] = 1\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / name)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / name).exists()
    with pytest.raises(InputError, match=r'" is empty\. Check the path'):
        list_images([tmp_path])


def full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("name", "write", "buffered"),
    [("a.ome.zarr", "zarr.storage.LocalStore.set", True),
     ("a.tif", "zarr.storage.LocalStore.set", True),
     ("a.tif", "tifffile.TiffWriter.write", True),
     ("a.tif", "tifffile.TiffWriter.write", False)],
)  # fmt: skip
def test_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: str, buffered: bool
) -> None:
    if buffered:
        monkeypatch.setattr(tiff_writer, "IN_MEMORY_BYTES", 1)
    with (
        pytest.raises(InputError, match=r"full disk while writing .*a\."),
        create_image(tmp_path / name, "YX", (40, 40), "u1") as pixels,
    ):
        monkeypatch.setattr(write, full_disk)
        pixels[...] = 1
    assert list(tmp_path.iterdir()) == []


def test_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.ome.zarr").write_text("kept")
    with pytest.raises(InputError, match="no way to write"):
        write_image(tmp_path / "a.ome.zarr", np.ones((4, 4), np.uint8), "YX")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
@pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr"])
def test_folder_without_permission(tmp_path: Path, name: str) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="no way to write"):
        write_image(tmp_path / name, np.ones((4, 4), np.uint8), "YX")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"path": "a.png"}, "ends in .tif"), ({"axes": "TYX"}, "2 dimensions"),
     ({"axes": "YQ"}, "axes 'YQ'"), ({"axes": "YY"}, "axes 'YY'"),
     ({"array": np.zeros((0, 4))}, "nothing to write"),
     ({"array": np.zeros((4, 4), complex)}, "complex128"), ({"pixel_size": -1.0}, "pixel size"),
     ({"pixel_size": float("nan")}, "pixel size"), ({"channels": ["a", "b"]}, "2 channel names"),
     ({"path": "a.zarr", "ngff": "0.3"}, "'0.3'"), ({"path": "a.zarr", "axes": "YQ"}, "'YQ'"),
     ({"path": "a.ome.tif", "axes": "XY"}, "end in YX"),
     ({"path": "a.ome.tif", "array": np.zeros((4, 4), np.int64)}, "int64")],
)  # fmt: skip
def test_wrong_arguments(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arguments = {"path": "a.tif", "array": np.zeros((4, 4)), "axes": "YX"} | change
    arguments["path"] = tmp_path / arguments["path"]
    with pytest.raises(InputError, match=message):
        write_image(**arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 2), (17, 1), (20, 33)])
def test_masks_of_any_width_come_back(tmp_path: Path, shape: tuple[int, int]) -> None:
    for mask in (np.ones(shape, bool), np.random.default_rng(0).random(shape) < 0.5):
        path = tmp_path / f"{mask.all()}.tif"
        write_image(path, mask, "YX")
        np.testing.assert_array_equal(open_image(path).data[...], mask)
        np.testing.assert_array_equal(tifffile.imread(path), mask)


def test_no_address_of_the_machine_is_in_a_tiff(tmp_path: Path) -> None:
    uuids = []
    for _ in range(2):
        write_image(tmp_path / "a.ome.tif", np.zeros((20, 30), np.uint8), "YX")
        found = re.search(
            r'UUID="urn:uuid:([-0-9a-f]+)"', tifffile.tiffcomment(tmp_path / "a.ome.tif")
        )
        assert found
        uuids.append(uuid.UUID(found[1]))
    # Version 4 is random; version 1 holds the address of the network card.
    assert [one.version for one in uuids] == [4, 4] and uuids[0] != uuids[1]
