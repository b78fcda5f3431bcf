"""Addresses of the pages Run and Compare: forms, jobs, and decisions on new models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from sparcell.app.answers import read_json
from sparcell.app.comparisons import comparison, find_comparisons, own_models
from sparcell.app.forms import CommandForm, Forms, command_words, output_of, resumed_words
from sparcell.app.hub import Hub
from sparcell.app.workspace import UnknownIdError, Workspace, inside
from sparcell.core.errors import InputError
from sparcell.jobs import CommandJob, JobQueue

PAGES = ("report.html", "overview.html", "tracks.html", "plate.html", "index.html", "study.html")
"""Pages that commands write, the one to show first."""
SANDBOX = {
    # A written page has its own script and pictures. It may not ask this server for anything.
    "Content-Security-Policy": "sandbox allow-scripts allow-popups; default-src 'none'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
}


def add_jobs(
    app: FastAPI, hub: Hub, queue: JobQueue, forms: Forms, owner: Callable[..., None]
) -> None:
    """Add the addresses; `owner` lets nobody else in."""
    guarded = [Depends(owner)]

    def form_of(content: dict[str, Any]) -> CommandForm:
        for form in forms.commands():
            if form.name == content.get("command"):
                return form
        raise UnknownIdError(str(content.get("command")))

    def job_of(job_id: str) -> CommandJob:
        job = queue.job(job_id)
        if job is None:
            raise UnknownIdError(job_id)
        return job

    def words_of(content: dict[str, Any]) -> tuple[CommandForm, tuple[str, ...]]:
        form, values = form_of(content), content.get("values")
        if not isinstance(values, dict):
            raise HTTPException(422, "a request that makes no sense")
        words = command_words(form, values, hub.root)
        forms.check(words)
        return form, words

    @app.get("/api/forms", dependencies=guarded)
    def described() -> dict[str, Any]:
        found = [asdict(form) for form in forms.commands()]
        return {"commands": found, "suggestions": suggest(hub.rescan(), forms)}

    @app.get("/api/forms/settings", dependencies=guarded)
    def settings(recipe: str) -> dict[str, Any]:
        if {"/", "\\"} & set(recipe) and recipe not in forms.recipes():
            raise InputError(recipe, "the name of a bundled recipe", "choose one of the list")
        return {"settings": [asdict(one) for one in forms.settings(recipe)]}

    @app.post("/api/forms/line", dependencies=guarded)
    async def line(request: Request) -> dict[str, Any]:
        content = await read_json(request)
        try:
            _, words = words_of(content)
        except InputError as error:
            # A form that is not yet filled in is no fault.
            return {"line": "", "problem": f"Found {error.found}. Expected {error.expected}."}
        return {"line": CommandJob(hub.root, words, (), "", "").line, "problem": ""}

    @app.get("/api/jobs", dependencies=guarded)
    def jobs() -> dict[str, Any]:
        return {"jobs": queue.describe()}

    @app.post("/api/jobs", dependencies=guarded)
    async def add(request: Request) -> dict[str, Any]:
        content = await read_json(request)
        form, words = words_of(content)
        output = output_of(form, content["values"])
        job = await run_in_threadpool(queue.add, words, output, resumed_words(form, words))
        return job.describe()

    @app.get("/api/jobs/{job_id}", dependencies=guarded)
    def job(job_id: str) -> dict[str, Any]:
        found = job_of(job_id)
        page = _page_of(hub.root, found)
        facts = {"log": found.log, "steps": found.steps(), "page": page is not None}
        return found.describe() | facts

    @app.get("/api/jobs/{job_id}/page", dependencies=guarded)
    def page(job_id: str) -> Response:
        path = _page_of(hub.root, job_of(job_id))
        if path is None:
            raise UnknownIdError(job_id)
        return FileResponse(path, headers=SANDBOX, media_type="text/html")

    @app.post("/api/jobs/{job_id}/{action}", dependencies=guarded)
    def act(job_id: str, action: str) -> dict[str, Any]:
        actions = {"stop": queue.stop, "resume": queue.resume, "remove": queue.remove}
        if action not in actions:
            raise UnknownIdError(action)
        actions[action](job_of(job_id))
        return {"jobs": queue.describe()}

    @app.get("/api/comparisons", dependencies=guarded)
    def comparisons() -> dict[str, Any]:
        return {"comparisons": [one.describe() for one in find_comparisons(hub.root)]}

    @app.post("/api/comparisons", dependencies=guarded)
    async def decide(request: Request) -> dict[str, Any]:
        content = await read_json(request)
        if not isinstance(content.get("keep"), bool):
            raise HTTPException(422, "a request that makes no sense")
        found = comparison(hub.root, str(content.get("id")))
        await run_in_threadpool(found.decide, content["keep"])
        return found.describe()


def suggest(workspace: Workspace, forms: Forms) -> dict[str, list[str]]:
    """List values by what a parameter `suggests`; paths are relative to the folder."""
    root = workspace.root

    def shown(folder: Path) -> str:
        return folder.relative_to(root).as_posix()

    datasets = [one for one in workspace.collections if one.kind == "dataset"]
    return {
        "images": [shown(one.folder) for one in workspace.collections],
        "dataset": [shown(one.folder) for one in datasets],
        "labels": [shown(one.folder) for one in workspace.layers if not one.predicted],
        "result": [shown(one.folder) for one in workspace.layers if one.predicted],
        "review": [
            shown(folder)
            for folder in (*workspace.corrections.values(), *workspace.sessions.values())
        ],
        "model": [*map(shown, own_models(root)), *forms.models()],
        "recipe": list(forms.recipes()),
    }


def _page_of(root: Path, job: CommandJob) -> Path | None:
    """Return the page that a job wrote, if it wrote one."""
    if not job.output:
        return None
    output = root / job.output
    candidates = [output] if output.suffix == ".html" else [output / name for name in PAGES]
    return next((path for path in candidates if path.is_file() and inside([root], path)), None)
