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
LARGEST_TEXT = 1 << 24
"""Bytes of the text that describes a model; what Python makes of it takes ten times as many."""
MOST_VALUES = 1 << 25
"""Numbers in an example input or output; a network takes a hundred bytes for each."""
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
    _size: Callable[[str], int]

    @property
    def description(self) -> str | None:
        """Path of the file that describes a bioimage.io package, at the top or in one folder."""
        found = [n for n in self.names if n.count("/") < 2 and n.endswith(DESCRIPTIONS)]
        return min(found, key=len, default=None)

    def read(self, name: str, most: int = LARGEST) -> bytes:
        """Return the content of one file.

        Parameters
        ----------
        name : str
        most : int
            Bytes that it may have, unpacked.

        Raises
        ------
        InputError
            If it is not there, is larger, damaged, or lies outside the package.
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
            if (size := self._size(name)) > most:
                raise ValueError(f"{size / 2**20:.0f} MiB, at most {most / 2**20:.0f} are read")
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
        content = self.read(name, 8 * MOST_VALUES)
        try:
            array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
            if isinstance(array, np.ndarray) and array.size > MOST_VALUES:
                raise ValueError(f"{array.size} numbers, at most {MOST_VALUES} are used")
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
            return file.read_bytes()

        yield Package(str(path), names, read, lambda name: (path / name).stat().st_size)
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
        sizes = {info.filename: info.file_size for info in files}
        yield Package(str(path), tuple(sizes), archive.read, sizes.__getitem__)


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or ":" in name
