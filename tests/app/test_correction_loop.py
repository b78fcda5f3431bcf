"""From images to a better model without a terminal: predict, correct, train, compare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from app.serving import served
from pictures import grid, stain_of

from sparcell.cli.forms import CommandForms
from sparcell.core.dataset import Dataset
from sparcell.io import open_image, write_image

pytestmark = pytest.mark.slow
LONG_MS = 600_000
KEYS = 12
DRAWN = 20
"""Objects in an image."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write images of which six are marked test; only these have labels."""
    rows = ["name,split"]
    for number in range(10):
        labels = grid((96, 120), 24, 9)
        image = stain_of(labels, noise=5, blur=1, seed=number)
        name, split = f"f{number}", "test" if number < 6 else "train"
        rows.append(f"{name},{split}")
        write_image(tmp_path / f"data/images/{name}.tif", image, "YX")
        if split == "test":
            write_image(tmp_path / f"data/labels/{name}.tif", labels, "YX", labels=True)
    (tmp_path / "data/split.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def run(page, address: str, command: str, **values: str) -> None:
    """Fill in a form, run it, and wait for its end."""
    page.goto(f"{address}/#/run/{command.replace(' ', '%20')}")
    page.wait_for_selector(f"h1:text-is('{command}')")
    for name, value in values.items():
        page.eval_on_selector(
            f"#p-{name}", "box => box.closest('details')?.setAttribute('open', '')"
        )
        page.fill(f"#p-{name}", value)
    page.wait_for_selector("button[type=submit]:enabled")
    page.click("button[type=submit]")
    job = page.locator(".jobs li", has_text=f"sparcell {command} ").first
    job.wait_for()
    page.wait_for_function(
        "command => [...document.querySelectorAll('.jobs li')].some(item => item.textContent"
        ".includes(`sparcell ${command} `) && ['done', 'problems', 'failed', 'killed']"
        ".includes(item.dataset.state))",
        arg=command,
    )
    state = job.get_attribute("data-state")
    job.locator("summary").click()
    page.wait_for_timeout(1500)
    assert state == "done", job.inner_text()


def test_from_images_to_the_verdict_on_the_new_model(browser, root: Path) -> None:
    faults: list[str] = []
    with served(root, CommandForms()) as address:
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.set_default_timeout(LONG_MS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{address}/#token=token-owner")
        page.wait_for_selector("text=Run a command")
        run(page, address, "predict", model="nuclei", inputs="data", out="counted")
        run(page, address, "review correct", folder="counted", out="correction")
        page.goto(f"{address}/#/")
        page.locator(".cards a", has_text="correction").click()
        page.wait_for_selector(".stage > canvas")
        for _ in range(KEYS):
            page.wait_for_function(
                "() => document.querySelector('.stage').getAttribute('aria-busy') !== 'true'"
            )
            page.keyboard.press("Enter")
            page.wait_for_timeout(300)
        run(page, address, "review export", session="correction", out="corrected")
        few = "fit.max_steps=2\nfit.crops_per_epoch=12\nfit.crop=64\nfit.minutes=0"
        run(
            page, address, "train", recipe="nuclei-light", data="corrected",
            pretrained="nuclei", settings=few, out="new",
        )  # fmt: skip
        run(page, address, "models compare", old="nuclei", new="new", data="data")
        page.goto(f"{address}/#/compare")
        page.wait_for_selector(".verdict")
        shown = page.inner_text(".verdict")
        page.close()
    corrected = Dataset.open(root / "corrected").having("labels")
    found = [open_image(sample.files["labels"]).read_labels().max() for sample in corrected.samples]
    # Judged objects, and those of which the model is sure; never more than are drawn.
    assert sum(found) >= KEYS and max(found) <= DRAWN
    stored = json.loads((root / "comparison/comparison.json").read_text())
    assert stored["sentence"] == shown and len(stored["images"]) == 6
    assert not (root / "models").exists() and faults == []
