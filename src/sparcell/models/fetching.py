"""Models from elsewhere into the cache, and whether they still say what they said."""

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
        What the output channels show; see `sparcell.prediction.load_model`.

    Returns
    -------
    Entry
        If it cannot be made, nothing is left behind but what has come of a download that can go
        on from there: the same call does.

    Raises
    ------
    InputError
        If the address gives no file, another file than the hash says, or no model that can be
        used.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"address {url}", "one that begins with https:// or http://", "correct it")
    wanted = sha256.lower()
    if wanted and not re.fullmatch("[0-9a-f]{64}", wanted):
        raise InputError(f"--sha256 {sha256}", "64 hexadecimal digits", "copy it whole")
    name = name or PurePosixPath(unquote(urlsplit(url).path)).name.removesuffix(".zip")
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name):
        raise InputError(
            f"the name '{name}' for a model", "letters, digits, . _ + -", "choose one with --name"
        )
    if held := entries().get(name):
        if held.where == "cached" and wanted and wanted == file_sha256(held.path):
            logger.info(f"{name} is here already: {held.path}")
            return held
        raise InputError(
            f"a {held.where} model that has the name {name}",
            "a new name",
            "choose one with --name" + (f", or delete {held.path}" * (held.where == "cached")),
        )
    path = cache_folder() / f"{name}.zip"
    with download(url, cache_folder() / "unfinished") as came:
        found = file_sha256(came)
        if wanted and found != wanted:
            raise InputError(
                f"a file with SHA-256 {found} at {url}",
                wanted,
                "do not use it; ask where the hash comes from",
            )
        load_model(came, outputs)
        info, _ = read_info(came)
        origin = {"sha256": found, "url": url, "outputs": tuple(outputs or ())}
        with whole_file(path) as partial:
            came.replace(partial)
            write_info(info.model_copy(update=origin), path.with_suffix(".yaml"))
    if not wanted:
        logger.info(f"no --sha256 was given; what came has {found}")
    return Entry(name, path, "cached")


def verify_model(entry: Entry, outputs: Sequence[str] | None = None) -> dict[str, str]:
    """Compare a model's hash, and its golden output on every runtime.

    Parameters
    ----------
    entry : Entry
    outputs : sequence of str, optional
        What the output channels show; see `sparcell.prediction.load_model`.

    Returns
    -------
    dict
        Runtime to what is wrong with it, ``""`` where it gives the golden output.

    Raises
    ------
    InputError
        If the file is not the one that the card tells of, or no runtime gives the golden output.
    """
    info = entry.info
    if info and info.sha256 and (found := file_sha256(entry.path)) != info.sha256:
        raise InputError(
            f"{entry.path} with SHA-256 {found}",
            f"{info.sha256}, as its card says",
            "delete it and fetch it again",
        )
    model = load_model(entry.path, outputs)
    results = {}
    for runtime in candidates(model.spec.int8):
        try:
            model.open(runtime)
            results[runtime] = ""
        except InputError as error:
            results[runtime] = error.found
    if all(results.values()):
        # What all runtimes together say, in one line.
        model.open("auto")
    return results
