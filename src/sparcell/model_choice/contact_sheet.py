"""The contact sheet of a choice: each image with the outlines of each model, in one HTML file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from sparcell.core.errors import InputError
from sparcell.core.files import whole_file
from sparcell.core.image import Image, Plane
from sparcell.drawing.picture import draw_outlines, encode, read_pixels
from sparcell.drawing.rendering import embed, render
from sparcell.model_choice.choice import Choice, ModelTrials
from sparcell.model_choice.trial import Trial

MARK = "<!-- sparcell models try -->"
"""A comment by which a contact sheet is recognised."""


def check_page(path: Path) -> None:
    """Refuse to replace a file that is no contact sheet.

    Raises
    ------
    InputError
        If there is another file or a folder, or the name does not end in ``.html``.
    """
    if path.suffix != ".html":
        raise InputError(f"the name {path}", "one that ends in .html", "choose another `out`")
    if path.exists() and (path.is_dir() or MARK not in path.read_text("utf8", "replace")):
        raise InputError(f"another file {path}", "a new file", "choose another `out`")


def write_sheet(choice: Choice, advice: str, path: Path) -> None:
    """Write the contact sheet.

    Parameters
    ----------
    choice : Choice
    advice : str
        What to do next, one line.
    path : Path
        An HTML file that needs no network.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    page = render(
        "model_choice.html",
        best=choice.best.name if choice.best else "",
        advice=advice,
        images=len(choice.names),
        total=choice.total,
        models=[_row(model) for model in choice.models],
        rows=list(_pictures(choice)),
        mark=Markup(MARK),
    )
    with whole_file(path) as partial:
        partial.write_text(page, "utf8")


def _row(model: ModelTrials) -> dict[str, Any]:
    """One row of the table; NaN becomes a dash."""
    figures = {
        name: model.median(name)
        for name in ("objects", "agreement", "outline_contrast", "known_distance")
    }
    shown = {
        name: "–" if np.isnan(value) else f"{value:.0f}" if name == "objects" else f"{value:.2f}"
        for name, value in figures.items()
    }
    return shown | {"name": model.name, "fitting": model.fitting, "failure": model.failure}


def _pictures(choice: Choice) -> Iterator[dict[str, Any]]:
    """Pictures of each image, one for each model."""
    for number, (name, part) in enumerate(zip(choice.names, choice.parts, strict=True)):
        yield {
            "name": name,
            "cells": [
                {"model": model.name, "text": _caption(trial), "picture": _draw(part, trial)}
                for model in choice.models
                for trial in [model.trials[number]]
            ],
        }


def _caption(trial: Trial) -> str:
    if trial.failure:
        return f"not predicted: {trial.failure}"
    return f"{trial.objects} objects, {'fits' if trial.fits else 'does not fit'}"


def _draw(part: Image, trial: Trial) -> str:
    """JPEG of a part with outlines; empty where there are none."""
    if trial.labels is None:
        return ""
    pixels = read_pixels(part, Plane(part.size("T") - 1))
    picture = encode(draw_outlines(pixels, trial.labels), "JPEG", quality=85)
    return embed(picture, "jpeg")
