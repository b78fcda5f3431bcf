from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from models import random_model

from sparcell.core.errors import InputError
from sparcell.models import Model
from sparcell.models.compiled_cache import CHECKSUM, CompiledCache, compiled_cache
from sparcell.models.openvino_runtime import MOST_COMPILED, OpenVino
from sparcell.models.runtime import RUNTIMES

WINDOW = np.random.default_rng(0).standard_normal((1, 64, 48)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Model:
    return random_model()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of compiled networks, which is not there yet."""
    monkeypatch.setenv("SPARCELL_COMPILED", "on")
    monkeypatch.setenv("SPARCELL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "compiled"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Shapes of the windows that OpenVINO has compiled a network for."""
    core, shapes = openvino.Core, []

    class Counting:
        def __init__(self) -> None:
            self.core = core()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.core, name)

        def compile_model(self, graph: Any, *options: object) -> object:
            shapes.append(list(graph.input(0).shape))
            return self.core.compile_model(graph, *options)

    monkeypatch.setattr("openvino.Core", Counting)
    return shapes


def test_content_is_stored_by_key(tmp_path: Path) -> None:
    cache = CompiledCache(tmp_path / "new" / "folder")
    assert cache.load("a") is None
    cache.store("a", b"one")
    cache.store("b", b"two")
    assert (cache.load("a"), cache.load("b"), cache.load("c")) == (b"one", b"two", None)
    cache.store("a", b"three")
    cache.remove("b")
    assert (cache.load("a"), cache.load("b")) == (b"three", None)


@pytest.mark.parametrize("left", [0, CHECKSUM - 1, CHECKSUM, CHECKSUM + 2])
def test_a_file_cut_short_is_removed(tmp_path: Path, left: int) -> None:
    cache = CompiledCache(tmp_path)
    cache.store("a", b"content")
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:left])
    assert cache.load("a") is None and not path.exists()


def test_the_files_used_longest_ago_are_removed(tmp_path: Path) -> None:
    # Each file has its checksum before the content.
    cache = CompiledCache(tmp_path, largest=3 * (CHECKSUM + 100))
    for number, key in enumerate("abc"):
        cache.store(key, bytes(100))
        newest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (number, number))
    assert cache.load("a") == bytes(100)
    cache.store("d", bytes(100))
    assert [key for key in "abcd" if cache.load(key)] == ["a", "c", "d"]
    cache.store("e", bytes(1000))
    assert [key for key in "acde" if cache.load(key)] == ["a", "c", "d"]


def test_where_nothing_can_be_written_nothing_is_cached(tmp_path: Path) -> None:
    # A file where the folder should be: root could write into any folder.
    (tmp_path / "file").write_text("")
    cache = CompiledCache(tmp_path / "file")
    cache.store("a", b"one")
    assert cache.load("a") is None
    off = CompiledCache(None)
    off.store("a", b"one")
    assert off.load("a") is None


def test_the_variable_turns_it_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled_cache().folder == folder
    monkeypatch.setenv("SPARCELL_COMPILED", "off")
    assert compiled_cache().folder is None


def test_a_second_start_compiles_nothing(
    model: Model, folder: Path, compiled: list[list[int]]
) -> None:
    first = model.open("openvino", 1)(WINDOW)[0]
    golden = [1, *model.golden_input.shape]
    assert compiled == [golden, [1, 1, 64, 48]]
    model.close()
    network = model.open("openvino", 1)
    assert np.array_equal(network(WINDOW)[0], first)
    # Neither was the golden output computed again.
    assert len(compiled) == 2
    # Others have the same network with other threads, and bytes as output.
    OpenVino(model.onnx, 2, "f32")(WINDOW)
    OpenVino(model.onnx, 1, "f32").run_uint8(WINDOW)
    assert compiled[2:] == [[1, 1, 64, 48]] * 2


@pytest.mark.parametrize("content", [b"", b"no network", bytes(1 << 16)])
def test_a_stored_network_that_openvino_refuses_is_compiled_anew(
    model: Model, folder: Path, compiled: list[list[int]], content: bytes
) -> None:
    expected = OpenVino(model.onnx, 1, "f32")(WINDOW)[0]
    (path,) = folder.iterdir()
    cache = compiled_cache()
    # A whole file of wrong content, which the checksum cannot detect.
    cache.store("other", content)
    next(file for file in folder.iterdir() if file != path).replace(path)
    for starts in (2, 2):
        assert np.array_equal(OpenVino(model.onnx, 1, "f32")(WINDOW)[0], expected)
        assert len(compiled) == starts


def test_a_damaged_cache_and_one_without_a_place_cost_only_time(
    model: Model, folder: Path, compiled: list[list[int]]
) -> None:
    expected = model.open("auto", 1)(WINDOW)[0]
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    model.close()
    count = len(compiled)
    assert np.array_equal(model.open("auto", 1)(WINDOW)[0], expected)
    assert len(compiled) == 2 * count
    model.close()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("a file where the folder was")
    assert np.array_equal(model.open("auto", 1)(WINDOW)[0], expected)


def test_another_golden_output_is_compared(model: Model, folder: Path) -> None:
    model.open("openvino", 1)
    model.close()
    before = model.golden_output
    other = Model(model.spec, model.onnx, model.golden_input, 1 - before)
    with pytest.raises(InputError, match="golden output"):
        other.open("openvino", 1)


def test_a_runtime_that_no_longer_starts_is_chosen_anew(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = model.open("auto", 1).name
    assert chosen.startswith("openvino")
    model.close()

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no memory")

    for name in ("openvino", "openvino-bf16", "openvino-int8"):
        monkeypatch.setitem(RUNTIMES._entries, name, fails)
    assert model.open("auto", 1).name == "onnxruntime f32"


def test_a_network_stores_its_first_sizes(model: Model, folder: Path) -> None:
    network = OpenVino(model.onnx, 1, "f32")
    for number in range(1, MOST_COMPILED + 3):
        network(np.zeros((1, 16 * number, 16), np.float32))
    assert len(list(folder.iterdir())) == MOST_COMPILED
