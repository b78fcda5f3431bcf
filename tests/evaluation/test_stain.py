"""Correlation of stains, and the scores of the isl paper by hand."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sparcell.cli import main
from sparcell.core.errors import InputError
from sparcell.evaluation import Correlation, CorrelationWindows, evaluate, pearson, score
from sparcell.io import write_image


def test_correlation_by_hand():
    # Deviations -1 0 1 and -4/3 -1/3 5/3: 3 / sqrt(2 * 14/3).
    assert pearson(np.array([1, 2, 3]), np.array([1, 2, 4])) == pytest.approx(3 / np.sqrt(28 / 3))
    assert pearson(np.array([1, 2, 3]), np.array([6, 4, 2])) == -1
    # Grey values lie on an offset, and predictions have another unit.
    assert pearson(np.array([1, 2, 3]) + 60_000, np.array([2, 4, 6])) == 1


def test_a_constant_image_tells_nothing():
    flat = np.full((4, 5), 65_535.0)
    assert pearson(flat, np.arange(20).reshape(4, 5)) == 0 == pearson(flat, flat)
    assert Correlation().value == 0


values = st.floats(-1e4, 1e4, width=32)


@settings(deadline=None, max_examples=30)
@given(arrays(np.float32, (2, 7), elements=values), st.integers(0, 7))
def test_parts_add_up_to_the_whole(both, cut):
    x, y = both
    parts = Correlation()
    parts.add(x[:cut], y[:cut])
    parts.add(x[cut:], y[cut:])
    assert parts.value == pytest.approx(pearson(x, y), abs=1e-6)
    if min(np.ptp(x), np.ptp(y)) > 1:
        assert parts.value == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-6)


def write(folder, name, pixels, axes):
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / f"{name}.tif", pixels.astype(np.uint16), axes)


def test_folders_are_compared_image_by_image(tmp_path):
    rng = np.random.default_rng(0)
    real = rng.integers(100, 900, (2, 20, 30))
    for name, pixels, noise in zip("ab", real, (0, 400), strict=True):
        write(tmp_path / "set/stain", name, pixels, "YX")
        write(tmp_path / "out/stain", name, pixels / 2 + rng.integers(0, noise + 1, (20, 30)), "YX")
    found = evaluate(tmp_path / "set", tmp_path / "out", metric="stain")
    assert found.images["a"]["stain"] == pytest.approx(1, abs=1e-4)
    assert 0.3 < found.images["b"]["stain"] < 0.95
    content = json.loads(json.dumps(found.to_json()))
    both = [held["stain"] for held in content["images"].values()]
    assert content["stains"]["stain"] == {
        "pcc": pytest.approx(np.mean(both)),
        "pcc_sd": pytest.approx(np.std(both)),
    }
    assert found.table().row_count == 3
    assert re.fullmatch(r"0\.\d{3}, SD 0\.\d{3}", found.total.describe("stain"))
    # One image has no spread.
    (tmp_path / "set/stain/b.tif").unlink()
    (tmp_path / "out/stain/b.tif").unlink()
    one = evaluate(tmp_path / "set", tmp_path / "out", metric="stain")
    assert re.fullmatch(r"\d\.\d{3}", one.total.describe("stain"))


def test_a_stack_is_projected_and_stains_of_several_folders_are_channels(tmp_path):
    rng = np.random.default_rng(1)
    stack, actin = rng.integers(0, 900, (3, 16, 18)), rng.integers(0, 900, (16, 18))
    write(tmp_path / "dna", "a", stack, "ZYX")
    write(tmp_path / "actin", "a", actin, "YX")
    write(tmp_path / "out", "a", np.stack([stack.max(0), 900 - actin]), "CYX")
    found = evaluate([tmp_path / "dna", tmp_path / "actin"], tmp_path / "out", metric="stain")
    assert [round(value, 6) for value in found.images["a"].to_dict().values()] == [1, -1]
    with pytest.raises(InputError, match="1 real and 2 predicted stains of a"):
        evaluate(tmp_path / "dna", tmp_path / "out", metric="stain")


def test_ignored_pixels_do_not_count(tmp_path):
    rng = np.random.default_rng(2)
    real = rng.integers(0, 900, (12, 14))
    wrong = real.copy()
    wrong[:, :5] = 0
    for kind, pixels in (("real", real), ("found", wrong), ("ignore", wrong == 0)):
        write(tmp_path / kind, "a", pixels, "YX")
    folders = tmp_path / "real", tmp_path / "found"
    assert evaluate(*folders, metric="stain").images["a"]["stain"] < 0.9
    ignoring = evaluate(*folders, ignore=tmp_path / "ignore", metric="stain")
    assert ignoring.images["a"]["stain"] == pytest.approx(1)


def test_iou_and_map_of_the_isl_paper_by_hand():
    empty = np.zeros((10, 10), np.int32)
    scores, _ = score(empty, empty)
    # Equation 4: 1 where the union is 0.
    assert scores.pixel.confusion.iou == 1
    truth, found = empty.copy(), empty.copy()
    truth[0, :10], found[0, :8] = 1, 1
    truth[5, :4], found[8, :4] = 2, 2
    scores, _ = score(truth, found)
    # One pair of IoU 0.8: of 2 and 2 objects TP / (TP + FP + FN) is 1/3 at seven thresholds
    # (0.50 to 0.80), and 0 at the other three.
    assert scores.map == pytest.approx(7 / 10 / 3)
    assert scores.pixel.confusion.iou == pytest.approx(8 / (10 + 4 + 4))


def test_windows_hold_few_nuclei_and_are_scored_by_hand(tmp_path):
    """Two nuclei, 64 px apart, of which the second has ten times the dye."""
    nuclei = np.zeros((64, 200), int)
    nuclei[24:36, 24:36], nuclei[24:36, 150:162] = 1, 2
    real = np.where(nuclei == 2, 1000, np.where(nuclei == 1, 100, 0))
    write(tmp_path / "stain", "a", real, "YX")
    write(tmp_path / "labels", "a", nuclei, "YX")
    write(tmp_path / "found", "a", (nuclei > 0) * 7, "YX")
    whole = evaluate(tmp_path / "stain", tmp_path / "found", metric="stain")
    # A mask knows nothing of how much dye a nucleus took up.
    by_numpy = np.corrcoef(real.ravel(), nuclei.ravel() > 0)[0, 1]
    assert whole.images["a"]["stain"] == pytest.approx(by_numpy) and by_numpy < 0.8
    windows = CorrelationWindows(tmp_path / "labels", 48, most=1)
    found = evaluate(tmp_path / "stain", tmp_path / "found", windows=windows, metric="stain")
    # In a window with one nucleus it knows all.
    assert found.images["a"]["stain"] == pytest.approx(1) and found.images["a"].windows == 5
    assert found.to_json()["windows"] == {"a": 5}
    for y, x in windows.draw("a", (64, 200)):
        assert y.stop - y.start == x.stop - x.start == 48
        assert len(np.unique(nuclei[y, x])) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--windows", "32"], "--windows or --nuclei alone"),
        (["--windows", "32", "--nuclei", "nowhere"], "no nuclei of a in"),
        (["--windows", "500", "--nuclei", "labels"], "for windows of 500 px in a"),
        (["--windows", "8", "--nuclei", "empty"], "no window of 8 px with 1 to 3 nuclei in a"),
    ],
)
def test_windows_that_cannot_be_drawn_are_one_line(tmp_path, capsys, arguments, message):
    for folder in ("stain", "found", "labels", "empty"):
        write(tmp_path / folder, "a", np.eye(40) * (folder != "empty"), "YX")
    named = [str(tmp_path / one) if one.isalpha() else one for one in arguments]
    folders = [str(tmp_path / folder) for folder in ("stain", "found")]
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", *folders, "--stain", *named])
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert message in " ".join(error.split())
