"""Start the server, print its links, and open the browser."""

from __future__ import annotations

import logging
import os
import socket
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from sparcell.app.access import OWNER, Access
from sparcell.app.forms import Forms
from sparcell.app.server import create_app, own_hosts
from sparcell.core.errors import InputError
from sparcell.system.malloc import limit_arenas

logger = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    folder: Path | str,
    *,
    experts: Sequence[str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    browser: bool = True,
    tell: Callable[[str], None] = logger.info,
    forms: Forms | None = None,
) -> None:
    """Serve a folder until the process is stopped.

    Parameters
    ----------
    folder : Path or str
        With datasets, predictions and review sessions.
    experts : sequence of str
        Names of experts who review blind, each with a link of their own, which shows nothing but
        their cases. Without any, the link shows the whole folder.
    host : str
        Where it listens. By default only this machine can reach it.
    port : int
        0 for a free one.
    browser : bool
        Open the first link in the browser.
    tell : function
        Gets lines for the user, with links that must not be logged.
    forms : Forms, optional
        Commands that the page can run; none without it, nor during a blind review.

    Raises
    ------
    InputError
        If there is no such folder, or the address is taken.
    """
    limit_arenas()
    listener = _listen(host, port)
    port = listener.getsockname()[1]
    access = Access.of(experts or [OWNER], own_hosts(host, port), port)
    app = create_app(folder, access, None if experts else forms)
    if host not in LOOPBACK:
        logger.warning(
            f"everybody who can reach {host} and has a link can use it, and it is not encrypted; "
            "an SSH tunnel is safer"
        )
    name = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    links = {role: f"http://{name}:{port}/#token={token}" for token, role in access.tokens.items()}
    for role, link in links.items():
        tell(f"{role + ': ' if role else ''}{link}")
    tell("Ctrl-C stops it.")
    distant = bool(os.environ.get("SSH_CONNECTION")) and not os.environ.get("DISPLAY")
    if distant and host in LOOPBACK:
        tell(
            f"To open it on your own computer, run there: ssh -L {port}:127.0.0.1:{port} "
            f"{os.environ.get('USER', 'me')}@{socket.gethostname()}"
        )
    if browser and not distant:
        webbrowser.open(next(iter(links.values())))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", server_header=False))
    server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """Take an address, so that its port is known before the server starts."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        raise InputError(
            f"no way to listen at {host}:{port} ({error})",
            "a free port of this machine",
            "choose another port, or none",
        ) from error
    return listener
