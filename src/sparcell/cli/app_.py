"""sparcell app: look at results and review them in the browser."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import typer


def app_(
    folder: Path = typer.Argument(
        Path(), help="Folder with images, results or review sessions; this one by default."
    ),
    expert: list[str] = typer.Option(
        [],
        "--expert",
        help="Blind review by this expert: the link shows nothing else; repeatable.",
    ),
    port: int = typer.Option(0, min=0, max=65535, help="Port; 0 for a free one."),
    host: str = typer.Option("127.0.0.1", help="Address; by default this machine alone."),
    browser: bool = typer.Option(True, "--browser/--no-browser", help="Open the browser."),
) -> None:
    """Look at results, and review them, in the browser."""
    from sparcell.core.errors import InputError

    if missing := [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]:
        raise InputError(f"no {missing[0]}", "what the app needs", "pip install 'sparcell[app]'")
    from sparcell.app import serve
    from sparcell.cli.forms import CommandForms

    serve(
        folder,
        experts=expert,
        host=host,
        port=port,
        browser=browser,
        tell=lambda line: typer.echo(line),
        forms=CommandForms(),
    )
