"""report.html: what was trained, on what labels, how good it is, and what it counts."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import yaml

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.record import read_record
from sparcell.core.yaml_files import read_yaml
from sparcell.drawing.palette import EXTRA, MATCHED
from sparcell.drawing.rendering import embed, render
from sparcell.io import read_table
from sparcell.methods import METHODS
from sparcell.reports.pictures import draw_curves, png
from sparcell.reports.tasks import EMPTY, REPORTS

logger = logging.getLogger(__name__)


def write_report(run: Path | str) -> Path:
    """Write ``report.html`` and ``curves.png`` of a run.

    Parameters
    ----------
    run : Path or str
        A run folder with metrics; what else is missing is left out of the page.

    Raises
    ------
    InputError
        If the folder holds no run.
    """
    run = Path(run)
    if not (run / "metrics.csv").exists():
        raise InputError(f"no metrics.csv in {run}", "a run folder", "name one that train wrote")
    recipe = _read_recipe(run / "recipe.yaml")
    record = read_record(run)
    scores = _read_json(run / "evaluation.json")
    task = METHODS[recipe["method"]["name"]].task
    metrics = read_table(run / "metrics.csv")
    curves = png(draw_curves(metrics))
    with whole_file(run / "curves.png") as partial:
        partial.write_bytes(curves)
    page = render(
        "report.html",
        run=run.resolve().name,
        recipe=recipe,
        record=record,
        settings=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True),
        curves=embed(curves),
        metrics=metrics.to_dict("records"),
        quality=_label_quality(record),
        colours={"matched": MATCHED.css, "extra": EXTRA.css},
        **(EMPTY | REPORTS[task.name].parts(run, record, scores)),
    )
    with whole_file(run / "report.html") as partial:
        partial.write_text(page, "utf8", errors="backslashreplace")
    return run / "report.html"


def _read_recipe(path: Path) -> dict[str, Any]:
    try:
        recipe = dict(read_yaml(path.read_bytes()))
        if recipe["method"]["name"] not in METHODS:
            raise ValueError("an unknown method")
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise InputError(
            f"a damaged {path}", "the recipe as `sparcell train` wrote it", "copy the run again"
        ) from error
    return recipe


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text("utf8"))
        if not isinstance(content, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"a damaged {path}", "the scores as `sparcell train` wrote them", "copy the run again"
        ) from error
    return content


def _label_quality(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Decisions on labels and contact sheets of the label step, where there was one."""
    found = []
    for root in map(Path, record.get("datasets", [])):
        if not (root / "quality.csv").exists():
            continue
        table = read_table(root / "quality.csv")
        columns = [
            c
            for c in (
                "name",
                "accepted",
                "reason",
                "strategy",
                "count",
                "diameter_px",
                "coverage",
            )
            if c in table
        ]
        sheets = sorted(root.glob("contact_sheet*.png"))
        found.append(
            {
                "root": str(root),
                "columns": columns,
                "rows": table[columns]
                .astype(object)
                .where(table[columns].notna(), "")
                .values.tolist(),
                "sheets": [embed(sheet.read_bytes()) for sheet in sheets[:2]],
            }
        )
    return found
