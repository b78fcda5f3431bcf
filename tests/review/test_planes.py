"""Reviews of movies and stacks: experts judge single planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from review.sessions import SQUARES, finish, squares

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.io import open_image, write_image
from sparcell.io.points import read_points
from sparcell.review import Event, agree, export_review, new_session


def write_movies(root: Path, axes: str, count: int = 2, planes: int = 4) -> None:
    """Write movies or stacks whose plane n has squares 1 to n + 1, and a prediction of them."""
    stack = np.stack([squares(*SQUARES[: n + 1]) for n in range(planes)])
    for number in range(count):
        image = (stack > 0).astype(np.uint16) * 100 + number
        write_image(root / "data/images" / f"m{number}.tif", image, axes)
        write_image(root / "found/labels" / f"m{number}.tif", stack, axes, labels=True)


@pytest.fixture(params=["TYX", "ZYX"])
def session(request, tmp_path):
    write_movies(tmp_path, request.param)
    return new_session(
        tmp_path / "data", {"m": [tmp_path / "found"]}, tmp_path / "session",
        experts=["anna", "ben"], repeats=0.2, planes=3,
    )  # fmt: skip


def test_planes_are_drawn_and_have_their_own_objects(session) -> None:
    assert len(session.fields) == 2 and len(session.originals) == 6
    assert len({case.site for case in session.originals}) == 6
    for case in session.cases:
        number = case.t + case.z
        assert np.array_equal(session.read_objects(case), squares(*SQUARES[: number + 1]))
        assert case.objects == number + 1 and case.t * case.z == 0
    again = {case.site for case in session.cases if case.repeat}
    assert len(again) == 2 and again < {case.site for case in session.originals}
    table = (session.root / "anna_cases.csv").read_text().splitlines()
    assert table[0] == "case,objects,image,t,z" and len(table) == 9


def test_the_same_seed_draws_the_same_planes(tmp_path) -> None:
    write_movies(tmp_path, "TYX", planes=20)
    sites = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        found = new_session(
            tmp_path / "data", {"m": [tmp_path / "found"]}, tmp_path / name, experts=["anna"],
            seed=seed, planes=5,
        )  # fmt: skip
        sites.append(sorted(case.site for case in found.originals))
    assert sites[0] == sites[1] != sites[2]


def test_agreement_counts_planes_and_repeats_by_plane(session) -> None:
    site = next(case.site for case in session.cases if case.repeat)
    twice = [case for case in session.cases if case.site == site]
    finish(session, "anna", [Event(kind="extra", case=twice[1].id, object=1)])
    finish(session, "ben")
    report = agree(session).to_json()
    assert report["problems"] == []
    objects = sum(case.objects for case in session.originals)
    rows = {row["expert"]: row for row in report["rows"] if row["group"] == "all"}
    assert rows["ben"]["cases"] == 6 and rows["ben"]["objects"] == objects
    # The repeat is compared with its own plane: one object was judged in two ways.
    shared = report["consistency"]["anna"]["shared"]
    repeated = sum(case.objects for case in session.cases if case.repeat)
    assert shared["second"] == 1 and shared["right"] == repeated - 1


def test_export_ignores_planes_that_nobody_judged(session, tmp_path) -> None:
    case = next(case for case in session.originals if case.field == "m0" and case.objects > 1)
    marks = [
        Event(kind="extra", case=case.id, object=1),
        Event(kind="missed", case=case.id, y=36, x=50),
    ]
    for name in session.experts:
        finish(session, name, marks)
    out = export_review(session, tmp_path / "reviewed")
    judged = {case.plane for case in session.originals if case.field == "m0"}
    labels, ignore = (open_image(out / kind / "m0.tif") for kind in ("labels", "ignore"))
    image = open_image(tmp_path / "data/images/m0.tif")
    assert labels.tzyx == ignore.tzyx == image.tzyx
    for plane in image.planes():
        found, left_out = labels.read_labels(plane=plane), ignore.read_labels(plane=plane)
        if plane not in judged:
            assert left_out.all() and not found.any()
            continue
        number = plane.t + plane.z
        expected = squares(*SQUARES[: number + 1]) > 0
        points = read_points(out / "points/m0.csv", image, plane)
        if plane == case.plane:
            expected &= squares(SQUARES[0]) == 0
            # A disc around the missed cell has no outline, so it is ignored.
            assert left_out[36, 50] and not left_out[:20].any()
            assert [36, 50] in points.tolist() and len(points) == number + 1
        else:
            assert not left_out.any() and len(points) == number + 1
        assert np.array_equal(found > 0, expected)
    assert len(Dataset.open(out).samples) == 2


def test_what_cannot_be_reviewed(tmp_path) -> None:
    write_movies(tmp_path, "TYX")
    write_image(tmp_path / "other/labels/m0.tif", squares(SQUARES[0]), "YX", labels=True)
    with pytest.raises(InputError, match="images of the same size"):
        new_session(
            tmp_path / "data", {"m": [tmp_path / "other"]}, tmp_path / "s", experts=["anna"]
        )
    with pytest.raises(InputError, match="planes"):
        new_session(
            tmp_path / "data", {"m": [tmp_path / "found"]}, tmp_path / "s", experts=["anna"],
            planes=0,
        )  # fmt: skip
    assert not (tmp_path / "s").exists()
