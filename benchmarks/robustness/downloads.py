"""A hostile server: redirects, lies about sizes, damaged and slow files, wrong names.

    python benchmarks/robustness/downloads.py [--size small] [--only slow]

`sparcell models fetch` survives if it ends in a model or a plain line, and leaves nothing in the
cache that is no model.
"""

from __future__ import annotations

import http.server
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

from campaign import Campaign, load_libraries, run_forked, run_script, spell
from sample_field import write_base

Respond = Callable[["Hostile"], None]
ENDLESS = 3600
"""Time for which a slow server goes on, s."""


class QuietServer(http.server.ThreadingHTTPServer):
    """A server that is silent about clients that hang up."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent."""


class Hostile(http.server.BaseHTTPRequestHandler):
    """Responds to each path in a bad way; `model` is the content of a good model."""

    protocol_version = "HTTP/1.1"
    model = b""

    def do_GET(self) -> None:
        """Respond as the first part of the path says."""
        RESPONSES[self.path.split("?")[0].split("/")[1]](self)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def respond(self, content: bytes = b"", code: int = 200, **headers: str) -> None:
        """Send headers, underscores as hyphens, and a body."""
        self.send_response(code)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True


def _slow(server: Hostile) -> None:
    server.respond(Content_Length=str(len(server.model)))
    for number in range(ENDLESS):
        server.wfile.write(server.model[number : number + 1])
        server.wfile.flush()
        time.sleep(1)


def _endless(server: Hostile) -> None:
    server.respond(Content_Length=str(1 << 40))
    while True:
        server.wfile.write(bytes(1 << 20))


def _broken_range(server: Hostile) -> None:
    """Break off, and then continue at another place than was asked for."""
    half = len(server.model) // 2
    if server.headers.get("Range"):
        server.respond(server.model[1:], 206, Content_Range="bytes 1-9/10", ETag='"a"')
    else:
        server.respond(server.model[:half], Content_Length=str(len(server.model)), ETag='"a"')


RESPONSES: dict[str, Respond] = {
    "good": lambda s: s.respond(s.model),
    "redirect-to-file": lambda s: s.respond(code=302, Location="file:///etc/passwd"),
    "redirect-to-ftp": lambda s: s.respond(code=302, Location="ftp://127.0.0.1:9/model.zip"),
    "redirect-to-itself": lambda s: s.respond(code=302, Location=s.path),
    "redirect-to-nonsense": lambda s: s.respond(code=302, Location="http://[::1/x"),
    "redirect-without-address": lambda s: s.respond(code=302),
    "length-many": lambda s: s.respond(s.model, Content_Length="many"),
    "length-negative": lambda s: s.respond(s.model, Content_Length="-5"),
    "length-too-long": lambda s: s.respond(s.model, Content_Length=str(len(s.model) + 9)),
    "length-too-short": lambda s: s.respond(s.model, Content_Length=str(len(s.model) - 9)),
    "length-of-a-terabyte": lambda s: s.respond(s.model, Content_Length=str(1 << 40)),
    "no-model": lambda s: s.respond(b"<html>log in</html>"),
    "nothing": lambda s: s.respond(),
    "half-a-model": lambda s: s.respond(s.model[: len(s.model) // 2]),
    "wrong-range": _broken_range,
    "no-status": lambda s: s.wfile.write(b"hello\r\n\r\n") and None,
    "error-500": lambda s: s.respond(b"x" * 10_000, 500),
    "long-headers": lambda s: s.respond(s.model, X="y" * 100_000),
    "many-headers": lambda s: s.respond(s.model, **{f"X{n}": "y" for n in range(500)}),
    "control-characters": lambda s: s.respond(s.model, ETag='"\x1b[2J"'),
    "slow": _slow,
    "endless": _endless,
}
NAMES = ("x" * 300 + ".zip", "..%2f..%2fvictim.zip", "%00.zip", "a%0ab.zip", "-rf.zip",
         "nuclei.zip", "%ff.zip", "")  # fmt: skip
"""Ends of addresses, from which models get their names."""
ADDRESSES = ("http://[::1/x", "http://127.0.0.1:99999/m.zip", "http://127.0.0.1:1/m.zip",
             "http:///m", "file:///etc/passwd", "ftp://127.0.0.1/m.zip", "http://a b/m.zip", "http://é/m.zip",
             "http://user:secret@127.0.0.1:1/m.zip", "")  # fmt: skip


def downloads(campaign: Campaign, work: Path) -> None:
    """Fetch from every bad address."""
    load_libraries()
    write_base(work)
    Hostile.model = (work / "model.zip").read_bytes()
    server = QuietServer(("127.0.0.1", 0), Hostile)
    # Its threads must not be in the process that is forked.
    process = multiprocessing.get_context("fork").Process(target=server.serve_forever, daemon=True)
    root = f"http://127.0.0.1:{server.server_address[1]}"
    process.start()
    tests = {
        "hostile server": [f"{root}/{name}/m.zip" for name in RESPONSES if name != "good"],
        "names in addresses": [f"{root}/good/{name}" for name in NAMES],
        "odd addresses": list(ADDRESSES),
    }
    for test, addresses in tests.items():
        if row := campaign.row(f"download: {test}"):
            for number, address in enumerate(addresses):
                folder = work / f"{row.test.replace(' ', '-')}-{number}"
                folder.mkdir()
                os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
                words = ("models", "fetch", address)
                outcome = run_forked(folder, [words])
                problem = outcome.problem() or _stray(folder, outcome.code)
                if "secret" in outcome.printed:
                    problem = problem or "a password is printed"
                campaign.judge(row, problem, spell(words).replace(root, "http://SERVER"))
    process.terminate()


def _stray(folder: Path, code: int) -> str:
    """Say what lies in the cache though no model was fetched, or outside of it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    outside = [path for path in files if not path.is_relative_to(folder / "cache")]
    # A part that can be continued stays.
    models = [path for path in files if path.suffix == ".zip" and path.parent.name != "unfinished"]
    if outside or (models and code):
        return f"a stray file {(outside or models)[0].name}"
    return ""


if __name__ == "__main__":
    run_script(downloads)
