"""Rows of stain, labels and prediction, as in the autolabel thesis's figures 6.1 to 6.4."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sparcell.drawing.palette import EXTRA, MATCHED, MISSED
from sparcell.io import write_image
from sparcell.reports import write_report
from sparcell.reports.pictures import GAP, draw_comparison

IMAGE = np.tile(np.linspace(0, 9, 50, dtype=np.float32), (40, 1))
TRUTH = np.zeros((40, 50), np.int32)
TRUTH[5:15, 5:15] = 1
FOUND = np.zeros((40, 50), np.int32)
FOUND[5:15, 10:20] = 3


def test_five_panels_from_stain_to_prediction_on_the_image() -> None:
    picture = draw_comparison(IMAGE[:, ::-1], TRUTH, FOUND, IMAGE)
    assert picture.shape == (40, 5 * 50 + 4 * GAP, 3)
    stain, labels, found, overlap, shown = (
        picture[:, n * (50 + GAP) :][:, :50].astype(int) for n in range(5)
    )
    assert stain[0, 0, 0] == 255 and stain[0, -1, 0] == 0
    assert np.array_equal(labels[..., 0] == 255, TRUTH > 0) and labels[0, 0, 0] == 0
    assert np.array_equal(found[..., 0] == 255, FOUND > 0)
    # Predicted and labelled, in both, in one of them, in neither (figure 5.6).
    assert [tuple(overlap[6, x]) for x in (7, 12, 17, 30)] == [
        MISSED, MATCHED, EXTRA, (0, 0, 0),
    ]  # fmt: skip
    grey = shown[20, 12, 0]
    assert shown[6, 12].tolist() == pytest.approx(
        [0.55 * grey + 0.45 * part for part in MATCHED], abs=1
    )
    assert np.ptp(shown[FOUND == 0], axis=1).max() == 0


def test_wide_fields_are_thinned() -> None:
    big = np.zeros((300, 1200), np.int32)
    assert draw_comparison(big.astype(np.float32), big, big, big.astype(np.float32)).shape == (
        100,
        5 * 400 + 4 * GAP,
        3,
    )


def test_a_report_has_a_row_where_there_is_a_stain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    fields = {}
    for name in ("dyed", "plain", "odd"):
        paths = {kind: tmp_path / kind / f"{name}.tif" for kind in ("image", "labels", "stain")}
        write_image(paths["image"], IMAGE, "YX")
        write_image(paths["labels"], TRUTH.astype(np.uint16), "YX", labels=True)
        write_image(paths["stain"], IMAGE[: 30 if name == "odd" else 40], "YX")
        write_image(
            run / "predictions" / "labels" / f"{name}.tif",
            FOUND.astype(np.uint16),
            "YX",
            labels=True,
        )
        fields[name] = {kind: str(path) for kind, path in paths.items()}
    del fields["plain"]["stain"]
    record = {
        "started": "now", "device": "cpu", "start_weights": "none", "fields": {"train": ["a"]},
        "evaluated": fields, "evaluated_part": "test", "versions": {}, "platform": "",
        "teacher": None,
    }  # fmt: skip
    (run / "record.json").write_text(json.dumps(record))
    (run / "recipe.yaml").write_text(
        "name: s\ndescription: d\nsource: ''\nmethod: {name: watershed}\n"
    )
    (run / "metrics.csv").write_text("epoch,train_loss,val_loss,val_f1\n0,,1,0\n1,1,1,0.5\n")
    page = write_report(run).read_text()
    assert page.count('alt="dyed: stain, labels, prediction"') == 1
    assert 'alt="plain: stain' not in page and 'alt="odd: stain' not in page
    assert 'alt="plain"' in page and 'alt="odd"' in page
    assert "odd in the report: found a stain of 30 x 50 px beside labels of 40 x 50" in (
        caplog.text
    )
