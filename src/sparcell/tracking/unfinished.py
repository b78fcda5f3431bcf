"""What an unfinished run has done, so that a killed run can resume: movies, and frames of one."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import sparcell
from sparcell.core.errors import InputError
from sparcell.core.files import whole_file, write_json
from sparcell.tracking.kept_frames import KeptFrames
from sparcell.tracking.results import OF_MOVIES, UNFINISHED

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

SETTINGS, TEXTS, VERSION = "settings.json", "texts", "sparcell"


class Unfinished:
    """Tables of finished movies, one file each, and frames of the one that is not finished.

    Parameters
    ----------
    folder : Path
        Where the tables of all movies will be.
    settings : mapping
        Everything that changes results besides the files of a movie.
    resume : bool
        Keep the tables of an earlier run with the same settings and version; else begin anew.

    Raises
    ------
    InputError
        If the earlier run had other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], resume: bool) -> None:
        self._folder = folder / UNFINISHED
        path, version = self._folder / SETTINGS, {VERSION: sparcell.__version__}
        if path.exists() and resume:
            before = json.loads(path.read_text("utf8"))
            if before.get(VERSION) == sparcell.__version__:
                _check_settings(folder, before, settings)
                return
            logger.warning(f"another version of Sparcell began {folder}, so it begins anew")
        elif self._folder.exists():
            logger.info(f"{folder} has an unfinished run, which begins anew; see `resume`")
        shutil.rmtree(self._folder, ignore_errors=True)
        write_json(path, dict(settings) | version)

    def save(self, name: str, files: str, tables: Mapping[str, DataFrame]) -> None:
        """Keep the tables of a movie that was made from `files`; see `fingerprint`."""
        columns: dict[str, Any] = {}
        for table, rows in tables.items():
            for number, column in enumerate(rows.columns):
                values, key = rows[column], f"{number} {table} {column}"
                if values.dtype.kind in "bifu":
                    columns[key] = values.to_numpy()
                    continue
                # Texts repeat: each is kept once.
                columns[key], texts = values.fillna("").factorize()
                columns[f"{TEXTS} {key}"] = np.array(texts.tolist(), np.str_)
        with whole_file(self._path(name)) as partial, partial.open("wb") as stream:
            np.savez(stream, allow_pickle=False, files=np.array(files), **columns)
        shutil.rmtree(self._frames(name, files), ignore_errors=True)

    def has(self, name: str, files: str) -> bool:
        """Whether a movie is tracked, and its files are those that were."""
        path = self._path(name)
        if not path.exists():
            return False
        with np.load(path, allow_pickle=False) as stored:
            return str(stored["files"]) == files

    def frames(self, name: str, files: str) -> KeptFrames:
        """Frames of a movie that is made from `files`."""
        return KeptFrames(self._frames(name, files))

    def load(self, name: str) -> dict[str, DataFrame]:
        """Read the tables of a movie."""
        import pandas as pd

        with np.load(self._path(name), allow_pickle=False) as stored:
            tables: dict[str, dict[str, Any]] = {table: {} for table in OF_MOVIES}
            for key in stored.files:
                if key == "files" or key.startswith(TEXTS):
                    continue
                _, table, column = key.split(" ", 2)
                values = stored[key]
                if (texts := f"{TEXTS} {key}") in stored.files:
                    values = pd.Series(stored[texts][values].tolist(), dtype="str")
                tables[table][column] = values
        return {table: pd.DataFrame(columns) for table, columns in tables.items()}

    def close(self) -> None:
        """Remove the folder once all tables are written."""
        shutil.rmtree(self._folder)

    def _frames(self, name: str, files: str) -> Path:
        return self._path(f"{name} {files}").with_suffix("")

    def _path(self, name: str) -> Path:
        # Names of movies may be longer than names of files.
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npz"


def fingerprint(paths: Iterable[Path]) -> str:
    """Names, sizes and times of files as one hash: another one means other content."""
    digest = hashlib.sha256()
    for path in paths:
        files = [path]
        if path.is_dir():
            files = sorted(one for one in path.rglob("*") if one.is_file())
        for file in files:
            found = file.stat()
            digest.update(f"{file} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _check_settings(folder: Path, before: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if before.get(name) != value:
            raise InputError(
                f"a run in {folder} that began with {name} = {before.get(name)}, not {value}",
                "the options of the run that is resumed",
                "give the same options, or leave out `resume` to begin anew",
            )
