"""Download large files, and resume downloads that were interrupted.

The part that has arrived stays with its validator (ETag), by which the server knows whether the
file is still the same (RFC 9110, 13.1.5 and 14.2). Without ETag or ranges the download starts
again.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sparcell.core.errors import InputError, first_line
from sparcell.core.files import plain_os_errors
from sparcell.core.progress import track
from sparcell.models.package import LARGEST

logger = logging.getLogger(__name__)

ATTEMPTS = 3
TIMEOUT_S = 30
BLOCK = 1 << 18
LEAST_RATE = 1000
"""Bytes per second below which a server counts as not answering."""
WINDOW_S = 60
"""Seconds over which that is measured."""
BROKEN = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


@contextmanager
def download(url: str, folder: Path) -> Iterator[Path]:
    """Download a file into a folder, and delete it when the block ends.

    If it is interrupted and the server supports ranges, the part stays for the next call.

    Parameters
    ----------
    url : str
    folder : Path
        Of unfinished downloads.

    Yields
    ------
    Path
        The file; the block may move it away.

    Raises
    ------
    InputError
        If there is no file, or it is larger than models are.
    """
    part = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.zip"
    with plain_os_errors(part):
        folder.mkdir(parents=True, exist_ok=True)
    whole = False
    try:
        _attempt(url, part)
        whole = True
        yield part
    finally:
        if whole or not _validator(part).exists():
            _forget(part)
        with suppress(OSError):
            folder.rmdir()


def _attempt(url: str, part: Path) -> None:
    """Write what is at `url`; go on, or begin anew, where the connection breaks."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with plain_os_errors(part):
                _stream(url, part)
            return
        except InputError:
            raise
        except BROKEN as error:
            reason = getattr(error, "reason", None) or error or type(error).__name__
            code = error.code if isinstance(error, urllib.error.HTTPError) else 0
            # The part is longer than the file, so it is of another one.
            if code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                _forget(part)
            elif 0 < code < 500 or attempt == ATTEMPTS:
                raise InputError(
                    f"no file at {url} ({reason})",
                    "one that can be downloaded",
                    "check the address and the connection, then run it again",
                ) from error
            how = "continuing" if _validator(part).exists() else "starting again"
            logger.warning(f"{url}: {reason}; {how}")
            time.sleep(attempt)
        except ValueError as error:
            raise InputError(
                f"the address {url} ({first_line(error)})", "an address in ASCII", "correct it"
            ) from error
    raise AssertionError


def _stream(url: str, part: Path) -> None:
    done, headers = _resumable_bytes(part), {"User-Agent": "sparcell"}
    if done:
        headers |= {
            "Range": f"bytes={done}-",
            "If-Range": _validator(part).read_text("utf8"),
        }
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.build_opener(StrictRedirects).open(request, timeout=TIMEOUT_S) as response:
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            _check_range(response, done, part)
            logger.info(f"continuing at {done / 1e6:.1f} MB")
        else:
            done = 0
            _forget(part)
        length = response.headers.get("Content-Length", "").strip()
        stated = int(length) if length.isdecimal() and len(length) < 20 else 0
        _check_size(url, done + stated, part)
        with part.open("ab") as file:
            _remember(part, response)
            received = 0
            for block in track(_blocks(response), "download", max(stated // BLOCK, 1), "blocks"):
                file.write(block)
                received += len(block)
                _check_size(url, done + received, part)
        if stated and received != stated:
            raise http.client.IncompleteRead(b"", stated - received)


class StrictRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but from https to https alone: others could change what arrives."""

    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any
    ) -> Any:
        """Return the request for the new address.

        Raises
        ------
        InputError
            If it is less secure.
        """
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme != "https" and not scheme == req.type == "http":
            raise InputError(
                f"a redirect from {req.full_url} to {newurl}",
                "a server that stays with https",
                "ask for another address",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _resumable_bytes(part: Path) -> int:
    """Bytes of the part from which the download can be resumed."""
    return part.stat().st_size if part.exists() and _validator(part).exists() else 0


def _check_range(response: http.client.HTTPResponse, done: int, part: Path) -> None:
    """Check that the response begins where the part ends; else start again."""
    span = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if not span or int(span[1]) != done:
        _forget(part)
        raise http.client.HTTPException("another range than requested")


def _remember(part: Path, response: http.client.HTTPResponse) -> None:
    """Store the ETag, by which a later version of the file is recognised."""
    etag = response.headers.get("ETag", "")
    # With a weak ETag, bytes may differ.
    known = "" if etag.startswith("W/") else etag
    if known and not _validator(part).exists():
        _validator(part).write_text(known, "utf8")


def _validator(part: Path) -> Path:
    return part.with_suffix(".etag")


def _forget(part: Path) -> None:
    for path in (part, _validator(part)):
        path.unlink(missing_ok=True)


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield what arrives in pieces of about `BLOCK` bytes.

    Raises
    ------
    TimeoutError
        If less than `LEAST_RATE` arrives. The timeout of the connection ends no server that sends
        a byte from time to time.
    """
    block = bytearray()
    began, arrived = time.monotonic(), 0
    with suppress(http.client.IncompleteRead):
        while piece := response.read1(BLOCK):
            block += piece
            arrived += len(piece)
            passed = time.monotonic() - began
            if passed > WINDOW_S:
                if arrived < LEAST_RATE * passed:
                    raise TimeoutError(f"less than {LEAST_RATE / 1000:g} kB a second")
                began, arrived = time.monotonic(), 0
            if len(block) >= BLOCK:
                yield bytes(block)
                block.clear()
    yield bytes(block)


def _check_size(url: str, size: int, part: Path) -> None:
    if size > LARGEST:
        _forget(part)
        raise InputError(
            f"more than {LARGEST / 2**30:g} GiB at {url}", "a model", "check the address"
        )
