"""How fast the app is, and that no kill loses a verdict.

    python benchmarks/app.py [frames] [verdicts] [large] [kills] [--kills 100]

Without words, all four. It needs `sparcell[app,test]` and Chromium.

frames    move, zoom, select and change the contrast of 10,404 objects on 2048 px in a window of
          1600 x 900
verdicts  time from sending a mark to the answer, by which it is on the disk; and to the next case
large     time to the first picture of 32,768 px, of a TIFF in tiles without a pyramid and of an
          OME-Zarr with one; the server's processor time and memory
kills     end the server with SIGKILL in the middle of verdicts; count those lost
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import sync_playwright

from sparcell.io import create_image, write_image
from sparcell.review import new_session, open_session
from sparcell.review.events import EventLog

PARTS = ("frames", "verdicts", "large", "kills")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Served:
    """A running server, and a client of it that has logged in."""

    def __init__(self, folder: Path, expert: str = "") -> None:
        words = ["app", str(folder), "--no-browser", *(["--expert", expert] if expert else [])]
        command = [sys.executable, "-u", "-m", "sparcell", *words]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.link = self.process.stdout.readline().split()[-1]
        self.base, _, token = self.link.partition("/#token=")
        self.cookie = ""
        while True:
            try:
                answer = self.ask("login", {"token": token}, raw=True)
                break
            except urllib.error.URLError:
                time.sleep(0.05)
        cookie = SimpleCookie(answer.headers["set-cookie"])
        self.cookie = "; ".join(f"{key}={one.value}" for key, one in cookie.items())

    def ask(self, path: str, content: object = None, raw: bool = False):
        """Send a request; give the JSON of the answer."""
        body = None if content is None else json.dumps(content).encode()
        headers = {"X-Sparcell": "1", "Cookie": self.cookie}
        request = urllib.request.Request(f"{self.base}/api/{path}", body, headers)
        answer = urllib.request.urlopen(request, timeout=60)
        return answer if raw else json.loads(answer.read())

    def processor_s(self) -> float:
        """Processor time since the start, s: no other work on the machine."""
        return sum(psutil.Process(self.process.pid).cpu_times()[:2])

    def memory(self) -> float:
        """Resident memory, MB."""
        return psutil.Process(self.process.pid).memory_info().rss / 1e6


@contextmanager
def served(folder: Path, expert: str = ""):
    server = Served(folder, expert)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


@contextmanager
def browser_page(link: str, width: int = 1600, height: int = 900):
    with sync_playwright() as playwright:
        place = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=place, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(link)
        page.wait_for_selector(".cards a")
        yield page
        browser.close()


def discs(edge: int, apart: int) -> np.ndarray:
    """Label image of discs on a grid."""
    y, x = np.indices((edge, edge))
    inside = np.hypot(y % apart - apart / 2, x % apart - apart / 2) < apart * 0.4
    return np.where(inside, (y // apart) * (edge // apart + 1) + x // apart + 1, 0).astype(np.int32)


def make_folder(root: Path, edge: int = 2048, apart: int = 20, fields: int = 1) -> Path:
    labels = discs(edge, apart)
    noise = np.random.default_rng(0)
    for number in range(fields):
        image = (labels > 0) * 9000 + noise.normal(3000, 500, labels.shape)
        write_image(root / "data/images" / f"f{number}.tif", image.astype(np.uint16), "YX")
        # One in twenty is missed, so that both label images are drawn.
        found = labels * (labels % 20 > 0)
        write_image(root / "model/labels" / f"f{number}.tif", found, "YX", labels=True)
        write_image(root / "data/labels" / f"f{number}.tif", labels, "YX", labels=True)
    (root / "model/record.json").write_text("{}")
    return root


def quantiles(values: list[float], unit: str = "ms") -> str:
    middle, high = np.quantile(values, (0.5, 0.95))
    return f"median {middle:.1f} {unit}, p95 {high:.1f} {unit} ({len(values)} values)"


VIEWER = "document.querySelector('.stage canvas')?.viewer"
STEPS = {
    "moved, whole image": ("0", "viewer.pan(3, 2)"),
    "moved, closer": ("+", "viewer.pan(3, 2)"),
    "zoomed": ("0", "viewer.zoom(n % 20 < 10 ? 1.07 : 1 / 1.07)"),
    "another object selected": ("0", "viewer.selected = { layer: 1, id: n + 1 }"),
    "contrast": ("0", "channel.high += 40; viewer.contrast(channel)"),
}
"""What is measured: a key before, and what changes from frame to frame."""
DRAW = """async count => {
  const viewer = VIEWER, [channel] = viewer.channels;
  viewer.frames = [];
  for (let n = 0; n < count; n += 1) {
    STEP;
    viewer.draw();
    // Until the next frame is on the screen, so that its costs are in the processor time.
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
  }
  viewer.selected = null;
  return viewer.frames;
}"""


def renderer_ms() -> float:
    """Processor time of the processes that draw pages, in ms: no other work on the machine."""
    children = psutil.Process().children(recursive=True)
    drawing = [one for one in children if "--type=renderer" in one.cmdline()]
    return 1000 * sum(one.cpu_times().user for one in drawing)


def frames(root: Path) -> None:
    """Measure how long the page takes to draw: by the clock, and by the processor alone."""
    folder = make_folder(root)
    with served(folder) as server, browser_page(server.link) as page:
        page.locator(".cards a", has_text="data").first.click()
        page.wait_for_selector(".rows td")
        page.wait_for_timeout(3000)
        for name, (key, step) in STEPS.items():
            script = DRAW.replace("VIEWER", VIEWER).replace("STEP", step)
            page.keyboard.press(key)
            page.wait_for_timeout(1500)
            # The browser compiles what it has run some times.
            page.evaluate(script, 60)
            before = renderer_ms()
            times = page.evaluate(script, 100)
            busy = (renderer_ms() - before) / 100
            print(f"frame, {name}: {quantiles(times)}; {busy:.1f} ms of processor time")


def session_folder(root: Path, fields: int) -> Path:
    folder = make_folder(root, 512, 32, fields)
    options = {"experts": ["anna"], "repeats": 0.0}
    new_session(folder / "data", {"m": [folder / "model"]}, folder / "june", **options)
    return folder


def verdicts(root: Path) -> None:
    """Measure how long a mark takes to be saved, and the next case to be shown."""
    folder = session_folder(root, 12)
    with served(folder, "anna") as server:
        (session,) = server.ask("start")["sessions"]
        case = server.ask(f"sessions/{session['id']}")["cases"][0]["id"]
        times = []
        for number in range(300):
            event = {"kind": "missed", "case": case, "y": number, "x": number}
            begin = time.perf_counter()
            server.ask(f"sessions/{session['id']}/events", event)
            times.append(1000 * (time.perf_counter() - begin))
        print(f"a mark, saved: {quantiles(times)}")
        with browser_page(server.link) as page:
            page.locator(".cards a", has_text="june").click()
            page.wait_for_selector("text=Case 1 of 12")
            times = []
            for number in range(2, 12):
                begin = time.perf_counter()
                page.keyboard.press("d")
                page.wait_for_selector(f"text=Case {number} of 12")
                times.append(1000 * (time.perf_counter() - begin))
            print(f"next case: {quantiles(times)}")


def large(root: Path) -> None:
    """Measure the first picture of large images, and the work and memory of the server."""
    edge = 32768
    for name in ("slide.tif", "slide.ome.zarr"):
        folder = root / name.replace(".", "-")
        with create_image(folder / "images" / name, "YX", (edge, edge), np.uint16) as pixels:
            tile = np.add.outer(*2 * [np.arange(1024)]).astype(np.uint16) * 4
            for y, x in itertools.product(range(0, edge, 1024), repeat=2):
                pixels[y : y + 1024, x : x + 1024] = tile
        _first_picture(folder, f"{name} of {edge} px")


def _first_picture(folder: Path, name: str) -> None:
    with served(folder) as server, browser_page(server.link) as page:
        for what in ("first picture", "again"):
            begin, before = time.perf_counter(), server.processor_s()
            page.locator(".cards a").first.click()
            # The page's rules forbid what `wait_for_function` does.
            while not page.evaluate(f"Boolean({VIEWER}?.grey[0]?.known.get('6/0/0'))"):
                time.sleep(0.05)
            passed, busy = time.perf_counter() - begin, server.processor_s() - before
            print(f"{name}, {what}: {passed:.1f} s; {busy:.1f} s of processor time")
            page.goto(f"{server.base}/#/")
            page.wait_for_selector(".cards a")
        print(f"{name}, memory of the server: {server.memory():.0f} MB")


def kills(root: Path, count: int) -> None:
    """Kill the server while marks are sent, and look for those that were acknowledged."""
    folder = session_folder(root, 1)
    log = folder / "june" / "anna.jsonl"
    acknowledged: set[str] = set()
    lost = torn = 0
    for number in range(count):
        server = Served(folder, "anna")
        (session,) = server.ask("start")["sessions"]
        case = open_session(folder / "june").cases[0].id
        end = threading.Timer(
            random.uniform(0.01, 0.3), os.kill, (server.process.pid, signal.SIGKILL)
        )
        end.start()
        try:
            for mark in itertools.count():
                event = {"id": f"{number}-{mark}", "kind": "missed", "case": case, "y": 1, "x": 1}
                server.ask(f"sessions/{session['id']}/events", event)
                acknowledged.add(event["id"])
        except (http.client.HTTPException, OSError):
            server.process.wait()
        torn += bool(log.exists() and not log.read_bytes().endswith(b"\n"))
        stored = (
            {event.id for event in EventLog(log, repair=True).events} if log.exists() else set()
        )
        lost = len(acknowledged - stored)
    print(f"{count} kills: {len(acknowledged)} acknowledged, {lost} lost, {torn} lines cut off")


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    parser.add_argument("--kills", type=int, default=100)
    options = parser.parse_args()
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            if part == "kills":
                kills(root, options.kills)
            else:
                {"frames": frames, "verdicts": verdicts, "large": large}[part](root)


if __name__ == "__main__":
    main()
