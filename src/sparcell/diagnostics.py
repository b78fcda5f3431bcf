"""Check this machine for prediction and training: what is found, its status, and what to do."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from sparcell.core.errors import InputError, first_line
from sparcell.core.record import PACKAGES
from sparcell.models.accelerators import ACCELERATORS, present, why_not
from sparcell.models.catalogue import cache_folder
from sparcell.models.model import Model
from sparcell.models.runtime import candidates
from sparcell.prediction.tiling.tiles import CONTEXT
from sparcell.system.libraries import import_onnxruntime, import_openvino
from sparcell.system.machine import GIB, cores, memory, processor_features
from sparcell.system.packages import installed_version, installed_versions, read_requirements

Status = Literal["ok", "warn", "fail"]
LITTLE_MEMORY, LITTLE_DISK = 2 * GIB, 1 * GIB
WINDOW = 512
REPEATS = 3
FEATURES = {
    "AVX2": ("avx2",),
    "AVX-512": ("avx512f",),
    "AVX-512 bf16": ("avx512_bf16",),
    "AVX-512 int8": ("avx512_vnni",),
    "AMX bf16": ("amx_bf16",),
    "AMX int8": ("amx_int8",),
    "NEON bf16": ("bf16",),
    "NEON int8": ("i8mm",),
}
ADDS = {
    "train": "training",
    "pretrained": "ImageNet weights without a download",
    "app": "the app in the browser",
    "excel": "workbooks (.xlsx)",
    "formats": "files of microscope makers",
    "remote": "images at web addresses",
    "parquet": "Parquet tables",
    "napari": "the plugin of napari",
    "video": "tracked movies as MP4",
    "cluster": "several computers",
}
"""Extras for users; others are for developers."""
BUILDS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
"""Packages with ONNX Runtime; one of them is enough."""
ASK_TORCH = """
import json, torch
mps = torch.backends.mps.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
print(json.dumps([torch.__version__, torch.version.cuda, names, mps]))
"""


class Finding(NamedTuple):
    """One line of the report.

    Attributes
    ----------
    status : {"ok", "warn", "fail"}
        Of a "fail" prediction cannot run.
    topic : str
    found : str
    fix : str
        What to do; empty where nothing is.
    """

    status: Status
    topic: str
    found: str
    fix: str = ""


def doctor(model: Model | None = None) -> list[Finding]:
    """Check everything that prediction and training need.

    Parameters
    ----------
    model : Model, optional
        Opened, compared with its golden output and timed on a window of 512 px, on every runtime.

    Returns
    -------
    list of Finding
    """
    checks: list[Callable[[], Iterator[Finding]]] = [
        _python, _packages, _cores, _memory, _processor, _settings, _openvino, _onnxruntime,
        _extras, _torch, _cache,
    ]  # fmt: skip
    if model is not None:
        checks.append(lambda: _model(model))
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check()
        except Exception as error:
            # A check that fails is reported like its result.
            what = f"not known ({type(error).__name__}: {error})"
            findings.append(Finding("warn", check.__name__.strip("_<>"), what, "please report it"))
    usable = any(f.topic in ("openvino", "onnxruntime") and f.status == "ok" for f in findings)
    if not usable:
        fix = "pip install --force-reinstall openvino onnxruntime"
        findings.append(Finding("fail", "runtime", "none that opens", fix))
    return findings


def _python() -> Iterator[Finding]:
    found = f"{platform.python_version()}, {platform.machine()}, {platform.platform()}"
    if sys.maxsize < 2**32:
        yield Finding("fail", "python", f"{found}, 32 bit", "install a 64-bit Python")
    else:
        yield Finding("ok", "python", found)


def _packages() -> Iterator[Finding]:
    installed = installed_versions(PACKAGES)
    yield Finding("ok", "versions", ", ".join(f"{name} {n}" for name, n in installed.items()))
    for requirement in read_requirements().get("", []):
        found = installed_version(requirement.name)
        if requirement.name == "onnxruntime":
            found = next(filter(None, map(installed_version, BUILDS)), None)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            what = f"{requirement.name} {found or 'missing'}, {requirement.specifier} is needed"
            yield Finding("fail", "versions", what, f"pip install --upgrade '{requirement}'")


def _cores() -> Iterator[Finding]:
    usable, present, quota = cores()
    found = f"{usable} of {present} usable"
    if quota is not None and quota < usable:
        threads = max(1, int(quota))
        yield Finding(
            "warn",
            "cores",
            f"{found}, but the control group gives the time of {quota:g}",
            f"add `threads={threads}`, or raise the limit",
        )
    else:
        yield Finding("ok", "cores", found)


def _memory() -> Iterator[Finding]:
    total, free, limit = memory()
    found = f"{total / GIB:.1f} GiB, {free / GIB:.1f} free"
    found += f", limited to {limit / GIB:.1f} by the control group" if limit is not None else ""
    if free < LITTLE_MEMORY:
        yield Finding("warn", "memory", found, "close programs, or raise the limit")
    else:
        yield Finding("ok", "memory", found)


def _processor() -> Iterator[Finding]:
    flags = processor_features()
    if not flags:
        yield Finding("ok", "processor", f"{platform.processor() or platform.machine()}")
        return
    known = [name for name, needed in FEATURES.items() if set(needed) <= flags]
    if not known and platform.machine().lower() in ("x86_64", "amd64"):
        fix = "an emulator may hide it; expect a tenth of the speed"
        yield Finding("warn", "processor", "no AVX2", fix)
    else:
        yield Finding("ok", "processor", ", ".join(known) or platform.machine())


def _settings() -> Iterator[Finding]:
    usable = cores().usable
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit() and int(threads) < usable:
        yield Finding(
            "warn",
            "settings",
            f"OMP_NUM_THREADS={threads}: training uses {threads} of {usable} cores",
            "unset OMP_NUM_THREADS, unless several programs share the machine",
        )
    if os.environ.get("OMP_WAIT_POLICY", "").upper() == "ACTIVE":
        yield Finding(
            "warn",
            "settings",
            "OMP_WAIT_POLICY=ACTIVE: training crawls beside another busy program",
            "unset OMP_WAIT_POLICY; Sparcell sets PASSIVE",
        )
    for name, value in sorted(os.environ.items()):
        if value and (name.startswith("MALLOC_") or name == "LD_PRELOAD"):
            yield Finding(
                "warn",
                "settings",
                f"{name}={value}: may keep Sparcell from holding memory between steps",
                f"unset {name} if training or prediction is slow",
            )


def _openvino() -> Iterator[Finding]:
    try:
        openvino = import_openvino()

        core = openvino.Core()
        parts = []
        for device in core.available_devices:
            capable = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
            kinds = [kind for kind in ("FP32", "FP16", "BF16", "INT8") if kind in capable]
            parts.append(f"{device} ({', '.join(kinds)})")
        found = f"{installed_version('openvino')}: {', '.join(parts) or 'no device'}"
    except Exception as error:
        fix = "pip install --upgrade openvino"
        yield Finding("warn", "openvino", f"does not load: {first_line(error)}", fix)
        return
    if "CPU" in core.available_devices:
        yield Finding("ok", "openvino", found)
    else:
        yield Finding("warn", "openvino", found, "pip install --force-reinstall openvino")


def _onnxruntime() -> Iterator[Finding]:
    try:
        onnxruntime = import_onnxruntime()

        providers = onnxruntime.get_available_providers()
    except Exception as error:
        fix = "pip install --upgrade onnxruntime"
        yield Finding("warn", "onnxruntime", f"does not load: {first_line(error)}", fix)
        return
    devices = [kind.title for kind in ACCELERATORS.values() if kind.provider in providers]
    yield Finding("ok", "onnxruntime", f"{onnxruntime.__version__}: {', '.join(['CPU', *devices])}")
    for name in present():
        kind = ACCELERATORS[name]
        if reason := why_not(name):
            yield Finding("warn", "onnxruntime", f"{kind.title} is not used: {reason}", kind.fix)
        else:
            yield Finding("ok", "onnxruntime", f"{kind.title} opens, predict uses it")
    if "CUDA" not in devices and shutil.which("nvidia-smi"):
        yield Finding(
            "warn",
            "onnxruntime",
            "an NVIDIA GPU that ONNX Runtime was not built for",
            "pip uninstall onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]', "
            "to predict on it",
        )


def _extras() -> Iterator[Finding]:
    for extra, requirements in read_requirements().items():
        if extra not in ADDS:
            continue
        names = [requirement.name for requirement in requirements]
        installed = installed_versions(names)
        missing = [name for name in names if name not in installed]
        if missing:
            found = f"{extra}, which adds {ADDS[extra]}: not installed ({', '.join(missing)})"
            yield Finding("ok", "extras", found, f"pip install 'sparcell[{extra}]', if needed")
        else:
            parts = ", ".join(f"{name} {number}" for name, number in installed.items())
            yield Finding("ok", "extras", f"{extra}: {parts}")


def _torch() -> Iterator[Finding]:
    if installed_version("torch") is None:
        return
    # In a process of its own: PyTorch takes seconds to load, and may crash on a bad driver.
    result = subprocess.run([sys.executable, "-c", ASK_TORCH], capture_output=True, text=True)
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["it crashed"])[-1]
        yield Finding("warn", "torch", f"does not load: {reason}", "install PyTorch again")
        return
    number, cuda, names, mps = json.loads(result.stdout)
    devices = ", ".join(names) or ("Apple GPU" if mps else "CPU")
    built = f"built for CUDA {cuda}" if cuda else "built without CUDA"
    if shutil.which("nvidia-smi") and not names:
        fix = (
            "update the NVIDIA driver: this build needs a newer one"
            if cuda
            else "install the CUDA build of PyTorch that pytorch.org names for your system"
        )
        yield Finding("warn", "torch", f"{number}, {built}: the NVIDIA GPU is not seen", fix)
    else:
        yield Finding("ok", "torch", f"{number}, {built}: training on {devices}")


def _cache() -> Iterator[Finding]:
    folder = cache_folder()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        fix = "set SPARCELL_CACHE to a folder that can be written"
        yield Finding("warn", "cache", f"{folder} cannot be written", fix)
        return
    free = shutil.disk_usage(place).free
    found = f"{folder}, {free / GIB:.1f} GiB free"
    if free < LITTLE_DISK:
        yield Finding("warn", "cache", found, "free some space, or set SPARCELL_CACHE elsewhere")
    else:
        yield Finding("ok", "cache", found)


def _model(model: Model) -> Iterator[Finding]:
    """Open a model on every runtime, the one that `auto` would choose first."""
    try:
        chosen = model.open_new("auto")
    except InputError as error:
        yield Finding("fail", "model", error.found, error.fix)
        return
    yield Finding("ok", "model", f"{model.spec.name} ({model.spec.method}) runs on {chosen.name}")
    shape = (model.golden_input.shape[1], model.golden_input.shape[2])
    output = model.method.output
    window = _window(model)
    for name in candidates(model.spec.int8):
        try:
            runtime = model.open_new(name)
            found = output.reference_image(runtime(model.golden_input), shape)
        except InputError as error:
            # Not every machine has every runtime; one is enough.
            yield Finding("ok", "model", f"{name} is not used: {_reason(error)}")
            continue
        difference = np.abs(found - model.golden_output)
        parity = (
            f"off by {difference.max():.1e} at most, {np.percentile(difference, 99):.1e} in 99 %"
        )
        runtime(window)
        seconds = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            runtime(window)
            seconds.append(time.perf_counter() - began)
        edges = " x ".join(str(edge) for edge in window.shape[1:])
        yield Finding(
            "ok", "model", f"{name}: {min(seconds):.3f} s per window of {edges} px, {parity}"
        )


def _window(model: Model) -> np.ndarray:
    """Pixels as the network takes them, of about 512 px: the golden input, repeated."""
    multiple, largest, _ = model.grid(WINDOW, CONTEXT)
    edge = max(min(WINDOW, largest) // multiple, 1) * multiple
    golden = model.golden_input
    times = [-(-edge // length) for length in golden.shape[1:]]
    return np.ascontiguousarray(np.tile(golden, (1, *times))[:, :edge, :edge])


def _reason(error: InputError) -> str:
    """Reasons of the runtimes: the part in parentheses of the message that none opens."""
    inner = re.search(r"\((.*)\)", error.found)
    return inner[1] if inner else error.found
