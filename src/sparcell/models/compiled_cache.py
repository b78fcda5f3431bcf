"""Results of starting a network, cached on disk: a second start of a program is short.

The cache contains only what can be computed again. A file that is damaged, or a folder that cannot
be written, costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import os
import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.models.catalogue import cache_folder
from sparcell.system.libraries import import_openvino
from sparcell.system.machine import processor_features

LARGEST = 300_000_000
"""Most bytes of all files together; those used longest ago are removed."""
CHECKSUM = hashlib.sha256().digest_size
RUNTIME_PACKAGES = ("openvino", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
"""Distributions whose versions decide how a network is compiled, and which runtimes there are."""


class CompiledCache:
    """Files by key, in one folder.

    Parameters
    ----------
    folder : Path, optional
        It is made when something is stored. None: nothing is cached.
    largest : int
        Most bytes of all files together.
    """

    def __init__(self, folder: Path | None, largest: int = LARGEST) -> None:
        self.folder, self.largest = folder, largest

    def load(self, key: str) -> bytes | None:
        """Return what was stored under a key; None if there is nothing, or it is damaged."""
        if self.folder is None:
            return None
        path = self._path(key)
        try:
            whole = path.read_bytes()
        except OSError:
            return None
        content = whole[CHECKSUM:]
        if whole[:CHECKSUM] != _checksum(content):
            self.remove(key)
            return None
        # The time of the last use decides what is removed first.
        with suppress(OSError):
            os.utime(path)
        return content

    def store(self, key: str, content: bytes) -> None:
        """Store content under a key, if the folder can be written."""
        if self.folder is None or len(content) > self.largest:
            return
        with suppress(OSError, InputError):
            # What is run from here must come from this user.
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with whole_file(self._path(key)) as partial:
                partial.write_bytes(_checksum(content) + content)
            self._remove_oldest()

    def remove(self, key: str) -> None:
        """Remove what was stored under a key."""
        if self.folder is not None:
            with suppress(OSError):
                self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.bin"

    def _remove_oldest(self) -> None:
        assert self.folder is not None
        files = [(path, path.stat()) for path in self.folder.glob("*.bin")]
        total = sum(status.st_size for _, status in files)
        for path, status in sorted(files, key=lambda file: file[1].st_mtime):
            if total <= self.largest:
                return
            path.unlink(missing_ok=True)
            total -= status.st_size


def compiled_cache() -> CompiledCache:
    """The cache of this user: in the folder of fetched models, unless SPARCELL_COMPILED=off."""
    off = os.environ.get("SPARCELL_COMPILED") == "off"
    return CompiledCache(None if off else cache_folder() / "compiled")


@cache
def library_versions() -> str:
    """Versions of the libraries that run networks."""
    found = []
    for name in RUNTIME_PACKAGES:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)


@cache
def processor() -> str:
    """Name and abilities of the processor, as OpenVINO reports them."""
    try:
        core = import_openvino().Core()
        name = core.get_property("CPU", "FULL_DEVICE_NAME")
        abilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except Exception:
        # Without OpenVINO.
        return f"{platform.processor()} {' '.join(sorted(processor_features()))}"
    return f"{name}: {', '.join(sorted(abilities))}"


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
