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


def test_openvino_is_imported_without_its_telemetry(tmp_path: Path) -> None:
    environment = os.environ | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
    )
    devices, imported = done.stdout.splitlines()
    assert "CPU" in devices and imported == "[]"
    # Its client id would be in ~/intel.
    assert not (tmp_path / "intel").exists()


def test_nothing_else_imports_a_runtime_that_reports() -> None:
    direct = re.compile(r"^\s*import (openvino|onnxruntime)\b", re.MULTILINE)
    found = [path.name for path in SOURCES.rglob("*.py") if direct.search(path.read_text("utf8"))]
    assert found == ["libraries.py"]
