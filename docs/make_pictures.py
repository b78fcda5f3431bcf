"""Make the pictures of the documentation, from public-domain and simulated images.

``python docs/make_pictures.py [NAME ...]`` writes ``docs/pictures/NAME.png``; without names, all.
It needs the environment variable SPARCELL_DATA for the real images (dsb2018-fluo, CC0), and
Chromium for pictures of pages. Pictures that lack what they need are skipped with a message.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import Image

PICTURES = Path(__file__).parent / "pictures"
FIELDS = ["1c8b905c9519", "49edc2f77151", "03f583ec5018", "0d2bf916cc8d"]
"""Test images of dsb2018-fluo (Caicedo et al. 2019, CC0)."""
WORK = Path(tempfile.gettempdir()) / "sparcell-pictures"
"""Results that several pictures share, kept for the next call."""


class Missing(Exception):
    """What a picture needs is not on this machine."""


def run(*words: object) -> None:
    """Run a command of Sparcell."""
    subprocess.run([sys.executable, "-m", "sparcell", *map(str, words)], check=True)


@cache
def real_images() -> Path:
    """Return a folder with the real images."""
    if "SPARCELL_DATA" not in os.environ:
        raise Missing("SPARCELL_DATA is not set")
    source = Path(os.environ["SPARCELL_DATA"]) / "dsb2018-fluo" / "images"
    folder = WORK / "nuclei"
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(FIELDS, 1):
        shutil.copy(source / f"{name}.tif", folder / f"field_{number}.tif")
    return folder


@cache
def counted() -> Path:
    """Return the results of `predict` on the real images."""
    out = WORK / "predicted"
    run("predict", "nuclei", real_images(), "-o", out, "--overwrite")
    return out


@cache
def demo() -> Path:
    """Return the folder of ``sparcell demo``."""
    out = WORK / "demo"
    if not (out / "tables" / "growth.png").exists():
        run("demo", "-o", out)
    return out


def page(path: Path, name: str, width: int, height: int, *, dark: bool = False) -> None:
    """Write a picture of the upper part of a page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        raise Missing("Chromium is not installed")
    target = PICTURES / f"{name}.png"
    flags = ["--headless=new", "--no-sandbox", "--hide-scrollbars", f"--screenshot={target}"]
    flags += ["--force-dark-mode"] * dark
    size = f"--window-size={width},{height}"
    subprocess.run([browser, *flags, size, path.resolve().as_uri()], check=True)
    shrink(target)


def shrink(path: Path) -> None:
    """Rewrite a picture with 256 colours."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def nuclei() -> None:
    """A field, its outlines, and the sizes of its nuclei: the picture of the README."""
    from matplotlib.figure import Figure

    import sparcell
    from sparcell.drawing.picture import draw_outlines, read_pixels

    image = sparcell.open_image(real_images() / "field_1.tif")
    found = sparcell.predict_array("nuclei", image.read()[0])
    # A part, large enough that its outlines are seen.
    part = slice(20, 250), slice(300, 590)
    pixels = read_pixels(image)[part]
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    raw, outlined, sizes = figure.subplots(1, 3, width_ratios=(1.3, 1.3, 1))
    raw.imshow(pixels, cmap="grey")
    outlines = draw_outlines(pixels, found.labels[part])
    outlined.imshow(outlines.repeat(4, axis=0).repeat(4, axis=1))
    raw.set_title("your image (a part)")
    outlined.set_title("every nucleus outlined")
    for axis in (raw, outlined):
        axis.set_axis_off()
    sizes.hist(found.objects["area_px"], bins=16, color="#56b4e9", edgecolor="white")
    sizes.set(
        title=f"{found.labels.max()} nuclei counted and measured",
        xlabel="area, px",
        ylabel="nuclei",
    )
    sizes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURES / "nuclei.png", dpi=110)
    shrink(PICTURES / "nuclei.png")


def overview() -> None:
    """The page with all results."""
    page(counted() / "overview.html", "overview", 1100, 900)


def contact_sheet() -> None:
    """Labels from a stain, accepted and refused."""
    target = PICTURES / "contact_sheet.png"
    with Image.open(demo() / "plate" / "contact_sheet.png") as sheet:
        # The last row ends with a refused field.
        sheet.crop((sheet.width // 2, sheet.height * 3 // 4, sheet.width, sheet.height)).save(
            target
        )
    shrink(target)


def report() -> None:
    """The report of a training."""
    page(demo() / "run" / "report.html", "report", 1100, 1000)


def growth() -> None:
    """Growth curves of a simulated plate."""
    shutil.copy(demo() / "tables" / "growth.png", PICTURES / "growth.png")
    shrink(PICTURES / "growth.png")


@cache
def tracked() -> Path:
    """Return a simulated time-lapse, tracked."""
    out = WORK / "tracked"
    if not (out / "tracks.html").exists():
        run("simulate", WORK / "well", "--frames", 56, "--tiles", "1x1", "--size", 360, "--seed", 3)
        run("track", WORK / "well/labels", "-o", out, "--images", WORK / "well/images")
    return out


def tracks() -> None:
    """The page of tracked movies."""
    page(tracked() / "tracks.html", "tracks", 1200, 1010)


@cache
def review_folder() -> Path:
    """Return a folder with images, labels, two predictions, a review and a correction."""
    source = Path(os.environ["SPARCELL_DATA"]) / "dsb2018-fluo"
    root = WORK / "app"
    if not (root / "june").exists():
        for kind, number in ((k, n) for k in ("images", "labels") for n in range(len(FIELDS))):
            (root / "nuclei" / kind).mkdir(parents=True, exist_ok=True)
            name = f"{FIELDS[number]}.tif"
            shutil.copy(source / kind / name, root / "nuclei" / kind / f"field_{number + 1}.tif")
        for name, more in (("predicted", ()), ("enlarged", ("--diameter", "30"))):
            run("predict", "nuclei", root / "nuclei/images", "-o", root / name, *more)
        both = [f"--prediction={name}={root / name}" for name in ("predicted", "enlarged")]
        run("review", "new", root / "nuclei", *both, "--expert", "anna", "-o", root / "june")
    if not (root / "correction").exists():
        run("review", "correct", root / "enlarged", "-o", root / "correction")
    return root


@cache
def movie_folder() -> Path:
    """Return a folder with simulated movies, tracks, and a review that two experts have sealed.

    The prediction is the truth without some nuclei, and with some that are none.
    """
    import numpy as np

    from sparcell.io import write_image
    from sparcell.simulation import SimulationSettings
    from sparcell.simulation.movie import simulate_movie

    root = WORK / "movie"
    if (root / "june" / "ben.jsonl").exists():
        return root
    random = np.random.default_rng(0)
    for number in range(2):
        movie = simulate_movie(SimulationSettings(size=(448, 448)), 24, number)
        found = movie.nuclei.copy()
        for t, frame in enumerate(found):
            lost = random.choice(np.unique(movie.nuclei), 6)
            frame[np.isin(frame, lost)] = 0
            y, x = random.integers(20, 420, 2)
            frame[y : y + 14, x : x + 18][movie.cells[t, y : y + 14, x : x + 18] == 0] = 9999
        for kind, pixels in (("images", movie.phase), ("labels", movie.nuclei)):
            path = root / "cells" / kind / f"movie_{number + 1}.tif"
            write_image(path, pixels, "TYX", labels=kind == "labels")
        write_image(root / "predicted/labels" / path.name, found, "TYX", labels=True)
        write_image(root / "true/labels" / path.name, movie.nuclei, "TYX", labels=True)
    (root / "predicted/record.json").write_text("{}")
    run("track", root / "true", "-o", root / "tracked")
    shutil.rmtree(root / "true")
    experts = ("--expert", "anna", "--expert", "ben", "--planes", "6")
    prediction = f"--prediction=nuclei={root / 'predicted'}"
    run("review", "new", root / "cells", prediction, *experts, "-o", root / "june")
    judge(root)
    return root


def judge(root: Path) -> None:
    """Let two experts find what differs from the truth; each overlooks something."""
    from sparcell.app.object_tables import compare_objects
    from sparcell.core.image import FIRST_PLANE
    from sparcell.io import open_image
    from sparcell.review import Event, ExpertReview, open_session

    session = open_session(root / "june")
    for number, name in enumerate(session.experts):
        review = ExpertReview(session, name)
        for case in session.cases:
            truth = open_image(root / "cells/labels" / f"{case.field}.tif")
            found = open_image(session.objects_path(case))
            rows, _ = compare_objects(truth, found, case.plane, FIRST_PLANE)
            for row in [row for row in rows if row["class"] in ("spurious", "missed")][number:]:
                what = {"kind": "missed", "y": row["y"], "x": row["x"]}
                if row["class"] == "spurious":
                    what = {"kind": "extra", "object": row["id"]}
                review.record(Event(case=case.id, **what))
            review.record(Event(kind="done", case=case.id))
        review.seal()


def app_page(
    name: str, role: str, card: str, keys: tuple[str, ...], folder: Path, layer: str = ""
) -> None:
    """Write a picture of a page of the app, after some keys; `layer` is shown as prediction."""
    from playwright.sync_api import sync_playwright

    words = ["app", str(folder), "--no-browser"] + ["--expert", role] * bool(role)
    command = [sys.executable, "-u", "-m", "sparcell", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        link = server.stdout.readline().split()[-1]
        with sync_playwright() as playwright:
            place = shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
            shown = browser.new_page(viewport={"width": 1200, "height": 750})
            shown.goto(link)
            shown.locator(".cards a", has_text=card).first.click()
            shown.wait_for_timeout(2000)
            if layer:
                choices = shown.locator(".panel select")
                choices.nth(0).select_option(label="none")
                choices.nth(1).select_option(label=layer)
                shown.locator("h1").click()
            for key in keys:
                shown.keyboard.press(key)
                shown.wait_for_timeout(500)
            shown.screenshot(path=PICTURES / f"{name}.png")
            browser.close()
        server.terminate()
    shrink(PICTURES / f"{name}.png")


def app() -> None:
    """The page Look: labels against a prediction."""
    real_images()
    app_page("app", "", "nuclei", ("d", "d", "n", "n", "0"), review_folder())


def app_review() -> None:
    """A case of a blind review."""
    marks = ("n", "n", "x", "Escape", "n", "u", "Escape", "0", "f", "ArrowRight", "g")
    real_images()
    app_page("app_review", "anna", "june", marks, review_folder())


def app_tracks() -> None:
    """The page Look: a simulated movie with tracks."""
    app_page("app_tracks", "", "cells", (*16 * (".",), "0"), movie_folder(), "tracked")


def app_agreement() -> None:
    """The page Agreement, of simulated experts."""
    app_page("app_agreement", "", "june", (), movie_folder())


def app_correct() -> None:
    """The page Correct, with the brush."""
    real_images()
    app_page("app_correct", "", "correction", ("n", "b"), review_folder())


def plate() -> None:
    """The page of a plate, of counts that are drawn at random."""
    import numpy as np
    import pandas as pd

    from sparcell.measurement import doubling_times
    from sparcell.measurement.plate_page import write_plate_page
    from sparcell.measurement.wells import summarise_conditions

    random = np.random.default_rng(1)
    rates = {
        "control": 0.033, "drug A 1 µM": 0.031, "drug A 10 µM": 0.02, "drug B 1 µM": 0.033,
        "drug B 10 µM": 0.008, "staurosporine": -0.01,
    }  # fmt: skip
    rows = [
        {
            "well": f"{row}{column + 1:02d}", "condition": condition, "time": 6.0 * step,
            "time_unit": "h", "n_tiles": 4, "sem": 3.0,
            "count_per_tile": random.poisson(60 * np.exp(rate * 6 * step)),
        }
        for row in "ABCDEFGH" for column in range(12) for step in range(8)
        for condition, rate in [list(rates.items())[column // 2]]
    ]  # fmt: skip
    wells = pd.DataFrame(rows)
    path = WORK / "plate.html"
    path.parent.mkdir(exist_ok=True)
    write_plate_page(wells, summarise_conditions(wells), doubling_times(wells), path)
    page(path, "plate", 1100, 1500)


ALL: dict[str, Callable[[], None]] = {
    "nuclei": nuclei,
    "overview": overview,
    "contact_sheet": contact_sheet,
    "report": report,
    "growth": growth,
    "tracks": tracks,
    "app": app,
    "app_review": app_review,
    "app_correct": app_correct,
    "app_tracks": app_tracks,
    "app_agreement": app_agreement,
    "plate": plate,
}


def main() -> None:
    """Make the pictures that the command line names, or all."""
    PICTURES.mkdir(exist_ok=True)
    for name in sys.argv[1:] or ALL:
        try:
            ALL[name]()
        except Missing as why:
            print(f"{name}: skipped, {why}")
            continue
        print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
