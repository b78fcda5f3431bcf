"""A review from the draw to the seal: blind, mixed, stable."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from review.sessions import finish, make_session, squares, write_dataset

from sparcell.core.errors import InputError
from sparcell.io import read_table, write_image
from sparcell.review import (
    Case,
    Event,
    ExpertReview,
    agree,
    new_session,
    open_session,
    open_verdicts,
)
from sparcell.review.order import APART, order_cases


def test_the_same_fields_of_each_model_and_only_test_fields(tmp_path: Path) -> None:
    session = make_session(tmp_path, fields=8, per_group=3)
    fields = {
        model: {c.field for c in session.cases if c.model == model} for model in session.models
    }
    assert fields["pure"] == fields["mixed"] and "t" not in fields["pure"]
    assert [field.group for field in session.fields] == ["RAS"] * 3 + ["TERT"] * 3
    assert session == open_session(tmp_path / "session")


def test_equal_seeds_draw_equal_fields(tmp_path: Path) -> None:
    def drawn(folder: str, seed: int) -> list[str]:
        options = {"fields": 8, "per_group": 2, "models": ("m",)}
        session = make_session(tmp_path / folder, seed=seed, **options)
        return [field.name for field in session.fields]

    assert drawn("a", 1) == drawn("b", 1) != drawn("c", 2)


def test_each_expert_has_an_own_order_that_stays(tmp_path: Path) -> None:
    session = make_session(tmp_path, fields=4)
    orders = {name: [c.id for c in ExpertReview(session, name).order] for name in ("anna", "ben")}
    assert orders["anna"] != orders["ben"]
    assert sorted(orders["anna"]) == sorted(orders["ben"])
    again = open_session(tmp_path / "session")
    assert [c.id for c in ExpertReview(again, "anna").order] == orders["anna"]
    listed = read_table(tmp_path / "session" / "anna_cases.csv")
    assert listed["case"].tolist() == orders["anna"]


def test_a_tenth_of_the_cases_is_shown_twice(tmp_path: Path) -> None:
    session = make_session(tmp_path, fields=6, repeats=0.1)
    assert sum(case.repeat for case in session.cases) == 2


@pytest.mark.parametrize("expert", ["anna", "ben", "carl"])
def test_two_cases_of_a_field_are_far_apart(expert: str) -> None:
    shown = [(field, model, 0) for field in range(30) for model in ("pure", "mixed")]
    shown += [(field, "pure", 1) for field in range(0, 30, 5)]
    facts = {"objects": 1, "shape": (9, 9), "diameter": 1, "sha256": ""}
    cases = [
        Case(id=f"{field} {model} {repeat}", field=str(field), model=model, repeat=repeat, **facts)
        for field, model, repeat in shown
    ]
    order = order_cases(cases, 0, expert)
    assert sorted(case.id for case in order) == sorted(case.id for case in cases)
    fields = np.array([case.field for case in order])
    gaps = [np.diff(np.flatnonzero(fields == field)).min() for field in set(fields)]
    assert min(gaps) > APART
    models = [case.model for case in order]
    assert sum(a != b for a, b in itertools.pairwise(models)) > 20


def test_what_an_expert_gets_names_no_model(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    for path in (tmp_path / "session").rglob("*"):
        if path.is_file() and path.name != "session.json":
            assert b"mixed" not in path.read_bytes() and b"pure" not in path.read_bytes()
    assert len({case.id for case in session.cases}) == len(session.cases)


def test_nobody_sees_verdicts_before_all_are_sealed(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    finish(session, "anna")
    finish(session, "ben", seal=False)
    for function in (open_verdicts, agree):
        with pytest.raises(InputError, match="ben has not sealed"):
            function(session)
    ExpertReview(session, "ben").seal()
    assert set(open_verdicts(session)) == {"anna", "ben"}


def test_a_sealed_review_does_not_change(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    finish(session, "anna")
    review = ExpertReview(session, "anna")
    with pytest.raises(InputError, match="sealed"):
        review.record(Event(kind="extra", case=session.cases[0].id, object=1))
    path = session.root / "anna.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:]))
    with pytest.raises(InputError, match="changed after it was sealed"):
        ExpertReview(session, "anna")


def test_an_unfinished_review_cannot_be_sealed(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    review = ExpertReview(session, "anna")
    review.record(Event(kind="done", case=session.cases[0].id))
    with pytest.raises(InputError, match="7 cases of 8"):
        review.seal()
    review.record(Event(kind="reopen", case=session.cases[0].id))
    assert len(review.unfinished()) == 8


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"kind": "extra", "object": 5}, "an object of 1 to 4"),
        ({"kind": "missed", "object": 1}, "an object of 1 to 4"),
        ({"kind": "missed", "y": 40.0, "x": 3.0}, "in its 40 x 60 px"),
        ({"kind": "missed", "y": float("nan"), "x": 3.0}, "in its 40 x 60 px"),
        ({"kind": "missed"}, "in its 40 x 60 px"),
        ({"kind": "extra", "y": 1.0, "x": 1.0}, "where no object is"),
        ({"kind": "undo", "text": "nothing"}, "event nothing"),
        ({"kind": "judge", "text": "extra:1", "stands": True}, "judge by consensus"),
        ({"kind": "done", "case": "other"}, "case other"),
    ],
)
def test_events_that_do_not_fit_are_refused(tmp_path: Path, event, message: str) -> None:
    session = make_session(tmp_path)
    review = ExpertReview(session, "anna")
    with pytest.raises(InputError, match=message):
        review.record(Event(**{"case": session.cases[0].id, **event}))
    assert not review.log.path.exists()


def test_several_marks_in_a_clump(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    review = ExpertReview(session, "anna")
    case = session.cases[0].id
    for y, x in ((6, 6), (8, 12)):
        review.record(Event(kind="extra", case=case, y=y, x=x))
    review.record(Event(kind="missed", case=case, y=9, x=9))
    verdict = ExpertReview(session, "anna").verdicts[case]
    assert (verdict.count("extra"), verdict.count("missed")) == (2, 1)
    assert verdict.objects("extra") == frozenset() and not verdict.done


def test_mistakes_when_a_session_is_made(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "d", {"a": ("test", "RAS"), "b": ("train", "RAS")})
    write_image(tmp_path / "p" / "b.tif", squares((5, 5)), "YX")
    make = {"experts": ["anna"]}
    with pytest.raises(InputError, match="no prediction of m for the 1 test images"):
        new_session(data, {"m": [tmp_path / "p"]}, tmp_path / "s", **make)
    with pytest.raises(InputError, match="b in several folders of the model m"):
        new_session(data, {"m": [tmp_path / "p"] * 2}, tmp_path / "s", split="train", **make)
    write_image(tmp_path / "q" / "a.tif", squares((5, 5))[:20], "YX")
    with pytest.raises(InputError, match="same size"):
        new_session(data, {"m": [tmp_path / "q"]}, tmp_path / "s", **make)
    for experts in ([], ["anna", "Anna"], ["../x"], ["consensus"]):
        with pytest.raises(InputError, match="name"):
            new_session(data, {"m": [tmp_path / "p"]}, tmp_path / "s", experts=experts)
    assert not (tmp_path / "s").exists()
    session = new_session(data, {"m": [tmp_path / "p"]}, tmp_path / "s", split="train", **make)
    assert [field.split for field in session.fields] == ["train"]
    with pytest.raises(InputError, match="holds files"):
        new_session(data, {"m": [tmp_path / "p"]}, tmp_path / "s", split="train", **make)


def test_changed_objects_and_damaged_sessions_are_noticed(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    case = session.cases[0]
    write_image(session.root / "cases" / f"{case.id}.tif", squares((1, 1)), "YX")
    with pytest.raises(InputError, match="was changed"):
        session.read_objects(case)
    path = session.root / "session.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"cases": 3}))
    with pytest.raises(InputError, match="damaged"):
        open_session(session.root)
    with pytest.raises(InputError, match="a review session"):
        open_session(tmp_path)
