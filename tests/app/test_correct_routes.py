"""Corrections over HTTP: queue, edits, stale edits, tiles, export, and who may ask."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from app.apps import Clients
from review.corrections import make_correction
from review.sessions import SHAPE, SQUARES, squares

from sparcell.io import open_image
from sparcell.review import open_correction
from sparcell.review.corrected_field import CorrectedField


@pytest.fixture
def clients(tmp_path: Path):
    make_correction(tmp_path)
    served = Clients(tmp_path)
    with served.of(""):
        yield served


def base_of(client) -> str:
    (listed,) = client.get("/api/start").json()["corrections"]
    assert (listed["name"], listed["objects"]) == ("correction", 8)
    return f"/api/corrections/{listed['id']}"


def labels(client, base: str, number: int = 0) -> np.ndarray:
    tile = client.get(f"{base}/images/{number}/tiles/labels/0/0/0/0")
    assert tile.headers["Cache-Control"] == "no-store"
    return np.frombuffer(tile.content, "<u4").reshape(SHAPE)


def test_an_edit_changes_the_labels_and_tells_what(clients) -> None:
    client = clients.of("")
    base = base_of(client)
    np.testing.assert_array_equal(labels(client, base), squares(*SQUARES))
    asked = {"kind": "delete", "objects": [1], "revision": 0}
    answer = client.post(f"{base}/images/0/edits", json=asked).json()
    assert (answer["gone"], answer["revision"], answer["undo"]) == ([1], 1, 0)
    assert answer["place"] == [9.5, 9.5, 10]
    image = squares(*SQUARES).ravel()
    for start, length, after in answer["runs"]:
        image[start : start + length] = after
    np.testing.assert_array_equal(labels(client, base).ravel(), image)
    settled = [one for one in client.get(base).json()["queue"] if one["settled"]]
    assert [(one["image"], one["object"]) for one in settled] == [(0, 1)]


def test_two_tabs_a_stale_edit_is_refused_with_the_current_state(clients) -> None:
    first, second = clients.of(""), clients.of("")
    base = base_of(first)
    asked = {"kind": "grow", "objects": [1], "revision": 0}
    assert first.post(f"{base}/images/0/edits", json=asked).status_code == 200
    late = second.post(f"{base}/images/0/edits", json={**asked, "objects": [2]})
    assert late.status_code == 409
    assert late.json()["state"]["revision"] == 1
    # Another image has its own revision.
    assert second.post(f"{base}/images/1/edits", json=asked).status_code == 200


def test_the_same_edit_sent_twice_counts_once(clients) -> None:
    client = clients.of("")
    base = base_of(client)
    asked = {"id": "e1", "kind": "grow", "objects": [1], "revision": 0}
    answers = [client.post(f"{base}/images/0/edits", json=asked).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert (labels(client, base) == 1).sum() == 140


def test_undo_goes_to_the_image_that_was_edited_last(clients) -> None:
    client = clients.of("")
    base = base_of(client)
    for number in (1, 0):
        asked = {"kind": "delete", "objects": [2], "revision": 0}
        answer = client.post(f"{base}/images/{number}/edits", json=asked).json()
    assert (answer["undo"], answer["redo"]) == (0, None)
    undone = client.post(f"{base}/images/0/edits", json={"kind": "undo", "revision": 1}).json()
    assert (undone["undo"], undone["redo"]) == (1, 0)
    assert [row["id"] for row in undone["rows"]] == [2]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"kind": "explode", "revision": 0}, 400),
        ({"kind": "delete", "objects": [99], "revision": 0}, 400),
        ({"kind": "redraw", "places": [[1, 1]] * 6000, "revision": 0}, 400),
        ({"kind": "redraw", "places": [[1e300, 1], [2, 2], [3, 1]], "revision": 0}, 400),
        ({"kind": "brush", "places": [["nan", 1]], "radius": 3, "revision": 0}, 400),
        ({"kind": "add", "places": [[-50, 1]], "revision": 0}, 400),
        ({"kind": "undo", "revision": 0}, 400),
        ({"kind": "grow", "objects": [1], "revision": 7}, 409),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(clients, asked, status) -> None:
    client = clients.of("")
    base = base_of(client)
    answer = client.post(f"{base}/images/0/edits", json=asked)
    assert answer.status_code == status
    assert answer.json()["error"]
    np.testing.assert_array_equal(labels(client, base), squares(*SQUARES))


def test_tiles_of_labels_are_compressed(clients) -> None:
    client = clients.of("")
    base = base_of(client)
    with client.stream("GET", f"{base}/images/0/tiles/labels/0/0/0/0") as answer:
        raw = b"".join(answer.iter_raw())
    assert len(raw) < 600
    assert len(gzip.decompress(raw)) == 4 * SHAPE[0] * SHAPE[1]


@pytest.mark.parametrize("part", ["labels/0/9/0/0", "labels/0/0/5/0", "nothing/0/0/0/0"])
def test_tiles_that_do_not_exist_are_not_there(clients, part: str) -> None:
    client = clients.of("")
    assert client.get(f"{base_of(client)}/images/0/tiles/{part}").status_code in (400, 404)
    assert client.get(f"{base_of(client)}/images/7").status_code == 404


@pytest.mark.parametrize("role", ["anna", "nobody"])
def test_experts_of_blind_reviews_see_no_correction(clients, role: str) -> None:
    base = base_of(clients.of(""))
    asked = clients.of(role)
    assert asked.get(base).status_code in (401, 403)
    edit = asked.post(f"{base}/images/0/edits", json={"kind": "undo", "revision": 0})
    assert edit.status_code in (401, 403)


def test_corrections_are_exported_into_the_folder_alone(clients, tmp_path: Path) -> None:
    client = clients.of("")
    base = base_of(client)
    client.post(f"{base}/images/0/edits", json={"kind": "accept", "objects": [1], "revision": 0})
    for name in ("../out", "/tmp/x", "a/b", ""):
        assert client.post(f"{base}/export", json={"name": name}).status_code == 400
    assert client.post(f"{base}/export", json={"name": "corrected"}).json() == {
        "folder": "corrected"
    }
    written = open_image(tmp_path / "corrected" / "labels" / "a.tif").read_labels()
    np.testing.assert_array_equal(written, squares(SQUARES[0]))


def test_edits_of_the_page_are_those_of_the_log(clients, tmp_path: Path) -> None:
    client = clients.of("")
    base = base_of(client)
    places = [[4, 9], [16, 9]]
    asked = {"kind": "split", "objects": [1], "places": places, "revision": 0}
    client.post(f"{base}/images/0/edits", json=asked)
    field = CorrectedField(open_correction(tmp_path / "correction"), "a")
    np.testing.assert_array_equal(field.labels, labels(client, base))
