"""Pictures of stains, and what a report says of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas
from matplotlib import ticker

from sparcell.io import write_image
from sparcell.reports import write_report
from sparcell.reports.pictures import GAP, draw_curves, draw_stains


def test_panels_stand_side_by_side_with_a_gap() -> None:
    image = np.tile(np.linspace(0, 9, 50, dtype=np.float32), (40, 1))
    real = np.stack([image.T[:50, :50].repeat(2, 1)[:40, :50], image])
    picture = draw_stains(image, real, real[::-1])
    assert picture.shape == (40, 5 * 50 + 4 * GAP, 3)
    panels = [picture[:, n * (50 + GAP) :][:, :50, 0] for n in range(5)]
    # The first stain, what was predicted of it, then the second.
    assert np.array_equal(panels[2], panels[0]) and np.array_equal(panels[3], panels[0])
    assert np.array_equal(panels[1], panels[4]) and not np.array_equal(panels[1], panels[0])
    assert (picture[:, 50 : 50 + GAP] == 255).all()


def test_epochs_are_whole_numbers() -> None:
    table = {"epoch": [0, 1, 2], "train_loss": [None, 2.0, 1.0], "val_loss": [3.0, 2.0, 1.5]}
    figure = draw_curves(pandas.DataFrame(table | {"val_pcc": [0.0, 0.5, 0.6]}))
    for axis in figure.axes:
        ticks = axis.xaxis.get_major_locator().tick_values(0, 3)
        assert isinstance(axis.xaxis.get_major_locator(), ticker.MaxNLocator)
        assert all(float(tick).is_integer() for tick in ticks)


def test_a_report_shows_the_planes_that_count_and_names_what_was_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 900, (3, 40, 50)).astype(np.uint16)
    raw = tmp_path / "f.ome.tif"
    write_image(raw, pixels, "CYX", None, ("phase", "DAPI", "actin"))
    run = tmp_path / "run"
    write_image(run / "predictions/stain/f.tif", pixels[[1, 2]], "CYX", None, ("DAPI", "actin"))
    cut = {"images": {"channels": ["phase"]}, "stain": {"channels": ["DAPI", "actin"]}}
    evaluated = {"f": {"image": str(raw), "stain": str(raw), "selections": cut, "kind": ""}}
    record = {
        "started": "now", "device": "cpu", "start_weights": "none", "fields": {"train": ["a"]},
        "evaluated": evaluated, "evaluated_part": "test", "versions": {}, "platform": "",
        "teacher": None,
        "left_out": {"dark.tif": "empty: every pixel has the same value"},
    }  # fmt: skip
    stains = {name: {"pcc": 0.9, "pcc_sd": 0.1} for name in ("DAPI", "actin")}
    images = {"f": {"DAPI": 0.9, "actin": 0.8}}
    (run / "record.json").write_text(json.dumps(record))
    (run / "evaluation.json").write_text(json.dumps({"stains": stains, "images": images}))
    (run / "recipe.yaml").write_text("name: s\ndescription: d\nsource: ''\nmethod: {name: stain}\n")
    (run / "metrics.csv").write_text("epoch,train_loss,val_loss,val_pcc\n0,,1,0\n1,1,1,0.5\n")
    page = write_report(run).read_text()
    assert "real and predicted DAPI, real and predicted actin" in " ".join(page.split())
    assert "dark.tif" in page and "empty: every pixel has the same value" in page
    assert page.count('alt="f"') == 1
    # One image has no SD.
    assert "<b>0.900</b>" in page and "±" not in page
