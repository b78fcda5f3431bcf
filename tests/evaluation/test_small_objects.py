"""What `min_size` removes, and objects drawn by error class."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from cases import CASES, catastrophe, draw, missed
from hypothesis import given, settings
from label_pairs import label_pairs

from sparcell.cli import main
from sparcell.evaluation import (
    ErrorCounts,
    ObjectCount,
    classify_errors,
    count_overlaps,
    draw_errors,
    score,
)
from sparcell.evaluation.overlay import CLASS_COLOURS
from sparcell.io import read_table


def without_small(ids, min_size):
    return np.where(np.bincount(ids.ravel())[ids] < min_size, 0, ids)


@settings(max_examples=40, deadline=None)
@given(label_pairs())
def test_equal_to_scoring_images_without_them(pair):
    expected, _ = score(*(without_small(ids, 6) for ids in pair))
    found, errors = score(*pair, min_size=6)
    assert found == expected
    assert (errors.table()["area_px"] >= 6).all()


def test_limit_is_inclusive_and_ignored_pixels_do_not_count():
    truth = draw((0, 0, 10, 10), (20, 20, 29, 31))
    assert score(truth, truth, min_size=100)[0].count == ObjectCount(1, 1)
    assert score(truth, truth, min_size=99)[0].count == ObjectCount(2, 2)
    ignore = draw((0, 0, 10, 1))
    assert score(truth, truth, ignore, min_size=99)[0].count == ObjectCount(1, 1)


def test_errors_are_drawn_in_their_colours(tmp_path):
    truth, pred = missed()
    errors = classify_errors(count_overlaps(truth, pred))
    assert errors.counts == ErrorCounts(correct=1, missed=1)
    factor = 768 // 64
    picture = draw_errors(truth, pred, errors)
    assert picture.shape == (48 * factor, 64 * factor, 3)
    green, blue = CLASS_COLOURS[:2]
    assert (picture[10 * factor, 10 * factor] == green).all()
    assert (picture[30 * factor, 30 * factor] == blue).all()
    inside = picture[15 * factor, 15 * factor]
    assert (inside == (0.45 * green).astype(np.uint8)).all()
    assert not picture[35 * factor, 35 * factor].any()
    assert not picture[0, 0].any()


@pytest.mark.parametrize("case", CASES)
def test_every_case_can_be_drawn(case):
    truth, pred = CASES[case]()
    errors = classify_errors(count_overlaps(truth, pred))
    colours = {tuple(c) for c in draw_errors(truth, pred, errors).reshape(-1, 3)}
    used = {tuple(CLASS_COLOURS[number]) for number in errors.truth_class}
    assert used <= colours


def test_command_line(tmp_path, capsys):
    for folder, labels in zip(("a", "b"), catastrophe(), strict=True):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "x.tif", labels)
    options = ["--overlays", "pictures", "--overlay", "errors", "--errors", "objects.csv"]
    options = [str(tmp_path / o) if "." in o or o == "pictures" else o for o in options]
    call = ["evaluate", str(tmp_path / "a"), str(tmp_path / "b")]
    with pytest.raises(SystemExit) as end:
        main([*call, *options, "--detect-within", "2", "--json", str(tmp_path / "x.json")])
    assert not end.value.code
    objects = read_table(tmp_path / "objects.csv")
    assert set(objects["class"]) == {"catastrophe"}
    from matplotlib.image import imread

    picture = imread(tmp_path / "pictures" / "x.png")
    assert picture.shape[0] > 48 * (768 // 64)  # the legend is below
    assert '"within_px": 2.0' in (tmp_path / "x.json").read_text()
    with pytest.raises(SystemExit) as end:
        main([*call, "--detect-within", "2", "--size-edges", "five"])
    assert end.value.code == 2
    assert "--size-edges five" in capsys.readouterr().err
