"""Edits of objects: what each does, undo, the log, and thousands of random ones."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from review.corrections import ask, make_correction, open_field
from review.sessions import SHAPE, SQUARES, squares

from sparcell.core.errors import InputError
from sparcell.core.labels import check_labels, number_pieces, raster_order
from sparcell.io import open_image
from sparcell.review import CorrectedField, Correction, EditRequest, StaleEditError, parse_edit
from sparcell.review.edit_log import EditKind


@pytest.fixture
def field(tmp_path: Path) -> CorrectedField:
    return open_field(make_correction(tmp_path))


def pixels(field: CorrectedField, number: int) -> int:
    return int(np.count_nonzero(field.labels == number))


def test_delete_removes_several_objects_at_once(field: CorrectedField) -> None:
    ask(field, "delete", 1, 3)
    np.testing.assert_array_equal(field.labels > 0, squares(SQUARES[1], SQUARES[3]) > 0)


def test_accept_changes_no_pixel_but_the_object_is_judged(field: CorrectedField) -> None:
    ask(field, "accept", 2)
    assert field.judged == {2}
    np.testing.assert_array_equal(field.labels, squares(*SQUARES))


def test_objects_that_do_not_touch_are_not_merged(field: CorrectedField) -> None:
    with pytest.raises(InputError, match=r"objects 1 and 2, which do not touch.*brush"):
        ask(field, "merge", 1, 2)
    assert field.revision == 0


def test_merge_fills_a_gap_of_two_pixels(field: CorrectedField) -> None:
    # Squares 1 and 2 are 10 px apart, from x 15 to 24: four grow the gap to 2.
    for _ in range(4):
        ask(field, "grow", 1)
        ask(field, "grow", 2)
    edit = ask(field, "merge", 1, 2)
    assert edit.left == (1,)
    assert number_pieces(field.labels == 1).max() == 1
    assert not pixels(field, 2)
    # Between the squares' middle rows both columns of the gap are filled.
    assert (field.labels[8:12, 19:21] == 1).all()


def test_a_line_splits_an_object_and_loses_no_pixel(field: CorrectedField) -> None:
    edit = ask(field, "split", 1, places=((4, 9), (16, 9)))
    assert edit.left == (1, 5)
    assert pixels(field, 1) + pixels(field, 5) == 100
    columns = np.flatnonzero((field.labels == 5).any(0))
    assert columns.min() == 5 or columns.max() == 14


def test_two_clicks_split_two_discs_where_they_touch(field: CorrectedField) -> None:
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    first = (rows - 20) ** 2 + (columns - 44) ** 2 <= 36
    second = (rows - 31) ** 2 + (columns - 44) ** 2 <= 36
    field.state.labels[first | second] = 5
    field.state.__post_init__()
    ask(field, "split", 5, places=((20, 44), (31, 44)))
    upper, lower = (field.labels[y, 44] for y in (20, 31))
    assert {upper, lower} == {5, 6}
    # The discs touch between row 25 and 26.
    assert (field.labels[20:25, 44] == upper).all()
    assert (field.labels[27:32, 44] == lower).all()


def test_a_line_that_ends_inside_is_no_cut(field: CorrectedField) -> None:
    with pytest.raises(InputError, match="draw the line further"):
        ask(field, "split", 1, places=((0, 9), (8, 9), (8, 8)))


def test_redraw_gives_another_outline_but_takes_nothing_from_others(field) -> None:
    ask(field, "redraw", 1, places=((5, 5), (5, 30), (9, 30), (9, 5)))
    assert pixels(field, 1) == 5 * 20
    assert pixels(field, 2) == 100
    assert not field.labels[10:15, 5:15].any()


def test_a_polygon_without_an_object_adds_one(field: CorrectedField) -> None:
    edit = ask(field, "redraw", places=((2, 45), (2, 50), (7, 50), (7, 45)))
    assert edit.left == (5,)
    assert pixels(field, 5) == 36


def test_a_stroke_adds_background_and_erasing_cuts_in_two(field: CorrectedField) -> None:
    ask(field, "brush", 4, places=((30, 30), (30, 50)), radius=2)
    assert field.labels[30, 50] == 4
    edit = ask(field, "erase", 4, places=((27, 40), (33, 40)), radius=1)
    assert edit.notes == ("a piece that was cut off is now object 5",)
    assert (field.labels[30, 38], field.labels[30, 40], field.labels[30, 45]) == (4, 0, 5)


def test_small_pieces_are_dropped_with_a_note(field: CorrectedField) -> None:
    ask(field, "brush", 4, places=((30, 36),), radius=1)
    edit = ask(field, "erase", 4, places=((28, 35), (32, 35)), radius=0.5)
    assert any("was dropped" in note for note in edit.notes)
    assert not field.labels[30, 37]


def test_shrinking_undoes_growing_and_never_eats_at_the_edge(field: CorrectedField) -> None:
    ask(field, "grow", 4)
    assert pixels(field, 4) == 140
    ask(field, "shrink", 4)
    np.testing.assert_array_equal(field.labels, squares(*SQUARES))
    ask(field, "redraw", places=((0, 50), (0, 59), (9, 59), (9, 50)))
    ask(field, "shrink", 5)
    assert field.labels[0, 59] == 5
    assert pixels(field, 5) == 81


def test_what_is_missed_is_added_at_a_click_and_not_on_an_object(field: CorrectedField) -> None:
    assert ask(field, "add", places=((20, 50),)).left == (5,)
    assert pixels(field, 5) == 25
    with pytest.raises(InputError, match="click on object 5"):
        ask(field, "add", places=((20, 51),))


def test_undo_and_redo_go_through_all_edits_also_after_opening_again(tmp_path: Path) -> None:
    correction = make_correction(tmp_path)
    field = open_field(correction)
    states = [field.labels.copy()]
    for edit in (("delete", 1), ("grow", 2), ("split", 3), ("delete", 4)):
        places = ((24, 9), (36, 9)) if edit[0] == "split" else ()
        ask(field, *edit, places=places)
        states.append(field.labels.copy())
    for number in range(4):
        field = open_field(correction)
        ask(field, "undo")
        np.testing.assert_array_equal(field.labels, states[3 - number])
    with pytest.raises(InputError, match="nothing to undo"):
        ask(field, "undo")
    for number in range(4):
        field = open_field(correction)
        ask(field, "redo")
        np.testing.assert_array_equal(field.labels, states[number + 1])
    ask(field, "undo")
    ask(field, "grow", 3)
    with pytest.raises(InputError, match="nothing to redo"):
        ask(field, "redo")


def test_a_stale_edit_is_refused_and_the_same_edit_counts_once(field: CorrectedField) -> None:
    request = EditRequest(kind="grow", objects=(1,), revision=0)
    edit = field.edit(request)
    assert field.edit(request) == edit
    assert field.revision == 1
    with pytest.raises(StaleEditError, match="revision 0"):
        field.edit(EditRequest(kind="grow", objects=(2,), revision=0))


def test_labels_are_written_whole_now_and_then(tmp_path: Path) -> None:
    correction = make_correction(tmp_path)
    field = open_field(correction)
    ask(field, "delete", 1)
    for _ in range(48):
        ask(field, "accept", 2)
    assert not correction.labels_path("a").exists()
    ask(field, "accept", 2)
    written = open_image(correction.labels_path("a")).read_labels()
    np.testing.assert_array_equal(written, squares(*SQUARES[1:]))


def test_labels_that_were_changed_by_hand_are_not_edited(tmp_path: Path) -> None:
    correction = make_correction(tmp_path)
    path = correction.root / "start" / "a.tif"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError, match="was changed"):
        open_field(correction)


EDIT_KINDS = get_args(EditKind)
PLACES = st.tuples(st.integers(-2, SHAPE[0] + 1), st.integers(-2, SHAPE[1] + 1))
EDITS = st.lists(
    st.tuples(
        st.sampled_from(
            ["accept", "delete", "merge", "split", "split", "redraw", "brush", "brush", "erase",
             "erase", "grow", "shrink", "add", "add", "undo", "undo", "redo"]
        ),
        st.lists(st.integers(0, 30), max_size=3),
        st.lists(PLACES, min_size=1, max_size=5),
        st.floats(0, 6),
    ),
    min_size=40,
    max_size=60,
)  # fmt: skip


def check_random_edits(root: Path, edits: list) -> None:
    """Each object stays one piece after each edit, and the log gives the same labels again."""
    correction = make_correction(root)
    field = open_field(correction)
    for kind, picks, places, radius in edits:
        present = sorted(field.state.boxes)
        ids = [present[pick % len(present)] for pick in picks] if present else []
        before = field.labels.copy()
        try:
            ask(field, kind, *ids, places=tuple(places), radius=radius)
        except InputError:
            np.testing.assert_array_equal(field.labels, before)
            continue
        check_labels(raster_order(field.labels), "labels after an edit")
        assert set(np.unique(field.labels)) - {0} == field.state.boxes.keys()
        for number, box in field.state.boxes.items():
            assert np.count_nonzero(field.labels[box] == number) == pixels(field, number)
    again = open_field(correction)
    np.testing.assert_array_equal(again.labels, field.labels)
    assert again.judged == field.judged
    assert again.state.boxes == field.state.boxes


# The folder is made anew for each series of edits.
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@given(EDITS)
@settings(max_examples=5, deadline=None, suppress_health_check=SHARED)
def test_random_edits_keep_the_contract_and_replay_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, edits: list
) -> None:
    check_random_edits(tmp_path_factory.mktemp("random"), edits)


@pytest.mark.slow
@given(EDITS)
@settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
def test_two_thousand_random_edits(tmp_path_factory: pytest.TempPathFactory, edits: list) -> None:
    check_random_edits(tmp_path_factory.mktemp("random"), edits)


ANYTHING = st.none() | st.integers() | st.floats() | st.text(max_size=3)
NUMBERS = st.lists(st.integers(-3, 6) | ANYTHING, max_size=3)
WILD = st.floats() | st.floats(-20, 80)
REQUESTS = st.fixed_dictionaries(
    {"kind": st.sampled_from(EDIT_KINDS), "revision": st.just(0) | ANYTHING},
    optional={
        "objects": NUMBERS | ANYTHING,
        "places": st.lists(st.tuples(st.floats(-20, 80), WILD), max_size=4),
        "radius": st.floats(0, 9) | ANYTHING,
        "quarter": st.integers(-1, 5) | ANYTHING,
    },
)  # fmt: skip


@pytest.mark.slow
@given(REQUESTS)
@settings(max_examples=400, deadline=None, suppress_health_check=SHARED)
def test_no_request_is_a_fault(field: CorrectedField, request_of_page: dict) -> None:
    """Whatever is asked for is done or refused in words, and each object stays one piece."""
    request_of_page |= {"revision": field.revision} if request_of_page["revision"] == 0 else {}
    before = field.labels.copy()
    try:
        field.edit(parse_edit(request_of_page))
    except InputError:
        np.testing.assert_array_equal(field.labels, before)
    check_labels(raster_order(field.labels), "labels after a request")


def edit_until_killed(correction: Correction, acknowledge: int) -> None:
    """Edit, and write the labels' sum into a pipe once each edit is acknowledged."""
    field = open_field(correction, repair=True)
    while True:
        kind = ("grow", "shrink")[field.revision % 2]
        ask(field, kind, 1)
        os.write(acknowledge, f"{field.revision}\n".encode())


def killed_rounds(correction: Correction) -> Iterator[tuple[int, CorrectedField]]:
    for _ in range(5):
        read, write = os.pipe()
        process = get_context("fork").Process(target=edit_until_killed, args=(correction, write))
        process.start()
        os.close(write)
        time.sleep(0.15)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with os.fdopen(read, "rb") as stream:
            acknowledged = stream.read().split()
        yield (int(acknowledged[-1]) if acknowledged else 0), open_field(correction, repair=True)


@pytest.mark.slow
def test_kill_9_in_an_edit_loses_none_that_was_acknowledged(tmp_path: Path) -> None:
    correction, total = make_correction(tmp_path), 0
    for acknowledged, field in killed_rounds(correction):
        total = max(total, acknowledged)
        assert total <= field.revision <= total + 1
        assert pixels(field, 1) == (140 if field.revision % 2 else 100)
    assert total > 20
