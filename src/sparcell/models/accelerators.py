"""GPUs and neural engines, through the execution providers of ONNX Runtime."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError, first_line
from sparcell.system.libraries import import_onnxruntime


class Accelerator(NamedTuple):
    """One kind of device.

    Attributes
    ----------
    title : str
    provider : str
        What ONNX Runtime calls it.
    options : dict
        Of the provider.
    fixed : bool
        It wants to know the size of the window when it opens the network.
    fix : str
        What to do where it does not start.
    """

    title: str
    provider: str
    options: dict[str, str]
    fixed: bool
    fix: str


ACCELERATORS = {
    "cuda": Accelerator(
        "CUDA",
        "CUDAExecutionProvider",
        # Otherwise every algorithm is tried for every size of window.
        {"cudnn_conv_algo_search": "HEURISTIC"},
        False,
        "update the NVIDIA driver, pip uninstall onnxruntime, "
        "pip install 'onnxruntime-gpu[cuda,cudnn]'",
    ),
    "directml": Accelerator(
        "DirectML",
        "DmlExecutionProvider",
        {},
        True,
        "update the driver of the graphics card, pip uninstall onnxruntime, "
        "pip install onnxruntime-directml",
    ),
    "coreml": Accelerator(
        "CoreML",
        "CoreMLExecutionProvider",
        {"ModelFormat": "MLProgram"},
        True,
        "update macOS and pip install --upgrade onnxruntime",
    ),
}
"""Devices by the names that users type, the fastest first."""

RELU = bytes.fromhex(
    "08073a4b0a0c0a0178120179220452656c751201675a1b0a017812160a14080112100a0208010a0208010a02"
    "08010a020801621b0a017912160a14080112100a0208010a0208010a0208010a02080142040a00100d"
)
"""The smallest network as ONNX, y = max(x, 0) of one pixel, to test whether a device works."""


def present() -> list[str]:
    """List the devices that the installed ONNX Runtime was built for, the fastest first."""
    try:
        onnxruntime = import_onnxruntime()

        built_for = onnxruntime.get_available_providers()
    except Exception:
        return []
    return [name for name, kind in ACCELERATORS.items() if kind.provider in built_for]


def why_not(device: str) -> str:
    """Why a device cannot be used, in one line; empty where it can."""
    try:
        Accelerated(RELU, 1, device).run(np.zeros((1, 1, 1), np.float32))
    except Exception as error:
        return first_line(error)
    return ""


class Accelerated:
    """ONNX Runtime on a GPU or neural engine, in the precision that the device prefers.

    Raises
    ------
    RuntimeError
        If the installed ONNX Runtime was not built for the device.
    """

    def __init__(self, onnx: bytes, threads: int, device: str) -> None:
        onnxruntime = import_onnxruntime()

        self._onnx, self._threads, self._kind = onnx, threads, ACCELERATORS[device]
        self.name = f"onnxruntime {self._kind.title}"
        self._sessions: dict[tuple[int, ...], Any] = {}
        if device not in present():
            raise RuntimeError("this ONNX Runtime was built without it")
        # Its own messages take several lines; ours is one.
        onnxruntime.set_default_logger_severity(4)
        if device == "cuda" and hasattr(onnxruntime, "preload_dlls"):
            with redirect_stdout(StringIO()):
                onnxruntime.preload_dlls()

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on one window.

        Raises
        ------
        InputError
            If the device does not open the network, or gives up, such as for lack of memory.
        """
        try:
            return self.run(image)
        except Exception as error:
            edges = " x ".join(str(edge) for edge in image.shape[1:])
            raise InputError(
                f"{self.name} that cannot predict a window of {edges} px ({first_line(error)})",
                "a device with enough memory",
                'choose `runtime="openvino"`, or a smaller `tile`',
            ) from error

    def run(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on one window; errors are those of ONNX Runtime."""
        shape = image.shape if self._kind.fixed else ()
        if shape not in self._sessions:
            # Each session has the network and its buffers in memory.
            if len(self._sessions) >= 4:
                self._sessions.pop(next(iter(self._sessions)))
            self._sessions[shape] = self._open(shape)
        session = self._sessions[shape]
        given = session.run(None, {session.get_inputs()[0].name: image[None]})
        return [output[0] for output in given]

    def _open(self, shape: tuple[int, ...]) -> Any:
        onnxruntime = import_onnxruntime()

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 4
        # DirectML asks for this; windows of several sizes gain nothing from the pattern.
        options.enable_mem_pattern = False
        if shape:
            for name, length in zip(("batch", "height", "width"), (1, *shape[1:]), strict=True):
                options.add_free_dimension_override_by_name(name, length)
        provider = (self._kind.provider, self._kind.options)
        session = onnxruntime.InferenceSession(
            self._onnx, options, providers=[provider], enable_fallback=0
        )
        # Where libraries are missing, ONNX Runtime goes on with the CPU and raises nothing.
        if self._kind.provider not in session.get_providers():
            raise RuntimeError("its libraries or driver do not load")
        return session
