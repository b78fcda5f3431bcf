"""What it takes to get from nothing to a first prediction.

    python benchmarks/install.py MODEL [--runs 5] [--packages 12] [--venv FOLDER] [--json FILE]

Builds the wheel, installs it without extras into a fresh environment (in FOLDER, which is then
kept; pip may take packages from its cache), and weighs that. Then predicts an image of 512 px of
simulated nuclei from the shell: with no file of the environment in the system's cache, as after a
start of the machine, and again and again. Last it lists the packages whose modules took the longest
to import. Linux and macOS.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from pathlib import Path
from typing import Any

from sparcell.core.files import write_json
from sparcell.core.record import start_record
from sparcell.io import write_image
from sparcell.simulation import SimulationSettings, simulate_field

ROOT = Path(__file__).parents[1]
SIZE = 512


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--packages", type=int, default=12, help="that are listed")
    parser.add_argument("--venv", type=Path, help="where the environment is made, and kept")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = options.venv or folder / "venv"
        result = install(environment, folder)
        field = simulate_field(SimulationSettings(size=(SIZE, SIZE)), seed=1)
        write_image(folder / "image.tif", field.stain, "YX")
        # Commands run in another folder; a name is that of a model inside the wheel.
        path = Path(options.model)
        model = str(path.absolute()) if path.exists() else options.model
        call = [str(environment / "bin" / "sparcell"), "predict", model, str(folder / "image.tif")]
        result |= time_predictions(call, environment, folder, options.runs)
        imports = time_imports(environment, call[1:], folder)
    print(f"importing, s: {dict(imports.most_common(options.packages))}")
    if options.json:
        settings = {key: str(value) for key, value in vars(options).items()}
        write_json(options.json, start_record(settings) | result | {"imports_s": dict(imports)})


def install(environment: Path, folder: Path) -> dict[str, Any]:
    """Build the wheel and install it; give megabytes and seconds."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], folder)
    wheel = next(folder.glob("*.whl"))
    venv.create(environment, with_pip=True)
    empty = weigh(environment)
    began = time.perf_counter()
    own = [str(environment / "bin" / "python"), *pip[1:]]
    run([*own, "install", str(wheel)], folder)
    seconds = time.perf_counter() - began
    full = weigh(environment)
    result = {
        "wheel_mb": wheel.stat().st_size / 1e6,
        "install_s": seconds,
        "installed_mb": full["files"] - empty["files"],
        "bytecode_mb": full["bytecode"] - empty["bytecode"],
    }
    print("  ".join(f"{key} {value:.1f}" for key, value in result.items()), flush=True)
    return result


def weigh(folder: Path) -> dict[str, float]:
    """Megabytes of the files, and of the bytecode that is written beside them."""
    weights = {"files": 0.0, "bytecode": 0.0}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            kind = "bytecode" if path.suffix == ".pyc" else "files"
            weights[kind] += path.stat().st_size / 1e6
    return weights


def time_predictions(call: list[str], environment: Path, folder: Path, runs: int) -> dict[str, Any]:
    """Predict from the shell; seconds of the whole command, wall and processor."""
    run([*call, "-o", str(folder / "first")], folder)
    forget(environment)
    seconds, processor = [], []
    for number in range(runs + 1):
        began, used = time.perf_counter(), processor_of_children()
        run([*call, "-o", str(folder / f"out{number}")], folder)
        seconds.append(time.perf_counter() - began)
        processor.append(processor_of_children() - used)
    cold, *warm = seconds
    result = {
        "cold_s": cold,
        "warm_s": statistics.median(warm),
        "warm_cpu_s": statistics.median(processor[1:]),
        "all_warm_s": warm,
        "load": os.getloadavg()[0],
    }
    print(
        f"{SIZE} px from the shell: cold {cold:.2f} s, warm {result['warm_s']:.2f} s"
        f" ({min(warm):.2f} to {max(warm):.2f}), processor {result['warm_cpu_s']:.2f} s;"
        f" load {result['load']:.1f}",
        flush=True,
    )
    return result


def processor_of_children() -> float:
    """Give the processor seconds of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def forget(folder: Path) -> None:
    """Let the system drop the files of a folder from its cache."""
    if not hasattr(os, "posix_fadvise"):
        print("this system cannot be told to forget files: cold is warm")
        return
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def time_imports(environment: Path, arguments: list[str], folder: Path) -> Counter[str]:
    """Seconds that went into importing the modules of each package."""
    python = str(environment / "bin" / "python")
    call = [python, "-X", "importtime", "-m", "sparcell", *arguments, "-o", str(folder / "timed")]
    told = run(call, folder)
    spent: Counter[str] = Counter()
    for own, module in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", told, re.M):
        spent[module.partition(".")[0]] += int(own)
    return Counter({package: round(own / 1e6, 3) for package, own in spent.items()})


def run(call: list[str], folder: Path) -> str:
    """Run a command as a user would who has nothing else installed; give what it says."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(call, capture_output=True, text=True, cwd=folder, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(call)}\n{done.stdout}{done.stderr}")
    return done.stderr


if __name__ == "__main__":
    main()
