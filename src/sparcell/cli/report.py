"""sparcell report: a run as one page."""

from __future__ import annotations

from pathlib import Path

import typer


def report(run: Path = typer.Argument(..., help="Run folder.")) -> None:
    """Write report.html and curves.png of a run again."""
    from sparcell.core.progress import say
    from sparcell.reports import write_report

    say(f"report: {write_report(run)}")
