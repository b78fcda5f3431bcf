"""Runtimes: the engines that run a network's ONNX graph without PyTorch."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError
from sparcell.core.registry import Registry
from sparcell.methods.base import MAPS, Answer

TOLERANCE_FULL = 1e-3
"""Largest difference of a map value (0..1) in full precision, any pixel."""
TOLERANCE_HALF = 0.02
"""The same for bfloat16, for 99 % of the pixels: far below what moves an outline by a pixel.

Of detections too 99 % of the picture must agree, not all: see `Answer.exact`.
"""


class Runtime(Protocol):
    """Runs one network."""

    name: str

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Give the network's outputs for (C, Y, X) float32, normalised, without batch axis.

        Of a dense network that is one array, (K, Y, X) float32 in 0..1.
        """


class OpenVino:
    """Intel's OpenVINO: the fastest on CPUs; compiled once per input size and kept."""

    def __init__(self, onnx: bytes, threads: int, precision: str) -> None:
        import openvino

        self.name = f"openvino {precision}"
        self._core = openvino.Core()
        self._onnx = onnx
        self._options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._compiled: dict[tuple[int, ...], Any] = {}

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on one window."""
        if image.shape not in self._compiled:
            # Each compiled size holds its own buffers: keep few.
            if len(self._compiled) >= 4:
                self._compiled.pop(next(iter(self._compiled)))
            graph = self._core.read_model(self._onnx, b"")
            graph.reshape([1, *image.shape])
            self._compiled[image.shape] = self._core.compile_model(graph, "CPU", self._options)
        network = self._compiled[image.shape]
        given = network(image[None])
        return [given[number][0] for number in range(len(network.outputs))]


class OnnxRuntime:
    """ONNX Runtime, float32: the reference."""

    def __init__(self, onnx: bytes, threads: int) -> None:
        import onnxruntime

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


RUNTIMES: Registry[Any] = Registry("runtime")
RUNTIMES.register("openvino-bf16")(lambda onnx, threads: OpenVino(onnx, threads, "bf16"))
RUNTIMES.register("openvino")(lambda onnx, threads: OpenVino(onnx, threads, "f32"))
RUNTIMES.register("onnxruntime")(lambda onnx, threads: OnnxRuntime(onnx, threads))


def open_runtime(
    name: str,
    onnx: bytes,
    golden_input: NDArray[np.float32],
    golden_output: NDArray[np.float32],
    threads: int = 0,
    answer: Answer = MAPS,
    wrap: Callable[[Runtime], Runtime] | None = None,
) -> Runtime:
    """Open a runtime that reproduces the golden output.

    Parameters
    ----------
    name : str
        ``openvino-bf16``, ``openvino``, ``onnxruntime``, or ``auto``: the first of them, in this
        order, that the machine has and that reproduces the golden output.
    onnx : bytes
        The graph.
    golden_input, golden_output : (C, Y, X), (K, Y, X) float32
        One input and the picture of what the network said about it at the time of export.
    threads : int
        0 lets the runtime choose.
    answer : Answer
        How the picture is made.
    wrap : callable, optional
        Stands between a network of another tool and what Sparcell gives and takes.

    Raises
    ------
    InputError
        If none does.
    """
    names = [name]
    if name == "auto":
        names = ["openvino", "onnxruntime"]
        if _has_bfloat16():
            names.insert(0, "openvino-bf16")
    shape = (golden_input.shape[1], golden_input.shape[2])
    seen = []
    for candidate in names:
        make = RUNTIMES[candidate]
        try:
            runtime: Runtime = make(onnx, threads)
            runtime = wrap(runtime) if wrap else runtime
            said = answer.picture(runtime(golden_input), shape)
            difference = np.abs(said - golden_output)
        except ImportError as error:
            seen.append(f"{candidate}: not installed ({error.name})")
            continue
        except Exception as error:
            seen.append(f"{candidate}: {str(error).splitlines()[0][:120]}")
            continue
        half = candidate.endswith("bf16")
        exact = answer.exact and not half
        worst = float(difference.max() if exact else np.percentile(difference, 99))
        if worst <= (TOLERANCE_HALF if half else TOLERANCE_FULL):
            return runtime
        seen.append(f"{candidate}: off by {worst:.3g}")
    raise InputError(
        "no runtime that reproduces the model's golden output (" + "; ".join(seen) + ")",
        "the output that the model gave when it was exported",
        "try --runtime onnxruntime, or export the model again",
    )


def _has_bfloat16() -> bool:
    """Say whether the CPU multiplies bfloat16 matrices itself."""
    try:
        import openvino

        capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except Exception:
        return False
    return "BF16" in capabilities


def default_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
