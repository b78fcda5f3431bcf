from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import bright_model
from numpy.typing import NDArray

from sparcell import predict_array
from sparcell.core.errors import InputError
from sparcell.models import Model
from sparcell.models.model_cache import MODELS
from sparcell.models.open_networks import MOST_OPEN
from sparcell.models.runtime import RUNTIMES, OnnxRuntime

IMAGE = np.zeros((32, 48), np.uint8)
IMAGE[8:16, 8:16] = 200


@pytest.fixture(scope="module")
def model() -> Model:
    return bright_model()


class Counting(OnnxRuntime):
    """ONNX Runtime that records each start."""

    started: list[int]

    def __init__(self, onnx: bytes, threads: int, int8: Any = None) -> None:
        self.started.append(threads)
        super().__init__(onnx, threads)


@pytest.fixture
def started() -> Iterator[list[int]]:
    """Threads of each network that the runtime ``counting`` has started."""
    entries = RUNTIMES._entries
    Counting.started = []
    entries["counting"] = Counting
    yield Counting.started
    del entries["counting"]


def test_calls_with_a_model_open_its_network_once(model: Model, started: list[int]) -> None:
    for _ in range(3):
        assert len(predict_array(model, IMAGE, runtime="counting", threads=1).objects) == 1
    assert started == [1]


def test_each_runtime_and_number_of_threads_has_a_network(model: Model, started: list[int]) -> None:
    assert model.open("counting", 1) is model.open("counting", 1)
    assert model.open("counting", 2) is not model.open("counting", 1)
    assert model.open("onnxruntime", 1) is not model.open("counting", 1)
    assert started == [1, 2]


def test_a_model_that_was_read_again_shares_the_network(model: Model, started: list[int]) -> None:
    again = replace(model)
    assert again is not model and again.open("counting", 1) is model.open("counting", 1)
    other = bright_model(4.0)
    assert other.open("counting", 1) is not model.open("counting", 1)
    assert started == [1, 1]


def test_with_closes_the_networks_of_the_model(model: Model, started: list[int]) -> None:
    other = bright_model(4.0)
    kept = other.open("counting", 1)
    with model as opened:
        first = opened.open("counting", 1)
        opened.open("counting", 2)
    assert model.open("counting", 1) is not first
    assert other.open("counting", 1) is kept
    assert started == [1, 1, 2, 1]


def test_the_network_used_longest_ago_is_closed(started: list[int]) -> None:
    models = [bright_model(float(weight)) for weight in range(1, MOST_OPEN + 2)]
    for model in models[:-1]:
        model.open("counting", 1)
    models[0].open("counting", 1)
    models[-1].open("counting", 1)
    assert len(started) == MOST_OPEN + 1
    # The second was used longest ago.
    models[0].open("counting", 1)
    assert len(started) == MOST_OPEN + 1
    models[1].open("counting", 1)
    assert len(started) == MOST_OPEN + 2


def test_a_network_that_does_not_open_is_tried_again(model: Model, started: list[int]) -> None:
    wrong = replace(model, golden_output=1 - model.golden_output)
    for _ in range(2):
        with pytest.raises(InputError, match="golden output"):
            wrong.open("counting", 1)
    assert model.open("counting", 1).name == "onnxruntime f32"
    assert len(started) == 3


def test_an_own_network_is_compared_even_if_one_is_open(model: Model, started: list[int]) -> None:
    shared = model.open("counting", 1)
    assert model.open_new("counting", 1) is not shared
    assert model.open("counting", 1) is shared
    assert started == [1, 1]


def test_threads_open_one_network_and_find_the_same(model: Model, started: list[int]) -> None:
    together = threading.Barrier(6)

    def find(_: int) -> NDArray[Any]:
        together.wait()
        return predict_array(model, IMAGE, runtime="counting", threads=1).labels

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(find, range(6)))
    assert started == [1]
    assert all(np.array_equal(labels, IMAGE > 0) for labels in found)


def test_threads_take_turns_with_an_openvino_network(model: Model) -> None:
    rng = np.random.default_rng(0)
    # More sizes than stay compiled, so that threads remove sizes of each other.
    windows = [rng.standard_normal((1, 16 * n, 32)).astype(np.float32) for n in range(1, 13)]
    network, reference = model.open("openvino", 1), model.open("onnxruntime", 1)

    def largest_difference(window: NDArray[np.float32]) -> float:
        return float(np.abs(network(window)[0] - reference(window)[0]).max())

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(largest_difference, windows * 4)) < 1e-3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_opens_its_own(model: Model, started: list[int]) -> None:
    runtime = model.open("counting", 1)
    reading, writing = multiprocessing.Pipe(duplex=False)

    def work() -> None:
        own = model.open("counting", 1) is not runtime
        objects = len(predict_array(model, IMAGE, runtime="counting", threads=1).objects)
        writing.send((own, len(started), objects))

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    assert reading.poll(60)
    # Two starts: one before the fork, one after it.
    assert reading.recv() == (True, 2, 1)
    process.join(60)
    assert process.exitcode == 0
    assert model.open("counting", 1) is runtime and started == [1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_process_forked_while_a_model_is_read_reads_its_own(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    bright_model().save(path)
    reading, writing = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=lambda: writing.send(MODELS.get(path).digest)
    )
    # Another thread of the parent is reading a model.
    with MODELS._lock:
        process.start()
    assert reading.poll(60)
    assert reading.recv() == bright_model().digest
    process.join(60)
    assert process.exitcode == 0


def test_a_file_is_read_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[int]
) -> None:
    path = tmp_path / "model.zip"
    bright_model().save(path)
    first = predict_array(path, IMAGE, runtime="counting", threads=1)
    assert started == [1] and len(first.objects) == 1
    with monkeypatch.context() as context:
        # The file itself is not read again, by its name or that of its folder.
        context.setattr("zipfile.ZipFile", None)
        predict_array(path, IMAGE, runtime="counting", threads=1)
        predict_array(str(tmp_path), IMAGE, runtime="counting", threads=1)
    assert started == [1]
    # A negative weight: what is dark is foreground.
    bright_model(-8.0).save(path)
    assert np.array_equal(
        predict_array(path, IMAGE, runtime="counting", threads=1).labels, IMAGE == 0
    )
    assert started == [1, 1]
    path.unlink()
    with pytest.raises(InputError, match="no model"):
        predict_array(path, IMAGE, runtime="counting", threads=1)
