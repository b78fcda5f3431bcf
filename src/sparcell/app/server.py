"""The server: its pages, its errors, and who may ask."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from sparcell.app.access import OWNER, Access, Guard, login_response
from sparcell.app.answers import read_json
from sparcell.app.correct_routes import add_corrections, list_corrections
from sparcell.app.forms import Forms
from sparcell.app.hub import Hub
from sparcell.app.job_routes import add_jobs
from sparcell.app.look_routes import add_look
from sparcell.app.point_routes import add_points
from sparcell.app.review_routes import add_review
from sparcell.app.workspace import UnknownIdError
from sparcell.core.errors import InputError
from sparcell.jobs import JobQueue

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"


def create_app(root: Path | str, access: Access, forms: Forms | None = None) -> FastAPI:
    """Make the server of a folder.

    Parameters
    ----------
    root : Path or str
        Folder with datasets, predictions and sessions.
    access : Access
        Who may ask for what.
    forms : Forms, optional
        Commands that the page can run; none without it.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise InputError(f"no folder {folder}", "a folder", "check the path")
    hub = Hub(folder)
    queue = JobQueue(folder)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if forms:
            queue.open()
        yield
        queue.close()
        hub.close()

    app = FastAPI(openapi_url=None, lifespan=lifespan)
    app.add_middleware(Guard, access=access)
    _add_errors(app)

    def known(request: Request) -> str:
        role = access.role(request)
        if role is None:
            raise HTTPException(401, "open the link that the terminal printed")
        return role

    def owner(role: str = Depends(known)) -> None:
        if role != OWNER:
            raise HTTPException(403, "not during a blind review")

    _add_pages(app, access)
    _add_start(app, hub, known, forms is not None)
    add_look(app, hub, owner)
    add_review(app, hub, known)
    add_corrections(app, hub, owner)
    add_points(app, hub, owner)
    if forms:
        add_jobs(app, hub, queue, forms, owner)
    return app


def _add_errors(app: FastAPI) -> None:
    """Answer each error in one shape, and with no traceback."""

    @app.exception_handler(StarletteHTTPException)
    async def refused(_: Request, error: StarletteHTTPException) -> Response:
        return JSONResponse({"error": str(error.detail)}, error.status_code)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        return JSONResponse({"error": "a request that makes no sense"}, 422)

    @app.exception_handler(InputError)
    async def mistake(_: Request, error: InputError) -> Response:
        # A full disk may have space again: the page keeps what it sent, and tries again.
        code = 507 if isinstance(error.__cause__, OSError) else 400
        return JSONResponse({"error": f"Found {error.found}. Expected {error.expected}."}, code)

    @app.exception_handler(UnknownIdError)
    async def absent(_: Request, error: UnknownIdError) -> Response:
        return JSONResponse({"error": "there is no such thing here"}, 404)

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> Response:
        logger.error("a fault of Sparcell's", exc_info=error)
        return JSONResponse({"error": "a fault of Sparcell's; the terminal says more"}, 500)


def _add_pages(app: FastAPI, access: Access) -> None:
    files = {path.name: path for path in STATIC.iterdir() if path.is_file()}

    @app.get("/")
    def page() -> Response:
        return FileResponse(files["index.html"], headers={"Cache-Control": "no-cache"})

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in files:
            raise UnknownIdError(name)
        return FileResponse(files[name], headers={"Cache-Control": "no-cache"})

    @app.post("/api/login")
    async def login(request: Request) -> Response:
        content = await read_json(request)
        return login_response(access, str(content.get("token", "")))


def _add_start(app: FastAPI, hub: Hub, known: Callable[..., str], runs: bool) -> None:
    @app.get("/api/start")
    def start(role: str = Depends(known)) -> dict[str, Any]:
        """Describe the folder, as far as the role may know it."""
        workspace = hub.rescan()
        sessions = [
            described
            for session_id in workspace.sessions
            if (described := _session_for(hub, session_id, role))
        ]
        collections = [
            {
                "id": one.id,
                "name": one.name,
                "kind": one.kind,
                "fields": [{"id": f.id, "name": f.name, "split": f.split} for f in one.fields],
            }
            for one in workspace.collections
        ]
        shown = collections if role == OWNER else []
        corrections = list_corrections(hub) if role == OWNER else []
        return {"role": role, "folder": hub.root.resolve().name, "collections": shown,
                "sessions": sessions, "corrections": corrections, "runs": runs}  # fmt: skip


def _session_for(hub: Hub, session_id: str, role: str) -> dict[str, Any] | None:
    """Describe a session to a role; None to those who have no part in it."""
    facts: dict[str, Any] = {"id": session_id, "name": hub.workspace.session(session_id).name}
    try:
        review = hub.review(session_id)
        progress = [one for one in review.progress() if role in (OWNER, one["expert"])]
        facts |= {"progress": progress, "open": review.open_to_all}
    except InputError as error:
        # A damaged session, or one that another process has locked, does not cost the others.
        return facts | {"problem": str(error)} if role == OWNER else None
    return facts if role in (OWNER, *review.session.experts) else None


def own_hosts(host: str, port: int) -> Iterable[str]:
    """Host headers of requests that are meant for this server.

    Names of one's own computer have any port, because an SSH tunnel begins at a port of its own.
    No other page can have such a name.
    """
    return {f"{host}:{port}", "127.0.0.1", "localhost", "[::1]"}
