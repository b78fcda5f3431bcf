"""Blind expert review of predictions (Salomon-Sörensen 2023, 5.4.3), and its tables (6.3 to 6.6).

`new_session` draws fields and hides which model is which. Each expert's verdicts are events in a
log (`ExpertReview`). Once all have sealed theirs, `agree` computes the tables, and `export_review`
makes a dataset of the verdicts.

Corrections are not blind: `new_correction` puts predicted objects in the order of their
uncertainty, `CorrectedField` edits them, and `export_corrections` makes a dataset of the result.
"""

from sparcell.review.cases import Case, ReviewField
from sparcell.review.corrected_field import CorrectedField, StaleEditError
from sparcell.review.correction import Correction, open_correction
from sparcell.review.disagreements import Disagreement
from sparcell.review.edit_log import Edit, EditRequest, parse_edit
from sparcell.review.events import Event, EventLog, parse_event
from sparcell.review.expert import ExpertReview, open_verdicts
from sparcell.review.exporting import export_review
from sparcell.review.exporting_corrections import export_corrections
from sparcell.review.new_correction import new_correction
from sparcell.review.new_session import new_session
from sparcell.review.queue import Queued, explain
from sparcell.review.report import ReviewReport, agree
from sparcell.review.session import CONSENSUS, Session, open_session
from sparcell.review.tables import report_tables
from sparcell.review.typed_verdicts import record_table
from sparcell.review.verdicts import CaseVerdict, Mark

__all__ = [
    "CONSENSUS",
    "Case",
    "CaseVerdict",
    "CorrectedField",
    "Correction",
    "Disagreement",
    "Edit",
    "EditRequest",
    "Event",
    "EventLog",
    "ExpertReview",
    "Mark",
    "Queued",
    "ReviewField",
    "ReviewReport",
    "Session",
    "StaleEditError",
    "agree",
    "explain",
    "export_corrections",
    "export_review",
    "new_correction",
    "new_session",
    "open_correction",
    "open_session",
    "open_verdicts",
    "parse_edit",
    "parse_event",
    "record_table",
    "report_tables",
]
