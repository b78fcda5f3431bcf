from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import sparcell

SOURCES = Path(sparcell.__file__).parent
CODE = """
import sys
from sparcell.system.libraries import import_onnxruntime, import_openvino
print(import_openvino().Core().available_devices, import_onnxruntime().__version__)
print([name for name in sys.modules if "openvino_telemetry" in name])
"""


def test_runtimes_are_imported_without_their_telemetry(tmp_path: Path) -> None:
    environment = os.environ | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
    )
    devices, imported = done.stdout.splitlines()
    assert "CPU" in devices and imported == "[]"
    # OpenVINO's client id would be in ~/intel, ONNX Runtime's in ~/.cache/Microsoft.
    assert not list(tmp_path.iterdir())


def test_nothing_else_imports_a_runtime_that_reports() -> None:
    direct = re.compile(r"^\s*import (openvino|onnxruntime)\b", re.MULTILINE)
    found = [path.name for path in SOURCES.rglob("*.py") if direct.search(path.read_text("utf8"))]
    assert found == ["libraries.py"]
