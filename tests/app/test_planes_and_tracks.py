"""Movies, stacks and tracks: planes of an image, paths of cells, and reviews of single planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from app.apps import Clients
from review.sessions import squares

from sparcell.io import write_image
from sparcell.review import new_session
from sparcell.tracking import track

FRAMES = 6


def moving(frame: int) -> np.ndarray:
    """One square that moves to the right, and its halves from the fourth frame on."""
    x = 5 + 2 * frame
    labels = squares((5, x))
    if frame >= 3:
        labels[:] = 0
        labels[3:9, x : x + 10], labels[11:17, x : x + 10] = 1, 2
    return labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    labels = np.stack([moving(frame) for frame in range(FRAMES)])
    image = (100 + 1000 * (labels > 0) + np.arange(FRAMES)[:, None, None]).astype(np.uint16)
    write_image(tmp_path / "data/images/m.tif", image, "TYX")
    write_image(tmp_path / "found/labels/m.tif", labels, "TYX", labels=True)
    (tmp_path / "found/counts.csv").write_text("image,count\nm,1\n")
    (tmp_path / "found/record.json").write_text("{}")
    track(tmp_path / "found", tmp_path / "tracked")
    return tmp_path


def test_tracks_have_paths_and_divisions(folder: Path) -> None:
    owner = Clients(folder).of("")
    (collection,) = owner.get("/api/start").json()["collections"]
    field = owner.get(f"/api/fields/{collection['fields'][0]['id']}").json()
    assert (field["times"], field["depths"]) == (FRAMES, 1)
    layers = {one["name"]: one for one in field["layers"]}
    assert layers["tracked"]["tracked"] and layers["tracked"]["predicted"]
    assert not layers["found"]["tracked"]
    base = f"/api/fields/{field['id']}"
    first = owner.get(f"{base}/tracks/{layers['tracked']['id']}?t=2").json()
    ((mother, places),) = first["paths"]
    assert places == [[9.5, 9.5], [9.5, 11.5], [9.5, 13.5]] and first["divisions"] == []
    late = owner.get(f"{base}/tracks/{layers['tracked']['id']}?t=4").json()
    daughters = dict(late["paths"])
    assert late["most"] == 3 and len(daughters) == 2 and mother not in daughters
    assert {(one[0], one[1]) for one in late["divisions"]} == {(mother, d) for d in daughters}
    for _, daughter, before, begin in late["divisions"]:
        assert before == [9.5, 13.5] and begin == daughters[daughter][0]
    # The ids of the label image are those of the paths.
    tile = owner.get(f"{base}/tiles/{layers['tracked']['id']}/0/4/0/0/0/0").content
    assert set(np.frombuffer(tile, "<u4").tolist()) == {0, *daughters}
    assert owner.get(f"{base}/tracks/{layers['found']['id']}?t=2").status_code == 404
    assert owner.get(f"{base}/tracks/none?t=2").status_code == 404


def test_each_plane_has_its_pixels_and_objects(folder: Path) -> None:
    owner = Clients(folder).of("")
    (collection,) = owner.get("/api/start").json()["collections"]
    field = owner.get(f"/api/fields/{collection['fields'][0]['id']}").json()
    base = f"/api/fields/{field['id']}"
    layer = next(one["id"] for one in field["layers"] if one["name"] == "found")
    for t in range(FRAMES):
        tile = owner.get(f"{base}/tiles/image/0/{t}/0/0/0/0").content
        assert np.frombuffer(tile, "<u2").min() == 100 + t
        rows = owner.get(f"{base}/objects?layer={layer}&t={t}").json()["rows"]
        assert len(rows) == (1 if t < 3 else 2)
        about = owner.get(f"{base}/about/image?t={t}").json()
        assert about["channels"][0]["least"] == 100 + t
    assert owner.get(f"{base}/about/image?t={FRAMES}").status_code == 404


def test_an_expert_judges_one_plane_and_sees_the_others(folder: Path) -> None:
    options = {"experts": ["anna"], "planes": 2, "repeats": 0.0, "split": "test"}
    session = new_session(folder / "data", {"m": [folder / "found"]}, folder / "june", **options)
    anna = Clients(folder).of("anna")
    (shown,) = anna.get("/api/start").json()["sessions"]
    base = f"/api/sessions/{shown['id']}"
    for one in anna.get(base).json()["cases"]:
        case = session.case(one["id"])
        facts = anna.get(f"{base}/cases/{one['id']}").json()
        assert (facts["t"], facts["z"], facts["times"]) == (case.t, 0, FRAMES)
        assert len(facts["places"]) == case.objects == (1 if case.t < 3 else 2)
        tiles = f"{base}/cases/{one['id']}/tiles"
        for t in (case.t, (case.t + 1) % FRAMES):
            image = anna.get(f"{tiles}/image/0/{t}/0/0/0/0").content
            assert np.frombuffer(image, "<u2").min() == 100 + t
        objects = np.frombuffer(anna.get(f"{tiles}/objects/0/0/0/0/0/0").content, "<u4")
        assert np.array_equal(objects.reshape(40, 60), moving(case.t))
        assert anna.get(f"{tiles}/image/0/{FRAMES}/0/0/0/0").status_code == 404
