"""All tables of a review in one report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparcell.core.files import write_json
from sparcell.evaluation.agreement import Interval
from sparcell.io import write_table
from sparcell.review.counts import SharedFindings, count_cases
from sparcell.review.disagreements import Disagreement, list_disagreements
from sparcell.review.expert import open_verdicts
from sparcell.review.expert_scores import ExpertRow, ModelDifference, model_difference, score_rows
from sparcell.review.matrices import KINDS, CountMatrix, check_matrix, count_matrix
from sparcell.review.object_agreement import ObjectAgreement, compare_experts, own_consistency
from sparcell.review.session import Session


@dataclass(frozen=True)
class ReviewReport:
    """All tables of a review.

    Attributes
    ----------
    rows : list of ExpertRow
    matrices : list of CountMatrix
    objects : list of ObjectAgreement
    consistency : dict of str to ObjectAgreement
        Of each expert with himself, on the cases that were shown twice.
    differences : list of ModelDifference
    disagreements : list of Disagreement
    problems : list of str
        Sums that do not fit each other.
    """

    rows: list[ExpertRow]
    matrices: list[CountMatrix]
    objects: list[ObjectAgreement]
    consistency: dict[str, ObjectAgreement]
    differences: list[ModelDifference]
    disagreements: list[Disagreement]
    problems: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return all tables as JSON types; null where a value is undefined."""
        content = {
            "rows": [
                {**asdict(row), "scores": row.scores.to_dict(), "note": row.note}
                for row in self.rows
            ],
            "matrices": [
                {**asdict(one), "table": one.table.tolist(), "totals": one.totals}
                for one in self.matrices
            ],
            "objects": [asdict(one) for one in self.objects],
            "consistency": {name: asdict(one) for name, one in self.consistency.items()},
            "differences": [asdict(one) for one in self.differences],
            "disagreements": [one._asdict() for one in self.disagreements],
            "problems": self.problems,
        }
        plain: dict[str, Any] = _plain(content)
        return plain


def agree(session: Session) -> ReviewReport:
    """Compute the tables of a review, once all experts have sealed theirs.

    Raises
    ------
    InputError
        If one has not.
    """
    verdicts = open_verdicts(session)
    counts = {
        name: count_cases(session, session.originals, known) for name, known in verdicts.items()
    }
    rows = [row for name, of_expert in counts.items() for row in score_rows(name, of_expert)]
    pairs = [(model, pair) for model in session.models for pair in combinations(verdicts, 2)]
    matrices = [count_matrix(model, kind, pair, counts) for model, pair in pairs for kind in KINDS]
    return ReviewReport(
        rows,
        matrices,
        [compare_experts(session, model, pair, verdicts) for model, pair in pairs],
        {name: own_consistency(session, name, known) for name, known in verdicts.items()},
        [
            model_difference(name, models, counts[name])
            for name in verdicts
            for models in combinations(session.models, 2)
        ],
        list_disagreements(session.originals, verdicts),
        [problem for one in matrices for problem in check_matrix(one, rows)],
    )


def _plain(value: Any) -> Any:
    """Turn tuples and arrays into lists, and NaN into None."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Interval | SharedFindings):
        return {key: _plain(one) for key, one in value._asdict().items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value


def write_report_files(report: ReviewReport, out: Path) -> None:
    """Write ``agreement.json``, and ``disagreements.csv`` to be judged and recorded.

    Parameters
    ----------
    report : ReviewReport
    out : Path
        A folder.
    """
    rows = [(one.case, "judge", one.id, " ".join(one.experts), "") for one in report.disagreements]
    frame = pd.DataFrame(rows, columns=["case", "kind", "text", "found_by", "stands"])
    write_table(frame, out / "disagreements.csv")
    write_json(out / "agreement.json", report.to_json())
