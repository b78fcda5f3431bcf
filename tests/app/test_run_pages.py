"""Run and Compare in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from app.serving import served
from models import bright_model
from pictures import grid, stain_of

from sparcell.cli.forms import CommandForms
from sparcell.io import write_image

LONG_MS = 120_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("f 0", "f1"):
        labels = grid((64, 80), 20, 7)
        image = stain_of(labels, noise=5, blur=1, seed=1)
        write_image(tmp_path / f"my data/images/{name}.tif", image, "YX")
        write_image(tmp_path / f"my data/labels/{name}.tif", labels, "YX")
    (tmp_path / "run").mkdir()
    bright_model(8.0).save(tmp_path / "run/model.zip")
    (tmp_path / "comparison").mkdir()
    rows = [{"name": "f1", "objects": 12, "old": 0.5, "new": 0.4}]
    content = {
        "images": rows, "old": 0.5, "new": 0.4, "verdict": "worse", "sentence": "Worse.",
        "record": {"settings": {"old": "nuclei", "new": "run", "data": "my data"}},
    }  # fmt: skip
    (tmp_path / "comparison/comparison.json").write_text(json.dumps(content))
    return tmp_path


def test_from_the_form_to_the_result_and_the_decision(browser, root: Path) -> None:
    faults: list[str] = []
    with served(root, CommandForms()) as address:
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        page.set_default_timeout(LONG_MS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: m.type == "error" and faults.append(m.text))
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

        def check() -> None:
            found = axe.run(page).response["violations"]
            faults.extend(f"{one['id']}: {one['nodes'][0]['html']}" for one in found)

        page.goto(f"{address}/#token=token-owner")
        page.click("text=Run a command")
        page.click("a:has-text('Find, count and outline objects')")
        page.wait_for_selector("#p-model")
        assert page.input_value("#p-inputs") == "my data"
        assert page.is_disabled("button[type=submit]")
        page.fill("#p-model", "run")
        page.fill("#p-out", "counted")
        page.click("summary:has-text('Machine')")
        page.fill("#p-threads", "1")
        line = "sparcell predict run 'my data' --output counted --threads 1"
        page.wait_for_selector(f'pre.line:text-is("{line}")')
        check()
        page.click("button[type=submit]")
        page.wait_for_selector(".jobs li[data-state=done]")
        page.click("summary:has-text('Log and curve')")
        page.wait_for_selector("pre.log:has-text('Found 24 objects in 2 images')")
        assert (root / "counted/counts.csv").is_file()
        check()
        with page.expect_popup() as opened:
            page.click("text=Open its page")
        assert "24" in opened.value.inner_text("body")
        # The written page cannot ask the server for anything.
        asked = "fetch('/api/jobs').then(() => 'yes', () => 'no')"
        assert opened.value.evaluate(asked) == "no"
        page.click(".jobs a:has-text('Track')")
        page.wait_for_selector("#p-predictions")
        assert page.input_value("#p-predictions") == "counted"

        page.goto(f"{address}/#/compare")
        page.wait_for_selector(".verdict.bad")
        check()
        page.click("text=Keep the new model")
        page.click("dialog button:has-text('Cancel')")
        assert not (root / "models").exists()
        page.click("text=Drop it")
        page.wait_for_selector("text=Dropped. The old model stays in use.")
        page.click("text=Keep the new model")
        page.click("dialog button:has-text('Keep it')")
        page.wait_for_selector("text=Kept as models/run.zip.")
        page.close()
    assert (root / "models/run.zip").is_file()
    assert faults == []
