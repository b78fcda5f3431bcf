"""A server in a thread, for a real browser."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from app.apps import TOKENS

from sparcell.app.access import Access
from sparcell.app.forms import Forms
from sparcell.app.server import create_app


@contextmanager
def served(root: Path, forms: Forms | None = None) -> Iterator[str]:
    """Serve a folder while the context is open; give the address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app = create_app(root, Access(dict(TOKENS), frozenset({f"127.0.0.1:{port}"})), forms)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
