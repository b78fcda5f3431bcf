"""Downloads from a server on this machine."""

from __future__ import annotations

import hashlib
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from foreign_packages import conv_onnx, package_05, sigmoid, zipped
from models import bright_model

from sparcell.core.errors import InputError
from sparcell.models import downloading, fetching, load_model
from sparcell.models.catalogue import entries
from sparcell.models.fetching import fetch_model, verify_model


class Server:
    """Serves `files`; of those in `breaks`, so many answers are cut short or fail first.

    With an `etag` it gives ranges of what has not changed since.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.breaks: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.etag = ""
        self.ranges: list[str] = []
        # Not `time.sleep`, which the tests replace.
        self.pause = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                outer.asked.append(path)
                fault = outer.breaks.get(path, [])
                what = fault.pop(0) if fault else ""
                content = outer.files.get(path)
                if what.startswith("moved"):
                    self.send_response(302)
                    self.send_header("Location", what.partition(" ")[2] or "/model.zip")
                    self.end_headers()
                    return
                status = 503 if what == "busy" else 404 if content is None else 200
                span = self.headers.get("Range", "")
                outer.ranges.append(span)
                asked = int(span[6:-1]) if span and what != "whole" else 0
                if asked and content and status == 200 and asked >= len(content):
                    status = 416
                elif asked and status == 200 and self.headers["If-Range"] == outer.etag and content:
                    status = 206
                self.send_response(status)
                if outer.etag:
                    self.send_header("ETag", outer.etag)
                if status == 206 and content:
                    first = asked + (what == "shifted")
                    whole = f"{first}-{len(content) - 1}/{len(content)}"
                    self.send_header("Content-Range", f"bytes {whole}")
                    content = content[asked:]
                if status in (200, 206) and what != "unsized":
                    stated = what.removeprefix("length ") if "length " in what else ""
                    self.send_header("Content-Length", stated or str(len(content or b"")))
                self.end_headers()
                if what == "slow":
                    with suppress(OSError):
                        for byte in content or b"":
                            self.wfile.write(bytes([byte]))
                            outer.pause.wait(0.02)
                    return
                if status in (200, 206) and content:
                    self.wfile.write(content[: len(content) // 2] if what == "cut" else content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self.pause.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("made") / "model.zip"
    bright_model().save(path)
    return path.read_bytes()


@pytest.fixture
def server(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SPARCELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloading.time, "sleep", lambda _: None)
    server = Server()
    server.files["/model.zip"] = content
    yield server
    server.stop()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def leftovers(tmp_path: Path) -> list[str]:
    return [path.name for path in tmp_path.rglob("*") if path.is_file()]


def test_a_fetched_model_has_a_name_and_remembers_where_it_is_from(
    server: Server, content: bytes, tmp_path: Path
) -> None:
    entry = fetch_model(f"{server.url}/model.zip", sha(content).upper(), "mine")
    assert entry.path == tmp_path / "cache" / "mine.zip" and entry.path.read_bytes() == content
    assert load_model("mine").spec.method == "semantic"
    info = entries()["mine"].info
    assert info.sha256 == sha(content) and info.url == f"{server.url}/model.zip"
    assert verify_model(entry)["onnxruntime"] == ""
    assert sorted(leftovers(tmp_path)) == ["mine.yaml", "mine.zip"]


def test_the_name_is_the_files_and_the_hash_is_told(
    server: Server, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert fetch_model(f"{server.url}/model.zip?download=1").name == "model"
    assert sha(content) in caplog.text


def test_the_same_again_is_not_downloaded_twice(server: Server, content: bytes) -> None:
    first = fetch_model(f"{server.url}/model.zip", sha(content))
    assert fetch_model(f"{server.url}/model.zip", sha(content)) == first
    assert server.asked == ["/model.zip"]
    with pytest.raises(InputError, match=r"a cached model that has the name model.*`name`"):
        fetch_model(f"{server.url}/model.zip")


@pytest.mark.parametrize("faults", [["cut"], ["busy", "cut"]])
def test_a_broken_download_begins_anew(
    server: Server, content: bytes, faults: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    server.breaks["/model.zip"] = list(faults)
    entry = fetch_model(f"{server.url}/model.zip", sha(content))
    assert entry.path.read_bytes() == content and len(server.asked) == len(faults) + 1
    assert caplog.text.count("starting again") == len(faults)


def test_a_download_goes_on_where_it_was_interrupted(
    server: Server, content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.etag = '"1"'
    half, rest = len(content) // 2, len(content) - len(content) // 2
    server.breaks["/model.zip"] = ["cut", "cut", "cut"]
    with pytest.raises(InputError, match="run it again"):
        fetch_model(f"{server.url}/model.zip", sha(content))
    third = half + rest // 2
    assert server.ranges == ["", f"bytes={half}-", f"bytes={third}-"]
    assert caplog.text.count("continuing at") == 2
    # Of three quarters and of half of the rest.
    kept = third + (len(content) - third) // 2
    entry = fetch_model(f"{server.url}/model.zip", sha(content))
    assert server.ranges[3:] == [f"bytes={kept}-"]
    assert entry.path.read_bytes() == content
    assert sorted(leftovers(tmp_path)) == ["model.yaml", "model.zip"]


@pytest.mark.parametrize("why", ["changed", "whole", "shifted", "complete", "weak"])
def test_what_is_kept_is_not_mixed_with_another_file(
    server: Server, content: bytes, tmp_path: Path, why: str
) -> None:
    server.etag = 'W/"1"' if why == "weak" else '"1"'
    server.files["/model.zip"] = b"?" * len(content) if why == "changed" else content
    server.breaks["/model.zip"] = ["cut", "busy", "busy"]
    with pytest.raises(InputError, match="run it again"):
        fetch_model(f"{server.url}/model.zip")
    assert len(leftovers(tmp_path)) == (0 if why == "weak" else 2)
    server.files["/model.zip"] = content
    if why == "changed":
        server.etag = '"2"'
    if why == "complete":
        (part,) = tmp_path.rglob("*.zip")
        part.write_bytes(content + b"!")
    server.breaks["/model.zip"] = [why]
    entry = fetch_model(f"{server.url}/model.zip", sha(content))
    assert entry.path.read_bytes() == content
    assert sorted(leftovers(tmp_path)) == ["model.yaml", "model.zip"]


def test_a_move_is_followed(server: Server, content: bytes) -> None:
    server.breaks["/old.zip"] = ["moved"]
    assert fetch_model(f"{server.url}/old.zip", sha(content)).name == "old"


@pytest.mark.parametrize("to", ["ftp://127.0.0.1/m.zip", "file:///etc/passwd", "data:,x"])
def test_a_move_to_another_protocol_is_refused(server: Server, tmp_path: Path, to: str) -> None:
    server.breaks["/old.zip"] = [f"moved {to}"]
    with pytest.raises(InputError, match=r"a redirect from http:|is not allowed"):
        fetch_model(f"{server.url}/old.zip")
    assert not leftovers(tmp_path)


def test_a_move_never_leaves_https() -> None:
    request = urllib.request.Request("https://example.org/a.zip")
    asked = (request, None, 302, "", Message())
    handler = downloading.StrictRedirects()
    for url in ("http://example.org/a.zip", "ftp://example.org/a.zip"):
        with pytest.raises(InputError, match=r"from https://example.org/a.zip to .*stays with"):
            handler.redirect_request(*asked, url)
    assert handler.redirect_request(*asked, "https://b.org/").full_url == "https://b.org/"


def test_a_server_that_hardly_sends_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "WINDOW_S", 0.1)
    server.breaks["/model.zip"] = ["slow"] * 3
    with pytest.raises(InputError, match="less than 1 kB a second"):
        fetch_model(f"{server.url}/model.zip")
    assert len(server.asked) == 3 and not leftovers(tmp_path)


@pytest.mark.parametrize("length", ["many", "-5", "1e9", "9" * 50])
def test_a_length_that_is_no_number_counts_for_nothing(
    server: Server, content: bytes, length: str
) -> None:
    server.breaks["/model.zip"] = [f"length {length}"]
    assert fetch_model(f"{server.url}/model.zip", sha(content)).path.read_bytes() == content


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://[::1/x", "the address"),
        ("http://127.0.0.1:1/gr\u00f6\u00dfe.zip", "gr\u00f6\u00dfe"),
        ("https://me:geheim@example.org/model.zip", "example.org with a user or password"),
        ("http://127.0.0.1:1/" + 300 * "a", "at most 100 letters"),
    ],
)
def test_odd_addresses_are_one_line(tmp_path: Path, url: str, says: str, server: Server) -> None:
    with pytest.raises(InputError, match=says) as caught:
        fetch_model(url)
    assert "geheim" not in str(caught.value) and not leftovers(tmp_path)


@pytest.mark.parametrize(
    ("faults", "path", "asked", "words"),
    [
        (["cut"] * 9, "/model.zip", 3, r"no file at .*/model\.zip"),
        (["busy"] * 9, "/model.zip", 3, "no file at .*Service Unavailable"),
        ([], "/none.zip", 1, "no file at .*Not Found"),
    ],
)
def test_what_cannot_be_had_leaves_nothing(
    server: Server, tmp_path: Path, faults: list[str], path: str, asked: int, words: str
) -> None:
    server.breaks[path] = faults
    with pytest.raises(InputError, match=words) as error:
        fetch_model(server.url + path)
    assert len(server.asked) == asked and not leftovers(tmp_path)
    assert "\n" not in str(error.value)


def test_a_server_that_is_not_there(server: Server, tmp_path: Path) -> None:
    server.stop()
    with pytest.raises(InputError, match="check the address and the connection"):
        fetch_model(f"{server.url}/model.zip")
    assert not leftovers(tmp_path)


def test_a_wrong_hash_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"expected {'0' * 64}; do not use it"):
        fetch_model(f"{server.url}/model.zip", "0" * 64)
    assert not leftovers(tmp_path)
    assert all(entry.where == "bundled" for entry in entries().values())


@pytest.mark.parametrize("content", [b"<html>not a model</html>", b""])
def test_what_is_no_model_leaves_nothing(server: Server, tmp_path: Path, content: bytes) -> None:
    server.files["/page.zip"] = content
    with pytest.raises(InputError, match="no Sparcell model"):
        fetch_model(f"{server.url}/page.zip")
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("faults", [[], ["unsized"]])
def test_more_than_the_limit_is_not_downloaded(
    server: Server,
    content: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    faults: list[str],
) -> None:
    server.breaks["/model.zip"] = faults
    monkeypatch.setattr(downloading, "LARGEST", len(content) - 1)
    with pytest.raises(InputError, match="found more than"):
        fetch_model(f"{server.url}/model.zip")
    assert not leftovers(tmp_path)


def test_ctrl_c_leaves_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "load_model", stop)
    with pytest.raises(KeyboardInterrupt):
        fetch_model(f"{server.url}/model.zip")
    assert not leftovers(tmp_path)


@pytest.mark.parametrize(
    ("url", "sha256", "name", "words"),
    [
        ("file:///etc/hosts", "", "", "address file:"),
        ("model.zip", "", "", "address model.zip"),
        ("http://127.0.0.1/", "", "", "the name ''"),
        ("http://127.0.0.1/a.zip", "", "../a", "the name '../a'"),
        ("http://127.0.0.1/a.zip", "abc", "", "`sha256=abc`"),
    ],
)
def test_what_is_asked_wrongly_asks_nobody(url: str, sha256: str, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        fetch_model(url, sha256, name)


def test_outputs_are_asked_for_once(server: Server, tmp_path: Path) -> None:
    import numpy as np

    image = np.random.default_rng(0).random((1, 1, 32, 32)).astype(np.float32)
    weights = np.array([[-1.0], [1.0]], np.float32)
    said = sigmoid(weights[None, :, :, None] * image)
    parts = package_05(conv_onnx(weights, sigmoid=True), image, said)
    server.files["/theirs.zip"] = zipped(parts, tmp_path / "theirs.zip").read_bytes()
    with pytest.raises(InputError, match="`outputs="):
        fetch_model(f"{server.url}/theirs.zip")
    fetch_model(f"{server.url}/theirs.zip", outputs=["background", "foreground"])
    assert load_model("theirs").spec.method == "semantic"
    info = entries()["theirs"].info
    assert info.licence == "CC-BY-4.0" and info.authors == ("Ada Example",)
