"""A page in one file: pictures inside, no network."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup


def render(template: str, **content: Any) -> str:
    """Fill a template of ``templates/``; a name that it lacks is an error."""
    return _environment().get_template(template).render(**content)


@cache
def _environment() -> jinja2.Environment:
    """Environment that compiles each template once."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("sparcell.drawing"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )


def embed(picture: bytes, kind: str = "png") -> Markup:
    """Return a picture, a PNG or another `kind` such as ``jpeg``, as an address that holds it."""
    return Markup(f"data:image/{kind};base64,") + base64.b64encode(picture).decode()
