"""Files that are written completely or not at all, and errors of the operating system."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError

LONGEST_NAME = 255
"""Bytes of a file name, on all usual file systems."""
PARTIAL = re.compile(r"\..+\.\d+\.partial(\.\w+){0,2}", re.DOTALL)
"""Names that `partial_name` gives."""


@contextmanager
def whole_file(path: Path, durable: bool = True) -> Iterator[Path]:
    """Write a file under a temporary name, and rename it to `path` if the block succeeds.

    Works for files and for folders; an OME-Zarr that stands at `path` is replaced, another folder
    only if it is empty.
    If the block fails nothing is left behind.

    Parameters
    ----------
    path : Path
    durable : bool
        Write it through to the disk first, so that a power failure leaves no half file. That takes
        1 to 5 ms a file; what is checked when it is read can do without.

    Raises
    ------
    InputError
        If the place cannot be written or the disk is full.
    """
    partial = path.with_name(partial_name(path))
    try:
        with plain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            if durable:
                flush(partial)
            if path.is_dir() and (path.name.endswith(".zarr") or _is_zarr(path)):
                shutil.rmtree(path)
            partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def partial_name(path: Path) -> str:
    """Name under which `path` is written until it is whole.

    Writers choose the format by suffix, so it keeps that. Where a file system takes no longer
    name, a hash stands for the name.
    """
    end = f".{os.getpid()}.partial" + "".join(path.suffixes[-2:])
    name = f".{path.name}{end}"
    if len(os.fsencode(name)) <= LONGEST_NAME:
        return name
    end = f".{os.getpid()}.partial{path.suffix}"
    return f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}{end}"


def flush(path: Path) -> None:
    """Write a file, or all files of a folder, through to the disk."""
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file():
            with file.open("rb+") as stream:
                os.fsync(stream.fileno())


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


def remove_partial_files(folder: Path) -> None:
    """Remove what killed processes have left of the files of a folder.

    Only where no other process writes there.
    """
    for left in folder.glob(".*.partial*"):
        if not PARTIAL.fullmatch(left.name):
            continue
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


@contextmanager
def plain_os_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system, such as a full disk, into an `InputError` on `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"a full disk while writing {path}", "free space", "free some and run again"
            ) from error
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(
                f"a name too long for this disk: {path}",
                f"at most {LONGEST_NAME} bytes in a file name",
                "shorten the name of the input",
            ) from error
        if error.errno in (errno.EFBIG, errno.EIO):
            raise InputError(
                f"no way to write {path} ({error.strerror})",
                "a disk that takes files of this size",
                "choose another `out`",
            ) from error
        if error.errno in (
            errno.EACCES,
            errno.EROFS,
            errno.EPERM,
            errno.ENOTDIR,
            errno.EEXIST,
            errno.EISDIR,
            errno.ENOTEMPTY,
        ):
            raise InputError(
                f"no way to write {path} ({error.strerror})",
                "a folder that can be written",
                "choose another `out`",
            ) from error
        raise


def input_error(error: BaseException) -> InputError | None:
    """Return what the user can act on: an `InputError`, too little memory, or a place on a disk.

    None for an error that is a fault of Sparcell's.
    """
    if isinstance(error, InputError):
        return error
    if isinstance(error, MemoryError):
        return InputError(
            f"too little memory ({error or 'out of memory'})",
            "memory for the largest step",
            "close other programs, or use smaller tiles or blocks",
        )
    if isinstance(error, PermissionError):
        return InputError(
            f"no permission for {error.filename or 'a file'} ({error.strerror})",
            "files and folders that can be read and written",
            "check the permissions, or choose another `out`",
        )
    if isinstance(error, OSError):
        try:
            with plain_os_errors(Path(str(error.filename or "the output"))):
                raise error
        except InputError as plain:
            return plain
        except OSError:
            return None
    return None


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, completely or not at all."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf8")


def sha256(path: Path) -> str:
    """Hash of a file, or of all files below a folder with their names."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        if file != path:
            digest.update(str(file.relative_to(path)).encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def size_and_mtime(path: Path) -> tuple[int, int]:
    """Bytes of a file or folder, and when it was last changed, ns; zeros where there is none.

    Labels inside an OME-Zarr image do not count: predictions may be written there.
    """
    try:
        if not path.is_dir():
            status = path.stat()
            return status.st_size, status.st_mtime_ns
        files = [
            file.stat()
            for child in path.iterdir()
            if child.name != "labels"
            for file in ([child] if child.is_file() else child.rglob("*"))
            if file.is_file()
        ]
    except OSError:
        return 0, 0
    return sum(s.st_size for s in files), max((s.st_mtime_ns for s in files), default=0)
