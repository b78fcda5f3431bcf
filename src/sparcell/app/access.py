"""Who may ask the server for what: tokens, roles, and checks of each request.

Another web page in the same browser can send requests to this machine, and a name that its owner
controls can point here ("DNS rebinding"). So the Host header must be ours, changes must come from
our own page, and everything but the page itself needs a cookie that only a token gives.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OWNER = ""
"""Role of whoever started the app; experts have their name as role."""
MOST_BYTES = 1 << 20
"""Of a request."""
MARK = "x-sparcell"
"""Header of our page's requests, which forms of other pages cannot send."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass
class Access:
    """Tokens and cookies, each with the role that it gives.

    Attributes
    ----------
    tokens : dict of str to str
        Token in an address to role.
    hosts : frozenset of str
        Host headers that are ours: with a port, or without for any port. A tunnel leads from
        another port to ours.
    cookie : str
        Name of the cookie; cookies of one host are shared by all of its ports.
    """

    tokens: dict[str, str]
    hosts: frozenset[str]
    cookie: str = "sparcell"
    _sessions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, roles: Iterable[str], hosts: Iterable[str], port: int = 0) -> Access:
        """Make a token of 256 bits for each role."""
        tokens = {secrets.token_urlsafe(32): role for role in roles}
        return cls(tokens, frozenset(hosts), f"sparcell-{port}")

    def login(self, token: str) -> str | None:
        """Return the value of a new cookie for a token; None if it is none."""
        role = None
        for known, of_known in self.tokens.items():
            # All are compared, in constant time, so that the time tells nothing.
            if secrets.compare_digest(known.encode(), token.encode("utf8", "replace")):
                role = of_known
        if role is None:
            return None
        cookie = secrets.token_urlsafe(32)
        self._sessions[cookie] = role
        return cookie

    def is_ours(self, host: str) -> bool:
        """Whether a Host header names this server."""
        name, colon, port = host.rpartition(":")
        any_port = bool(colon) and port.isdecimal() and name in self.hosts
        return host in self.hosts or any_port

    def role(self, request: Request) -> str | None:
        """Return the role of who sent a request; None if nobody knows him."""
        return self._sessions.get(request.cookies.get(self.cookie, ""))


class Guard:
    """Refuses requests of other pages, and adds headers that keep the browser careful."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def careful(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {key for key, _ in message["headers"]}
                own = [(key.lower().encode(), value.encode()) for key, value in HEADERS.items()]
                message["headers"] = [
                    *message["headers"],
                    *((key, value) for key, value in own if key not in given),
                ]
            await send(message)

        problem = self._problem(scope)
        if problem:
            await JSONResponse({"error": problem[1]}, problem[0])(scope, receive, careful)
            return
        await self.app(scope, _bounded(receive), careful)

    def _problem(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason of a request that is refused."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self.access.is_ours(host):
            return 421, "this server has another name"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return 413, "too much data"
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        if scope["method"] in ("GET", "HEAD"):
            foreign = scope["path"].startswith("/api/") and site not in ("same-origin", "none")
            return (403, "a request of another page") if foreign else None
        if (origin is not None and origin != f"http://{host}") or site != "same-origin":
            return 403, "a request of another page"
        return None if MARK in headers else (403, "a request of no page")


def _bounded(receive: Receive) -> Callable[[], Awaitable[Message]]:
    """Stop a body that is longer than its header says."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_BYTES:
            return {"type": "http.disconnect"}
        return message

    return bounded


def login_response(access: Access, token: str) -> Response:
    """Answer to a token: a cookie that scripts cannot read and other pages cannot send."""
    cookie = access.login(token)
    if cookie is None:
        return JSONResponse({"error": "this link is not valid any more"}, 401)
    response = JSONResponse({"ok": True})
    response.set_cookie(access.cookie, cookie, httponly=True, samesite="strict")
    return response
