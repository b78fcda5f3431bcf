"""Every route under generated requests: no fault, and nothing of another expert's."""

from __future__ import annotations

from pathlib import Path

import pytest
from app.apps import HEADERS, Clients, make_folder
from fastapi.openapi.utils import get_openapi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")

SECRETS = ("secret-of-anna", "anna thinks so", "31.7", "41.9")
"""What only Anna has written."""


@pytest.fixture(scope="module")
def clients(tmp_path_factory) -> Clients:
    root: Path = tmp_path_factory.mktemp("folder")
    make_folder(root)
    served = Clients(root)
    anna = served.of("anna")
    (session,) = anna.get("/api/start").json()["sessions"]
    base = f"/api/sessions/{session['id']}"
    for case in anna.get(base).json()["cases"]:
        mark = {"kind": "missed", "case": case["id"], "y": 31.7, "x": 41.9}
        anna.post(f"{base}/events", json={"id": f"secret-of-anna-{case['id']}", **mark})
        anna.post(
            f"{base}/events", json={"kind": "comment", "case": case["id"], "text": SECRETS[1]}
        )
    return served


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=9), part, max_size=4)
    ),
    max_leaves=6,
)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["ben", "eve", "", "nobody"])
def test_generated_requests(clients: Clients, role: str) -> None:
    """No request of any role is a fault, and none gets what Anna wrote before all have sealed."""
    content = get_openapi(title="app", version="1", routes=clients.app.routes)
    client, asked = clients.of(role), 0
    checks = list(HealthCheck)
    for operation in schemathesis.openapi.from_dict(content).get_all_operations():
        route = operation.ok()

        @settings(
            max_examples=30, deadline=None, database=None, derandomize=True,
            suppress_health_check=checks,
        )  # fmt: skip
        @given(case=route.as_strategy(), body=BODIES)
        def ask(case, body) -> None:
            nonlocal asked
            kwargs = case.as_transport_kwargs(base_url="http://testserver")
            query = kwargs.get("params")
            body = body if case.method.upper() == "POST" else None
            answer = client.request(
                kwargs["method"], kwargs["url"], params=query, json=body, headers=HEADERS
            )
            asked += 1
            assert answer.status_code < 500, (case.path, kwargs, answer.text)
            assert not any(word in answer.text for word in SECRETS), (case.path, kwargs)
            assert "Traceback" not in answer.text

        ask()
    assert asked > 300
