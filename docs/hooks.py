"""Parts of reference pages that are generated when the documentation is built.

A page contains a marker such as ``{{ commands }}``. `PARTS` names the function that replaces it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the markers of one page (called by MkDocs)."""
    for marker, make in PARTS.items():
        if marker in markdown:
            markdown = markdown.replace(marker, make())
    return markdown


def commands() -> str:
    """Give the help text of every command."""
    return "\n\n".join(
        f"## {' '.join(['sparcell', *words])}\n\n```text\n{text.strip()}\n```"
        for words, text in help_texts()
        if words
    )


def help_texts() -> Iterator[tuple[tuple[str, ...], str]]:
    """Give the help of each command, by the words that call it."""
    import typer

    from sparcell import cli

    cli.register()
    # Click makes help as wide as the terminal, and looks here for its width.
    os.environ["COLUMNS"] = "96"
    return _help_texts(cli.app, typer.main.get_command(cli.app), ())


def _help_texts(
    app: Any, command: Any, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give the help of a command and of all below it."""
    with redirect_stdout(StringIO()) as printed:
        app([*words, "--help"], prog_name="sparcell", standalone_mode=False)
    yield words, printed.getvalue()
    for name, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from _help_texts(app, below, (*words, name))


def settings() -> str:
    """Describe every setting of a recipe in a table for each of its parts.

    The schema of a recipe lacks the settings of ``decode``, which each method defines.
    """
    from sparcell.methods import METHODS
    from sparcell.training import Recipe

    schema = Recipe.model_json_schema()
    lines = list(_tables(schema, schema["$defs"]))
    for name in METHODS:
        part = METHODS[name].decode_settings.model_json_schema()
        lines.append(f"\n### decode: {name}\n\n{part['description']}\n")
        lines += _tables(part, {}, "decode.")
    return "\n".join(lines)


def study() -> str:
    """Describe every setting of a study in tables."""
    from sparcell.studies import Study

    schema = Study.model_json_schema()
    return "\n".join(_tables(schema, schema["$defs"]))


def _tables(schema: dict[str, Any], defs: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the settings of one part, then those of the parts in it."""
    parts = []
    rows = []
    for name, field in schema["properties"].items():
        inner = [defs[ref.rsplit("/", 1)[-1]] for ref in _references(field)]
        if inner:
            parts += [(f"{prefix}{name}", part) for part in inner]
        else:
            cells = (f"`{prefix}{name}`", _values(field), _default(field), _text(field))
            rows.append("| " + " | ".join(cells) + " |")
    if rows:
        yield "| setting | values | default | meaning |\n|---|---|---|---|"
        yield from rows
    for name, part in parts:
        chosen = part["properties"].get("name", {}).get("const")
        yield f"\n### {name}{f': {chosen}' if chosen else ''}\n\n{part['description']}\n"
        yield from _tables(part, defs, f"{name}.")


def _references(field: dict[str, Any]) -> list[str]:
    """Names of the parts that a field consists of."""
    choices = [field, field.get("items", {})]
    choices += [choice for key in ("oneOf", "allOf", "anyOf") for choice in field.get(key, [])]
    return [choice["$ref"] for choice in choices if "$ref" in choice]


def _values(field: dict[str, Any]) -> str:
    """Describe the allowed values in words."""
    if "const" in field or "enum" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    kind = str(field.get("type", "any of several"))
    kind = {"object": "table", "array": "list", "boolean": "true, false"}.get(kind, kind)
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
        "multipleOf": "multiple of",
    }
    limits = [f"{word} {field[key]:g}" for key, word in words.items() if key in field]
    return ", ".join([kind, *limits])


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return "" if field.get("type") == "object" else "required"
    value = field["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else ""


def _text(field: dict[str, Any]) -> str:
    return str(field.get("description", "")).replace("|", "\\|")


def recipes() -> str:
    """Show the recipes and families that come with Sparcell as they are written."""
    from importlib.resources import files

    from sparcell.training.settings import open_recipe_file, recipe_files

    folder = files("sparcell.recipes")
    bases = [e.name.removesuffix(".yaml") for e in folder.iterdir() if e.name.endswith(".yaml")]
    shown = []
    for name in recipe_files() + sorted(base for base in bases if base.startswith("_")):
        file = open_recipe_file(name)
        description = file.shared.get("description", "Settings that other recipes share.")
        lines = [f"### {name}", description]
        if file.rows:
            lines.append(", ".join(f"`{recipe}`" for recipe in file.recipes))
        text = (folder / f"{name}.yaml").read_text("utf8")
        shown.append("\n\n".join([*lines, f"```yaml\n{text}```"]))
    return "\n\n".join(shown)


PARTS: dict[str, Callable[[], str]] = {
    "{{ commands }}": commands,
    "{{ settings }}": settings,
    "{{ recipes }}": recipes,
    "{{ study }}": study,
}
