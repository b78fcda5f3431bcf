"""The canvas shows what NumPy computes: grey values, outlines, and the same after panning."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from app.serving import served

from sparcell.io import write_image

pytestmark = pytest.mark.slow
HEIGHT, WIDTH = 700, 900
MATCHED, EDGE = (86, 180, 233), (24, 28, 34)
ZOOMS = (0.3, 0.5, 0.71, 1.0, 1.3, 2.0, 3.7, 6.0, 11.0, 40.0)

PIXELS = """() => {
  const { canvas, context } = document.querySelector('.stage canvas').viewer;
  const { width, height } = canvas;
  const bytes = context.getImageData(0, 0, width, height).data;
  let text = '';
  for (let n = 0; n < bytes.length; n += 16384)
    text += String.fromCharCode(...bytes.subarray(n, n + 16384));
  return [width, height, btoa(text)];
}"""
VIEW = """([y, x, zoom, low, high, gamma]) => {
  const viewer = document.querySelector('.stage canvas').viewer;
  viewer.view = { y, x, zoom };
  Object.assign(viewer.channels[0], { low, high, gamma });
  viewer.contrast(viewer.channels[0]);
  viewer.render();
  return viewer.origin();
}"""
PAN = """([dx, dy]) => {
  const viewer = document.querySelector('.stage canvas').viewer;
  viewer.pan(dx, dy);
  viewer.render();
  return viewer.origin();
}"""


def read_canvas(page) -> np.ndarray:
    """Colours of the canvas, (Y, X, 3)."""
    width, height, text = page.evaluate(PIXELS)
    pixels = np.frombuffer(base64.b64decode(text), np.uint8)
    return pixels.reshape(height, width, 4)[..., :3]


def positions(begin: float, count: int, size: int, zoom: float, level: int) -> np.ndarray:
    """Row or column of a level under each pixel of the screen; -1 outside."""
    found = np.floor((begin + np.arange(-2, count) + 0.5) / zoom).astype(int)
    return np.where((found < 0) | (found >= size), -1, found >> level)


def expect(image, labels, origin, shape, zoom, limits) -> np.ndarray:
    """Draw grey values and outlines as NumPy does, (Y, X, 3)."""
    level = int(np.clip(np.floor(np.log2(1 / zoom)), 0, 1))
    step = 2**level
    means = image.reshape(HEIGHT // step, step, WIDTH // step, step).mean((1, 3))
    grey, ids = np.rint(means), labels[::step, ::step]
    rows = positions(origin["y"], shape[0], HEIGHT, zoom, level)
    columns = positions(origin["x"], shape[1], WIDTH, zoom, level)
    inside = np.ix_(rows >= 0, columns >= 0)
    screen = np.zeros((len(rows), len(columns)), int)
    screen[inside] = ids[np.ix_(rows[rows >= 0], columns[columns >= 0])]
    low, high, gamma = limits
    part = np.clip((grey - low) / (high - low), 0, 1) ** gamma
    shades = np.zeros(screen.shape)
    shades[inside] = (part * 255)[np.ix_(rows[rows >= 0], columns[columns >= 0])]
    picture = np.repeat(np.floor(shades + 0.5)[..., None], 3, 2)
    picture[(rows < 0)[:, None] | (columns < 0)] = EDGE
    near = 2 if zoom > 1.5 else 1
    here = screen[2:, 2:]
    border = (here != screen[2:, 2 - near : screen.shape[1] - near]) | (
        here != screen[2 - near : screen.shape[0] - near, 2:]
    )
    picture = picture[2:, 2:]
    picture[border] = MATCHED
    return picture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_canvas_equals_numpy(browser, tmp_path, dtype) -> None:
    random = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    image = random.integers(0, top, (HEIGHT, WIDTH)).astype(dtype)
    y, x = np.indices(image.shape)
    labels = np.where((y % 30 < 20) & (x % 25 < 18), 1 + y // 30 * 100 + x // 25, 0)
    write_image(tmp_path / "data/images/a.tif", image, "YX")
    write_image(tmp_path / "data/labels/a.tif", labels.astype(np.int32), "YX", labels=True)
    with served(tmp_path) as address:
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.goto(f"{address}/#token=token-owner")
        page.locator(".cards a", has_text="data").first.click()
        page.wait_for_selector(".rows td")
        limits = [(0.1 * top, 0.9 * top, 1.0), (0.3 * top, 0.5 * top, 0.5), (0, top, 2.0)]
        for number, zoom in enumerate(ZOOMS):
            # All tiles of this resolution, before anything is compared.
            page.evaluate(VIEW, [350, 450, zoom, *limits[0]])
            page.wait_for_timeout(300)
            chosen = limits[number % 3]
            origin = page.evaluate(VIEW, [random.uniform(100, 600), 400.3, zoom, *chosen])
            for _ in range(3):
                page.wait_for_timeout(100)
                shown = read_canvas(page).astype(int)
                expected = expect(image, labels, origin, shown.shape, zoom, chosen)
                wrong = np.abs(shown - expected).max(-1) > 1
                assert not wrong.any(), (zoom, wrong.sum(), np.argwhere(wrong)[:5])
                # Panning moves what is there, and draws the edges that come in.
                origin = page.evaluate(PAN, random.integers(-200, 200, 2).tolist())
        page.close()
