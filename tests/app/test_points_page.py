"""Points that are clicked in the app: kept with the dataset, and outlines proposed from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from app.apps import Clients
from app.serving import served
from review.sessions import SQUARES, squares

from sparcell.core.dataset import Dataset
from sparcell.io import open_sample, write_image
from sparcell.io.points import read_points

CENTRES = [[y + 4.5, x + 4.5] for y, x in SQUARES]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).normal(0, 3, squares().shape)
    image = (60 + 90 * (squares(*SQUARES) > 0) + noise).astype(np.uint8)
    write_image(tmp_path / "data" / "images" / "a.tif", image, "YX")
    write_image(tmp_path / "loose" / "b.tif", image, "YX")
    return tmp_path


def saved(folder: Path) -> np.ndarray:
    sample = Dataset.open(folder / "data").samples[0]
    return read_points(sample.files["points"].path, open_sample(sample))


def address(client, name: str = "data") -> str:
    collections = client.get("/api/start").json()["collections"]
    (field,) = next(one for one in collections if one["name"] == name)["fields"]
    return f"/api/fields/{field['id']}/points"


def test_points_are_saved_in_the_dataset(folder: Path) -> None:
    client = Clients(folder).of("")
    place = address(client)
    assert client.get(place).json() == {"points": [], "version": ""}
    first = client.post(place, json={"points": CENTRES, "version": ""}).json()
    np.testing.assert_allclose(saved(folder), CENTRES)
    known = client.get(place).json()
    assert known == {"points": CENTRES, "version": first["version"]}
    # Another tab that has not seen these points does not overwrite them.
    assert client.post(place, json={"points": [], "version": ""}).status_code == 409
    assert client.post(place, json={"points": [], **first}).status_code == 200
    assert len(saved(folder)) == 0


@pytest.mark.parametrize("points", [[[-9, 1]], [[1, 99]], "x", [["a", "b"]], [[None, 1]], [[1]]])
def test_what_are_no_points_in_the_image_is_refused(folder: Path, points) -> None:
    client = Clients(folder).of("")
    for more in ("", "/outlines"):
        answer = client.post(address(client) + more, json={"points": points, "version": ""})
        assert answer.status_code == 400
    assert not (folder / "data" / "points").exists()


def test_a_table_with_other_columns_is_left_alone(folder: Path) -> None:
    table = folder / "data" / "points" / "a.csv"
    table.parent.mkdir()
    table.write_text("y,x,class\n5,5,alive\n")
    client = Clients(folder).of("")
    assert "class" in client.get(address(client)).json()["error"]
    assert client.post(address(client), json={"points": [], "version": ""}).status_code == 400
    assert "alive" in table.read_text()


def test_images_that_are_no_dataset_get_no_points(folder: Path) -> None:
    client = Clients(folder).of("")
    assert "no dataset" in client.get(address(client, "loose")).json()["error"]


def test_each_point_gets_an_outline(folder: Path) -> None:
    client = Clients(folder).of("")
    asked = {"points": CENTRES}
    found = client.post(address(client) + "/outlines", json=asked).json()["outlines"]
    assert len(found) == 4
    for outline, (y, x) in zip(found, CENTRES, strict=True):
        places = np.array(outline["places"])
        np.testing.assert_allclose(places.mean(0), (y, x), atol=1)
        np.testing.assert_allclose(np.ptp(places, axis=0), (10, 10), atol=3)


@pytest.mark.slow
def test_clicks_in_the_browser_add_remove_and_undo(browser, folder: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with served(folder) as url:
        page = browser.new_page()
        page.goto(f"{url}/#token=token-owner")
        page.click("a[href^='#/points/']")
        page.wait_for_selector("text=0 points")
        box = page.locator(".stage > canvas").first.bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for step in (0, 100, 100):
            page.mouse.click(middle[0] + step, middle[1])
        page.wait_for_selector("text=1 point")
        page.keyboard.press("Control+z")
        page.wait_for_selector("text=2 points")
        page.keyboard.press("o")
        page.wait_for_selector("text=outlines are proposed")
        assert axe.run(page).response["violations"] == []
        assert len(saved(folder)) == 2
        np.testing.assert_allclose(saved(folder)[0], (19.5, 29.5), atol=0.6)
