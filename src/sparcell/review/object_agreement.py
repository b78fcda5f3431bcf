"""How far two verdicts agree object by object, and missed cell by missed cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sparcell.evaluation.agreement import (
    Interval,
    Values,
    bootstrap_interval,
    cohen_kappa,
    gwet_ac,
    positive_agreement,
)
from sparcell.review.counts import SharedFindings, share_findings, sum_by_field
from sparcell.review.session import Session
from sparcell.review.verdicts import CaseVerdict


@dataclass(frozen=True)
class ObjectAgreement:
    """How far two experts agree on each object and each missed cell of a model.

    Attributes
    ----------
    model : str
    experts : (str, str)
    shared : SharedFindings
        Summed over cases.
    agreement : dict of str to Interval
        ``kappa``, ``ac1`` and ``positive`` of objects that are right or extra; ``missed`` is the
        positive agreement on missed cells. Bootstrap over fields.
    """

    model: str
    experts: tuple[str, str]
    shared: SharedFindings
    agreement: dict[str, Interval]


def compare_experts(
    session: Session,
    model: str,
    experts: tuple[str, str],
    verdicts: Mapping[str, Mapping[str, CaseVerdict]],
) -> ObjectAgreement:
    """Compare the verdicts of two experts on the objects of one model."""
    first, second = (verdicts[name] for name in experts)
    cases = [c for c in session.originals if c.model == model and c.id in first and c.id in second]
    shared = [share_findings(case, first[case.id], second[case.id]) for case in cases]
    return _compare(model, experts, [case.field for case in cases], shared)


def own_consistency(
    session: Session, expert: str, verdicts: Mapping[str, CaseVerdict]
) -> ObjectAgreement:
    """Compare the two verdicts of one expert on the cases that were shown twice."""
    originals = {(case.site, case.model): case for case in session.originals}
    fields, shared = [], []
    for case in session.cases:
        original = originals[case.site, case.model]
        if case.repeat and case.id in verdicts and original.id in verdicts:
            fields.append(case.field)
            shared.append(share_findings(case, verdicts[original.id], verdicts[case.id]))
    return _compare("all", (expert, expert), fields, shared)


def _compare(
    model: str, experts: tuple[str, str], fields: Sequence[str], shared: Sequence[SharedFindings]
) -> ObjectAgreement:
    counts = np.array(shared, float).reshape(-1, len(SharedFindings._fields))
    items = sum_by_field(fields, counts)
    total = SharedFindings(*map(int, items.sum(0)))

    def objects(sums: Values) -> Values:
        """Tables of right (0) and extra (1), (..., 2, 2)."""
        right, both, first, second = np.moveaxis(sums[..., :4], -1, 0)
        return np.stack([np.stack([right, second], -1), np.stack([first, both], -1)], -2)

    agreement = {
        "kappa": bootstrap_interval(items, lambda s: cohen_kappa(objects(s))),
        "ac1": bootstrap_interval(items, lambda s: gwet_ac(objects(s))),
        "positive": bootstrap_interval(
            items, lambda s: positive_agreement(s[..., 1], s[..., 2], s[..., 3])
        ),
        "missed": bootstrap_interval(
            items, lambda s: positive_agreement(s[..., 4], s[..., 5], s[..., 6])
        ),
    }
    return ObjectAgreement(model, experts, total, agreement)
