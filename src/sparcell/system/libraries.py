"""Import runtimes that would report their use to their makers, without that.

``import openvino`` starts ``openvino_telemetry``: it posts to Google Analytics, leaves an id in the
home folder, and waits where the network drops packets. ONNX Runtime reports to Microsoft, in its
newest versions on all systems (its ``Privacy.md``), with an id in the cache folder.
"""

from __future__ import annotations

import os
import sys
from typing import Any

REPORTER = "openvino_telemetry"


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    if "openvino" in sys.modules or REPORTER in sys.modules:
        import openvino

        return openvino
    # Where this package cannot be imported, OpenVINO uses a stub of its own.
    sys.modules[REPORTER] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[REPORTER]
    return openvino


def import_onnxruntime() -> Any:
    """Import ONNX Runtime without its telemetry.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    # Read when the library is loaded; the call below turns off what Windows itself collects.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime
