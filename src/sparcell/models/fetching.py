"""Download models into the cache, and verify models by their golden output."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from sparcell.core.errors import InputError
from sparcell.core.files import sha256 as file_sha256
from sparcell.core.files import whole_file
from sparcell.models.catalogue import Entry, cache_folder, entries, write_info
from sparcell.models.downloading import download
from sparcell.models.loading import load_model, read_info
from sparcell.models.runtime import candidates

logger = logging.getLogger(__name__)


def fetch_model(
    url: str, sha256: str = "", name: str = "", outputs: Sequence[str] | None = None
) -> Entry:
    """Download a model into the cache.

    Parameters
    ----------
    url : str
        Of a Sparcell ``model.zip`` or a bioimage.io package; http or https.
    sha256 : str, optional
        That it must have, 64 hexadecimal digits.
    name : str, optional
        By which it can be used; by default the file name in the URL.
    outputs : sequence of str, optional
        Meanings of the output channels; see `sparcell.prediction.load_model`.

    Returns
    -------
    Entry
        If it cannot be made, only the part of an interrupted download stays; the same call resumes
        it.

    Raises
    ------
    InputError
        If the address gives no file, another file than the hash says, or no model that can be
        used.
    """
    path_in_url = _check_address(url)
    wanted = sha256.lower()
    if wanted and not re.fullmatch("[0-9a-f]{64}", wanted):
        raise InputError(f"`sha256={sha256}`", "64 hexadecimal digits", "copy it whole")
    name = name or PurePosixPath(unquote(path_in_url)).name.removesuffix(".zip")
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,99}", name):
        raise InputError(
            f"the name '{name}' for a model",
            "at most 100 letters, digits, . _ + -",
            "choose another `name`",
        )
    if existing := entries().get(name):
        same = existing.where == "cached" and wanted and wanted == file_sha256(existing.path)
        if same:
            logger.info(f"{name} is in the cache already: {existing.path}")
            return existing
        raise InputError(
            f"a {existing.where} model that has the name {name}",
            "a new name",
            "choose another `name`"
            + (f", or delete {existing.path}" * (existing.where == "cached")),
        )
    path = cache_folder() / f"{name}.zip"
    with download(url, cache_folder() / "unfinished") as downloaded:
        found = file_sha256(downloaded)
        if wanted and found != wanted:
            raise InputError(
                f"a file with SHA-256 {found} at {url}",
                wanted,
                "do not use it; ask where the hash comes from",
            )
        load_model(downloaded, outputs)
        info, _ = read_info(downloaded)
        origin = {"sha256": found, "url": url, "outputs": tuple(outputs or ())}
        with whole_file(path) as partial:
            downloaded.replace(partial)
            write_info(info.model_copy(update=origin), path.with_suffix(".yaml"))
    if not wanted:
        logger.info(f"no `sha256` was given; the SHA-256 of the file is {found}")
    return Entry(name, path, "cached")


def _check_address(url: str) -> str:
    """Return the path of an address.

    Raises
    ------
    InputError
        If it is none, or has a password, which would be printed and kept.
    """
    try:
        parts = urlsplit(url)
        with_password = parts.username is not None
    except ValueError as error:
        raise InputError(f"the address {url} ({error})", "one of a file", "correct it") from error
    if parts.scheme not in ("http", "https"):
        raise InputError(f"address {url}", "one that begins with https:// or http://", "correct it")
    if with_password:
        raise InputError(
            f"an address of {parts.hostname} with a user or password",
            "one without",
            "download the file with your browser, and name the file to `sparcell predict`",
        )
    return parts.path


def verify_model(entry: Entry, outputs: Sequence[str] | None = None) -> dict[str, str]:
    """Compare a model's hash, and its golden output on every runtime.

    Parameters
    ----------
    entry : Entry
    outputs : sequence of str, optional
        Meanings of the output channels; see `sparcell.prediction.load_model`.

    Returns
    -------
    dict
        Runtime to what is wrong with it, ``""`` where it gives the golden output.

    Raises
    ------
    InputError
        If the file is not that of its info file, or no runtime gives the golden output.
    """
    info = entry.info
    if info and info.sha256 and (found := file_sha256(entry.path)) != info.sha256:
        raise InputError(
            f"{entry.path} with SHA-256 {found}",
            f"{info.sha256}, as in its info file",
            "delete it and fetch it again",
        )
    model = load_model(entry.path, outputs)
    results = {}
    for runtime in candidates(model.spec.int8):
        try:
            model.open_new(runtime)
            results[runtime] = ""
        except InputError as error:
            results[runtime] = error.found
    if all(results.values()):
        # Raises the reasons of all runtimes in one line.
        model.open_new("auto")
    return results
