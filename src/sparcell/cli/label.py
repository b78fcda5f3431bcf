"""sparcell label: stain to labels."""

from __future__ import annotations

from pathlib import Path

import typer


def label(
    dataset: Path = typer.Argument(..., help="Dataset folder with images/ and stain/."),
    out: Path = typer.Option(
        None, "-o", "--out", help="New folder for the result; by default the dataset itself."
    ),
    preset: str = typer.Option("auto", help="auto, or thesis: the published settings, literally."),
    diameter: float = typer.Option(
        None, help="Typical diameter of a nucleus, px; by default estimated from each image."
    ),
) -> None:
    """Make labels from a nuclear stain, and say how good they are."""
    from sparcell.core.dataset import Dataset
    from sparcell.core.progress import say
    from sparcell.labeling import label as run

    table = run(Dataset.open(dataset), out, preset, diameter=diameter)
    accepted = table["accepted"].astype(bool)
    say(
        f"{int(accepted.sum())} of {len(table)} label images accepted, "
        f"{int(table.loc[accepted, 'n_objects'].sum())} objects; "
        f"look at {(out or dataset) / 'contact_sheet.png'} and quality.csv"
    )
    for row in table.loc[~accepted].itertuples():
        say(f"  refused: {row.name}: {row.reason}")
    if not accepted.any():
        raise typer.Exit(2)
