"""Addresses of blind review and agreement, and who may ask for what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from sparcell.app.access import OWNER
from sparcell.app.answers import describe, plane_beside, plane_of, read_json, tile_response
from sparcell.app.hub import IMAGE, Hub
from sparcell.review import CONSENSUS, parse_event


def add_review(app: FastAPI, hub: Hub, known: Callable[..., str]) -> None:
    """Add the addresses; `known` gives the role of who asks."""

    def member(session_id: str, role: str = Depends(known)) -> str:
        """Let in the owner, and the experts of the session."""
        if role not in (OWNER, *hub.review(session_id).session.experts):
            raise HTTPException(403, "another expert's session")
        return role

    def expert(role: str = Depends(member)) -> str:
        if role == OWNER:
            raise HTTPException(403, "open the link of an expert")
        return role

    def after_seal(session_id: str, role: str = Depends(member)) -> None:
        if not hub.review(session_id).open_to_all:
            raise HTTPException(403, "not before all experts have sealed their reviews")

    def may_see(session_id: str, role: str = Depends(member)) -> None:
        """Experts see cases at any time, others once all is sealed."""
        if role == OWNER:
            after_seal(session_id, role)

    base = "/api/sessions/{session_id}"

    @app.get(base)
    def overview(session_id: str, role: str = Depends(expert)) -> dict[str, Any]:
        return hub.review(session_id).overview(role)

    @app.get(base + "/cases/{case_id}")
    def case(session_id: str, case_id: str, role: str = Depends(expert)) -> dict[str, Any]:
        source = hub.case_pixels(session_id, case_id, IMAGE)
        known = hub.review(session_id).case(role, case_id)
        about = describe(source, known["t"], known["z"])
        return known | about | hub.places(session_id, case_id)

    @app.get(base + "/cases/{case_id}/about/{kind}", dependencies=[Depends(may_see)])
    def about(session_id: str, case_id: str, kind: str, t: int = 0, z: int = 0) -> dict[str, Any]:
        source = hub.case_pixels(session_id, case_id, kind)
        return describe(source, *(plane_of if kind == IMAGE else plane_beside)(source, t, z))

    @app.get(
        base + "/cases/{case_id}/tiles/{kind}/{c}/{t}/{z}/{level}/{row}/{column}",
        dependencies=[Depends(may_see)],
    )
    def tile(
        session_id: str, case_id: str, kind: str, c: int, t: int, z: int,
        level: int, row: int, column: int,
    ) -> Response:  # fmt: skip
        source = hub.case_pixels(session_id, case_id, kind)
        plane = (plane_of if kind == IMAGE else plane_beside)(source, t, z)
        return tile_response(source, c, plane, level, row, column)

    @app.post(base + "/events")
    async def event(
        session_id: str, request: Request, role: str = Depends(expert)
    ) -> dict[str, Any]:
        content = await read_json(request)
        if content.get("kind") in ("seal", "judge"):
            raise HTTPException(400, "not an event of a case")
        given = parse_event(content)
        answer: dict[str, Any] = await run_in_threadpool(hub.review(session_id).record, role, given)
        return answer

    @app.post(base + "/seal")
    def seal(session_id: str, role: str = Depends(expert)) -> dict[str, Any]:
        hub.review(session_id).seal(role)
        return {"sealed": True, "open": hub.review(session_id).open_to_all}

    @app.get(base + "/agreement", dependencies=[Depends(after_seal)])
    def agreement(session_id: str) -> dict[str, Any]:
        return hub.review(session_id).agreement()

    @app.get(base + "/findings/{case_id}", dependencies=[Depends(after_seal)])
    def findings(session_id: str, case_id: str) -> dict[str, Any]:
        source = hub.case_pixels(session_id, case_id, IMAGE)
        known = hub.review(session_id).findings(case_id)
        about = describe(source, known["t"], known["z"])
        return known | about | hub.places(session_id, case_id)

    @app.post(base + "/judgements", dependencies=[Depends(after_seal)])
    async def judge(session_id: str, request: Request) -> dict[str, Any]:
        content = await read_json(request)
        given = parse_event({**content, "kind": "judge"})
        review = hub.review(session_id)
        await run_in_threadpool(review.of(CONSENSUS).record, given)
        return {"saved": True}
