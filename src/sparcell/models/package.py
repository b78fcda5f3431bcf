"""Read the files of a model package, zip or folder; nothing is unpacked or executed."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparcell.core.errors import InputError

LARGEST = 1 << 31
"""Bytes that all files of a package may have together, unpacked."""
DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml")
"""Names of the file that describes a bioimage.io package."""
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, ValueError, TypeError,
    NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True)
class Package:
    """The files of a zip or folder, read one by one.

    Attributes
    ----------
    source : str
        Its path, for messages.
    names : tuple of str
        Paths of the files inside, with forward slashes.
    """

    source: str
    names: tuple[str, ...]
    _read: Callable[[str], bytes]

    @property
    def description(self) -> str | None:
        """Path of the file that describes a bioimage.io package, at the top or in one folder."""
        found = [n for n in self.names if n.count("/") < 2 and n.endswith(DESCRIPTIONS)]
        return min(found, key=len, default=None)

    def read(self, name: str) -> bytes:
        """Return the content of one file.

        Raises
        ------
        InputError
            If it is not there, is damaged, or lies outside the package.
        """
        # Joined to a folder, an address has lost one of its slashes.
        if re.match("[a-z]+:/", name):
            raise InputError(
                f"{name} in {self.source}, which is elsewhere",
                "a file inside the package",
                "download the whole package",
            )
        if _leads_outside(name):
            raise InputError(
                f"'{name}' in {self.source}, a file outside the package",
                "files inside it",
                "do not use a package from this source",
            )
        if name not in self.names:
            raise InputError(f"no {name} in {self.source}", "a whole package", "copy it again")
        try:
            return self._read(name)
        except UNREADABLE as error:
            raise InputError(
                f"{name} in {self.source} that cannot be read ({error})",
                "a whole package",
                "copy it again",
            ) from error

    def array(self, name: str) -> NDArray[Any]:
        """Return one ``.npy`` file as an array; pickles are refused.

        Raises
        ------
        InputError
            As `read`, and if it is no such file.
        """
        content = self.read(name)
        try:
            array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        except UNREADABLE as error:
            raise InputError(
                f"{name} in {self.source} that is no array ({error})",
                "a .npy file",
                "copy it again",
            ) from error
        if not isinstance(array, np.ndarray):
            raise InputError(f"{name} in {self.source} of several arrays", "one", "save it as .npy")
        return array


@contextmanager
def open_package(path: Path) -> Iterator[Package]:
    """List the files of a zip or folder.

    Raises
    ------
    InputError
        If it is neither, holds more than `LARGEST` bytes, or names files outside itself.
    """
    if path.is_dir():
        root = path.resolve()
        inside = [file for file in sorted(path.rglob("*")) if file.is_file()]
        names = tuple(file.relative_to(path).as_posix() for file in inside)

        def read(name: str) -> bytes:
            file = (path / name).resolve()
            if not file.is_relative_to(root):
                raise ValueError("a link to a file outside the package")
            if file.stat().st_size > LARGEST:
                raise ValueError(f"{file.stat().st_size / 2**30:.1f} GiB")
            return file.read_bytes()

        yield Package(str(path), names, read)
        return
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise InputError(
            f"{path} that is no Sparcell model and no bioimage.io package ({error})",
            "the model.zip of a run, or a zip with rdf.yaml",
            "name the run folder, or copy the file again",
        ) from error
    with archive:
        files = [info for info in archive.infolist() if not info.is_dir()]
        for info in files:
            if _leads_outside(info.filename):
                raise InputError(
                    f"'{info.filename}' in {path}, a file outside the package",
                    "files inside it",
                    "do not use a package from this source",
                )
        # Python reads no more bytes of a file than the zip declares.
        size = sum(info.file_size for info in files)
        if size > LARGEST:
            raise InputError(
                f"{path} that unpacks to {size / 2**30:.1f} GiB",
                f"at most {LARGEST / 2**30:g} GiB",
                "do not use a package from this source",
            )
        yield Package(str(path), tuple(info.filename for info in files), archive.read)


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or ":" in name
