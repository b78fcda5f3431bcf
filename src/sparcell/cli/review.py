"""sparcell review: blind review of predictions by experts, and their correction."""

from __future__ import annotations

from pathlib import Path

import typer

from sparcell.cli.help import GroupedCommand, SuggestingGroup

SESSION = typer.Argument(..., help="Folder of the session.")

WIDTH = 120
"""Characters of a line where standard output is no terminal."""

app = typer.Typer(
    cls=SuggestingGroup,
    help="Let experts judge predictions blind; correct them.",
    no_args_is_help=True,
)


@app.command("new", cls=GroupedCommand)
def new(
    data: Path = typer.Argument(..., help="Dataset folder."),
    prediction: list[str] = typer.Option(
        ...,
        "--prediction",
        metavar="NAME=DIR",
        help="Name of a model and the folder that predict wrote; repeat it for further models, or "
        "for further folders of one model.",
    ),
    expert: list[str] = typer.Option(..., "--expert", help="Name of an expert; repeatable."),
    out: Path = typer.Option(Path("review"), "-o", "--output", help="Folder of the session."),
    by: str = typer.Option(
        "", metavar="COLUMN", help="Column of split.csv that groups the images; cell by default."
    ),
    per_group: int = typer.Option(30, min=1, help="Fields that are drawn of each group."),
    split: str = typer.Option("test", help="Part of the dataset: test, train or val."),
    repeats: float = typer.Option(0.1, help="Share of the cases that are shown twice."),
    planes: int = typer.Option(1, min=1, help="Planes that are drawn of each movie or stack."),
    seed: int = typer.Option(0, help="Seed of the draw and of the order."),
) -> None:
    """Draw images for a review; models are hidden."""
    from sparcell.core.errors import InputError
    from sparcell.review import new_session

    folders: dict[str, list[Path]] = {}
    for words in prediction:
        name, sign, folder = words.partition("=")
        if not (name and sign and folder):
            raise InputError(f"--prediction {words}", "NAME=DIR", "try model=predicted")
        folders.setdefault(name, []).append(Path(folder))
    new_session(
        data,
        folders,
        out,
        experts=expert,
        by=by,
        per_group=per_group,
        seed=seed,
        split=split,
        repeats=repeats,
        planes=planes,
    )


@app.command("record", cls=GroupedCommand)
def record(
    session: Path = SESSION,
    table: Path = typer.Argument(
        ..., help="Table with case, kind (extra, missed, unsure, comment, done), object or y and x."
    ),
    expert: str = typer.Option(..., "--expert", help="Whose verdicts they are; or consensus."),
    seal: bool = typer.Option(False, "--seal", help="Finish the review for good."),
) -> None:
    """Add an expert's verdicts from a table."""
    from sparcell.review import open_session, record_table

    record_table(open_session(session), expert, table, seal)


@app.command("agree", cls=GroupedCommand)
def agree(
    session: Path = SESSION,
    out: Path = typer.Option(
        None, "-o", "--output", help="Folder for agreement.json and disagreements.csv."
    ),
) -> None:
    """Score models by expert; compare the experts."""
    from rich.console import Console

    from sparcell.review import agree as run
    from sparcell.review import open_session, report_tables
    from sparcell.review.report import write_report_files

    report = run(open_session(session))
    console = Console(highlight=False)
    # A file or pipe has no width of its own.
    console.width = console.width if console.is_terminal else WIDTH
    for part in report_tables(report):
        console.print(part)
        console.print()
    if out:
        write_report_files(report, out)


@app.command("correct", cls=GroupedCommand)
def correct(
    folder: Path = typer.Argument(
        ..., help="What predict wrote, or a dataset folder with or without labels."
    ),
    out: Path = typer.Option(
        Path("correction"), "-o", "--output", help="New folder of the correction."
    ),
    data: Path = typer.Option(
        None, "--data", help="Dataset folder of the images, where FOLDER does not name it."
    ),
    model: str = typer.Option(
        None,
        help="Model that compares views; by default the one that predicted; none: random order.",
    ),
    split: str = typer.Option(None, help="Only images of this part: test, train or val."),
    seed: int = typer.Option(0, help="Seed of the random probes."),
) -> None:
    """Put predicted objects in order of uncertainty, to correct."""
    from sparcell.review import new_correction

    new_correction(folder, out, data=data, model=model, split=split, seed=seed)


@app.command("export", cls=GroupedCommand)
def export(
    session: Path = typer.Argument(..., help="Folder of the session or of the correction."),
    out: Path = typer.Option(Path("reviewed"), "-o", "--output", help="New dataset folder."),
    by: str = typer.Option(
        "consensus", help="Of a session: consensus, majority, or the name of an expert."
    ),
    model: str = typer.Option(None, help="Of a session: model whose objects become labels."),
    confident: float = typer.Option(
        0.2,
        min=0,
        max=1,
        help="Of a correction: also take unjudged objects of at most this uncertainty, and the "
        "background without candidates.",
    ),
    judged_only: bool = typer.Option(
        False, "--judged-only", help="Of a correction: ignore all that nobody judged."
    ),
) -> None:
    """Make a dataset of verdicts or corrections, to train on."""
    from sparcell.review import export_corrections, export_review, open_correction, open_session
    from sparcell.review.correction import CORRECTION_FILE

    if (session / CORRECTION_FILE).is_file():
        export_corrections(open_correction(session), out, None if judged_only else confident)
    else:
        export_review(open_session(session), out, by, model)
