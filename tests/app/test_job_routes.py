"""Jobs, forms and comparisons as the page asks for them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from app.apps import HEADERS, TOKENS
from fastapi.testclient import TestClient
from models import bright_model

from sparcell.app.access import Access
from sparcell.app.server import create_app
from sparcell.cli.forms import CommandForms
from sparcell.io import write_image


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("f0", "f1"):
        write_image(tmp_path / f"data/images/{name}.tif", np.zeros((8, 9), np.uint8), "YX")
        write_image(tmp_path / f"data/labels/{name}.tif", np.zeros((8, 9), np.uint8), "YX")
    (tmp_path / "run").mkdir()
    bright_model(8.0).save(tmp_path / "run/model.zip")
    (tmp_path / "comparison").mkdir()
    content = {
        "images": [], "old": 0.5, "new": 0.4, "verdict": "worse", "sentence": "Worse.",
        "record": {"settings": {"old": "nuclei", "new": "run", "data": "data"}},
    }  # fmt: skip
    (tmp_path / "comparison/comparison.json").write_text(json.dumps(content))
    return tmp_path


def client(root: Path, role: str = "") -> TestClient:
    app = create_app(root, Access(dict(TOKENS), frozenset({"testserver"})), CommandForms())
    opened = TestClient(app, headers=HEADERS, raise_server_exceptions=False)
    if role != "nobody":
        token = next(token for token, known in TOKENS.items() if known == role)
        assert opened.post("/api/login", json={"token": token}).status_code == 200
    return opened


def test_forms_suggest_what_is_in_the_folder(root: Path) -> None:
    found = client(root).get("/api/forms").json()
    assert [one["name"] for one in found["commands"]][:3] == ["label", "train", "predict"]
    assert found["suggestions"]["dataset"] == ["data"]
    assert found["suggestions"]["labels"] == ["data"]
    assert found["suggestions"]["model"][0] == "run" and "nuclei" in found["suggestions"]["model"]


def test_a_job_from_the_form_to_the_log(root: Path) -> None:
    owner = client(root)
    content = {"command": "info", "values": {"paths": ["data"]}}
    assert owner.post("/api/forms/line", json=content).json()["line"] == "sparcell info data"
    job = owner.post("/api/jobs", json=content).json()
    address = f"/api/jobs/{job['id']}"
    end = time.monotonic() + 120
    while (found := owner.get(address).json())["state"] in ("waiting", "running"):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert found["state"] == "done" and "2 images" in found["log"] and not found["page"]
    assert owner.get(f"{address}/page").status_code == 404
    assert owner.post(f"{address}/remove").json() == {"jobs": []}
    assert owner.post(f"{address}/stop").status_code == 404


def test_what_a_form_cannot_ask_for(root: Path) -> None:
    owner = client(root)
    missing = owner.post("/api/forms/line", json={"command": "info", "values": {}}).json()
    assert missing["line"] == "" and "paths" in missing["problem"]
    for content, code in (
        ({"command": "info", "values": {"paths": ["/etc"]}}, 400),
        ({"command": "info", "values": ["x"]}, 422),
        ({"command": "app", "values": {}}, 404),
        ({"values": {}}, 404),
    ):
        assert owner.post("/api/jobs", json=content).status_code == code
    assert owner.get("/api/jobs").json() == {"jobs": []}
    assert owner.get("/api/forms/settings?recipe=../../x.yaml").status_code == 400


def test_only_the_owner_runs_commands(root: Path) -> None:
    for role, code in (("anna", 403), ("nobody", 401)):
        other = client(root, role)
        for address in ("forms", "jobs", "comparisons", "jobs/x", "jobs/x/page"):
            assert other.get(f"/api/{address}").status_code == code
        content = {"command": "info", "values": {"paths": ["data"]}}
        for address in ("jobs", "forms/line", "jobs/x/stop"):
            assert other.post(f"/api/{address}", json=content).status_code == code
        keep = {"id": "comparison", "keep": True}
        assert other.post("/api/comparisons", json=keep).status_code == code
    assert not (root / "models").exists() and not (root / ".sparcell").exists()


def test_a_server_without_forms_runs_nothing(root: Path) -> None:
    app = create_app(root, Access(dict(TOKENS), frozenset({"testserver"})))
    owner = TestClient(app, headers=HEADERS)
    owner.post("/api/login", json={"token": "token-owner"})
    assert owner.get("/api/start").json()["runs"] is False
    assert owner.get("/api/jobs").status_code == 404


def test_a_new_model_is_used_once_it_is_kept(root: Path) -> None:
    owner = client(root)
    (found,) = owner.get("/api/comparisons").json()["comparisons"]
    assert (found["id"], found["new"], found["decision"]) == ("comparison", "run", {})
    dropped = owner.post("/api/comparisons", json={"id": "comparison", "keep": False}).json()
    assert dropped["decision"]["keep"] is False
    assert "run" not in owner.get("/api/forms").json()["suggestions"]["model"]
    kept = owner.post("/api/comparisons", json={"id": "comparison", "keep": True}).json()
    assert kept["decision"]["model"] == "run.zip"
    assert (root / "models/run.zip").read_bytes() == (root / "run/model.zip").read_bytes()
    models = owner.get("/api/forms").json()["suggestions"]["model"]
    assert models[:2] == ["models/run.zip", "run"]
    bright_model(-8.0).save(root / "run/model.zip")
    again = owner.post("/api/comparisons", json={"id": "comparison", "keep": True}).json()
    assert again["decision"]["model"] == "run-2.zip"
    for content, code in (({"id": "x", "keep": True}, 404), ({"id": "comparison"}, 422)):
        assert owner.post("/api/comparisons", json=content).status_code == code


def test_a_written_page_cannot_ask_the_server(root: Path) -> None:
    owner = client(root)
    folder = root / ".sparcell/jobs/1"
    folder.mkdir(parents=True)
    command = {"words": ["predict"], "resumed": [], "output": "counted", "added": ""}
    (folder / "command.json").write_text(json.dumps(command))
    (root / "counted").mkdir()
    (root / "counted/overview.html").write_text("<script>fetch('/api/start')</script>")
    answer = owner.get("/api/jobs/1/page")
    policies = answer.headers.get_list("content-security-policy")
    assert len(policies) == 1 and policies[0].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policies[0] and "default-src 'none'" in policies[0]
    (root / "counted/overview.html").unlink()
    (root / "counted/overview.html").symlink_to("/etc/hostname")
    assert owner.get("/api/jobs/1/page").status_code == 404
