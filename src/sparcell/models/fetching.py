"""Models from elsewhere into the cache, and whether they still say what they said."""

from __future__ import annotations

import hashlib
import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from sparcell.core.errors import InputError
from sparcell.core.files import sha256 as file_sha256
from sparcell.core.files import whole_file
from sparcell.core.progress import say, track
from sparcell.models.catalogue import Entry, cache_folder, entries, write_card
from sparcell.models.loading import load_model, look_at
from sparcell.models.package import LARGEST
from sparcell.models.runtime import candidates

ATTEMPTS = 3
TIMEOUT_S = 30
BLOCK = 1 << 18
BROKEN = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


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
        Nothing is left behind if it cannot be made.

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
            say(f"{name} is here already: {held.path}")
            return held
        raise InputError(
            f"a {held.where} model that has the name {name}",
            "a new name",
            "choose one with --name" + (f", or delete {held.path}" * (held.where == "cached")),
        )
    path = cache_folder() / f"{name}.zip"
    with whole_file(path) as partial:
        found = _download(url, partial)
        if wanted and found != wanted:
            raise InputError(
                f"a file with SHA-256 {found} at {url}",
                wanted,
                "do not use it; ask where the hash comes from",
            )
        load_model(partial, outputs)
        card, _ = look_at(partial)
        origin = {"sha256": found, "url": url, "outputs": tuple(outputs or ())}
        write_card(card.model_copy(update=origin), path.with_suffix(".yaml"))
    if not wanted:
        say(f"no --sha256 was given; what came has {found}")
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
    card = entry.card
    if card and card.sha256 and (found := file_sha256(entry.path)) != card.sha256:
        raise InputError(
            f"{entry.path} with SHA-256 {found}",
            f"{card.sha256}, as its card says",
            "delete it and fetch it again",
        )
    model = load_model(entry.path, outputs)
    results = {}
    for runtime in candidates(model.card.int8):
        try:
            model.open(runtime)
            results[runtime] = ""
        except InputError as error:
            results[runtime] = error.found
    if all(results.values()):
        # What all runtimes together say, in one line.
        model.open("auto")
    return results


def _download(url: str, path: Path) -> str:
    """Write what is at `url`; begin anew where the connection breaks. Give the SHA-256."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _stream(url, path)
        except BROKEN as error:
            reason = getattr(error, "reason", None) or error or type(error).__name__
            final = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if final or attempt == ATTEMPTS:
                raise InputError(
                    f"no file at {url} ({reason})",
                    "one that can be downloaded",
                    "check the address and the connection, then run it again",
                ) from error
            say(f"{url}: {reason}; beginning anew")
            time.sleep(attempt)
    raise AssertionError


def _stream(url: str, path: Path) -> str:
    digest = hashlib.sha256()
    request = urllib.request.Request(url, headers={"User-Agent": "sparcell"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response, path.open("wb") as file:
        stated = int(response.headers.get("Content-Length") or 0)
        _check_size(url, stated)
        done = 0
        for block in track(_blocks(response), "download", max(stated // BLOCK, 1), "blocks"):
            digest.update(block)
            file.write(block)
            done += len(block)
            _check_size(url, done)
        if stated and done != stated:
            raise http.client.IncompleteRead(b"", stated - done)
    return digest.hexdigest()


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while block := response.read(BLOCK):
        yield block


def _check_size(url: str, size: int) -> None:
    if size > LARGEST:
        raise InputError(
            f"more than {LARGEST / 2**30:g} GiB at {url}", "a model", "check the address"
        )
