"""Labels by Cellpose: a stand-in with its interface, so that no weights are needed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from pictures import grid, stain_of
from scipy import ndimage

from sparcell.classical.cellpose import open_cellpose
from sparcell.core.errors import InputError
from sparcell.io import open_image, write_image
from sparcell.labeling import label

TRUTH = grid((160, 200), 40, 9)


class Model:
    """Finds the left half of each bright region, which no other strategy would."""

    made: ClassVar[list[dict[str, Any]]] = []
    given: ClassVar[list[np.ndarray]] = []

    def __init__(self, gpu: bool, **chosen: str) -> None:
        if "broken" in chosen.get("pretrained_model", ""):
            raise RuntimeError("no such format")
        self.made.append(chosen)

    def eval(self, image: np.ndarray, diameter: float) -> tuple[np.ndarray, None]:
        assert image.ndim == 2 and 15 < diameter < 22
        regions, _ = ndimage.label(image > 0.4 * np.percentile(image, 99))
        for i, part in enumerate(ndimage.find_objects(regions), 1):
            middle = (part[1].start + part[1].stop) // 2
            regions[:, middle:][regions[:, middle:] == i] = 0
        self.given.append(regions)
        return regions.astype(np.uint16), None


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> type[Model]:
    package, models, core = (ModuleType(f"cellpose{x}") for x in ("", ".models", ".core"))
    models.CellposeModel, core.use_gpu = Model, lambda: False  # type: ignore[attr-defined]
    package.models, package.core = models, core  # type: ignore[attr-defined]
    for name, module in (("", package), (".models", models), (".core", core)):
        monkeypatch.setitem(sys.modules, f"cellpose{name}", module)
    open_cellpose.cache_clear()
    Model.made.clear()
    return Model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for kind, pixels in (("images", TRUTH.astype(np.uint16)), ("stain", stain_of(TRUTH, seed=0))):
        write_image(tmp_path / kind / "a.tif", pixels.astype(np.uint16), "YX")
    return tmp_path


def test_its_outlines_stay_and_are_judged(tool: type[Model], data: Path) -> None:
    table = label(data, preset="cellpose")
    assert tool.made == [{"model_type": "nuclei"}]
    row = table.iloc[0]
    assert (row["preset"], row["strategy"], row["count"]) == ("cellpose", "cellpose", 20)
    labels = open_image(data / "labels/a.tif").read_labels()
    assert np.array_equal(labels > 0, tool.given[-1] > 0)
    # What it left of the nuclei is bright and uncertain.
    ignore = open_image(data / "ignore/a.tif").read_labels()
    assert ignore[(TRUTH > 0) & (labels == 0)].mean() > 0.3 > ignore[TRUTH == 0].mean()


def test_weights_of_ones_own(tool: type[Model], data: Path) -> None:
    weights = data / "weights"
    weights.write_bytes(b"")
    row = label(data, preset=f"cellpose:{weights}").iloc[0]
    assert (row["preset"], row["strategy"]) == ("cellpose", "cellpose")
    assert "score_cellpose" in row
    assert f"cellpose:{weights}" in (data / "record.json").read_text()
    assert tool.made == [{"pretrained_model": str(weights)}]


def test_what_is_not_there_is_said_before_any_field(
    tool: type[Model], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"no file absent"):
        label(data, preset="cellpose:absent")
    (data / "broken").write_bytes(b"")
    with pytest.raises(InputError, match=r"no weights of Cellpose in .*broken \(no such format\)"):
        label(data, preset=f"cellpose:{data / 'broken'}")
    for wrong in ("cellpose:", "auto:my/weights"):
        with pytest.raises(InputError, match="preset"):
            label(data, preset=wrong)
    open_cellpose.cache_clear()
    monkeypatch.setitem(sys.modules, "cellpose", None)
    with pytest.raises(InputError, match=r"pip install cellpose"):
        label(data, preset="cellpose")
    assert not (data / "labels").exists()
