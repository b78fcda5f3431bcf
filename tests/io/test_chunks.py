"""Zarr chunks: what runs code, what fills the memory, what is not there."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.evaluation import evaluate
from sparcell.io import chunks, open_image, open_sample, write_image
from sparcell.measurement import measure
from sparcell.system.machine import GIB, Memory

PIXELS = np.random.default_rng(0).integers(0, 60000, (2, 70, 90), dtype=np.uint16)


def test_a_codec_that_runs_code_is_refused(tmp_path: Path) -> None:
    path, ran = tmp_path / "evil.ome.zarr", tmp_path / "ran"
    write_image(path, PIXELS[0], "YX", ngff="0.4")
    content = json.loads((path / "0" / ".zarray").read_text())
    content["compressor"] = {"id": "pickle"}
    (path / "0" / ".zarray").write_text(json.dumps(content))
    (chunk,) = (one for one in (path / "0").rglob("[0-9]") if one.is_file())
    chunk.write_bytes(b"cos\nsystem\n(S'touch " + os.fsencode(ran) + b"'\ntR.")
    with pytest.raises(InputError):
        open_image(path).read()
    assert not ran.exists()
    # That the content would run if the codec were used.
    pickle.loads(chunk.read_bytes())
    assert ran.exists()


@pytest.mark.parametrize("part", ["compressor", "filters"])
def test_codecs_are_allowed_by_name(part: str) -> None:
    bad: Any = (
        numcodecs.Pickle() if part == "compressor" else (numcodecs.Delta("u2"), numcodecs.Pickle())
    )
    good: Any = numcodecs.Zstd() if part == "compressor" else (numcodecs.Delta("u2"),)
    for codecs, refused in ((bad, True), (good, False)):
        array = SimpleNamespace(metadata=SimpleNamespace(**{part: codecs}), store="evil.zarr")
        if refused:
            with pytest.raises(InputError, match=r"the codec pickle in evil\.zarr"):
                chunks._check_codecs(array)
        else:
            chunks._check_codecs(array)


@pytest.fixture
def counted_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> chunks.ChunkedPixels:
    """An array of 2 x 2 x 3 chunks of 32 x 40 px, each of which counts as large."""
    monkeypatch.setattr(chunks, "LARGE_CHUNK", 1000)
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=PIXELS.shape, dtype="u2", chunks=(1, 32, 40)
    )
    array[...] = PIXELS
    pixels = chunks.ChunkedPixels(array)
    decode = pixels._read
    pixels.decoded = []  # type: ignore[attr-defined]

    def read(index: Any) -> Any:
        pixels.decoded.append(index)  # type: ignore[attr-defined]
        return decode(index)

    monkeypatch.setattr(pixels, "_read", read)
    return pixels


@pytest.mark.parametrize(
    "index",
    [
        (slice(None), slice(None), slice(None)),
        (0, slice(0, 32), slice(0, 40)),
        (1, slice(31, 65), slice(39, 90)),
        (slice(1, 2), slice(69, 70), slice(89, 200)),
        (1, 33, slice(5, 5)),
        (0, slice(0, 70, 3), slice(None)),
    ],
)
def test_large_chunks_give_the_same_pixels(counted_array: Any, index: Any) -> None:
    for _ in range(2):
        found = counted_array[index]
        assert np.array_equal(found, PIXELS[index]) and found.dtype == PIXELS.dtype


def test_a_large_chunk_is_decoded_once(counted_array: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for top in range(0, 32, 4):
        assert np.array_equal(counted_array[0, top : top + 4, 0:40], PIXELS[0, top : top + 4, 0:40])
    assert len(counted_array.decoded) == 1
    # Two chunks of 32 x 40 x 2 bytes are cached; the third takes the place of the first.
    monkeypatch.setattr(chunks, "CACHED_CHUNKS", 5200)
    for left in (40, 80, 40, 0):
        counted_array[0, 0:4, left : left + 4]
    assert len(counted_array.decoded) == 4


def test_a_chunk_that_fills_the_memory_is_refused_wherever_it_is_read(
    counted_array: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "memory", lambda: Memory(GIB, 5000, None))
    with pytest.raises(InputError, match=r"chunks of .* GiB in .*a\.zarr, each decoded as a whole"):
        counted_array[0, 0:4, 0:4]
    assert not counted_array.decoded


def test_missing_chunks_are_told_wherever_images_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = np.zeros((70, 90), np.int32)
    labels[3:9, 4:9] = 1
    data = tmp_path / "data"
    for kind in ("images", "stain"):
        write_image(data / kind / "a.ome.zarr", PIXELS[0], "YX")
        shutil.rmtree(data / kind / "a.ome.zarr" / "0" / "c")
    # Writers leave out chunks of labels without objects.
    write_image(data / "labels" / "a.ome.zarr", labels * 0, "YX", labels=True)
    shutil.copytree(data / "labels", tmp_path / "found" / "labels")

    def said() -> list[str]:
        text = caplog.text
        caplog.clear()
        chunks._warned.clear()
        return [
            kind
            for kind in ("images", "stain", "labels")
            if f"{kind}/a.ome.zarr: 1 of 1 chunk is" in text
        ]

    (sample,) = Dataset.open(data).samples
    for kind in sample.files:
        open_sample(sample, kind)
        open_sample(sample, kind)
    assert caplog.text.count("missing and read") == 2 and said() == ["images", "stain"]
    measure(tmp_path / "found", images=data / "images", out=tmp_path / "tables")
    assert said() == ["images"]
    evaluate(data, data, metric="stain")
    assert said() == ["stain"]
