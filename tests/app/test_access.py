"""Other pages, other hosts, and other experts get nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from app.apps import HEADERS, Clients, make_folder
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from review.sessions import finish

from sparcell.app.access import Access
from sparcell.app.server import own_hosts
from sparcell.app.workspace import scan
from sparcell.io import write_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("folder")
    make_folder(root)
    return root


@pytest.fixture(scope="module")
def clients(folder: Path) -> Clients:
    return Clients(folder)


def addresses(folder: Path, clients: Clients) -> dict[str, str]:
    """Every address of the server by method and pattern, with ids that exist where known."""
    workspace = scan(folder)
    session = next(iter(workspace.sessions))
    case = next(p.stem for p in (folder / "session" / "cases").iterdir())
    (layer, *_) = workspace.layers
    field = next(f for c in workspace.collections if c.name == "data" for f in c.fields)
    ids = {
        "session_id": session, "case_id": case, "field_id": field.id, "kind": "image", "c": "0",
        "layer_id": layer.id, "t": "0", "z": "0", "level": "0", "row": "0", "column": "0",
        "name": "main.js",
    }  # fmt: skip
    found = {}
    for route in clients.app.routes:
        if isinstance(route, APIRoute):
            path = re.sub(r"\{(\w+)\}", lambda match: ids.get(match[1], "1"), route.path)
            path += f"?layer={layer.id}" * path.endswith("/objects")
            found |= {f"{method} {route.path}": path for method in route.methods}
    return found


PUBLIC = {"GET /", "GET /static/{name}", "POST /api/login"}


def ask(client: TestClient, key: str, path: str):
    return client.request(key.split()[0], path, json={} if key.startswith("POST") else None)


def test_nobody_gets_anything_without_a_token(folder: Path, clients: Clients) -> None:
    asked = addresses(folder, clients)
    assert len(asked) > 12
    for key, path in asked.items():
        answer = ask(clients.of("nobody"), key, path)
        expected = {200, 401} if key in PUBLIC else {401}
        assert answer.status_code in expected, key
    wrong = clients.of("nobody").post("/api/login", json={"token": "token"})
    assert wrong.status_code == 401 and not wrong.cookies


def test_an_expert_sees_neither_fields_nor_models_nor_others(
    folder: Path, clients: Clients
) -> None:
    """While reviews are open, no answer names a model, a field or a mark of the other expert."""
    session = next(iter(scan(folder).sessions))
    anna, ben = clients.of("anna"), clients.of("ben")
    case = anna.get(f"/api/sessions/{session}").json()["cases"][0]["id"]
    mark = {"kind": "missed", "case": case, "y": 31.7, "x": 41.9, "id": "secret-of-anna"}
    assert anna.post(f"/api/sessions/{session}/events", json=mark).status_code == 200
    comment = {"kind": "comment", "case": case, "text": "anna thinks so"}
    assert anna.post(f"/api/sessions/{session}/events", json=comment).status_code == 200
    answers = {}
    for key, path in addresses(folder, clients).items():
        path = re.sub(r"/cases/\w+", f"/cases/{case}", path)
        for client, name in ((ben, "ben"), (clients.of("eve"), "eve")):
            if key.startswith("GET /api"):
                answers[f"{name} {key}"] = client.get(path)
    for key, answer in answers.items():
        for word in (
            b"secret-of-anna",
            b"anna thinks",
            b"41.9",
            b"pure",
            b"mixed",
            b'"f0"',
            b"f1.tif",
        ):
            assert word not in answer.content, (key, word)
    for key in ("fields", "agreement", "findings"):
        codes = {a.status_code for k, a in answers.items() if f"/{key}" in k}
        assert codes == {403}, key
    # Who is no expert of the session does not even see that there is one.
    assert clients.of("eve").get("/api/start").json()["sessions"] == []
    eve = [a.status_code for k, a in answers.items() if k.startswith("eve") and "sessions" in k]
    assert set(eve) == {403}
    assert ben.get(f"/api/sessions/{session}/cases/{case}").json()["marks"] == []


def test_the_owner_sees_progress_but_no_verdicts(folder: Path, clients: Clients) -> None:
    session, owner = next(iter(scan(folder).sessions)), clients.of("")
    (shown,) = owner.get("/api/start").json()["sessions"]
    assert {one["expert"] for one in shown["progress"]} == {"anna", "ben"}
    for path in ("", "/agreement", "/findings/x", "/cases/x"):
        assert owner.get(f"/api/sessions/{session}{path}").status_code == 403
    event = {"kind": "done", "case": "x"}
    assert owner.post(f"/api/sessions/{session}/events", json=event).status_code == 403


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "testserver.evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"X-Sparcell": None}, 403),
        ({"Content-Length": "9999999"}, 413),
        ({"Origin": "http://testserver"}, 404),
        # An SSH tunnel begins at another port of the expert's own computer.
        ({"Host": "testserver:9000", "Origin": "http://testserver:9000"}, 404),
        ({"Host": "testserver:9000", "Origin": "http://testserver:8000"}, 403),
        ({"Host": "testserver:evil"}, 421),
        ({"Host": "evil.example:8000"}, 421),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_requests_of_other_pages_are_refused(clients: Clients, headers, code: int) -> None:
    client = clients.of("anna")
    if headers.get("X-Sparcell", "") is None:
        client.headers.pop("X-Sparcell")
    given = {key: value for key, value in headers.items() if value}
    answer = client.post("/api/sessions/none/seal", headers=given, content=b"")
    assert answer.status_code == code
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8000", True), ("localhost:9000", True), ("[::1]:9000", True),
        ("localhost", True), ("192.168.1.5:8000", True), ("192.168.1.5:9000", False),
        ("localhost.evil.example:8000", False), ("evil.example:8000", False), ("", False),
        ("127.0.0.1:8000@evil.example", False), ("127.0.0.1:", False),
    ],
)  # fmt: skip
def test_names_of_the_server(host: str, known: bool) -> None:
    """Own names with any port, as through a tunnel; the name that was chosen with its port."""
    access = Access.of([""], own_hosts("192.168.1.5", 8000), 8000)
    assert access.is_ours(host) is known


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_pages_cannot_even_read(clients: Clients, site: str) -> None:
    owner = clients.of("")
    assert owner.get("/api/start", headers={"Sec-Fetch-Site": site}).status_code == 403
    # A link on another page may open ours.
    assert owner.get("/", headers={"Sec-Fetch-Site": site}).status_code == 200


def test_the_cookie_is_for_our_page_alone(clients: Clients) -> None:
    client = TestClient(clients.app, headers=HEADERS)
    answer = client.post("/api/login", json={"token": "token-anna"})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie


@pytest.mark.parametrize(
    "path",
    ["../pyproject.toml", "..%2f..%2fserver.py", "%2e%2e/server.py", "/etc/passwd", "server.py"],
)
def test_only_files_of_the_page_are_served(clients: Clients, path: str) -> None:
    answer = clients.of("").get(f"/static/{path}")
    assert answer.status_code == 404
    assert b"import" not in answer.content


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null", b"[" * 3000])
def test_bodies_that_make_no_sense(clients: Clients, body: bytes, folder: Path) -> None:
    session = next(iter(scan(folder).sessions))
    answer = clients.of("anna").post(f"/api/sessions/{session}/events", content=body)
    assert answer.status_code in (400, 422) and "Traceback" not in answer.text


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    make_folder(tmp_path / "outside")
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(tmp_path / "outside" / "data")
    (root / "own").mkdir()
    outside = tmp_path / "outside" / "data" / "images" / "f0.tif"
    (root / "own" / "f0.tif").symlink_to(outside)
    found = scan(root)
    assert found.collections == () and found.layers == ()


def test_results_of_predict_show_their_images_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "a.tif", np.zeros((8, 8), np.uint8), "YX")
    results = tmp_path / "all" / "counted"
    write_image(results / "labels" / "a.tif", np.eye(8, dtype=np.uint16), "YX")
    (results / "dataset.yaml").write_text("images: ../../images\n")
    (results / "counts.csv").write_text("image,count\na,8\n")
    found = scan(results)
    assert [layer.predicted for layer in found.layers] == [True]
    assert [field.name for one in found.collections for field in one.fields] == ["a"]
    assert [layer.name for layer in found.layers_of(found.collections[0].fields[0])] == ["counted"]
    # Only the folder that the user opens may name others.
    assert scan(tmp_path / "all").collections == ()


def test_a_fault_shows_no_traceback(clients: Clients, folder: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr("sparcell.app.look_routes.describe", lambda *_: 1 / 0)
    field = next(f for c in scan(folder).collections for f in c.fields)
    answer = clients.of("").get(f"/api/fields/{field.id}")
    assert answer.status_code == 500
    assert answer.json() == {"error": "a fault of Sparcell's; the terminal says more"}
    assert "ZeroDivisionError" in caplog.text


def test_names_of_files_are_text(tmp_path: Path) -> None:
    make_folder(tmp_path)
    image = tmp_path / "data" / "images" / "f0.tif"
    image.rename(image.with_name("<script>alert(1)<.tif"))
    (tmp_path / "data" / "split.csv").unlink()
    start = Clients(tmp_path).of("").get("/api/start")
    assert start.headers["content-type"] == "application/json"
    scripts = Path("src/sparcell/app/static")
    # The page never makes elements of text.
    text = "".join(path.read_text() for path in scripts.glob("*.js"))
    assert "innerHTML" not in text and "insertAdjacentHTML" not in text and "eval(" not in text


def test_a_damaged_session_does_not_cost_the_others(tmp_path: Path) -> None:
    session = make_folder(tmp_path)
    finish(session, "anna")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "session.json").write_text("{}")
    shown = Clients(tmp_path).of("").get("/api/start").json()["sessions"]
    assert {one["name"]: "damaged" in one.get("problem", "") for one in shown} == {
        "other": True, "session": False,
    }  # fmt: skip


ODD = ("-1", "99999999999999999999", "1.5", "nan", "%00", "é" * 300, "..", "image", "", "0x10")


@pytest.mark.slow
def test_odd_addresses_are_no_fault(folder: Path, clients: Clients) -> None:
    """Any word at any place of any address gives an answer, and never a fault."""
    known = addresses(folder, clients)
    for role in ("", "ben"):
        client = clients.of(role)
        for key, path in known.items():
            parts = path.partition("?")[0].split("/")
            for place in range(2, len(parts)):
                for word in ODD:
                    odd = "/".join([*parts[:place], word, *parts[place + 1 :]])
                    answer = ask(client, key, odd)
                    assert answer.status_code < 500, (key, odd)


def test_odd_events_are_no_fault(folder: Path, clients: Clients) -> None:
    session = next(iter(scan(folder).sessions))
    ben = clients.of("ben")
    case = ben.get(f"/api/sessions/{session}").json()["cases"][0]["id"]
    values = (None, True, -1, 1e400, 2**70, "x", "\ud800", [], {}, "1")
    for name in (
        "id",
        "kind",
        "case",
        "object",
        "y",
        "x",
        "text",
        "stands",
        "seconds",
        "time",
        "z",
    ):
        for value in values:
            event = {"kind": "missed", "case": case, "y": 2, "x": 2, name: value}
            body = json.dumps(event)
            answer = ben.post(f"/api/sessions/{session}/events", content=body)
            assert answer.status_code < 500, event
