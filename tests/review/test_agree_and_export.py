"""Two experts from marks to tables, a consensus, and a dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from review.sessions import SQUARES, finish, make_session, squares

from sparcell.core.dataset import Dataset
from sparcell.core.errors import InputError
from sparcell.core.labels import check_labels
from sparcell.io import open_image, read_table
from sparcell.review import CONSENSUS, Event, agree, export_review, record_table
from sparcell.review.counts import match_places
from sparcell.review.report import write_report_files


@pytest.fixture
def session(tmp_path: Path):
    """Two fields and a model. In both, anna and ben mark object 1; in the first field more.

    Anna: objects 1, 2 extra, a missed cell at (5, 45), and one at (35, 55).
    Ben: object 1 extra, object 3 unsure, the first missed cell 4 px away.
    """
    session = make_session(tmp_path, fields=2, models=("m",))
    first, second = session.cases
    of_anna = [
        Event(kind="extra", case=first.id, object=1),
        Event(kind="extra", case=first.id, object=2),
        Event(kind="missed", case=first.id, y=5, x=45),
        Event(kind="missed", case=first.id, y=35, x=55),
        Event(kind="extra", case=second.id, object=1),
    ]
    of_ben = [
        Event(kind="extra", case=first.id, object=1),
        Event(kind="unsure", case=first.id, object=3),
        Event(kind="missed", case=first.id, y=5, x=49),
        Event(kind="extra", case=second.id, object=1),
    ]
    finish(session, "anna", of_anna)
    finish(session, "ben", of_ben)
    return session


def test_tables_by_hand(session) -> None:
    report = agree(session)
    rows = {(row.expert, row.group): row.scores for row in report.rows}
    assert [rows["anna", g].fp for g in ("RAS", "TERT", "all")] == [2, 1, 3]
    assert [(s.tp, s.fp, s.fn) for s in (rows["anna", "all"], rows["ben", "all"])] == [
        (5, 3, 2), (6, 2, 1),
    ]  # fmt: skip
    extra, missed = report.matrices
    assert extra.table.tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert missed.table.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert extra.totals == (3, 2) and missed.totals == (2, 1)
    (objects,) = report.objects
    # Of 8 objects one is unsure; object 1 of both fields is extra for both, object 2 for anna.
    assert objects.shared == (4, 2, 1, 0, 1, 1, 0)
    assert objects.agreement["positive"].value == pytest.approx(4 / 5)
    assert objects.agreement["missed"].value == pytest.approx(2 / 3)
    # Observed 6/7; by chance (3 * 2 + 4 * 5) / 49.
    assert objects.agreement["kappa"].value == pytest.approx((6 / 7 - 26 / 49) / (1 - 26 / 49))
    assert report.problems == []
    assert [one.id for one in report.disagreements] == ["extra:2", "missed:35.0,55.0"]
    json.dumps(report.to_json(), allow_nan=False)


def test_own_consistency_compares_the_two_times(tmp_path: Path) -> None:
    session = make_session(tmp_path, fields=2, models=("m",), repeats=1.0)
    original, again = (next(c for c in session.cases if c.repeat == n) for n in (0, 1))
    assert original.field == again.field
    marks = [
        Event(kind="extra", case=original.id, object=1),
        Event(kind="extra", case=again.id, object=1),
        Event(kind="extra", case=again.id, object=2),
    ]
    finish(session, "anna", marks)
    finish(session, "ben")
    report = agree(session)
    assert report.consistency["anna"].shared == (6, 1, 0, 1, 0, 0, 0)
    # What is shown again counts in no other table.
    assert [row.cases for row in report.rows if row.group == "all"] == [2, 2]


def test_models_are_compared_on_the_same_fields(tmp_path: Path) -> None:
    session = make_session(tmp_path, fields=6)
    worse = [c for c in session.cases if c.model == "mixed"]
    finish(session, "anna", [Event(kind="extra", case=c.id, object=1) for c in worse])
    finish(session, "ben")
    first, second = agree(session).differences
    # Dice 1 against 2 * 3 / (2 * 3 + 1) in every field, so no resample differs.
    assert first.dice == pytest.approx((1 / 7,) * 3)
    assert second.dice == (0, 0, 0)


def test_places_are_matched_one_to_one() -> None:
    first = np.array([[0.0, 0.0], [0.0, 3.0]])
    second = np.array([[0.0, 2.0], [0.0, 9.0]])
    # The nearer one gets the only place in reach.
    assert match_places(first, second, 2.5) == [(1, 0)]
    # Two pairs of 2 and 6 px beat one pair of 1 px.
    assert match_places(first, second, 6) == [(0, 0), (1, 1)]
    assert match_places(first, np.zeros((0, 2)), 5) == []


def exported(root: Path, name: str) -> tuple[np.ndarray, np.ndarray, list[tuple[float, float]]]:
    labels, ignore = (
        open_image(root / k / f"{name}.tif").read_labels() for k in ("labels", "ignore")
    )
    points = read_table(root / "points" / f"{name}.csv")
    return labels, ignore, list(zip(points["y"], points["x"], strict=True))


def test_export_by_one_expert(session, tmp_path: Path) -> None:
    root = export_review(session, tmp_path / "out", by="anna")
    labels, ignore, points = exported(root, "f0")
    assert np.array_equal(labels, squares(*SQUARES[2:]))
    assert check_labels(labels).max() == 2
    # A missed cell is no background: a disc of the radius of the others is ignored.
    assert points == [(29.5, 9.5), (29.5, 29.5), (5, 45), (35, 55)]
    assert ignore[5, 45] and ignore[5, 50] and not ignore[5, 51]
    assert ignore.sum() == pytest.approx(np.pi * 5.64**2 * 1.83, rel=0.1)
    # The squares that were extra are background.
    assert not ignore[5:15, 5:15].any() and not labels[5:15, 5:15].any()


def test_export_keeps_what_is_undecided_out_of_labels_and_background(session, tmp_path) -> None:
    labels, ignore, points = exported(export_review(session, tmp_path / "out"), "f0")
    assert np.array_equal(labels > 0, squares(SQUARES[3]) > 0)
    # Object 1 is extra for both; on 2 they differ, of 3 ben was unsure.
    assert not ignore[5:15, 5:15].any()
    assert ignore[5:15, 25:35].all() and ignore[25:35, 5:15].all()
    assert points == [(29.5, 29.5), (5, 45)] and ignore[35, 55]


def test_a_consensus_decides(session, tmp_path: Path, monkeypatch) -> None:
    write_report_files(agree(session), tmp_path)
    table = read_table(tmp_path / "disagreements.csv")
    assert table["found_by"].tolist() == ["anna", "anna"]
    table["stands"] = ["no", "yes"]
    table.to_csv(tmp_path / "judged.csv", index=False)
    assert record_table(session, CONSENSUS, tmp_path / "judged.csv") == 2
    labels, ignore, points = exported(export_review(session, tmp_path / "out"), "f0")
    assert np.array_equal(labels > 0, squares(SQUARES[1], SQUARES[3]) > 0)
    assert points[-1] == (35, 55) and ignore[35, 55]


def test_a_majority_of_three(tmp_path: Path) -> None:
    session = make_session(tmp_path, fields=2, models=("m",), experts=("a", "b", "c"))
    case = session.cases[0].id
    finish(session, "a", [Event(kind="extra", case=case, object=n) for n in (1, 2)])
    finish(session, "b", [Event(kind="extra", case=case, object=1)])
    finish(session, "c", [Event(kind="unsure", case=case, object=2)])
    labels, ignore, _ = exported(export_review(session, tmp_path / "out", by="majority"), "f0")
    # Object 1: two of three. Object 2: one for, one against, one unsure.
    assert np.array_equal(labels > 0, squares(*SQUARES[2:]) > 0)
    assert np.array_equal(ignore > 0, squares(SQUARES[1]) > 0)


def test_an_object_that_covers_several_cells_is_ignored(tmp_path: Path) -> None:
    session = make_session(tmp_path, fields=2, models=("m",), experts=("a",))
    case = session.cases[0].id
    marks = [
        Event(kind="extra", case=case, y=7, x=7),
        Event(kind="missed", case=case, y=30, x=30),
    ]
    finish(session, "a", marks)
    labels, ignore, points = exported(export_review(session, tmp_path / "out"), "f0")
    assert np.array_equal(labels > 0, squares(*SQUARES[1:3]) > 0)
    assert ignore[5:15, 5:15].all() and ignore[25:35, 25:35].all()
    assert (30, 30) in points


def test_the_export_is_a_dataset(session, tmp_path: Path) -> None:
    data = Dataset.open(export_review(session, tmp_path / "out"))
    assert {s.name: s.split for s in data.samples} == {"f0": "test", "f1": "test", "t": "train"}
    assert all({"images", "labels"} <= s.files.keys() for s in data.samples)
    # The field that nobody reviewed keeps its labels.
    train = data.split("train").samples[0]
    assert open_image(train.files["labels"]).read_labels().max() == 3
    assert "ignore" not in train.files and train.info == {"cell": "RAS"}


def test_mistakes_of_an_export(session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="consensus, majority, anna, ben"):
        export_review(session, tmp_path / "out", by="carl")
    with pytest.raises(InputError, match="the model x"):
        export_review(session, tmp_path / "out", model="x")
    image = session.sample("f0").image.path
    image.write_bytes(image.read_bytes() + b" ")
    with pytest.raises(InputError, match="has changed"):
        export_review(session, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_verdicts_from_a_table(tmp_path: Path) -> None:
    session = make_session(tmp_path, fields=2, models=("m",), experts=("a",))
    one, two = (case.id for case in session.cases)
    rows = [f"{one},extra,1,,", f"{one},missed,,5,45", f"{one},missed,,5,45", f"{one},done,,,"]
    table = tmp_path / "a.csv"
    table.write_text("\n".join(["case,kind,object,y,x", *rows]) + "\n")
    assert record_table(session, "a", table) == 4
    # Given again, it changes nothing; a row more is one event more.
    assert record_table(session, "a", table) == 0
    with pytest.raises(InputError, match="1 case of 2"):
        record_table(session, "a", table, seal=True)
    table.write_text("\n".join(["case,kind,object,y,x", *rows, f"{two},done,,,"]) + "\n")
    assert record_table(session, "a", table, seal=True) == 1
    (row,) = [row for row in agree(session).rows if row.group == "all"]
    assert (row.scores.tp, row.scores.fp, row.scores.fn) == (7, 1, 2)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("CASE,wrong,,,", "kind 'wrong'"),
        ("CASE,extra,1.5,,", "a whole number"),
        ("CASE,extra,one,,", "object 'one'"),
        ("CASE,extra,9,,", "an object of 1 to 4"),
        ("zzz,done,,,", "case zzz"),
    ],
)
def test_a_table_with_a_mistake_records_nothing(tmp_path: Path, row: str, message: str) -> None:
    session = make_session(tmp_path, fields=2, models=("m",), experts=("a",))
    case = session.cases[0].id
    text = f"case,kind,object,y,x\n{case},extra,1,,\n{row.replace('CASE', case)}\n"
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        record_table(session, "a", tmp_path / "a.csv")
    assert not (session.root / "a.jsonl").exists()
