"""The notebooks of the documentation run, and were run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def code_cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text("utf8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_was_run_in_order(path: Path) -> None:
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert "error" not in kinds and "display_data" in kinds


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in code_cells(path):
        source = "".join(cell["source"])
        # Lines that install are for notebooks on other computers.
        if not source.startswith("%pip"):
            exec(source, names)
    if path.stem == "colab":
        table = names["pd"].read_csv("counted/counts.csv")
        assert len(table) == 3 and table["count"].between(20, 60).all()
        assert Path("counted.zip").stat().st_size > 10_000
    elif path.stem == "count":
        truth = names["field"].nuclei.max()
        assert len(names["found"].objects) == pytest.approx(truth, rel=0.15)
    else:
        table = names["pd"].read_csv(names["tables"] / "growth.csv")
        assert table["doubling_time"].to_numpy() == pytest.approx([12, 18, 24], rel=0.2)
