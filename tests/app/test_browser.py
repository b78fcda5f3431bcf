"""The pages in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from app.apps import make_folder
from app.serving import served
from scipy import ndimage

from sparcell.io import open_image
from sparcell.review import ExpertReview, open_session


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Serve a folder in a thread; give the address and the folder."""
    root = tmp_path_factory.mktemp("folder")
    make_folder(root)
    with served(root) as url:
        yield url, root


@pytest.fixture
def open_page(browser, address):
    """Open the app with a token; a message on the console is a fault."""
    contexts, faults = [], []

    def opened(token: str):
        context = browser.new_context(viewport={"width": 1000, "height": 700})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: m.type == "error" and faults.append(m.text))
        page.goto(f"{address[0]}/#token={token}")
        page.wait_for_selector("h1")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def canvas_pixels(page) -> np.ndarray:
    """Pixels of the viewer's canvas, (Y, X, 3)."""
    address = page.evaluate("document.querySelector('.stage canvas').toDataURL('image/png')")
    return np.array(PIL.Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))[..., :3]


def test_the_token_leaves_the_address(open_page) -> None:
    page = open_page("token-owner")
    assert "token" not in page.url
    page.reload()
    page.wait_for_selector(".cards")


def test_the_canvas_shows_the_pixels_of_the_image(open_page, address) -> None:
    page = open_page("token-owner")
    page.locator(".cards a", has_text="data").first.click()
    page.wait_for_selector(".rows td")
    page.keyboard.press("z")
    page.keyboard.press("z")
    page.wait_for_timeout(300)
    shown = canvas_pixels(page)
    image = open_image(address[1] / "data/images/f0.tif").read()[0]
    low, high = np.percentile(image, (0.1, 99.9))
    grey = np.clip((image - low) / max(high - low, 1), 0, 1) * 255
    # The image fills 98 % of the canvas, and begins with a whole pixel of the screen.
    height, width = shown.shape[:2]
    zoom = min(height / 40, width / 60) * 0.98
    y, x = (
        np.floor((round(size / 2 * zoom - count / 2) + np.arange(count) + 0.5) / zoom).astype(int)
        for size, count in ((40, height), (60, width))
    )
    inside = np.ix_((y >= 0) & (y < 40), (x >= 0) & (x < 60))
    rows, columns = y[(y >= 0) & (y < 40)], x[(x >= 0) & (x < 60)]
    expected = grey[np.ix_(rows, columns)]
    assert np.abs(shown[inside][..., 0].astype(float) - expected).max() <= 1
    assert (shown[inside][..., 0] == shown[inside][..., 2]).all()


@pytest.mark.slow
def test_errors_have_their_colours_and_rows_lead_there(open_page) -> None:
    page = open_page("token-owner")
    page.locator(".cards a", has_text="data").first.click()
    # Labels lack the fourth square, which the first prediction has: spurious.
    page.wait_for_selector("text=spurious 1")
    colours = {tuple(c) for c in canvas_pixels(page).reshape(-1, 3).tolist()}
    assert {(86, 180, 233), (213, 94, 0)} <= colours and (240, 228, 66) not in colours
    page.locator("button", has_text="spurious").click()
    assert page.locator(".count").inner_text() == "1 of 7"
    page.locator(".rows tbody tr").click()
    page.wait_for_timeout(200)
    # The object is in the middle: its pixels are the brightest of the image.
    white = ndimage.label((canvas_pixels(page) == 255).all(-1))[0]
    middle = np.array(white.shape) // 2
    place = np.argwhere(white == white[tuple(middle)]).mean(0)
    assert white[tuple(middle)] and np.abs(place - middle).max() < 4


def test_two_experts_at_once_by_keys_alone(open_page, address) -> None:
    pages = {name: open_page(f"token-{name}") for name in ("anna", "ben")}
    for page in pages.values():
        page.locator(".cards a", has_text="session").click()
        page.wait_for_selector("text=Case 1 of")
        assert "pure" not in page.content() and "mixed" not in page.content()
    for name, page in pages.items():
        marks = page.locator(".marks")
        page.keyboard.press("n")
        page.keyboard.press("x")
        page.wait_for_selector("text=✕ 1 false")
        page.keyboard.press("Control+z")
        page.wait_for_selector("text=✕ 0 false")
        page.keyboard.press("Control+Shift+Z")
        page.wait_for_selector("text=✕ 1 false")
        page.keyboard.press("Escape")
        page.keyboard.press("f")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("g")
        page.wait_for_selector("text=○ 1 missed")
        page.keyboard.press("c")
        page.locator("textarea").fill(f"a remark of {name}")
        page.locator("dialog button", has_text="Save").click()
        page.wait_for_selector(f"text=a remark of {name}")
        page.reload()
        page.wait_for_selector(f"text=a remark of {name}")
        assert "✕ 1 false" in marks.inner_text() and "○ 1 missed" in marks.inner_text()
        page.keyboard.press("n")
        page.keyboard.press("x")
        page.wait_for_selector("text=✕ 0 false")
        for number in range(6):
            page.wait_for_selector(f"text=Case {number + 1} of 6")
            page.keyboard.press("Enter")
        page.wait_for_selector("text=all cases are done")
        page.locator("button", has_text="Finish the review").click()
        page.locator("dialog button", has_text="Finish the review").click()
        page.wait_for_selector("text=this review is finished")
    review = ExpertReview(open_session(address[1] / "session"), "anna")
    assert review.sealed and sum(v.count("missed") for v in review.verdicts.values()) == 1
    page = pages["ben"]
    page.locator("a", has_text="Agreement of the experts").click()
    page.wait_for_selector("text=Expert anna")
    assert page.locator(".matrices figure").count() == 4


@pytest.mark.slow
def test_a_mark_survives_a_lost_connection(browser, address, tmp_path_factory) -> None:
    """What the server did not acknowledge is kept, and sent again after a reload."""
    root = tmp_path_factory.mktemp("lost")
    make_folder(root)
    with served(root) as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{url}/#token=token-anna")
        page.locator(".cards a", has_text="session").click()
        page.wait_for_selector("text=Case 1 of")
        context.set_offline(True)
        page.keyboard.press("n")
        page.keyboard.press("x")
        page.wait_for_selector("text=NOT saved yet")
        log = root / "session" / "anna.jsonl"
        assert not log.exists()
        context.set_offline(False)
        page.wait_for_selector("text=✕ 1 false")
        assert len(log.read_text().splitlines()) == 1
        context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_pages_are_accessible(browser, address, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address[0]}/#token=token-owner")
    page.wait_for_selector(".cards")
    ids = page.eval_on_selector_all(".cards a", "links => links.map(a => a.hash)")
    for place in ["#/", *ids]:
        page.goto(f"{address[0]}/{place}")
        page.wait_for_selector("h1, .rows td")
        page.wait_for_timeout(200)
        found = axe.run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    context.close()


def test_every_file_of_the_page_is_in_the_package() -> None:
    import sparcell.app

    static = Path(sparcell.app.__file__).parent / "static"
    names = {path.name for path in static.iterdir()}
    assert {"index.html", "main.js", "style.css"} <= names
