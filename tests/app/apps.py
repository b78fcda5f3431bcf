"""A server of a small folder, and clients in different roles."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient
from review.sessions import make_session

from sparcell.app.access import Access
from sparcell.app.server import create_app
from sparcell.review import Session

TOKENS = {"token-owner": "", "token-anna": "anna", "token-ben": "ben", "token-eve": "eve"}
HEADERS = {"X-Sparcell": "1"}


def make_folder(root: Path, **options) -> Session:
    """Make a folder with a dataset, two predictions and an open session."""
    session = make_session(root, fields=3, **options)
    for model in session.models:
        (root / model / "record.json").write_text("{}")
    return session


class Clients:
    """Clients of one server, by role."""

    def __init__(self, root: Path) -> None:
        self.app = create_app(root, Access(dict(TOKENS), frozenset({"testserver"})))

    def of(self, role: str) -> TestClient:
        """Return a client that has logged in; ``nobody`` has not."""
        client = TestClient(self.app, headers=HEADERS, raise_server_exceptions=False)
        if role != "nobody":
            token = next(token for token, known in TOKENS.items() if known == role)
            assert client.post("/api/login", json={"token": token}).status_code == 200
        return client
