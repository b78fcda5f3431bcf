"""OpenVINO as a runtime, the fastest on CPUs."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.methods.base import Maps
from sparcell.models.compiled_cache import compiled_cache, library_versions, processor
from sparcell.models.int8 import Int8, quantise
from sparcell.system.libraries import import_openvino

logger = logging.getLogger(__name__)

MOST_COMPILED = 8
"""Window sizes for which a compiled network is cached: each has weights and buffers.

``diameter="auto"`` predicts each image in six sizes. As many are stored on disk by each network.
"""


class OpenVino:
    """Intel's OpenVINO; compiled once per window size, or read from `compiled_cache`.

    Several threads may call it; they take turns.
    """

    def __init__(self, onnx: bytes, threads: int, precision: str, int8: Int8 | None = None) -> None:
        openvino = import_openvino()
        self.name = f"openvino {'int8' if int8 else precision}"
        self._core = openvino.Core()
        self._onnx, self._int8 = onnx, int8
        self._options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            # With pinning, threads of several processes would all run on the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._graphs: dict[bool, Any] = {}
        self._compiled: dict[tuple[tuple[int, ...], bool], Any] = {}
        self._lock = threading.Lock()
        self._disk, self._stored = compiled_cache(), 0
        ranges = int8.model_dump_json() if int8 else ""
        network = hashlib.sha256(onnx + ranges.encode()).hexdigest()
        self._key = f"{network} {self._options} {library_versions()} {processor()}"

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on one window."""
        with self._lock:
            network = self._compile(image.shape, as_uint8=False)
            given = network(image[None])
        return [given[number][0] for number in range(len(network.outputs))]

    def run_uint8(self, image: NDArray[np.float32]) -> Maps:
        """Run a network of dense maps on one window; its graph ends in bytes.

        That is a quarter of the memory of float32 maps.
        """
        with self._lock:
            maps: Maps = self._compile(image.shape, as_uint8=True)(image[None])[0][0]
        return maps

    def _compile(self, shape: tuple[int, ...], as_uint8: bool) -> Any:
        network = self._compiled.pop((shape, as_uint8), None)
        if network is None:
            if len(self._compiled) >= MOST_COMPILED:
                self._compiled.pop(next(iter(self._compiled)))
            network = self._from_disk(shape, as_uint8)
        # Sorted by last use, the oldest first.
        self._compiled[shape, as_uint8] = network
        return network

    def _from_disk(self, shape: tuple[int, ...], as_uint8: bool) -> Any:
        """Read a compiled network, which takes a seventh of compiling it, or compile and store."""
        key = f"{self._key} {shape} {as_uint8}"
        if stored := self._disk.load(key):
            try:
                return self._core.import_model(io.BytesIO(stored), "CPU", self._options)
            except Exception as error:
                logger.debug(f"a stored network that OpenVINO refuses: {error}")
                self._disk.remove(key)
        graph = self._graph(as_uint8).clone()
        graph.reshape([1, *shape])
        network = self._core.compile_model(graph, "CPU", self._options)
        if self._stored < MOST_COMPILED and (exported := _exported(network)):
            self._stored += 1
            self._disk.store(key, exported)
        return network

    def _graph(self, as_uint8: bool) -> Any:
        """Read the network once for all sizes, which saves a quarter of the compile time."""
        if as_uint8 not in self._graphs:
            graph = self._core.read_model(self._onnx, b"")
            if self._int8:
                quantise(graph, self._int8.ranges)
            self._graphs[as_uint8] = _rounded(graph) if as_uint8 else graph
        return self._graphs[as_uint8]


def _exported(network: Any) -> bytes:
    """Serialise a compiled network; empty if OpenVINO cannot."""
    try:
        exported = network.export_model()
    except Exception as error:
        logger.debug(f"a network that OpenVINO does not export: {error}")
        return b""
    return exported if isinstance(exported, bytes) else bytes(exported.getvalue())


def _rounded(graph: Any) -> Any:
    """Add `sparcell.methods.base.to_uint8` to the end of a graph."""
    openvino = import_openvino()
    from openvino import opset13 as ops

    maps = graph.output(0).get_node().input_value(0)
    scaled = ops.add(ops.multiply(maps, np.float32(255)), np.float32(0.5))
    ends = [ops.result(ops.convert(scaled, "u8"))]
    return openvino.Model(ends, graph.get_parameters(), "uint8")
