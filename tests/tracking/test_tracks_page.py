"""The page of tracked movies, its pictures, and the lines of the terminal."""

from __future__ import annotations

import io
import re
import shutil
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow
from tracked_tables import labels, tables
from typer.testing import CliRunner

import sparcell
from sparcell.cli import app, register
from sparcell.core.image import Image
from sparcell.drawing.palette import SERIES
from sparcell.io import write_image
from sparcell.tracking.report.headline import headline
from sparcell.tracking.report.page import movie_view, write_page
from sparcell.tracking.report.strip import animate, draw_link
from sparcell.tracking.report.trees import draw_tree
from sparcell.tracking.report.video import write_video
from sparcell.tracking.results import read_tracked


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of `sparcell track` with images."""
    place = tmp_path_factory.mktemp("tracks")
    write_image(place / "labels" / "007.tif", labels(), axes="TYX", pixel_size=0.5)
    grey = (labels() > 0) * np.uint8(200)
    write_image(place / "images" / "007.tif", grey, axes="TYX", pixel_size=0.5)
    sparcell.track(
        place / "labels", place / "out", images=place / "images", interval="15min", shifts=False
    )
    return place / "out"


def test_the_page_needs_no_other_file(folder):
    page = (folder / "tracks.html").read_text("utf8")
    assert not re.findall(r'(?:src|srcset)="(?!data:)', page)
    assert "http" not in re.sub(r'"data:[^"]*"', "", page)
    # Links lead to the tables beside it.
    for name in re.findall(r'<a href="([^"]+)"', page):
        assert (folder / name).exists(), name
    assert "Found 8 objects in" in page


def test_charts_of_the_page_are_drawn(folder):
    page = (folder / "tracks.html").read_text("utf8")
    charts = [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    names = [chart.get("aria-label") for chart in charts]
    assert names[:2] == ["Number of cells in time", "Counts in time and place"]
    assert "Lineage tree of a family" in names
    times = [one.text for one in charts[0].iter("text")]
    assert "time (h)" in times


def test_without_units_the_page_says_so(tmp_path):
    points = [dict(t=t, y=10 * k, x=5 * t) for t in range(6) for k in range(7)]
    pd.DataFrame(points).to_csv(tmp_path / "a.csv", index=False)
    sparcell.track(tmp_path / "a.csv", tmp_path / "out")
    page = (tmp_path / "out" / "tracks.html").read_text("utf8")
    assert "The time between frames is unknown, so rates are per frame." in page
    assert "The size of a pixel is unknown" in page
    with Pillow.open(tmp_path / "out" / "tracks.gif") as animation:
        assert animation.n_frames == 6
        # Points are dots in the colours of their tracks.
        colours = {tuple(one) for one in np.asarray(animation.convert("RGB")).reshape(-1, 3)}
    assert set(SERIES[1:4]) <= colours


def test_the_animation_shows_families_in_their_colours(folder):
    view = movie_view(read_tracked(folder), folder, "007")
    gif, still = animate(view)
    with Pillow.open(io.BytesIO(gif)) as animation:
        # 60 x 50 px, enlarged eight times.
        assert (animation.n_frames, animation.size) == (5, (400, 480))
    with Pillow.open(io.BytesIO(still)) as last:
        pixels = np.asarray(last)
    here = view.objects[view.objects["t"] == 4]
    for row in here.to_dict("records"):
        y, x = round(8 * row["y"]), round(8 * row["x"])
        assert tuple(pixels[y, x]) == SERIES[row["root"] % len(SERIES)]


def test_a_video_shows_all_frames_in_their_colours(folder, tmp_path):
    av = pytest.importorskip("av")
    view = movie_view(read_tracked(folder), folder, "007")._replace(pixel_size=None)
    write_video(view, tmp_path / "tracks.mp4")
    with av.open(str(tmp_path / "tracks.mp4")) as video:
        codec = video.streams.video[0].codec_context
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    # 60 x 50 px, enlarged twelve times.
    assert (codec.name, codec.pix_fmt, len(frames)) == ("h264", "yuv420p", 5)
    assert {frame.shape for frame in frames} == {(720, 600, 3)}
    for row in view.objects[view.objects["t"] == 2].to_dict("records"):
        y, x = round(12 * row["y"]), round(12 * row["x"])
        colour = np.median(frames[2][y - 3 : y + 4, x - 3 : x + 4], axis=(0, 1))
        np.testing.assert_allclose(colour, SERIES[row["root"] % len(SERIES)], atol=40)
    # A format whose colours stand for two columns and rows has an even number of them.
    odd = view._replace(shape=(721, 361), labels=None)
    write_video(odd, tmp_path / "odd.mp4")
    with av.open(str(tmp_path / "odd.mp4")) as video:
        first = next(video.decode(video=0))
    assert (first.height, first.width) == (720, 360)


def test_without_pyav_a_line_says_how_to_get_a_video(folder, tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    shutil.copytree(folder, tmp_path / "out")
    (tmp_path / "out" / "tracks.mp4").touch()
    write_page(read_tracked(tmp_path / "out"), tmp_path / "out")
    assert "pip install 'sparcell[video]'" in caplog.text
    # One of an earlier run would show other tracks.
    assert not (tmp_path / "out" / "tracks.mp4").exists()
    assert "tracks.mp4" not in (tmp_path / "out" / "tracks.html").read_text("utf8")


def test_a_link_is_marked_in_both_frames(folder):
    found = read_tracked(folder)
    before, after = draw_link(movie_view(found, folder, "007"), (0, 1), (1, 1), 24)
    assert before.shape == after.shape
    for picture, t in ((before, 0), (after, 1)):
        marked = (picture == SERIES[4]).all(axis=2).sum()
        area = (labels()[t] == 1).sum()
        # All pixels of the object, enlarged; the scale bar may hide a few.
        assert marked == pytest.approx(area * (len(picture) / 24) ** 2, rel=0.1)


def test_images_of_another_size_are_not_drawn_on(folder):
    other = Image(np.zeros((5, 4, 4), np.uint8), "TYX")
    assert movie_view(read_tracked(folder), folder, "007", other).images is None


def test_lineage_trees():
    family = tables().tracks.iloc[:3]
    tree = ElementTree.fromstring(str(draw_tree(family, 0.25, "h", "#000000")))
    paths = [one.get("d") for one in tree.iter("path")]
    across, between, *daughters = paths
    # The mother is between her daughters, who begin where she was seen last.
    assert across.startswith("M17.3 21.0H")
    end = across.split("H")[1]
    assert between == f"M{end} 15.5V26.5"
    assert [one.split("H")[0] for one in daughters] == [f"M{end} 15.5", f"M{end} 26.5"]


def test_deep_families_are_drawn():
    rows = [dict(track=1, parent=0, first=0, last=0, birth="start", fate="divided")]
    for k in range(1500):
        for one in (2 * k + 2, 2 * k + 3):
            fate = "divided" if one % 2 and k < 1499 else "lost"
            mother = 2 * k + 1
            rows.append(
                dict(track=one, parent=mother, first=k + 1, last=k + 1, birth="divided", fate=fate)
            )
    tree = draw_tree(pd.DataFrame(rows), 1, "frames", "#000000")
    assert tree.count("<path") == 3001 + 1500


def test_headline_of_wells():
    found = tables()
    rates = pd.DataFrame(
        [
            ("condition", "drug", "doubling_events", 20.04, 15.0, np.inf, "h"),
            ("condition", "drug", "doubling_counting", 18.0, np.nan, np.nan, "h"),
            ("condition", "drug", "doubling_cycles", np.nan, np.nan, np.nan, "h"),
            ("well", "B02", "doubling_events", 1.0, 1.0, 1.0, "h"),
        ],
        columns=["level", "name", "quantity", "value", "low", "high", "unit"],
    )
    lines = headline(type(found)(**{**vars(found), "rates": rates}))
    assert lines == [
        "found 8 objects in 4 tracks, 1 division, in 1 movie",
        "doubling time by divisions and deaths 20 h (more than 15); by counting 18 h",
    ]


def test_the_terminal_says_what_was_found(folder, caplog):
    register()
    runner = CliRunner()
    again = runner.invoke(app, ["track", str(folder.parent / "labels"), "-o", str(folder)])
    assert again.exit_code == 0
    assert "found 8 objects in" in caplog.text
    assert f"page: {folder / 'tracks.html'}" in caplog.text
    shown = runner.invoke(app, ["info", str(folder)])
    assert shown.exit_code == 0
    assert "found 8 objects in" in shown.output
    assert "007: 5 frames of 60 x 50 px" in shown.output


def test_a_fault_of_the_page_costs_no_table(tmp_path, monkeypatch, caplog):
    write_image(tmp_path / "labels" / "a.tif", labels(), axes="TYX")

    def fail(*_, **__):
        raise RuntimeError("no picture")

    monkeypatch.setattr("sparcell.tracking.report.page.animate", fail)
    sparcell.track(tmp_path / "labels", tmp_path / "out")
    assert "no page tracks.html: no picture" in caplog.text
    assert (tmp_path / "out" / "tracks.csv").exists()


def test_names_are_escaped(tmp_path):
    write_image(tmp_path / "labels" / "a<b>&.tif", labels(), axes="TYX")
    found = sparcell.track(tmp_path / "labels", tmp_path / "out")
    page = write_page(found, tmp_path / "out").read_text("utf8")
    assert "a<b>" not in page
    assert "a&lt;b&gt;&amp;" in page
