"""sparcell recipes: what can be trained."""

from __future__ import annotations

import typer

app = typer.Typer(help="The recipes that come with Sparcell.", no_args_is_help=True)


@app.command("list")
def list_recipes() -> None:
    """List names and descriptions."""
    from sparcell.training import load_recipe, recipe_names

    for name in recipe_names():
        typer.echo(f"{name:16} {load_recipe(name).description}")


@app.command("show")
def show(name: str = typer.Argument(..., help="A recipe's name or a YAML file.")) -> None:
    """Print every setting of a recipe."""
    from sparcell.training import dump_recipe, load_recipe

    typer.echo(dump_recipe(load_recipe(name)), nl=False)
