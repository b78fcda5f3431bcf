"""OME-Zarr at addresses, of a server on this machine."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import bright_model
from test_ngff_versions import TCZYX, write_plate

from sparcell.core.errors import InputError
from sparcell.core.image_ref import ImageRef
from sparcell.io import expand_scenes, list_images, open_image, write_image
from sparcell.prediction.predict import predict

pytest.importorskip("aiohttp")


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Address of the folder ``served``."""
    (tmp_path / "served").mkdir()
    handler = partial(Handler, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=partial(server.serve_forever, 0.01), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("ngff", ["0.4", "0.5"])
def test_an_image_at_an_address(tmp_path: Path, address: str, ngff: Any) -> None:
    pixels = TCZYX[0, :, 0]
    write_image(tmp_path / "served/a.ome.zarr", pixels, "CYX", 0.325, ("a", "b", "c"), ngff=ngff)
    url = f"{address}/a.ome.zarr"
    (path,) = list_images([url])
    assert expand_scenes(path) == [ImageRef(path)] and str(ImageRef(path)) == url
    image = open_image(url)
    assert (image.axes, image.pixel_size, image.channels) == ("CYX", 0.325, ("a", "b", "c"))
    assert image.source == url
    np.testing.assert_array_equal(image.read(slice(5, 30)), pixels[:, 5:30])


def test_fields_of_a_plate_at_an_address(tmp_path: Path, address: str) -> None:
    write_plate(tmp_path / "served" / "plate.zarr")
    path = Path(f"{address}/plate.zarr")
    assert [ref.scene for ref in expand_scenes(path)] == ["B/3/0", "B/3/1"]
    np.testing.assert_array_equal(open_image(ImageRef(path, "B/3/1")).read()[0], TCZYX[0, 1, 0])


def test_an_address_is_predicted(tmp_path: Path, address: str) -> None:
    pixels = np.zeros((48, 64), np.uint16)
    pixels[10:20, 10:20] = 1000
    write_image(tmp_path / "served" / "a.zarr", pixels, "YX")
    summary = predict(bright_model(), f"{address}/a.zarr", tmp_path / "out")
    assert not summary.failures and summary.counts["count"].tolist() == [1]
    found = open_image(tmp_path / "out" / "labels" / "a.tif").read_labels()
    np.testing.assert_array_equal(found > 0, pixels > 0)


def test_addresses_without_an_image(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"that can be read at http://127.0.0.1:\d+/a.zarr"):
        open_image(f"{address}/a.zarr")
    with pytest.raises(InputError, match=r"http://.*/a.ome.tif, a file; .* download it"):
        open_image(f"{address}/a.ome.tif")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InputError, match=r"s3://b/c.zarr, .*pip install 'sparcell\[remote\]'"):
        open_image("s3://b/c.zarr")
