"""sparcell report: a run as one page."""

from __future__ import annotations

import logging
from pathlib import Path

import typer

logger = logging.getLogger(__name__)


def report(run: Path = typer.Argument(..., help="Run folder.")) -> None:
    """Write report.html and curves.png of a run anew."""
    from sparcell.reports import write_report

    logger.info(f"report: {write_report(run)}")
