"""Runtimes: libraries that run a network's ONNX graph without PyTorch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError, first_line
from sparcell.core.registry import Registry
from sparcell.methods.base import DENSE_MAPS, Maps, OutputSpec, to_uint8
from sparcell.models.accelerators import ACCELERATORS, Accelerated, present
from sparcell.models.int8 import Int8, has_int8, quantise
from sparcell.system.libraries import import_onnxruntime, import_openvino
from sparcell.system.malloc import tune_malloc

logger = logging.getLogger(__name__)

TOLERANCE_FULL = 1e-3
"""Largest difference of a map value (0..1) in full precision, any pixel."""
TOLERANCE_HALF = 0.02
"""The same for bfloat16 and accelerators, for 99 % of the pixels: it moves no outline by a pixel.

It is also the share for detections, see `OutputSpec.every_pixel`.
"""


MOST_COMPILED = 8
"""Window sizes for which a compiled network is cached: each has weights and buffers.

``diameter="auto"`` predicts each image in six sizes.
"""


class Runtime(Protocol):
    """Runs one network."""

    name: str

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the network's outputs for (C, Y, X) float32, normalised, without batch axis.

        Of a dense network that is one array, (K, Y, X) float32 in 0..1.
        """


class OpenVino:
    """Intel's OpenVINO, the fastest on CPUs; compiled once per window size."""

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

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on one window."""
        network = self._compile(image.shape, as_uint8=False)
        given = network(image[None])
        return [given[number][0] for number in range(len(network.outputs))]

    def run_uint8(self, image: NDArray[np.float32]) -> Maps:
        """Run a network of dense maps on one window; its graph ends in bytes.

        That is a quarter of the memory of float32 maps.
        """
        maps: Maps = self._compile(image.shape, as_uint8=True)(image[None])[0][0]
        return maps

    def _compile(self, shape: tuple[int, ...], as_uint8: bool) -> Any:
        network = self._compiled.pop((shape, as_uint8), None)
        if network is None:
            if len(self._compiled) >= MOST_COMPILED:
                self._compiled.pop(next(iter(self._compiled)))
            graph = self._graph(as_uint8).clone()
            graph.reshape([1, *shape])
            network = self._core.compile_model(graph, "CPU", self._options)
        # Sorted by last use, the oldest first.
        self._compiled[shape, as_uint8] = network
        return network

    def _graph(self, as_uint8: bool) -> Any:
        """Read the network once for all sizes, which saves a quarter of the compile time."""
        if as_uint8 not in self._graphs:
            graph = self._core.read_model(self._onnx, b"")
            if self._int8:
                quantise(graph, self._int8.ranges)
            self._graphs[as_uint8] = _rounded(graph) if as_uint8 else graph
        return self._graphs[as_uint8]


def _rounded(graph: Any) -> Any:
    """Add `sparcell.methods.base.to_uint8` to the end of a graph."""
    openvino = import_openvino()
    from openvino import opset13 as ops

    maps = graph.output(0).get_node().input_value(0)
    scaled = ops.add(ops.multiply(maps, np.float32(255)), np.float32(0.5))
    ends = [ops.result(ops.convert(scaled, "u8"))]
    return openvino.Model(ends, graph.get_parameters(), "uint8")


def read_uint8(runtime: Runtime, image: NDArray[np.float32]) -> Maps:
    """Run a network of dense maps on (C, Y, X) float32; bytes 0..255 stand for 0..1."""
    own: Callable[[NDArray[np.float32]], Maps] | None = getattr(runtime, "run_uint8", None)
    return own(image) if own else to_uint8(runtime(image)[0])


class OnnxRuntime:
    """ONNX Runtime, float32: the reference."""

    def __init__(self, onnx: bytes, threads: int) -> None:
        onnxruntime = import_onnxruntime()

        self.name = "onnxruntime f32"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            onnx, options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on one window."""
        return [output[0] for output in self._session.run(None, {self._input: image[None]})]


def _open_int8(onnx: bytes, threads: int, int8: Int8 | None = None) -> OpenVino:
    if int8 is None:
        raise RuntimeError("not calibrated, `sparcell quantise` does it")
    # Operations without 8 bits run in the fastest other precision.
    return OpenVino(onnx, threads, "bf16" if _has_bfloat16() else "f32", int8)


def _accelerated(device: str) -> Callable[..., Accelerated]:
    return lambda onnx, threads, int8=None: Accelerated(onnx, threads, device)


RUNTIMES: Registry[Any] = Registry("runtime")
RUNTIMES.register("openvino-int8")(_open_int8)
RUNTIMES.register("openvino-bf16")(lambda onnx, threads, int8=None: OpenVino(onnx, threads, "bf16"))
RUNTIMES.register("openvino")(lambda onnx, threads, int8=None: OpenVino(onnx, threads, "f32"))
RUNTIMES.register("onnxruntime")(lambda onnx, threads, int8=None: OnnxRuntime(onnx, threads))
for _device in ACCELERATORS:
    RUNTIMES.register(_device)(_accelerated(_device))
FULL = ("openvino", "onnxruntime")
"""Runtimes that compute in full precision."""


def candidates(int8: Int8 | None = None) -> list[str]:
    """List the runtimes that this machine may have, the fastest first.

    Parameters
    ----------
    int8 : Int8, optional
        Of a model that has been calibrated.
    """
    names = present()
    if int8 and has_int8():
        names.append("openvino-int8")
    if _has_bfloat16():
        names.append("openvino-bf16")
    return [*names, *FULL]


def open_runtime(
    name: str,
    onnx: bytes,
    golden_input: NDArray[np.float32],
    golden_output: NDArray[np.float32],
    threads: int = 0,
    output: OutputSpec = DENSE_MAPS,
    wrap: Callable[[Runtime], Runtime] | None = None,
    int8: Int8 | None = None,
) -> Runtime:
    """Open a runtime that reproduces the golden output.

    Parameters
    ----------
    name : str
        A name in `RUNTIMES`, or ``auto``: the first of `candidates` that reproduces the golden
        output. A warning names each accelerator that does not.
    onnx : bytes
        The graph.
    golden_input, golden_output : (C, Y, X), (K, Y, X) float32
        One input, and the reference image of the network's output for it at the time of export.
    threads : int
        0 lets the runtime choose.
    output : OutputSpec
        How the reference image is made.
    wrap : callable, optional
        Puts a runtime around another one, such as for another tool's network.
    int8 : Int8, optional
        Of a model that has been calibrated.

    Raises
    ------
    InputError
        If none does.
    """
    tune_malloc()
    reasons = []
    for candidate in candidates(int8) if name == "auto" else [name]:
        make = RUNTIMES[candidate]
        try:
            runtime: Runtime = make(onnx, threads, int8)
            runtime = wrap(runtime) if wrap else runtime
            shape = (golden_input.shape[1], golden_input.shape[2])
            difference = np.abs(
                output.reference_image(runtime(golden_input), shape) - golden_output
            )
            if not (reason := _compare(candidate, difference, output, int8)):
                return runtime
        except ImportError as error:
            reason = f"not installed ({error.name})"
        except Exception as error:
            # The device's own message is the cause of the line for the user.
            reason = first_line(error.__cause__ or error)
        reasons.append(f"{candidate}: {reason}")
        if name == "auto" and candidate in ACCELERATORS:
            logger.warning(f"{candidate} is not used: {reason}; {ACCELERATORS[candidate].fix}")
    again = 'try `runtime="onnxruntime"`, or export the model again'
    raise InputError(
        "no runtime that reproduces the model's golden output (" + "; ".join(reasons) + ")",
        "the output at the time of export",
        ACCELERATORS[name].fix if name in ACCELERATORS else again,
    )


def _compare(
    candidate: str, difference: NDArray[np.float32], output: OutputSpec, int8: Int8 | None
) -> str:
    """Why a runtime does not reproduce the golden output; empty where it does."""
    full = candidate in FULL
    worst = float(
        difference.max() if output.every_pixel and full else np.percentile(difference, 99)
    )
    allowed = TOLERANCE_FULL if full else TOLERANCE_HALF
    if candidate == "openvino-int8" and int8:
        # The difference at calibration, and the tolerance of bfloat16 for other processors.
        allowed += int8.off
    return "" if worst <= allowed else f"off by {worst:.3g}"


def _has_bfloat16() -> bool:
    """Whether the CPU has instructions for bfloat16 matrices."""
    try:
        openvino = import_openvino()

        capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except Exception:
        return False
    return "BF16" in capabilities
