"""sparcell recipes: what can be trained."""

from __future__ import annotations

import textwrap

import typer

from sparcell.cli.help import GroupedCommand, SuggestingGroup
from sparcell.core.text import counted

app = typer.Typer(
    cls=SuggestingGroup, help="List and print recipes for training.", no_args_is_help=True
)


@app.command("list", cls=GroupedCommand)
def list_recipes() -> None:
    """List recipes; of a family, how many there are."""
    from sparcell.training.settings import open_recipe_file, recipe_files

    for name in recipe_files():
        file = open_recipe_file(name)
        title = f"{name}/ROW, {counted(len(file.rows), 'recipe')}" if file.rows else name
        typer.echo(title)
        typer.echo(textwrap.indent(textwrap.fill(file.shared["description"], 76), "    "))


@app.command("show", cls=GroupedCommand)
def show(
    name: str = typer.Argument(..., help="A recipe's name, FAMILY/ROW, a family or a YAML file."),
) -> None:
    """Print the settings of a recipe, or a family."""
    from sparcell.training import dump_recipe, load_recipe
    from sparcell.training.settings import open_recipe_file, recipe_files

    family = open_recipe_file(name) if name in recipe_files() else None
    if family and family.rows:
        for key in ("description", "source"):
            typer.echo(textwrap.fill(family.shared[key], 80) + "\n")
        typer.echo("\n".join(family.recipes))
    else:
        typer.echo(dump_recipe(load_recipe(name)), nl=False)
