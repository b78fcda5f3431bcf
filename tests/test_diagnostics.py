from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from models import bright_model
from packaging.requirements import Requirement

from sparcell import diagnostics
from sparcell.core.errors import InputError
from sparcell.diagnostics import Finding
from sparcell.models import Model
from sparcell.system.machine import GIB, Cores, Memory

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask no other process, and be on a machine without a limit."""
    monkeypatch.setattr(diagnostics, "_torch", lambda: iter(()))
    monkeypatch.setattr(diagnostics, "cores", lambda: Cores(4, 8, None))
    monkeypatch.setattr(diagnostics, "memory", lambda: Memory(16 * GIB, 8 * GIB, None))
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "LD_PRELOAD"):
        monkeypatch.delenv(name, raising=False)


def about(topic: str, model: Model | None = None) -> list[Finding]:
    return [finding for finding in diagnostics.doctor(model) if finding.topic == topic]


def test_this_machine_can_predict() -> None:
    findings = diagnostics.doctor()
    assert {f.topic for f in findings} >= {
        "python", "versions", "cores", "memory", "processor", "openvino", "onnxruntime", "extras",
        "cache",
    }  # fmt: skip
    assert not [f for f in findings if f.status == "fail"]
    assert all(f.fix for f in findings if f.status != "ok")
    assert all("\n" not in f.found + f.fix for f in findings)
    assert "numpy 2" in about("versions")[0].found or "numpy 1" in about("versions")[0].found


def test_limits_are_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "cores", lambda: Cores(4, 8, 1.5))
    (found,) = about("cores")
    assert found.status == "warn" and "4 of 8" in found.found and "`threads=1`" in found.fix
    monkeypatch.setattr(diagnostics, "memory", lambda: Memory(16 * GIB, GIB, 3 * GIB))
    (found,) = about("memory")
    assert found.status == "warn" and "limited to 3.0" in found.found
    for name in [n for n in os.environ if n.startswith("MALLOC_") or n == "LD_PRELOAD"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    threads, waiting, memory = about("settings")
    assert "1 of 4 cores" in threads.found and "unset OMP_WAIT_POLICY" in waiting.fix
    assert memory.found.startswith("MALLOC_ARENA_MAX=4: ")


def test_old_and_missing_packages_are_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    core = [Requirement("numpy>=99.1"), Requirement("no-such-package[all]>=2")]
    needed = {"": core, "excel": [Requirement("no-such-extra")]}
    monkeypatch.setattr(diagnostics, "read_requirements", lambda: needed)
    _, old, missing = about("versions")
    assert old.status == missing.status == "fail"
    assert ">=99.1 is needed" in old.found and old.fix == "pip install --upgrade 'numpy>=99.1'"
    assert missing.found.startswith("no-such-package missing")
    (extra,) = about("extras")
    assert extra.status == "ok" and extra.fix.startswith("pip install 'sparcell[excel]'")


def test_requirements_are_those_of_the_package() -> None:
    needed = diagnostics.read_requirements()
    of_developers = {"docs", "test", "test-formats", "lint"}
    assert set(needed) - {"", *of_developers} == set(diagnostics.ADDS)
    numpy = next(one for one in needed[""] if one.name == "numpy")
    assert str(numpy).startswith("numpy>=") and numpy.marker is None


@pytest.mark.parametrize("version", ["2.15.0+cu132", "2.15.0rc1", "2.5"])
def test_local_and_pre_releases_are_new_enough(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(diagnostics, "read_requirements", lambda: {"": [Requirement("torch>=2.5")]})
    monkeypatch.setattr(diagnostics, "installed_version", lambda name: version)
    assert [found.status for found in about("versions")] == ["ok"]


def test_without_any_runtime_prediction_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert not [f for f in diagnostics.doctor() if f.status == "fail"]
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (failed,) = [f for f in diagnostics.doctor() if f.status == "fail"]
    assert failed.topic == "runtime" and "pip install" in failed.fix


def test_a_gpu_that_is_not_used_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/" + name)
    _, gpu = about("onnxruntime")
    assert gpu.status == "warn" and "onnxruntime-gpu" in gpu.fix


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (["2.9", "13.0", ["H200"], False], "ok", "training on H200"),
        (["2.9", "13.0", [], False], "warn", "update the NVIDIA driver"),
        (["2.9", None, [], False], "warn", "CUDA build of PyTorch"),
        (None, "warn", "libcudart.so"),
    ],
)
def test_pytorch_and_its_gpu(
    monkeypatch: pytest.MonkeyPatch, answer: list[object] | None, status: str, says: str
) -> None:
    monkeypatch.undo()
    broken = SimpleNamespace(returncode=1, stdout="", stderr="Trace\nImportError: libcudart.so")
    fine = SimpleNamespace(returncode=0, stdout=json.dumps(answer), stderr="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: fine if answer else broken)
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/" + name)
    monkeypatch.setattr(diagnostics, "installed_version", lambda name: "1")
    (found,) = diagnostics._torch()
    assert found.status == status and says in found.found + found.fix


def test_the_cache_must_be_writable_and_have_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(diagnostics, "cache_folder", lambda: tmp_path / "not" / "yet")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9 * GIB, 0, 5 * GIB))
    (found,) = about("cache")
    assert found.status == "ok" and "5.0 GiB free" in found.found
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9 * GIB, 0, GIB // 2))
    assert about("cache")[0].status == "warn"
    monkeypatch.setattr(diagnostics.os, "access", lambda path, how: False)
    assert "SPARCELL_CACHE" in about("cache")[0].fix


def test_a_model_is_opened_compared_and_timed() -> None:
    lines = about("model", bright_model())
    assert lines[0].status == "ok" and "tiny (semantic) runs on" in lines[0].found
    reference = next(f for f in lines if f.found.startswith("onnxruntime:"))
    assert "s per window of 512 x 512 px" in reference.found and "off by" in reference.found


def test_a_model_that_is_reproduced_nowhere_fails() -> None:
    wrong = bright_model()
    wrong = replace(wrong, golden_output=wrong.golden_output + 0.5)
    (found,) = about("model", wrong)
    assert found.status == "fail" and "off by 0.5" in found.found and found.fix


def test_a_check_that_breaks_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Memory:
        raise OSError("no such thing")

    monkeypatch.setattr(diagnostics, "memory", broken)
    (found,) = about("memory")
    assert found.status == "warn" and "OSError: no such thing" in found.found


def test_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from sparcell.cli import main

    bright_model().save(tmp_path / "model.zip")

    def run(*arguments: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as end:
            main(["doctor", *arguments])
        return end.value.code, capsys.readouterr().out

    code, said = run("--json", "--model", str(tmp_path / "model.zip"))
    told = json.loads(said)
    assert not code and told["usable"] and told["findings"][0]["topic"] == "python"
    assert any(line["topic"] == "model" for line in told["findings"])
    monkeypatch.setattr(diagnostics, "read_requirements", lambda: {"": [Requirement("numpy>=99")]})
    code, said = run()
    assert code == 2 and "fail  versions" in said and "prediction cannot run" in said
    with pytest.raises(SystemExit) as end:
        main(["doctor", "--model", str(tmp_path / "none.zip")])
    assert end.value.code == 2


def test_a_reason_is_what_stands_in_parentheses() -> None:
    assert diagnostics._reason(InputError("none (a: b; c: d)", "", "")) == "a: b; c: d"
    assert diagnostics._reason(InputError("none", "", "")) == "none"
