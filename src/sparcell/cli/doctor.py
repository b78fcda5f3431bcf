"""sparcell doctor: what was found on this machine, and what the fix is."""

from __future__ import annotations

import json

import typer

from sparcell.cli.parameters import echo


def doctor(
    model: str = typer.Option(
        None, "--model", help="Model to open and time on every runtime, as `predict` takes it."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Check this machine, and print how to fix problems."""
    from sparcell.diagnostics import doctor as run
    from sparcell.models import load_model

    findings = run(load_model(model) if model else None)
    usable = all(finding.status != "fail" for finding in findings)
    if as_json:
        lines = [finding._asdict() for finding in findings]
        echo(json.dumps({"usable": usable, "findings": lines}, indent=1))
    else:
        for status, topic, found, fix in findings:
            echo(f"{status:4}  {topic:11}  {found}" + (f"\n      {'':11}  -> {fix}" if fix else ""))
        echo("prediction can run" if usable else "prediction cannot run")
    if not usable:
        raise typer.Exit(2)
