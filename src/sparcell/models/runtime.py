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
from sparcell.models.compiled_cache import compiled_cache, library_versions, processor
from sparcell.models.int8 import Int8, has_int8
from sparcell.models.openvino_runtime import OpenVino
from sparcell.system.libraries import import_onnxruntime, import_openvino
from sparcell.system.malloc import tune_malloc

logger = logging.getLogger(__name__)

TOLERANCE_FULL = 1e-3
"""Largest difference of a map value (0..1) in full precision, any pixel."""
TOLERANCE_HALF = 0.02
"""The same for bfloat16 and accelerators, for 99 % of the pixels: it moves no outline by a pixel.

It is also the share for detections, see `OutputSpec.every_pixel`.
"""


class Runtime(Protocol):
    """Runs one network."""

    name: str

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the network's outputs for (C, Y, X) float32, normalised, without batch axis.

        Of a dense network that is one array, (K, Y, X) float32 in 0..1.
        """


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
    digest: str = "",
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
    digest : str, optional
        Of the model and its golden output. With it the outcome is cached on disk: the same
        libraries on the same processor are compared once.

    Raises
    ------
    InputError
        If none does.
    """
    tune_malloc()

    def start(candidate: str) -> Runtime:
        runtime: Runtime = RUNTIMES[candidate](onnx, threads, int8)
        return wrap(runtime) if wrap else runtime

    disk, key = compiled_cache(), f"runtime {name} {digest} {library_versions()} {processor()}"
    if digest and (known := disk.load(key)):
        try:
            return start(known.decode())
        except Exception as error:
            logger.debug(f"{known.decode()} no longer starts: {first_line(error)}")
            disk.remove(key)
    reasons = []
    order = candidates(int8) if name == "auto" else [name]
    for candidate in order:
        RUNTIMES[candidate]
        try:
            runtime = start(candidate)
            shape = (golden_input.shape[1], golden_input.shape[2])
            difference = np.abs(
                output.reference_image(runtime(golden_input), shape) - golden_output
            )
            if not (reason := _compare(candidate, difference, output, int8)):
                # A device may be gone or mended tomorrow: such machines compare at every start.
                if digest and not any(one in ACCELERATORS for one in order):
                    disk.store(key, candidate.encode())
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
