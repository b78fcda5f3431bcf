"""The page Correct in a real browser: every tool, undo across a reload, two tabs, few clicks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from app.serving import served
from review.corrections import make_correction
from review.sessions import SQUARES, squares

from sparcell.core.files import write_json
from sparcell.io import open_image, write_image
from sparcell.review import CorrectedField, Correction


class Page:
    """The page Correct of one tab."""

    def __init__(self, page, correction: Correction) -> None:
        self.page, self.correction = page, correction

    def read(self, name: str = "") -> CorrectedField:
        """Labels as the log on the disk has them."""
        return CorrectedField(self.correction, name or self.name)

    @property
    def name(self) -> str:
        """Image on the screen."""
        return self.page.inner_text(".count").split(": ")[1].split(",")[0]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is on its way to the server."""
        self.page.wait_for_function(
            "() => document.querySelector('.stage').getAttribute('aria-busy') !== 'true'"
            " && !document.querySelector('#saved').textContent.includes('…')"
        )
        self.page.wait_for_timeout(60)

    def at(self, y: float, x: float) -> tuple[float, float]:
        """Place on the screen of a pixel of the image."""
        box = self.page.locator(".stage > canvas").first.bounding_box()
        px, py = self.page.evaluate(
            "([y, x]) => { const v = document.querySelector('.stage > canvas').viewer, o = "
            "v.origin(); return [(x + .5) * v.view.zoom - o.x, (y + .5) * v.view.zoom - o.y]; }",
            [y, x],
        )
        return box["x"] + px, box["y"] + py

    def click(self, y: float, x: float) -> None:
        self.page.mouse.click(*self.at(y, x))
        self.settle()

    def drag(self, *places: tuple[float, float]) -> None:
        first, *others = [self.at(*place) for place in places]
        self.page.mouse.move(*first)
        self.page.mouse.down()
        for place in others:
            self.page.mouse.move(*place, steps=8)
        self.page.mouse.up()
        self.settle()

    def shown(self) -> np.ndarray:
        """Labels that the browser has after all edits."""
        return np.array(
            self.page.evaluate(
                "() => { const t = document.querySelector('.stage > canvas').viewer.layers[1]"
                ".tiles.known.get('0/0/0'); return Array.from(t.data); }"
            )
        ).reshape(squares().shape)


@pytest.fixture
def tabs(browser, tmp_path: Path):
    """Open tabs of a correction; a message on the console is a fault."""
    correction = make_correction(tmp_path)
    contexts, faults = [], []
    with served(tmp_path) as address:

        def opened() -> Page:
            context = browser.new_context(viewport={"width": 1100, "height": 800})
            contexts.append(context)
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.goto(f"{address}/#token=token-owner")
            page.click("a[href^='#/correct/']")
            page.wait_for_selector(".reason:not(:empty)")
            page.press("body", "0")
            return Page(page, correction)

        yield opened
        for context in contexts:
            context.close()
    assert faults == []


def test_each_error_takes_few_clicks(tabs) -> None:
    tab = tabs()
    # A false object: one key, and the next one is shown.
    name, before = tab.name, tab.page.inner_text("h1")
    tab.press("Delete")
    (edit,) = tab.read(name).log.events
    assert (edit.kind, len(edit.objects)) == ("delete", 1)
    assert tab.page.inner_text("h1") != before
    # Undo brings it back, and the view with it.
    tab.press("Control+z")
    assert tab.name == name
    np.testing.assert_array_equal(tab.read(name).labels, squares(*SQUARES))
    # A missed cell: a key and a click.
    tab.press("Delete", "0")
    while tab.name != name:
        tab.press("d", "0")
    (number,) = edit.objects
    top, left = SQUARES[number - 1]
    tab.press("w")
    tab.click(top + 5, left + 5)
    # The proposed outline rounds the four corners of the square.
    assert np.count_nonzero((tab.read(name).labels > 0) != (squares(*SQUARES) > 0)) <= 4
    # A split: a key and two clicks on the object that was added; then a merge: a key and a click.
    tab.press("Escape", "s")
    tab.click(top + 2, left + 5)
    tab.click(top + 8, left + 5)
    labels = tab.read(name).labels
    upper, lower = labels[top + 1, left + 5], labels[top + 8, left + 5]
    assert 0 < upper != lower > 0
    tab.click(top + 1, left + 5)
    tab.press("m")
    tab.click(top + 8, left + 5)
    assert len(np.unique(tab.read(name).labels)) == 5
    np.testing.assert_array_equal(tab.shown(), tab.read(name).labels)


@pytest.mark.slow
def test_strokes_boxes_and_keys_edit_the_selected_object(tabs) -> None:
    tab = tabs()
    tab.click(30, 30)
    tab.press("b", "]")
    tab.drag((30, 30), (30, 50))
    labels = tab.read().labels
    assert labels[30, 50] == 4
    tab.press("e")
    tab.drag((26, 42), (38, 42))
    assert 0 < tab.read().labels[30, 50] != 4
    tab.press("Escape")
    tab.click(10, 10)
    tab.press("Shift+Q")
    assert (tab.read().labels == 1).sum() == 140
    tab.press("q", "r")
    tab.drag((2, 2), (2, 18), (18, 18), (18, 2), (2, 2))
    assert (tab.read().labels == 1).sum() > 200
    tab.page.keyboard.down("Shift")
    tab.drag((0, 0), (22, 58))
    tab.page.keyboard.up("Shift")
    assert "2 selected" in tab.page.inner_text(".count")
    tab.press("Delete")
    assert not tab.read().labels[:20].any()
    np.testing.assert_array_equal(tab.shown(), tab.read().labels)


@pytest.mark.slow
def test_undo_reaches_across_a_reload_and_redo_comes_back(tabs) -> None:
    tab = tabs()
    names = []
    for _ in range(5):
        names.append(tab.name)
        tab.press("Delete")
    tab.page.reload()
    tab.page.wait_for_selector(".reason:not(:empty)")
    for _ in range(5):
        tab.press("Control+z")
    for name in "ab":
        np.testing.assert_array_equal(tab.read(name).labels, squares(*SQUARES))
    tab.press("Control+z")
    assert "nothing to undo" in tab.page.inner_text(".hint")
    for _ in range(5):
        tab.press("Control+Shift+Z")
    assert sum(len(tab.read(name).state.boxes) for name in "ab") == 3
    assert len(names) == 5


@pytest.mark.slow
def test_the_second_of_two_tabs_sees_what_the_first_has_edited(tabs) -> None:
    first, second = tabs(), tabs()
    first.press("Delete")
    second.press("Delete")
    second.page.wait_for_selector(".problem")
    assert "another window" in second.page.inner_text(".problem")
    np.testing.assert_array_equal(second.shown(), second.read().labels)
    assert sum(len(second.read(name).log.events) for name in "ab") == 1


@pytest.mark.slow
def test_all_objects_and_quarters_then_export(tabs, tmp_path: Path) -> None:
    tab = tabs()
    for _ in range(16):
        tab.press("Enter")
    assert tab.page.inner_text("h1") == "Everything was looked at"
    assert all(tab.read(name).finished for name in "ab")
    tab.page.click("button:has-text('Export the corrections')")
    tab.page.fill("textarea", "corrected")
    tab.page.click("button:has-text('Save')")
    tab.page.wait_for_selector("text=sparcell train RECIPE --data corrected")
    labels = open_image(tmp_path / "corrected" / "labels" / "a.tif").read_labels()
    np.testing.assert_array_equal(labels, squares(*SQUARES))


def offer_candidate(correction: Correction) -> Correction:
    """Add a candidate to image a, as views would: object 1 of its own labels, at y 5, x 50."""
    drawn = np.zeros(squares().shape, np.int32)
    drawn[3:8, 48:53] = 1
    write_image(correction.candidates_path("a"), drawn, "YX", labels=True)
    images = [
        one.model_copy(update={"candidates": int(one.name == "a")}) for one in correction.images
    ]
    offered = correction.model_copy(update={"images": tuple(images)})
    write_json(correction.root / "correction.json", offered.model_dump(mode="json"))
    queue = correction.root / "queue.csv"
    head, *rows = queue.read_text().splitlines()
    queue.write_text("\n".join([head, "a,1,True,5.0,50.0,5.6,0.5,False", *rows]) + "\n")
    return offered


@pytest.mark.slow
def test_a_candidate_is_shown_where_it_is_and_taken_or_dismissed(browser, tmp_path: Path) -> None:
    correction = offer_candidate(make_correction(tmp_path))
    with served(tmp_path) as address:
        page = browser.new_context(viewport={"width": 1100, "height": 800}).new_page()
        page.goto(f"{address}/#token=token-owner")
        page.click("a[href^='#/correct/']")
        page.wait_for_selector("text=50% of the views have a cell here")
        tab = Page(page, correction)
        view = page.evaluate("() => document.querySelector('.stage > canvas').viewer.view")
        assert (view["y"], view["x"]) == (5.5, 50.5)
        tab.press("Delete")
        assert tab.read("a").settled_candidates == {1}
        np.testing.assert_array_equal(tab.read("a").labels, squares(*SQUARES))
        tab.press("Control+z")
        page.wait_for_selector("text=50% of the views have a cell here")
        tab.press("Enter")
        added = tab.read("a")
        assert (added.labels[3:8, 48:53] == 5).all()
        assert added.judged == {5}
        page.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(tabs, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    tab = tabs()
    tab.page.emulate_media(color_scheme=scheme)
    for keys in ((), ("b",), ("Escape", "v")):
        tab.press(*keys)
        found = axe.Axe().run(tab.page)
        assert found.violations_count == 0, found.generate_report()
