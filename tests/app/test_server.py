"""What the server answers to its page."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from app.apps import Clients, make_folder
from review.sessions import SQUARES, finish, squares

from sparcell.app.reviewing import OpenReview
from sparcell.core.errors import InputError
from sparcell.io import open_image
from sparcell.review import ExpertReview, open_session, record_table


@pytest.fixture
def clients(tmp_path: Path):
    made = make_folder(tmp_path)
    served = Clients(tmp_path)
    served.session = made
    return served


def session_id(clients: Clients) -> str:
    return clients.of("").get("/api/start").json()["sessions"][0]["id"]


def test_start_lists_what_is_in_the_folder(clients: Clients, tmp_path: Path) -> None:
    start = clients.of("").get("/api/start").json()
    assert [(c["name"], len(c["fields"])) for c in start["collections"]] == [("data", 4)]
    assert start["folder"] == tmp_path.name and start["role"] == ""


def test_an_image_with_its_labels_and_errors(clients: Clients, tmp_path: Path) -> None:
    owner = clients.of("")
    (data,) = owner.get("/api/start").json()["collections"]
    field = next(f for f in data["fields"] if f["name"] == "f0")["id"]
    facts = owner.get(f"/api/fields/{field}").json()
    assert (facts["height"], facts["width"], facts["wide"]) == (40, 60, True)
    layers = {layer["name"]: layer["id"] for layer in facts["layers"]}
    assert set(layers) == {"data", "pure", "mixed"}
    tile = owner.get(f"/api/fields/{field}/tiles/image/0/0/0/0/0/0")
    pixels = np.frombuffer(tile.content, "<u2").reshape(40, 60)
    assert np.array_equal(pixels, open_image(tmp_path / "data/images/f0.tif").read()[0])
    tile = owner.get(f"/api/fields/{field}/tiles/{layers['pure']}/0/0/0/0/0/0")
    # The client has unpacked it.
    assert np.array_equal(np.frombuffer(tile.content, "<u4").reshape(40, 60), squares(*SQUARES))
    assert len(gzip.compress(tile.content, 1)) < len(tile.content) / 20
    address = f"/api/fields/{field}/objects?layer={layers['data']}&other={layers['pure']}"
    found = owner.get(address).json()
    assert found["counts"]["spurious"] == 1 and found["counts"]["correct"] == 3


@pytest.mark.parametrize(
    "path",
    [
        "fields/none", "fields/none/tiles/image/0/0/0/0/0/0", "sessions/none", "nothing",
        "fields/{field}/tiles/none/0/0/0/0/0/0", "fields/{field}/tiles/stain/0/0/0/0/0/0",
        "fields/{field}/about/image?t=1",
    ],
)  # fmt: skip
def test_what_there_is_not(clients: Clients, path: str) -> None:
    owner = clients.of("")
    field = owner.get("/api/start").json()["collections"][0]["fields"][0]["id"]
    answer = owner.get("/api/" + path.replace("{field}", field))
    assert answer.status_code == 404 and answer.json()["error"]


def test_a_review_from_the_first_mark_to_the_tables(clients: Clients) -> None:
    base = f"/api/sessions/{session_id(clients)}"
    for name in ("anna", "ben"):
        client = clients.of(name)
        cases = client.get(base).json()["cases"]
        assert len(cases) == 6 and not any(case["done"] for case in cases)
        first = cases[0]["id"]
        facts = client.get(f"{base}/cases/{first}").json()
        assert facts["objects"] == 4 and facts["places"][0] == [1, 9.5, 9.5]
        event = {"id": f"{name}-1", "kind": "extra", "case": first, "object": 2}
        answer = client.post(f"{base}/events", json=event).json()
        assert [(m["kind"], m["object"]) for m in answer["marks"]] == [("extra", 2)]
        # Sent again, because the answer was lost.
        assert client.post(f"{base}/events", json=event).json() == answer
        undone = client.post(f"{base}/events", json={"kind": "undo", "text": f"{name}-1"}).json()
        assert undone["marks"] == [] and undone["id"] == first
        assert client.post(f"{base}/seal").status_code == 400
        for case in cases:
            client.post(f"{base}/events", json={"kind": "done", "case": case["id"]})
        if name == "ben":
            mark = {"kind": "missed", "case": first, "y": 3, "x": 50}
            assert client.post(f"{base}/events", json=mark).status_code == 200
        assert client.post(f"{base}/seal").json() == {"sealed": True, "open": name == "ben"}
        assert client.post(f"{base}/events", json=event | {"id": "late"}).status_code == 400
    owner = clients.of("")
    report = owner.get(f"{base}/agreement").json()
    assert [row["scores"]["fp"] for row in report["rows"]] == [0] * len(report["rows"])
    (dispute,) = report["disagreements"]
    found = owner.get(f"{base}/findings/{dispute['case']}").json()
    assert [mark["expert"] for mark in found["marks"]] == ["ben"]
    judgement = {"case": dispute["case"], "text": dispute["id"], "stands": True}
    assert owner.post(f"{base}/judgements", json=judgement).json() == {"saved": True}
    judged = owner.get(f"{base}/agreement").json()["judged"]
    assert judged == {f"{dispute['case']} {dispute['id']}": True}
    assert owner.post(f"{base}/judgements", json=judgement | {"text": "x"}).status_code == 400


def test_an_answer_means_that_the_mark_is_on_the_disk(clients: Clients, tmp_path: Path) -> None:
    base = f"/api/sessions/{session_id(clients)}"
    anna = clients.of("anna")
    case = anna.get(base).json()["cases"][0]["id"]
    for number in range(5):
        event = {"kind": "missed", "case": case, "y": number, "x": 1}
        assert anna.post(f"{base}/events", json=event).status_code == 200
        stored = ExpertReview(open_session(tmp_path / "session"), "anna").verdicts[case]
        assert stored.count("missed") == number + 1


def test_a_full_disk_keeps_the_log_and_takes_the_mark_later(
    clients: Clients, tmp_path: Path, monkeypatch
) -> None:
    base = f"/api/sessions/{session_id(clients)}"
    anna = clients.of("anna")
    case = anna.get(base).json()["cases"][0]["id"]
    event = {"id": "a", "kind": "missed", "case": case, "y": 1, "x": 1}
    assert anna.post(f"{base}/events", json=event).status_code == 200
    before = (tmp_path / "session/anna.jsonl").read_bytes()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if b"crc" in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    answer = anna.post(f"{base}/events", json=event | {"id": "b"})
    monkeypatch.undo()
    # No code of the client's mistakes: the page would not send the mark again.
    assert answer.status_code == 507 and "full disk" in answer.json()["error"]
    assert (tmp_path / "session/anna.jsonl").read_bytes() == before
    assert len(anna.post(f"{base}/events", json=event | {"id": "b"}).json()["marks"]) == 2


def test_a_line_that_was_cut_off_costs_its_event_alone(clients: Clients, tmp_path: Path) -> None:
    base = f"/api/sessions/{session_id(clients)}"
    anna = clients.of("anna")
    case = anna.get(base).json()["cases"][0]["id"]
    for name in "abc":
        event = {"id": name, "kind": "missed", "case": case, "y": 1, "x": 1}
        anna.post(f"{base}/events", json=event)
    log = tmp_path / "session/anna.jsonl"
    log.write_bytes(log.read_bytes()[:-7])
    fresh = Clients(tmp_path).of("anna")
    marks = fresh.get(f"{base}/cases/{case}").json()["marks"]
    assert [mark["id"] for mark in marks] == ["a", "b"]
    # A damaged line in the middle is an error, and never a silent loss.
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0][:-9] + b"}\n" + lines[1])
    damaged = Clients(tmp_path).of("anna").get(f"{base}/cases/{case}")
    assert damaged.status_code == 400 and "damaged line 1" in damaged.json()["error"]


def test_events_that_a_page_may_not_send(clients: Clients) -> None:
    base = f"/api/sessions/{session_id(clients)}"
    anna = clients.of("anna")
    case = anna.get(base).json()["cases"][0]["id"]
    for event in (
        {"kind": "seal"},
        {"kind": "judge", "case": case, "text": "extra:1", "stands": True},
        {"kind": "extra", "case": case, "object": 99},
        {"kind": "extra", "case": case, "object": 1, "path": "/etc"},
        {"kind": "comment", "case": case, "text": "x" * 3000},
        {"kind": "missed", "case": case, "y": 1e308, "x": 0},
    ):
        assert anna.post(f"{base}/events", json=event).status_code == 400


def test_two_tabs_mark_the_same_object_once(clients: Clients) -> None:
    base = f"/api/sessions/{session_id(clients)}"
    tabs = clients.of("anna"), clients.of("anna")
    case = tabs[0].get(base).json()["cases"][0]["id"]
    for tab in tabs:
        answer = tab.post(f"{base}/events", json={"kind": "extra", "case": case, "object": 1})
    assert len(answer.json()["marks"]) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="locks are those of a process")
def test_other_processes_cannot_write_while_the_app_serves(clients: Clients, tmp_path) -> None:
    review = OpenReview(tmp_path / "session")
    (tmp_path / "v.csv").write_text(f"case,kind\n{review.session.cases[0].id},done\n")
    child = os.fork()
    if not child:
        try:
            record_table(open_session(tmp_path / "session"), "anna", tmp_path / "v.csv")
        except InputError as error:
            os._exit(0 if "another process" in str(error) else 3)
        os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    review.close()


def test_the_progress_of_a_sealed_review(clients: Clients) -> None:
    finish(clients.session, "anna")
    (shown,) = clients.of("anna").get("/api/start").json()["sessions"]
    assert shown["progress"] == [{"expert": "anna", "left": 0, "cases": 6, "sealed": True}]
    assert not shown["open"]
