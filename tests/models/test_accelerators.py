"""Which device is chosen, with devices that are played by the CPU: none of them is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from models import bright_model, random_model
from packaging.requirements import Requirement

from sparcell import diagnostics
from sparcell.core.errors import InputError
from sparcell.models import Model
from sparcell.models.accelerators import ACCELERATORS, present, why_not
from sparcell.models.runtime import RUNTIMES, candidates


class Device:
    """Plays devices: opens sessions on the CPU that say they are on what was asked for."""

    def __init__(self, fault: str = "") -> None:
        self.fault, self.opened = fault, []  # type: ignore[var-annotated]
        self._real = onnxruntime.InferenceSession

    def __call__(self, onnx: bytes, options: Any, providers: list[Any], **others: Any) -> Any:
        name = providers[0][0] if isinstance(providers[0], tuple) else ""
        if name and self.fault == "opening":
            raise RuntimeError("cuDNN 9 is missing\nand more lines")
        session = self._real(onnx, options, providers=["CPUExecutionProvider"])
        self.opened.append(name)
        return Session(session, name, self.fault)


class Session:
    def __init__(self, session: Any, name: str, fault: str) -> None:
        self._session, self._name, self._fault = session, name, fault
        self.get_inputs = session.get_inputs

    def get_providers(self) -> list[str]:
        silent = self._fault == "silent" or not self._name
        return ["CPUExecutionProvider"] if silent else [self._name, "CPUExecutionProvider"]

    def run(self, *given: Any) -> Any:
        if self._name and self._fault == "running":
            raise RuntimeError("out of memory")
        wrong = 0.3 if self._name and self._fault == "wrong" else 0.0
        return [output + np.float32(wrong) for output in self._session.run(*given)]


@pytest.fixture(scope="module")
def model() -> Model:
    return random_model()


def play(monkeypatch: pytest.MonkeyPatch, *devices: str, fault: str = "") -> Device:
    """Let ONNX Runtime be built for these devices."""
    providers = [ACCELERATORS[name].provider for name in devices]
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: [*providers, "CPUExecutionProvider"]
    )
    device = Device(fault)
    monkeypatch.setattr(onnxruntime, "InferenceSession", device)
    return device


def test_devices_come_before_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, "coreml", "cuda", "directml")
    assert present() == ["cuda", "directml", "coreml"]
    assert candidates()[:3] == present() and candidates()[-2:] == ["openvino", "onnxruntime"]
    assert set(candidates()) <= set(RUNTIMES)


@pytest.mark.parametrize("device", list(ACCELERATORS))
def test_the_device_that_is_there_is_used(
    device: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play(monkeypatch, device)
    runtime = model.open()
    assert runtime.name == f"onnxruntime {ACCELERATORS[device].title}"
    assert played.opened == [ACCELERATORS[device].provider]
    (said,) = runtime(model.golden_input)
    assert np.abs(said - model.golden_output).max() < 1e-3


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("opening", "cuDNN 9 is missing"),
        ("silent", "libraries or driver do not load"),
        ("running", "out of memory"),
        ("wrong", "off by 0.3"),
    ],
)
def test_what_does_not_work_is_one_line_and_the_cpu_takes_over(
    fault: str,
    says: str,
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    play(monkeypatch, "cuda", fault=fault)
    assert model.open().name.startswith("openvino")
    (line,) = caplog.messages
    assert line.startswith("cuda is not used: ") and says in line and "onnxruntime-gpu" in line
    with pytest.raises(InputError, match=says):
        model.open("cuda")


def test_onnx_runtime_itself_goes_on_without_a_word(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The installed one was not built for CUDA; it does the same where CUDA does not load.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        assert why_not("cuda") == "its libraries or driver do not load"


def test_a_device_that_is_not_there_is_one_line(model: Model) -> None:
    with pytest.raises(InputError, match="directml: this ONNX Runtime was built without it"):
        model.open("directml")


def test_devices_that_ask_for_it_are_told_the_size(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play(monkeypatch, "cuda", "coreml")
    rng = np.random.default_rng(0)
    images = [rng.standard_normal((1, edge, 32)).astype(np.float32) for edge in (16, 32, 16)]
    reference = model.open("onnxruntime")
    for name, sessions in (("cuda", 1), ("coreml", 2)):
        runtime = RUNTIMES[name](model.onnx, 1)
        played.opened.clear()
        for image in images:
            np.testing.assert_allclose(runtime(image)[0], reference(image)[0], atol=1e-5)
        assert len(played.opened) == sessions


def test_a_device_that_gives_up_in_the_middle_is_one_line(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, "cuda", fault="running")
    with pytest.raises(InputError, match=r"window of 32 x 48 px \(out of memory\).*`runtime="):
        RUNTIMES["cuda"](model.onnx, 1)(model.golden_input)


def test_the_doctor_opens_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, "cuda")
    found = list(diagnostics._onnxruntime())
    assert "CPU, CUDA" in found[0].found and "CUDA opens" in found[1].found
    assert all(one.status == "ok" for one in found)
    play(monkeypatch, "cuda", fault="opening")
    _, broken = diagnostics._onnxruntime()
    assert broken.status == "warn" and broken.found.endswith("cuDNN 9 is missing")
    assert broken.fix == ACCELERATORS["cuda"].fix


def test_builds_for_devices_count_as_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        diagnostics, "read_requirements", lambda: {"": [Requirement("onnxruntime>=1.17")]}
    )
    held = {"onnxruntime-gpu": "1.20"}
    monkeypatch.setattr(diagnostics, "installed_version", held.get)
    assert [one.status for one in diagnostics._packages()] == ["ok"]
    held.clear()
    assert "onnxruntime missing" in list(diagnostics._packages())[1].found


def test_the_model_is_timed_on_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, "directml")
    lines = [one.found for one in diagnostics._model(bright_model())]
    assert lines[0].endswith("runs on onnxruntime DirectML")
    assert any(line.startswith("directml: ") for line in lines)
