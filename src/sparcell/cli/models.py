"""sparcell models: what is there to predict with."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sparcell.cli.help import GroupedCommand, SuggestingGroup
from sparcell.cli.parameters import echo
from sparcell.core.text import counted

if TYPE_CHECKING:
    from sparcell.model_choice import Choice

logger = logging.getLogger(__name__)

OUTPUTS = (
    "What the output channels of another tool's model show, such as background,foreground;"
    " - for those not used."
)

app = typer.Typer(cls=SuggestingGroup, help="List, fetch and check models.", no_args_is_help=True)


@app.command("list", cls=GroupedCommand)
def list_models() -> None:
    """List the models that have a name."""
    from sparcell.core.errors import InputError
    from sparcell.models.catalogue import cache_folder, entries
    from sparcell.models.loading import read_info

    found = entries()
    for where in ("bundled", "cached"):
        here = [entry for entry in found.values() if entry.where == where]
        place = "of Sparcell" if where == "bundled" else f"in {cache_folder()}"
        echo(f"{counted(len(here), 'model')} {place}")
        for entry in here:
            try:
                own, kind = read_info(entry.path)
                info = entry.info or own
            except InputError as error:
                echo(f"  {entry.name}: {error}")
                continue
            size = f"{entry.path.stat().st_size / 1e6:.1f} MB"
            facts = [kind, size, info.licence or "licence unknown"]
            facts += [f"{name} {value:g}" for name, value in list(info.scores.items())[:1]]
            echo(f"  {entry.name}: {', '.join(facts)}\n    {info.purpose}")
    if not found:
        echo("Get one with sparcell models fetch URL, or train one with sparcell train.")


@app.command("show", cls=GroupedCommand)
def show(
    model: str = typer.Argument(..., help="Name, model.zip, run folder or bioimage.io package."),
) -> None:
    """Print the info of a model."""
    import yaml

    from sparcell.models.catalogue import find_model, info_of
    from sparcell.models.loading import read_info

    path = find_model(model)
    own, kind = read_info(path)
    info = info_of(path) or own
    facts = {"file": str(path), "kind": kind} | info.model_dump(mode="json", exclude_defaults=True)
    typer.echo(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=88), nl=False)


@app.command("try", cls=GroupedCommand)
def try_(
    inputs: list[str] = typer.Argument(..., help="Images, folders, quoted patterns, OME-Zarrs."),
    model: list[str] = typer.Option(
        None, "--model", help="A further model: file, run folder or package; may be repeated."
    ),
    out: Path = typer.Option(
        Path("models.html"), "-o", "--output", help="Page with what each model finds."
    ),
    threads: int = typer.Option(0, help="Threads of each network; 0: one per core."),
) -> None:
    """Predict a sample of images by all models; rank them."""
    from sparcell.model_choice import try_models
    from sparcell.model_choice.contact_sheet import check_page, write_sheet

    check_page(out)
    choice = try_models(inputs, model or (), threads=threads)
    _show_choice(choice)
    named = " ".join(shlex.quote(word) for word in inputs)
    if choice.best:
        best = shlex.quote(choice.best.name)
        advice = f"Next: sparcell predict {best} {named} -o counted"
    else:
        advice = (
            "No model fits these images. Next: outline some objects, or make labels from a stain"
            " with sparcell label, and train a model with sparcell train"
        )
    write_sheet(choice, advice, out)
    echo(f"What each model finds: {out}")
    echo(advice)


def _show_choice(choice: Choice) -> None:
    """Print a table of the models, the best first."""
    headings = ("model", "fits images", "objects", "agreement", "contrast", "distance")
    rows: list[tuple[str, ...]] = [headings]
    for one in choice.models:
        medians = [one.median(n) for n in ("agreement", "outline_contrast", "known_distance")]
        rows.append(
            (
                one.name,
                f"{one.fitting} of {len(choice.names)}",
                f"{one.median('objects'):.0f}".replace("nan", "-"),
                *(f"{value:.2f}".replace("nan", "-") for value in medians),
            )
        )
    _print_table(rows)
    for one in choice.models:
        if one.failure:
            echo(f"{one.name}: {one.failure}")


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with their cells in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        echo("  ".join(cells).rstrip())


@app.command("compare", cls=GroupedCommand)
def compare(
    old: str = typer.Argument(..., help="Model in use: name, model.zip, run folder or package."),
    new: str = typer.Argument(..., help="Model that may replace it."),
    data: Path = typer.Option(..., "--data", help="Dataset with labelled test images."),
    out: Path = typer.Option(
        Path("comparison"), "-o", "--output", help="Folder for both predictions and the result."
    ),
    resume: bool = typer.Option(False, "--resume", help="Skip finished images."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace an earlier comparison."),
    threads: int = typer.Option(0, help="Threads of the network; 0: one per core."),
) -> None:
    """Say whether a new model is better, on test images."""
    from sparcell.model_choice import compare_models

    found = compare_models(old, new, data, out, resume=resume, overwrite=overwrite, threads=threads)
    rows = [("image", "objects", "old", "new", "difference")]
    rows += [
        (
            one.name,
            str(one.objects),
            f"{one.old:.3f}",
            f"{one.new:.3f}",
            f"{one.new - one.old:+.3f}",
        )
        for one in found.images
    ]
    _print_table(rows)
    echo(found.sentence)


@app.command("fetch", cls=GroupedCommand)
def fetch(
    url: str = typer.Argument(..., help="Address of a model.zip or a bioimage.io package."),
    sha256: str = typer.Option("", help="SHA-256 that the file must have."),
    name: str = typer.Option("", help="Name for it; the file's own if not given."),
    outputs: str = typer.Option(None, help=OUTPUTS),
) -> None:
    """Download a model, so that it can be used by name."""
    from sparcell.models.fetching import fetch_model

    entry = fetch_model(url, sha256, name, outputs.split(",") if outputs else None)
    logger.info(f"sparcell predict {entry.name} IMAGES -o OUT")


@app.command("verify", cls=GroupedCommand)
def verify(
    name: str = typer.Argument(None, help="One model; all that have a name if not given."),
    outputs: str = typer.Option(None, help=OUTPUTS),
) -> None:
    """Check that a model works as it was stored."""
    from sparcell.core.errors import InputError
    from sparcell.models.catalogue import Entry, entries, find_model
    from sparcell.models.fetching import verify_model

    chosen = list(entries().values())
    if name:
        chosen = [Entry(name, find_model(name), "cached")]
    failed = False
    for entry in chosen:
        try:
            results = verify_model(entry, outputs.split(",") if outputs else None)
        except InputError as error:
            failed = True
            echo(f"{entry.name}: {error}")
            continue
        echo(f"{entry.name}: whole")
        for runtime, wrong in results.items():
            echo(f"  {runtime}: {wrong or 'gives the golden output'}")
    if not chosen:
        echo("no model has a name yet")
    if failed:
        raise typer.Exit(2)
