"""Reports: a run as one page that needs no other file."""

from sparcell.reports.page import write_report

__all__ = ["write_report"]
